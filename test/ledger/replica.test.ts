import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sha256 } from '../../src/hash.ts';
import { leafBytes } from '../../src/ledger/leaf.ts';
import { MemoryStorage } from '../../src/ledger/memory-storage.ts';
import { Replica } from '../../src/ledger/replica.ts';
import type { JudgedRecord } from '../../src/ledger/replica-judge.ts';

/** More than fill the index's table once. */
const REPEATS = 40_000;

test('a refused record that is repeated without end is in the index once', async () => {
  const storage = new MemoryStorage();
  const replica = new Replica({ storage, clock: () => 0, seed: 1 });
  const value = new Uint8Array([9]);
  const judged: JudgedRecord = {
    type: 'void',
    verdict: 'void',
    leafBytes: leafBytes(value),
    header: new Uint8Array(),
    body: value,
    bodyHash: sha256(value),
    member: undefined,
    writer: undefined,
    batch: undefined,
    missingBody: undefined,
  };
  for (let i = 0; i < REPEATS; i++) replica.append(judged, { offset: BigInt(i), valueHash: sha256(value) });
  await replica.flush();
  assert.equal(replica.head.blobRuns.runs.length, 0);
  assert.deepEqual(replica.blob(sha256(value)), value);

  const again = new Replica({ storage, clock: () => 0, seed: 1 });
  await again.flush();
  assert.equal(again.head.blobRuns.runs.length, 0, 'nor after a restart');
  assert.deepEqual(again.blob(sha256(value)), value);
});
