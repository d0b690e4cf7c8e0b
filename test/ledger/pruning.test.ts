import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BatchBodies } from '../../src/ledger/batch-bodies.ts';
import { encodeUtf8 } from '../../src/ledger/encoding.ts';
import { fsckStored } from '../../src/ledger/fsck-stored.ts';
import { LeafStore, NO_LENGTHS } from '../../src/ledger/leaf-store.ts';
import { MemoryStorage } from '../../src/ledger/memory-storage.ts';
import type { PeerClient } from '../../src/ledger/peer.ts';
import { verifyReceipt } from '../../src/ledger/verifier.ts';
import { SoloLog } from './solo-log.ts';

const MEBIBYTE = 1 << 20;

function filled(storage: MemoryStorage, bodies: number): LeafStore {
  const store = new LeafStore(storage, 0, NO_LENGTHS);
  for (let i = 0; i < bodies; i++) {
    const common = {
      verdict: 'accepted',
      eventCount: 1,
      topicOffset: BigInt(i),
      valueHash: new Uint8Array(32),
    } as const;
    const header = new Uint8Array([i]);
    store.append({ ...common, type: 'batch', header, body: new Uint8Array(MEBIBYTE).fill(i) });
    store.append({ ...common, type: 'governance', header, body: new Uint8Array([i, i]) });
  }
  return store;
}

test('bodies of old batches go by whole segments; headers, governance and newer bodies stay', () => {
  const storage = new MemoryStorage();
  const store = filled(storage, 200);
  assert.equal(store.prune(0), 0);
  // A segment is 64 MiB: leaf 300 is the 150th batch, in the third one.
  assert.equal(store.prune(300), 2);
  assert.equal(store.body(store.record(0)), undefined);
  assert.deepEqual(store.header(store.record(0)), new Uint8Array([0]));
  assert.deepEqual(store.body(store.record(1)), new Uint8Array([0, 0]));
  assert.equal(store.body(store.record(300))?.length, MEBIBYTE);
  assert.equal(store.prune(300), 0, 'nothing is left to prune');
  assert.equal(store.body(store.record(398))?.[0], 199);
});

test('an empty replica passes the check as having no checkpoint, not as whole', async () => {
  const log = new SoloLog();
  await log.start();
  const report = await fsckStored({ storage: log.storage, genesis: log.consortium.genesis });
  assert.equal(report.findings[0]?.fault, 'checkpoint');
});

/** A log whose first batch is final and whose body is gone, as after pruning; `kept` is that body. */
async function prunedLog(peers: PeerClient[]): Promise<{ log: SoloLog; event: string; kept: Uint8Array }> {
  const log = new SoloLog({ peers });
  await log.start();
  const [event = ''] = await log.addBatch(3);
  await log.finalise();
  const kept = log.engine.replica.leaf(1).body ?? new Uint8Array();
  const body = log.engine.replica.leaves.body.bind(log.engine.replica.leaves);
  // Pruning takes whole segments of 64 MiB: that they are gone is what the first test shows.
  log.engine.replica.leaves.body = (record) => (record.bodySegment === 0 ? body(record) : undefined);
  return { log, event, kept };
}

function peerWith(member: string, blob: PeerClient['blob']): PeerClient {
  const refuse = () => Promise.reject(new Error('not asked here'));
  return { member, blob, addCheckpoint: refuse, checkpoint: refuse, head: refuse, tile: refuse, entryBundle: refuse };
}

test('a receipt of a pruned batch: the body is had from whichever member has the right one, and kept for the next event', async () => {
  const asked: string[] = [];
  let kept = new Uint8Array();
  const peers = [
    peerWith('dead', () => Promise.reject(new Error('unreachable'))),
    peerWith('lying', () => Promise.resolve((asked.push('lying'), Uint8Array.of(1, 2, 3)))),
    peerWith('pruned', () => Promise.resolve((asked.push('pruned'), undefined))),
    peerWith('whole', () => Promise.resolve((asked.push('whole'), kept))),
  ];
  const { log, event, kept: body } = await prunedLog(peers);
  kept = Uint8Array.from(body);
  assert.deepEqual(log.view.receipt(event), { state: 'pruned', author: 'hospital', unreachable: [] });
  assert.equal(log.view.event(event), undefined);
  const [one, two] = await Promise.all([log.view.fetchReceipt(event), log.view.fetchReceipt(event)]);
  assert.ok(one.state === 'final' && two.state === 'final');
  const facts = await verifyReceipt({ receipt: encodeUtf8(one.text), genesis: log.consortium.genesis });
  assert.deepEqual([facts.event.id, facts.author], [event, 'hospital']);
  assert.deepEqual(await log.view.fetchEvent(event), facts.eventBytes);
  assert.deepEqual(asked, ['lying', 'pruned', 'whole'], 'asked once, although three wanted it');
});

test('a receipt of a pruned batch that nobody has: says who did not answer', async () => {
  const peers = [
    peerWith('dead', () => Promise.reject(new Error('unreachable'))),
    peerWith('pruned', () => Promise.resolve(undefined)),
  ];
  const { log, event } = await prunedLog(peers);
  assert.deepEqual(await log.view.fetchReceipt(event), { state: 'pruned', author: 'hospital', unreachable: ['dead'] });
  assert.equal(await log.view.fetchEvent(event), undefined);
});

test('more bodies at once than are fetched are refused, and the rest still come', async () => {
  const waiting: (() => void)[] = [];
  const slow = peerWith('slow', () => new Promise((resolve) => waiting.push(() => resolve(undefined))));
  const bodies = new BatchBodies([slow]);
  const hashes = Array.from({ length: 5 }, (_, i) => new Uint8Array(32).fill(i));
  const asked = hashes.slice(0, 4).map((hash) => bodies.fetch(hash));
  await assert.rejects(bodies.fetch(hashes[4] as Uint8Array), { code: 'unavailable' });
  for (const answer of waiting) answer();
  assert.deepEqual(
    (await Promise.all(asked)).map(({ body }) => body),
    [undefined, undefined, undefined, undefined],
  );
  assert.equal(waiting.length, 4);
});
