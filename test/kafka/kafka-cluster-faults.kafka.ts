import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { KafkaCluster } from '../../src/demo/kafka-cluster.ts';
import type { KafkaTopic } from '../../src/ledger/kafka-topic.ts';
import { makeTopic, openTopic, readAll, skipOwnBroker, startCluster, until, withAdmin } from './broker.ts';

const bytes = (text: string): Uint8Array => Buffer.from(text);

describe('a Kafka topic on three brokers', { skip: skipOwnBroker }, () => {
  let cluster: KafkaCluster;
  before(async () => {
    cluster = await startCluster({ nodes: 3 });
  });
  after(async () => {
    await cluster?.close({ wipe: true });
  });

  const leaderOf = async (topic: string): Promise<number> =>
    withAdmin(alive(), async (admin) => {
      const metadata = await admin.fetchTopicMetadata({ topics: [topic] });
      return metadata.topics[0]?.partitions[0]?.leader ?? 0;
    });
  const alive = (): string[] =>
    cluster.nodes.filter((node) => cluster.alive(node)).map((node) => `127.0.0.1:${cluster.port(node)}`);

  /** Appends `count` records; one that ends in doubt is looked for at the end of the topic and sent again only when it is not there. */
  async function appendAll(writer: KafkaTopic, from: number, count: number): Promise<void> {
    for (let index = from; index < from + count; index++) {
      for (;;) {
        try {
          assert.equal(await writer.append(bytes(`v${index}`)), BigInt(index));
          break;
        } catch (error) {
          const code = (error as { code?: string }).code;
          assert.ok(code === 'outcome-unknown' || code === 'unavailable', `unexpected ${code}`);
          await delay(300);
          if ((await writer.endOffset()) > BigInt(index)) break;
        }
      }
    }
  }

  async function readTo(reader: KafkaTopic, values: string[], want: number): Promise<void> {
    await until(async () => {
      const read = await readAll(reader, values.length, { want: want - values.length, forMs: 2_000 });
      assert.ok(read.code === undefined || read.code === 'unavailable', `unexpected ${read.code}`);
      values.push(...read.values);
      return values.length >= want;
    }, 60_000);
  }

  for (const how of ['stop', 'kill'] as const) {
    test(`goes on over a leader that is lost by ${how}, without loss, repetition or a false truncation`, async () => {
      const topic = await makeTopic(cluster.brokers(), { 'min.insync.replicas': 2 }, { replicationFactor: 3 });
      const writer = await openTopic(cluster.brokers(), topic, { settleMs: 15_000 });
      const reader = await openTopic(cluster.brokers(), topic, { settleMs: 15_000 });
      const values: string[] = [];
      await appendAll(writer, 0, 100);
      await readTo(reader, values, 50);
      const leader = await leaderOf(topic);
      await cluster[how](leader);
      await appendAll(writer, 100, 100);
      await readTo(reader, values, 200);
      await cluster.startNode(leader);
      assert.deepEqual(
        values,
        Array.from({ length: 200 }, (_, index) => `v${index}`),
      );
      await Promise.all([writer.close(), reader.close()]);
    });
  }

  test('two of three brokers killed: nothing is acknowledged, nothing acknowledged is lost', async () => {
    const topic = await makeTopic(cluster.brokers(), { 'min.insync.replicas': 2 }, { replicationFactor: 3 });
    const writer = await openTopic(cluster.brokers(), topic, {
      appendTimeoutMs: 4_000,
      requestTimeoutMs: 2_000,
      settleMs: 15_000,
    });
    await appendAll(writer, 0, 50);
    await Promise.all([cluster.kill(1), cluster.kill(2)]);
    await assert.rejects(writer.append(bytes('v50')), (error: { code?: string }) =>
      ['outcome-unknown', 'unavailable'].includes(error.code ?? ''),
    );
    await Promise.all([cluster.startNode(1), cluster.startNode(2)]);
    await until(async () => {
      try {
        return (await writer.endOffset()) >= 50n;
      } catch {
        return false;
      }
    }, 40_000);
    const reader = await openTopic(cluster.brokers(), topic, { settleMs: 15_000 });
    const values: string[] = [];
    await readTo(reader, values, 50);
    assert.deepEqual(
      values.slice(0, 50),
      Array.from({ length: 50 }, (_, index) => `v${index}`),
    );
    await Promise.all([writer.close(), reader.close()]);
  });

  test('connects while one of the named brokers is dead', async () => {
    const topic = await makeTopic(cluster.brokers(), {}, { replicationFactor: 3 });
    await cluster.kill(3);
    const opened = await openTopic([...cluster.brokers()].reverse(), topic);
    await until(async () => {
      try {
        return (await opened.append(bytes('v0'))) === 0n;
      } catch {
        return (await opened.endOffset()) === 1n;
      }
    }, 30_000);
    await opened.close();
    await cluster.startNode(3);
  });

  test('makes a missing topic as the ledger needs it', async () => {
    const opened = await openTopic(cluster.brokers(), `made-${process.pid}`, {
      create: { replicationFactor: 3, minimumInsyncReplicas: 2 },
    });
    await until(async () => (await opened.describe()).drift.length === 0, 10_000);
    await opened.close();
  });
});
