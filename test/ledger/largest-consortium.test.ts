import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { CosignaturePool, combineNote } from '../../src/ledger/cosignature-pool.ts';
import { encodeUtf8 } from '../../src/ledger/encoding.ts';
import { formatEpoch } from '../../src/ledger/epoch.ts';
import { formatEvidence } from '../../src/ledger/evidence-file.ts';
import { parseFrame } from '../../src/ledger/frame.ts';
import { genesisHash, MAXIMUM_MEMBERS } from '../../src/ledger/genesis.ts';
import type { Change } from '../../src/ledger/governance-change.ts';
import { buildHistory, MAXIMUM_HISTORY_BYTES } from '../../src/ledger/governance-history.ts';
import { latestVersion } from '../../src/ledger/governance-state.ts';
import { membershipOf } from '../../src/ledger/membership.ts';
import { parseNote, verifyNote } from '../../src/ledger/note.ts';
import { buildPolicy, formatPolicy } from '../../src/ledger/policy.ts';
import { formatReceipt, parseReceipt } from '../../src/ledger/receipt.ts';
import { MAXIMUM_PROOF_BYTES } from '../../src/ledger/tlog-proof.ts';
import { verifyReceipt } from '../../src/ledger/verifier.ts';
import { builtTool } from '../support/go-tool.ts';
import { Consortium, rotation } from './support/consortium.ts';
import { exampleEvent, exampleGenesis, memberOf, signingMember, SmallLog } from './support/small-log.ts';
import { nodeReader } from './support/trees.ts';

const folder = mkdtempSync(join(tmpdir(), 'concordat-largest-'));
after(() => rmSync(folder, { recursive: true, force: true }));
const verifier = await builtTool(join(import.meta.dirname, '..', '..', 'verifier-go'));
const skip = 'missing' in verifier ? `the verifier in Go: ${verifier.missing}` : false;

const names = Array.from({ length: MAXIMUM_MEMBERS }, (_, i) => `member-with-a-name-of-some-length-${i}`);
const QUORUM = 43;
const ROTATIONS = 16;
/** Years in which each member gets new keys once. */
const YEARS = 3;
const events = [exampleEvent('a')];

/** The checkpoint of a log's end, as a member serves it: not with every line that there is. */
function served(consortium: Consortium): Uint8Array {
  const membership = membershipOf(latestVersion(consortium.state));
  const pool = new CosignaturePool(consortium.log.origin);
  // All 128 lines are more than a note may have.
  for (const half of [names.slice(0, 32), names.slice(32)])
    pool.add(consortium.log.checkpoint(undefined, half), membership);
  const [signed] = pool.trees();
  assert.ok(signed !== undefined);
  return combineNote(signed, membership, names[0]);
}

/** A log in which many members got new keys, one after the other. */
function rotatedLog() {
  const consortium = new Consortium(names);
  const { log } = consortium;
  const checkpoints: Uint8Array[] = [];
  for (let i = 0; i < ROTATIONS; i++) {
    const at = i % MAXIMUM_MEMBERS;
    const { member, change } = rotation(names[at] ?? '', log.origin, ` generation ${i}`);
    const { id } = consortium.propose(names[63] ?? '', change);
    for (const name of names.slice(20, 20 + QUORUM - 1)) consortium.vote(name, id);
    log.appendCut(names[0] ?? '');
    checkpoints.push(served(consortium));
    consortium.activate();
    Object.assign(log.members, { [at]: member });
  }
  const batch = log.appendBatch(names[0] ?? '', events);
  const records = log.records.flatMap((record, index) => {
    const frame = parseFrame(record);
    return frame?.kind === 'governance' ? [{ index, header: frame.header, body: frame.body }] : [];
  });
  const history = buildHistory({ records, checkpoints, readNode: nodeReader(log.leafHashes) });
  const receipt = parseReceipt(encodeUtf8(log.receipt(batch, events, 0, served(consortium))));
  const carrying = encodeUtf8(formatReceipt({ ...receipt, extra: { ...receipt.extra, history } }));
  return { consortium, history, carrying };
}

function verify(command: string, ...files: readonly (string | Uint8Array)[]): number | null {
  const paths = files.map((content, i) => {
    if (typeof content === 'string' && content.startsWith('--')) return content;
    const path = join(folder, `${i}`);
    writeFileSync(path, content);
    return path;
  });
  return spawnSync('path' in verifier ? verifier.path : '', [command, ...paths], { timeout: 60_000 }).status;
}

describe('of as many members as a consortium may have', () => {
  const { consortium, history, carrying } = rotatedLog();
  const { log } = consortium;
  const { genesis } = log;

  test('a receipt holds after new keys, and has room for three years of them', async () => {
    assert.ok((history.length / ROTATIONS) * YEARS * MAXIMUM_MEMBERS < MAXIMUM_HISTORY_BYTES);
    assert.ok((carrying.length / ROTATIONS) * YEARS * MAXIMUM_MEMBERS < MAXIMUM_PROOF_BYTES);
    const checkNote = (...args: Parameters<typeof verifyNote>) => Promise.resolve(verifyNote(...args));
    const facts = await verifyReceipt({ receipt: carrying, genesis, checkNote });
    assert.deepEqual([facts.author, facts.cosigners.length], [names[0], MAXIMUM_MEMBERS]);
  });

  test('the verifier in Go reads genesis, policy, checkpoint, history, receipt and evidence', { skip }, () => {
    const policy = formatPolicy(buildPolicy({ members: log.members.map(memberOf), quorum: QUORUM }));
    assert.equal(verify('receipt', '--genesis', genesis, carrying), 0);
    assert.equal(verify('receipt', '--policy', policy, carrying), 0);
    assert.equal(parseNote(served(consortium)).signatures.length, 100);
    assert.equal(verify('checkpoint', '--genesis', genesis, '--history', history, served(consortium)), 0);
    const [first, second] = ['x', 'y'].map((seed) => {
      return new SmallLog(names, genesis).appendBatch(names[1] ?? '', [exampleEvent(seed)]).built.header;
    }) as [Uint8Array, Uint8Array];
    const evidence = formatEvidence({ kind: 'two-batches', member: names[1] ?? '', first, second });
    assert.equal(verify('evidence', '--genesis', genesis, '--history', history, evidence), 0);
  });

  test('the verifier in Go reads an epoch file that all signed', { skip }, () => {
    const old = new Consortium(names);
    old.cut();
    const end = { origin: old.log.origin, size: old.log.size, root: old.log.root() };
    const origin = 'log.example/second';
    const chains = new Map(names.map((name) => [`${name}/${name}-1`, new Uint8Array(32).fill(4)]));
    const next = exampleGenesis(
      names.map((name) => signingMember(name, origin)),
      { origin, previous: { ...end, chains, rules: 0 } },
    );
    const last = served(old);
    const change: Change = { kind: 'open-epoch', size: end.size, root: end.root, genesis: genesisHash(next) };
    const { id } = old.propose(names[0] ?? '', change);
    for (const name of names.slice(1)) {
      if (old.state.closed === undefined) old.vote(name, id);
    }
    const records = old.log.records.map(parseFrame).filter((frame) => frame?.kind === 'governance');
    const epoch = formatEpoch(records.filter((frame) => frame !== undefined));
    assert.equal(verify('epoch', '--genesis', old.log.genesis, epoch, next, last), 0);
  });
});
