import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, describe, test } from 'node:test';
import { encodeBase64, encodeUtf8 } from '../../src/ledger/encoding.ts';
import { encodeEntryBundle } from '../../src/ledger/entry-bundle.ts';
import { parseFrame } from '../../src/ledger/frame.ts';
import { buildHistory } from '../../src/ledger/governance-history.ts';
import { leafBytes } from '../../src/ledger/leaf.ts';
import { formatReceipt, parseReceipt } from '../../src/ledger/receipt.ts';
import { buildPolicy, formatPolicy } from '../../src/ledger/policy.ts';
import { formatEpoch } from '../../src/ledger/epoch.ts';
import { genesisHash } from '../../src/ledger/genesis.ts';
import { buildGovernance, proposalNonce } from '../../src/ledger/governance-record.ts';
import { formatTilePath, TILE_WIDTH } from '../../src/ledger/tile.ts';
import { builtTool } from '../support/go-tool.ts';
import { Consortium, rotation } from './support/consortium.ts';
import { exampleEvent, exampleGenesis, memberOf, signingMember, SmallLog } from './support/small-log.ts';
import { nodeReader } from './support/trees.ts';

const folder = mkdtempSync(join(tmpdir(), 'concordat-verifier-'));
after(() => rmSync(folder, { recursive: true, force: true }));
const verifier = await builtTool(join(import.meta.dirname, '..', '..', 'verifier-go'));
const binary = 'path' in verifier ? verifier.path : '';
const skip = 'missing' in verifier ? `the verifier in Go: ${verifier.missing}` : false;

function write(name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
  return path;
}

function verify(...args: readonly string[]): { readonly status: number | null; readonly lines: readonly string[] } {
  const { status, stdout } = spawnSync(binary, args, { encoding: 'utf8', timeout: 20_000 });
  return { status, lines: stdout.trim().split('\n') };
}

function flipped(bytes: Uint8Array, i: number): Uint8Array {
  return Uint8Array.from(bytes).with(i, (bytes[i] as number) ^ 1);
}

/** A log of more than one tile, with a void leaf, as a member serves it. */
function servedLog(): SmallLog {
  const log = new SmallLog();
  for (let i = 0; i < 265; i++) {
    if (i % 50 === 49) log.appendCut('payer');
    else log.appendBatch('hospital', [exampleEvent(`${i}`)]);
  }
  log.append(Uint8Array.of(9, 9, 9));
  return log;
}

function serve(log: SmallLog): string {
  const root = join(folder, 'served');
  write('served/checkpoint', log.checkpoint());
  for (let index = 0; index * TILE_WIDTH < log.size; index++) {
    const records = log.records.slice(index * TILE_WIDTH, (index + 1) * TILE_WIDTH);
    const width = records.length === TILE_WIDTH ? undefined : records.length;
    write(`served/${formatTilePath({ level: 'entries', index, width })}`, encodeEntryBundle(records.map(leafBytes)));
  }
  const readNode = nodeReader(log.leafHashes);
  for (let level = 0, nodes = log.size; nodes > 0; level++, nodes = Math.floor(nodes / TILE_WIDTH)) {
    for (let index = 0; index * TILE_WIDTH < nodes; index++) {
      const count = Math.min(TILE_WIDTH, nodes - index * TILE_WIDTH);
      const hashes = Array.from({ length: count }, (_, i) => [...readNode(8 * level, index * TILE_WIDTH + i)]);
      const width = count === TILE_WIDTH ? undefined : count;
      write(`served/${formatTilePath({ level, index, width })}`, Uint8Array.from(hashes.flat()));
    }
  }
  return root;
}

