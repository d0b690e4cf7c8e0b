import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { formatEpoch } from '../../src/ledger/epoch.ts';
import { genesisHash } from '../../src/ledger/genesis.ts';
import { changeJson } from '../../src/ledger/governance-change.ts';
import { rotation } from '../ledger/support/consortium.ts';
import { RawGovernance } from '../ledger/support/raw-governance.ts';
import { exampleEvent, exampleGenesis, signingMember, SmallLog } from '../ledger/support/small-log.ts';
import { runCli } from '../support/run-cli.ts';

const folder = mkdtempSync(join(tmpdir(), 'concordat-verify-'));
after(() => rmSync(folder, { recursive: true, force: true }));

function file(name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

describe('concordat verify', () => {
  const log = new SmallLog(['a', 'b', 'c']);
  const events = [exampleEvent('a')];
  const batch = log.appendBatch('a', events);
  const genesis = file('genesis.json', log.genesis);
  const whole = log.receipt(batch, events, 0);

  test('0 for a receipt that holds, 1 for one that does not, 2 for what is none', async () => {
    const few = log.receipt(batch, events, 0, log.checkpoint(undefined, ['a']));
    const ends = [whole, few, 'hello'].map((text, i) =>
      runCli(['verify', file(`receipt-${i}`, text), '--genesis', genesis]),
    );
    const [holds, fails, none] = await Promise.all(ends);
    assert.deepEqual([holds?.code, fails?.code, none?.code], [0, 1, 2]);
    assert.match(holds?.stdout ?? '', /^author: a, batch 1 of a-1$/m);
    assert.match(fails?.stdout ?? '', /\(no-quorum\)$/m);
  });

  test('holds whatever time a cosigner claims', async () => {
    const late = log.receipt(batch, events, 0, log.checkpoint(undefined, undefined, Number.MAX_SAFE_INTEGER));
    const { code, stdout, stderr } = await runCli(['verify', file('late', late), '--genesis', genesis]);
    assert.deepEqual([code, stderr], [0, '']);
    assert.match(stdout, /^quorum: a, b, c/m);
  });

  test('says when the end of a log takes the whole history to check', async () => {
    const raw = new RawGovernance(['a', 'b', 'c']);
    const early = raw.log.appendBatch('a', events);
    const receipt = file('early', raw.log.receipt(early, events, 0));
    for (const name of ['a', 'b']) {
      const { member, change } = rotation(name, raw.log.origin, 'new');
      raw.enact(changeJson(change));
      raw.cut();
      Object.assign(raw.log.members, { [name === 'a' ? 0 : 1]: member });
    }
    const end = { origin: raw.log.origin, size: raw.log.size, root: raw.log.root() };
    const members = ['a', 'b'].map((name) => signingMember(name, 'log.example/next'));
    const previous = { ...end, chains: new Map<string, Uint8Array>(), rules: 0 };
    const next = exampleGenesis(members, { origin: 'log.example/next', previous });
    const change = changeJson({ kind: 'open-epoch', size: end.size, root: end.root, genesis: genesisHash(next) });
    const records = raw.collect(() => raw.enact(change, {}, ['a', 'b']));
    const args = ['verify', receipt, '--genesis', file('raw-genesis.json', raw.log.genesis)];
    const ended = ['--epoch', file('epoch', formatEpoch(records)), '--new-genesis', file('next.json', next)];
    const without = await runCli([...args, ...ended]);
    assert.deepEqual([without.code, without.stderr], [1, '']);
    assert.match(without.stdout, /--history|history of the whole log/);
    const history = file('history', raw.history());
    assert.equal((await runCli([...args, ...ended, '--history', history])).code, 0);
  });

  test('2, and one line, for files that are none', async () => {
    const receipt = file('receipt', whole);
    const odd = [file('null', 'null'), file('binary', Uint8Array.of(0, 255, 254)), file('empty', ''), folder];
    const runs = ['--genesis', '--policy', '--history'].flatMap((option) => {
      const pins = option === '--history' ? ['--genesis', genesis] : [];
      return odd.map((path) => runCli(['verify', receipt, ...pins, option, path]));
    });
    for (const { code, stdout, stderr } of await Promise.all(runs)) {
      assert.deepEqual([code, stdout, stderr.trimEnd().split('\n').length], [2, '', 1], stderr);
      assert.match(stderr, /^concordat: .*(\([a-z-]+\)|cannot be read)$/m);
    }
  });
});
