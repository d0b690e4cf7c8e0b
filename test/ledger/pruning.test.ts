import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fsckStored } from '../../src/ledger/fsck-stored.ts';
import { LeafStore, NO_LENGTHS } from '../../src/ledger/leaf-store.ts';
import { MemoryStorage } from '../../src/ledger/memory-storage.ts';

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
  const { SoloLog } = await import('./solo-log.ts');
  const log = new SoloLog();
  await log.start();
  const report = await fsckStored({ storage: log.storage, genesis: log.consortium.genesis });
  assert.equal(report.findings[0]?.fault, 'checkpoint');
});