describe('the verifier in Go, written from the format document', { skip }, () => {
  const log = new SmallLog();
  const events = [exampleEvent('a'), exampleEvent('b'), exampleEvent('c')];
  const batch = log.appendBatch('hospital', events);
  log.appendCut('clinics');
  const small = log.checkpoint();
  const receipt = log.receipt(batch, events, 2);
  log.appendBatch('payer', [exampleEvent('d')]);
  const genesis = write('genesis.json', log.genesis);
  const policy = write('policy', formatPolicy(buildPolicy({ members: log.members.map(memberOf), quorum: 3 })));

  test('finds what a receipt proves, with its author', () => {
    const path = write('receipt', receipt);
    const { status, lines } = verify('receipt', '--genesis', genesis, path);
    assert.equal(status, 0);
    assert.ok(lines.includes('author: hospital') && lines.includes('size: 3') && lines.includes('index: 1'));
    assert.ok(lines.includes(`event: ${new TextDecoder().decode(events[2])}`));
    assert.ok(verify('receipt', '--policy', policy, path).lines.includes('author: not checked'));
  });

  test('refuses a receipt of another event, with too few cosigners, or with bytes changed', () => {
    const parsed = parseReceipt(encodeUtf8(receipt));
    const other = { ...parsed, extra: { ...parsed.extra, event: events[0] as Uint8Array } };
    const few = { ...parsed, checkpoint: log.checkpoint(3, ['clinics', 'hospital']) };
    for (const changed of [other, few]) {
      assert.equal(verify('receipt', '--genesis', genesis, write('changed', formatReceipt(changed))).status, 1);
    }
    for (let i = 10; i < receipt.length; i += 97) {
      const bytes = encodeUtf8(receipt);
      bytes[i] = (bytes[i] as number) ^ 1;
      const { status, lines } = verify('receipt', '--genesis', genesis, write('changed', bytes));
      if (status === 0) assert.ok(lines.includes('author: hospital'), `byte ${i}`);
    }
    assert.equal(verify('receipt', '--genesis', genesis, genesis).status, 2);
  });

  test('checks checkpoints and consistency', () => {
    const [older, newer] = [write('older', small), write('newer', log.checkpoint())];
    const proof = (hashes: readonly Uint8Array[]) =>
      write('proof', hashes.map((hash) => `${encodeBase64(hash)}\n`).join(''));
    assert.equal(verify('checkpoint', '--genesis', genesis, older).status, 0);
    assert.equal(verify('checkpoint', '--genesis', genesis, write('few', log.checkpoint(4, ['payer']))).status, 1);
    const good = log.consistencyProof(3, 4);
    assert.equal(verify('consistency', '--genesis', genesis, older, newer, proof(good)).status, 0);
    assert.equal(verify('consistency', '--genesis', genesis, older, newer, proof(good.slice(1))).status, 1);
  });

  test('reads a whole log from tiles and entries, and finds a tile that is another', () => {
    const big = servedLog();
    const root = serve(big);
    const bigGenesis = write('big-genesis.json', big.genesis);
    const { status, lines } = verify('tiles', '--genesis', bigGenesis, root);
    assert.deepEqual([status, lines.includes(`size: ${big.size}`)], [0, true]);
    assert.equal(lines.includes(`root: ${encodeBase64(big.root())}`), true);
    const path = `served/${formatTilePath({ level: 0, index: 1, width: big.size - 256 })}`;
    write(path, new Uint8Array(32 * (big.size - 256)));
    assert.equal(verify('tiles', '--genesis', bigGenesis, root).status, 1);
  });

  test('refuses a checkpoint, a proof, an entry or a tile with one byte changed', () => {
    const checkpoint = log.checkpoint();
    const body = new TextDecoder().decode(checkpoint).indexOf('\n\n');
    for (let i = 0; i < body; i += 9) {
      const { status } = verify('checkpoint', '--genesis', genesis, write('changed', flipped(checkpoint, i)));
      assert.notEqual(status, 0, `byte ${i}`);
    }
    const signature = new TextDecoder().decode(checkpoint).lastIndexOf('\n— payer/cosigner ');
    for (let i = signature + 25; i < checkpoint.length - 8; i += 11)
      assert.notEqual(verify('checkpoint', '--genesis', genesis, write('changed', flipped(checkpoint, i))).status, 0);
    const [older, newer] = [write('older', small), write('newer', checkpoint)];
    const proof = encodeUtf8(
      log
        .consistencyProof(3, 4)
        .map((hash) => `${encodeBase64(hash)}\n`)
        .join(''),
    );
    for (let i = 0; i < proof.length - 3; i += 5) {
      const { status } = verify('consistency', '--genesis', genesis, older, newer, write('proof', flipped(proof, i)));
      assert.notEqual(status, 0, `byte ${i}`);
    }
    const big = servedLog();
    const bigGenesis = write('big-genesis.json', big.genesis);
    const width = big.size - TILE_WIDTH;
    for (const level of [0, 'entries'] as const) {
      for (const index of [0, 1]) {
        const root = serve(big);
        const path = `served/${formatTilePath({ level, index, width: index === 0 ? undefined : width })}`;
        write(path, flipped(readFileSync(join(folder, path)), 100));
        assert.notEqual(verify('tiles', '--genesis', bigGenesis, root).status, 0, path);
      }
    }
  });

  test('opens an epoch that enough members signed, for this checkpoint and this genesis alone', () => {
    const old = new SmallLog(['a', 'b', 'c']);
    old.appendCut('a');
    const end = { origin: old.origin, size: old.size, root: old.root() };
    const previous = { ...end, chains: new Map([['a/a-1', new Uint8Array(32).fill(4)]]), rules: 2 };
    const genesisOf = (origin: string) =>
      exampleGenesis(
        ['a', 'b', 'c'].map((name) => signingMember(name, origin)),
        { origin, previous },
      );
    const [next, other] = [genesisOf('log.example/second'), genesisOf('log.example/third')];
    const records = (voters: readonly string[], agreed = next) => {
      const change = { kind: 'open-epoch', ...end, genesis: genesisHash(agreed) } as const;
      const { origin: log_, ...rest } = change;
      const [first = '', ...others] = voters;
      const act = { act: 'propose', change: rest, nonce: proposalNonce(new Uint8Array(16)) } as const;
      const proposal = buildGovernance({ log: log_, member: first, act, signer: old.member(first).batch });
      const votes = others.map((member) => {
        const vote = { act: 'vote', proposal: proposal.id, vote: 'yes' } as const;
        return buildGovernance({ log: log_, member, act: vote, signer: old.member(member).batch });
      });
      return formatEpoch(
        [proposal, ...votes].map(({ frame }) => parseFrame(frame) as { header: Uint8Array; body: Uint8Array }),
      );
    };
    const [file, last] = [write('old-genesis.json', old.genesis), write('last', old.checkpoint())];
    const epoch = (content: Uint8Array, genesisFile = next, checkpoint = last) =>
      verify('epoch', '--genesis', file, write('epoch', content), write('next.json', genesisFile), checkpoint).status;
    const whole = records(['a', 'b']);
    assert.equal(epoch(whole), 0);
    assert.equal(epoch(records(['a'])), 1);
    assert.equal(epoch(records(['a', 'a'])), 1);
    assert.equal(epoch(whole, other), 1);
    assert.equal(epoch(records(['a', 'b'], other)), 1);
    old.appendCut('b');
    assert.equal(epoch(whole, next, write('later', old.checkpoint())), 1);
    for (let i = 0; i < whole.length; i += 37) assert.notEqual(epoch(flipped(whole, i)), 0, `byte ${i}`);
  });

  test('follows a change of keys through the governance records that a receipt carries', () => {
    const names = ['a', 'b', 'c'];
    const consortium = new Consortium(names);
    const rotated = rotation('b', consortium.log.origin, 'new');
    const size = consortium.enact(rotated.change, names);
    const checkpoints = [consortium.log.checkpoint(size, names)];
    Object.assign(consortium.log.members, { 1: rotated.member });
    const renewed = consortium.log.appendBatch('b', events);
    const records = consortium.log.records.flatMap((record, index) => {
      const frame = parseFrame(record);
      return frame?.kind === 'governance' ? [{ index, header: frame.header, body: frame.body }] : [];
    });
    const history = buildHistory({ records, checkpoints, readNode: nodeReader(consortium.log.leafHashes) });
    const file = write('own-genesis.json', consortium.log.genesis);
    const bare = write('bare', consortium.log.receipt(renewed, events, 0));
    assert.equal(verify('receipt', '--genesis', file, bare).status, 1);
    assert.ok(
      verify('receipt', '--genesis', file, '--history', write('history', history), bare).lines.includes('author: b'),
    );
    const parsed = parseReceipt(encodeUtf8(consortium.log.receipt(renewed, events, 0)));
    const carrying = formatReceipt({ ...parsed, extra: { ...parsed.extra, history } });
    assert.ok(verify('receipt', '--genesis', file, write('carrying', carrying)).lines.includes('author: b'));
    const partial = buildHistory({
      records: records.slice(0, -1),
      checkpoints,
      readNode: nodeReader(consortium.log.leafHashes),
    });
    assert.equal(verify('receipt', '--genesis', file, '--history', write('partial', partial), bare).status, 1);
  });
});
