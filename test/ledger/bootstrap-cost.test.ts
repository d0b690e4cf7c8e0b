import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bootstrapFrom } from '../../src/ledger/bootstrap.ts';
import { MemoryTopic } from '../../src/ledger/memory-topic.ts';
import type { PeerClient } from '../../src/ledger/peer.ts';
import { LocalPeer } from './consortium.ts';
import { SoloLog } from './solo-log.ts';

const NOISE = 12_000;

test('a topic of equal records is matched with the leaves in one pass', async () => {
  const log = new SoloLog();
  await log.start();
  for (let i = 0; i < NOISE; i++) log.broker.append(new Uint8Array([1]));
  while ((await log.engine.readStep(0)) > 0);
  await log.finalise();
  const { length } = log.broker.records;
  log.broker.trim(NOISE / 2);
  // Newer ones that the peer's final tree does not cover: how many of those left belong to it is to be found out.
  for (let i = 0; i < NOISE; i++) log.broker.append(new Uint8Array([2]));
  const fresh = new SoloLog({ topic: new MemoryTopic(log.broker) });
  await fresh.topic.connect();
  const startMs = performance.now();
  await bootstrapFrom(fresh.engine, log.view);
  assert.ok(performance.now() - startMs < 10_000);
  const { head } = fresh.engine.replica;
  assert.equal(head.nextOffset, BigInt(length));
  assert.equal(head.anchor?.offset, BigInt(length - 1));
  await fresh.engine.readStep(0);
  assert.equal(fresh.engine.reader.state.state, 'reading');
});

test('a member that cannot be reached is asked for a pruned body once, not for each', async () => {
  const log = new SoloLog();
  await log.start();
  for (let i = 0; i < 20; i++) await log.addBatch(3);
  await log.finalise();
  log.broker.trim(log.broker.records.length - 2);
  const pruning: PeerClient = new LocalPeer('source', () => log.view);
  const { blob } = pruning;
  pruning.blob = async (hash) => {
    const found = await blob(hash);
    return found !== undefined && Buffer.from(found).includes('"commit"') ? undefined : found;
  };
  const dead = new LocalPeer('dead', () => undefined);
  let asked = 0;
  dead.blob = async () => {
    asked++;
    throw new Error('unreachable');
  };
  const fresh = new SoloLog({ topic: new MemoryTopic(log.broker), peers: [pruning, dead] });
  await fresh.topic.connect();
  await bootstrapFrom(fresh.engine, pruning);
  assert.equal(fresh.view.status().finalSize, log.view.status().finalSize);
  assert.equal(asked, 1);
});
