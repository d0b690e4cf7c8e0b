import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CosignatureFeed } from '../../src/ledger/cosignature-feed.ts';
import { MemoryBroker, MemoryTopic } from '../../src/ledger/memory-topic.ts';
import { SILENT } from './consortium.ts';

test('a signer waits a moment for a topic that hangs, and not again until it answers', async () => {
  const broker = new MemoryBroker();
  const topic = new MemoryTopic(broker);
  await topic.connect();
  let answer = (): void => {};
  const hanging = new Promise<void>((resolve) => (answer = resolve));
  const append = topic.append.bind(topic);
  topic.append = async (value) => {
    await hanging;
    return append(value);
  };
  const feed = new CosignatureFeed({
    topic,
    maximumReadBytes: 1000,
    clock: Date.now,
    log: SILENT,
    absorb: () => undefined,
  });
  const startedMs = performance.now();
  await feed.publish(Uint8Array.of(1));
  const firstMs = performance.now() - startedMs;
  for (let i = 0; i < 100; i++) await feed.publish(Uint8Array.of(2));
  assert.ok(performance.now() - startedMs - firstMs < firstMs);
  assert.equal(broker.records.length, 0);
  answer();
  await new Promise((resolve) => setImmediate(resolve));
  await feed.publish(Uint8Array.of(3));
  assert.deepEqual(
    broker.records.map((value) => value[0]),
    [1, 3],
  );
});

test('since when it cannot be read is known until it can', async () => {
  const broker = new MemoryBroker();
  const topic = new MemoryTopic(broker);
  let nowMs = 1000;
  const absorbed: number[] = [];
  const feed = new CosignatureFeed({
    topic,
    maximumReadBytes: 1000,
    clock: () => nowMs,
    log: SILENT,
    absorb: (note) => void absorbed.push(note[0] ?? -1),
  });
  broker.append(Uint8Array.of(7));
  broker.stalled = true;
  for (nowMs of [2000, 3000]) assert.equal(await feed.read(0), 0);
  assert.equal(feed.unreadableSinceMs, 2000);
  broker.stalled = false;
  assert.equal(await feed.read(0), 1);
  assert.deepEqual([feed.unreadableSinceMs, absorbed], [undefined, [7]]);
});
