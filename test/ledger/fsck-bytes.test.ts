import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { sha256 } from '../../src/hash.ts';
import { buildCut } from '../../src/ledger/cut.ts';
import { EMPTY_MANIFEST, EventIndex } from '../../src/ledger/event-index.ts';
import { formatEvidence } from '../../src/ledger/evidence-file.ts';
import { saveEvidence } from '../../src/ledger/fork-watch.ts';
import type { FsckFinding } from '../../src/ledger/fsck.ts';
import { fsckStored } from '../../src/ledger/fsck-stored.ts';
import { buildGovernance, proposalNonce } from '../../src/ledger/governance-record.ts';
import { MemoryStorage } from '../../src/ledger/memory-storage.ts';
import { parseSignerKey } from '../../src/ledger/note-key.ts';
import { eventKey, Replica } from '../../src/ledger/replica.ts';
import { headBytes, readHead } from '../../src/ledger/replica-state.ts';
import { parseEntryBundle } from '../../src/ledger/entry-bundle.ts';
import { SoloLog } from './solo-log.ts';

const LEAF_BYTES = 80;
const VALUE_HASH = 44;
/** The last bytes of a leaf's record are written as zeroes and read by nobody. */
const PADDING = 76;

/** A replica with a leaf of every sort, some of them not final yet, and its index in runs: what is in no file is read from no memory. */
async function storedLog(): Promise<{ storage: MemoryStorage; genesis: Uint8Array; size: number }> {
  const storage = new MemoryStorage();
  const log = new SoloLog({ storage });
  await log.start();
  await log.addBatch(3);
  const signer = parseSignerKey(log.consortium.members[0]?.keys.batch ?? '');
  const origin = log.consortium.origin;
  const change = { kind: 'adopt-rule-set', digest: 'ab'.repeat(32) } as const;
  const act = { act: 'propose', change, nonce: proposalNonce(new Uint8Array(16)) } as const;
  await log.topic.append(buildGovernance({ log: origin, member: 'hospital', act, signer }).frame);
  const { records } = await log.topic.read({ fromOffset: 1n, maximumBytes: 1 << 20, waitMs: 0 });
  await log.finalise();
  await log.addBatch(1);
  const [batch] = records;
  await log.topic.append(batch?.value ?? new Uint8Array());
  await log.topic.append(Uint8Array.of(9, 9, 9));
  await log.topic.append(buildCut({ log: origin, member: 'hospital', cut: 1, signer }));
  await log.finalise();
  await log.addBatch(2);
  await log.engine.readStep(0);
  const first = log.view.blob(log.engine.replica.tree.leafBytes(0).subarray(0, 32)) ?? new Uint8Array(3);
  saveEvidence(log.engine.replica, formatEvidence({ kind: 'two-batches', member: 'hospital', first, second: first }));
  await log.engine.replica.flush();
  spill(storage);
  return { storage, genesis: log.consortium.genesis, size: log.engine.replica.head.size };
}

/** Moves the index of a small replica into runs, as it is once there are tens of thousands of rows. */
function spill(storage: MemoryStorage): void {
  const replica = new Replica({ storage, clock: () => 0, seed: 1 });
  const [events, blobs] = ['events', 'blobs'].map(
    (name) => new EventIndex({ storage, name, manifest: EMPTY_MANIFEST, seed: 1, tableRows: 64 }),
  ) as [EventIndex, EventIndex];
  for (let index = 0; index < replica.head.size; index++) {
    const { record, header, body = new Uint8Array() } = replica.leaf(index);
    if (record.verdict === 'duplicate') continue;
    if (header.length > 0) blobs.add(sha256(header), 2 * index);
    if (body.length > 0) blobs.add(sha256(body), 2 * index + 1);
    const ids = record.eventCount === 0 ? [] : parseEntryBundle(body, 256).map(eventKey);
    ids.forEach((id, position) => events.add(id, 256 * index + position));
  }
  events.spill();
  blobs.spill();
  const { size } = replica.head;
  const head = { ...readHead(storage), indexedSize: size, eventRuns: events.manifest, blobRuns: blobs.manifest };
  storage.state.commit(new Map([['head', headBytes(head)]]));
}

