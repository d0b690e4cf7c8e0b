import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryBroker, MemoryTopic } from '../../src/ledger/memory-topic.ts';
import { RestoredBackupCheck } from '../../src/ledger/restored-backup.ts';

async function checked(records: number): Promise<{ check: RestoredBackupCheck; topic: MemoryTopic }> {
  const topic = new MemoryTopic(new MemoryBroker());
  await topic.connect();
  for (let i = 0; i < records; i++) await topic.append(new Uint8Array([i]));
  return { check: new RestoredBackupCheck({ topic, peers: [], firstStart: false }), topic };
}

const state = (batch: number, readOffset: bigint, seen: number) => ({
  chain: 'hospital/hospital-1',
  head: { writer: 'hospital-1', batch, headerHash: new Uint8Array(32), nextEvent: batch },
  quorum: 1,
  readOffset,
  seen,
  seenHash: undefined,
});

test('nothing is known before the topic is read to the end that it had at the first look', async () => {
  const { check } = await checked(3);
  assert.equal(await check.run(state(1, 2n, 1)), 'unknown');
  assert.equal(await check.run(state(1, 3n, 1)), 'current');
});

test('what others publish after the first look does not put the answer off', async () => {
  const { check, topic } = await checked(3);
  assert.equal(await check.run(state(1, 2n, 1)), 'unknown');
  await topic.append(new Uint8Array(1));
  assert.equal(await check.run(state(1, 3n, 1)), 'current');
});

test('a greater number anywhere in what was read is one too many', async () => {
  const { check } = await checked(3);
  assert.equal(await check.run(state(1, 3n, 2)), 'restored');
});