describe('a stored replica with one byte flipped, without its topic', () => {
  let stored: Awaited<ReturnType<typeof storedLog>>;
  before(async () => (stored = await storedLog()));

  const check = async (): Promise<readonly FsckFinding[]> => {
    return (await fsckStored({ storage: stored.storage, genesis: stored.genesis })).findings;
  };

  async function flipped(name: string, position: number): Promise<readonly FsckFinding[]> {
    const file = stored.storage.file(name);
    file.flip(position);
    try {
      return await check();
    } finally {
      file.flip(position);
    }
  }

  test('whole, it raises nothing, and holds a leaf of every sort', async () => {
    assert.deepEqual(await check(), []);
    const { leaves, head } = new Replica({ storage: stored.storage, clock: () => 0, seed: 1 });
    const sorts = Array.from({ length: head.size }, (_, i) => leaves.record(i)).map((r) => `${r.type} ${r.verdict}`);
    assert.deepEqual([...new Set(sorts)].sort(), [
      'batch accepted',
      'batch duplicate',
      'cut accepted',
      'cut duplicate',
      'genesis accepted',
      'governance accepted',
      'void void',
    ]);
    assert.ok(head.size > 9);
  });

  test('leaves: every byte shows at its leaf, but padding, and hashes in the topic of what the leaf does not cover', async () => {
    const { leaves } = new Replica({ storage: stored.storage, clock: () => 0, seed: 1 });
    for (let position = 0; position < stored.storage.file('leaves').length; position++) {
      const [leaf, field] = [Math.floor(position / LEAF_BYTES), position % LEAF_BYTES];
      // Every byte of a hash is compared in one go: a few of them stand for all.
      if (field > VALUE_HASH && field < PADDING && (field - VALUE_HASH) % 10 !== 0) continue;
      const [first] = await flipped('leaves', position);
      const { type } = leaves.record(leaf);
      const isOnlyTheTopics = field >= VALUE_HASH && (type === 'cut' || type === 'genesis');
      if (field >= PADDING || isOnlyTheTopics) assert.equal(first, undefined, `leaf ${leaf}, byte ${field}`);
      else assert.equal(first?.leafIndex, leaf, `leaf ${leaf}, byte ${field}: ${first?.detail ?? 'not found'}`);
    }
  });

  test('entries and hashes: every byte shows, at its leaf', async () => {
    for (const [name, bytes] of [
      ['entries', 65],
      ['hashes-0', 32],
    ] as const) {
      for (let position = 0; position < stored.storage.file(name).length; position += 7) {
        const [first] = await flipped(name, position);
        assert.ok(first !== undefined, `${name} ${position}`);
        // Lengths of entries come one after the other: a wrong one spoils the whole bundle.
        if (first.fault !== 'entry') assert.equal(first.leafIndex, Math.floor(position / bytes), `${name} ${position}`);
      }
    }
  });

  for (const [name, step] of [
    ['headers', 13],
    ['bodies-0', 13],
    ['bodies-1', 13],
    ['events-1', 1],
    ['blobs-1', 5],
  ] as const) {
    test(`${name}: every byte shows`, async () => {
      for (let position = 0; position < stored.storage.file(name).length; position += step)
        assert.ok((await flipped(name, position)).length > 0, `byte ${position}`);
    });
  }

  test('the state: every character shows, but of incidents, which are this member’s own word', async () => {
    const { state } = stored.storage;
    const rows = state.scan('').filter(({ key }) => !key.startsWith('incident/'));
    assert.ok(
      ['cut/', 'evidence/', 'final/', 'governance/', 'head', 'writer/'].every((k) =>
        rows.some(({ key }) => key.startsWith(k)),
      ),
    );
    for (const { key, value } of rows) {
      for (let i = 0; i < value.length; i += 5) {
        const altered = value.slice();
        altered[i] = (altered[i] ?? 0) ^ 1;
        state.commit(new Map([[key, altered]]));
        const findings = await check();
        state.commit(new Map([[key, value]]));
        assert.ok(findings.length > 0, `byte ${i} of ${key}: ${new TextDecoder().decode(altered)}`);
      }
    }
  });
});
