import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import kafkajs from 'kafkajs';
import type { KafkaCluster } from '../../src/demo/kafka-cluster.ts';
import { sha256 } from '../../src/hash.ts';
import { KafkaTopic } from '../../src/ledger/kafka-topic.ts';
import {
  fill,
  freeBasePort,
  look,
  makeTopic,
  openTopic,
  plainClient,
  plainProducer,
  proxySettings,
  put,
  readAll,
  series,
  skipOwnBroker,
  startCluster,
  startProxy,
  trimTopic,
  uniqueName,
  until,
  withAdmin,
  type Proxy,
} from './broker.ts';

const bytes = (text: string): Uint8Array => Buffer.from(text);
const anchorAt = (offset: number, text: string): { offset: bigint; hash: Uint8Array } => ({
  offset: BigInt(offset),
  hash: sha256(bytes(text)),
});

describe('a Kafka topic on one broker that lies, forgets or falls', { skip: skipOwnBroker }, () => {
  let cluster: KafkaCluster;
  let proxy: Proxy;
  let brokers: string[];
  let throughProxy: string[];
  before(async () => {
    const basePort = await freeBasePort();
    cluster = await startCluster({ nodes: 1, basePort, settings: proxySettings(basePort) });
    proxy = await startProxy(basePort + 6, basePort + 5);
    brokers = cluster.brokers();
    throughProxy = [`127.0.0.1:${basePort + 6}`];
  });
  after(async () => {
    proxy?.close();
    await cluster?.close({ wipe: true });
  });

  test('plain kafkajs acknowledges and loses the next, different record after a given-up send', async () => {
    const topic = await makeTopic(brokers);
    const producer = plainClient(throughProxy, { requestTimeout: 400 }).producer({
      idempotent: true,
      maxInFlightRequests: 1,
      retry: { retries: 1, initialRetryTime: 50 },
    });
    await producer.connect();
    await put(producer, topic, 'r0');
    proxy.dropAnswers = true;
    await assert.rejects(put(producer, topic, 'r1'));
    proxy.dropAnswers = false;
    proxy.cut();
    await delay(200);
    assert.equal(await put(producer, topic, 'r2'), 1);
    assert.equal(await put(producer, topic, 'r3'), 2);
    assert.deepEqual((await look(brokers, topic, 0, { want: 3 })).values, ['r0', 'r1', 'r3']);
    await producer.disconnect();
  });

  test('after a given-up append the next record is stored, not swallowed', async () => {
    const topic = await makeTopic(brokers);
    const opened = await openTopic(throughProxy, topic, { requestTimeoutMs: 400, appendTimeoutMs: 1_500 });
    await opened.append(bytes('r0'));
    proxy.dropAnswers = true;
    await assert.rejects(opened.append(bytes('r1')), { code: 'outcome-unknown' });
    proxy.dropAnswers = false;
    proxy.cut();
    await delay(200);
    assert.equal(await opened.endOffset(), 2n);
    assert.equal(await opened.append(bytes('r2')), 2n);
    assert.deepEqual((await readAll(opened, 0, { want: 3 })).values, ['r0', 'r1', 'r2']);
    await opened.close();
  });

  test('a given-up append that lands late stands after its successor and is read there', async () => {
    const topic = await makeTopic(brokers);
    const opened = await openTopic(throughProxy, topic, { requestTimeoutMs: 500, appendTimeoutMs: 1_200 });
    await opened.append(bytes('r0'));
    proxy.holdRequests = true;
    await assert.rejects(opened.append(bytes('r1')), { code: 'outcome-unknown' });
    proxy.holdRequests = false;
    assert.equal(await opened.endOffset(), 1n);
    assert.equal(await opened.append(bytes('r2')), 1n);
    proxy.releaseHeld();
    await until(async () => (await opened.endOffset()) >= 3n);
    const { values } = await readAll(opened, 0, { want: 3 });
    assert.deepEqual(values.slice(0, 2), ['r0', 'r2']);
    assert.ok(values.slice(2).every((value) => value === 'r1'));
    proxy.cut();
    await opened.close();
  });

  test('an answer lost once is repeated inside the append without a duplicate', async () => {
    const topic = await makeTopic(brokers);
    const opened = await openTopic(throughProxy, topic, { requestTimeoutMs: 400 });
    await opened.append(bytes('r0'));
    proxy.dropAnswers = true;
    const appended = opened.append(bytes('r1'));
    await delay(600);
    proxy.dropAnswers = false;
    proxy.cut();
    assert.equal(await appended, 1n);
    assert.equal(await opened.append(bytes('r2')), 2n);
    assert.deepEqual((await readAll(opened, 0, { want: 3 })).values, ['r0', 'r1', 'r2']);
    await opened.close();
  });

  test('an offset above the end is truncated, below the start trimmed', async () => {
    const topic = await makeTopic(brokers);
    await fill(brokers, topic, series('v', 0, 10));
    assert.equal((await look(brokers, topic, 50)).code, 'truncated');
    await trimTopic(brokers, topic, 6);
    assert.equal((await look(brokers, topic, 3)).code, 'trimmed');
    assert.deepEqual(await look(brokers, topic, 6, { want: 4 }), { values: series('v', 6, 10), code: undefined });
  });

  test('records trimmed behind the reader do not disturb it', async () => {
    const topic = await makeTopic(brokers);
    await fill(brokers, topic, series('v', 0, 10));
    const opened = await openTopic(brokers, topic);
    assert.equal((await readAll(opened, 0, { want: 10 })).values.length, 10);
    await trimTopic(brokers, topic, 10);
    await fill(brokers, topic, ['n0', 'n1']);
    assert.deepEqual(await readAll(opened, 10, { want: 2 }), { values: ['n0', 'n1'], code: undefined });
    await opened.close();
  });

  test('transactional records and markers are refused, also aborted ones', async () => {
    const topic = await makeTopic(brokers);
    await fill(brokers, topic, ['v0']);
    const producer = await plainProducer(brokers, { transactionalId: uniqueName('transaction') });
    const transaction = await producer.transaction();
    await transaction.send({ topic, messages: [{ value: 'a' }] });
    await transaction.abort();
    await producer.disconnect();
    assert.deepEqual(await look(brokers, topic, 0), { values: ['v0'], code: 'transactional' });
    assert.equal((await look(brokers, topic, 2)).code, 'control');
  });

  test('compaction shows as a gap', async () => {
    const topic = await makeTopic(brokers, {
      'cleanup.policy': 'compact',
      'segment.ms': 500,
      'segment.bytes': 1_048_576,
      'min.cleanable.dirty.ratio': 0.001,
      'max.compaction.lag.ms': 500,
    });
    const producer = await plainProducer(brokers);
    for (let index = 0; index < 12; index++) await put(producer, topic, `v${index}`, `k${index % 2}`);
    let code: string | undefined;
    for (let attempt = 0; attempt < 15 && code !== 'gap'; attempt++) {
      await delay(900);
      await put(producer, topic, 'x', `other${attempt}`);
      code = (await look(brokers, topic, 0, { forMs: 600 })).code;
    }
    assert.equal(code, 'gap');
    await producer.disconnect();
  });

  for (const [count, code] of [
    [5, 'truncated'],
    [30, 'anchor-mismatch'],
  ] as const) {
    test(`a topic made again with ${count} records after 10 were read is ${code}`, async () => {
      const topic = await makeTopic(brokers);
      await fill(brokers, topic, series('old', 0, 10));
      await withAdmin(brokers, (admin) => admin.deleteTopics({ topics: [topic] }));
      await delay(1_500);
      await makeTopic(brokers, {}, { name: topic });
      await fill(brokers, topic, series('new', 0, count));
      assert.equal((await look(brokers, topic, 10, { anchor: anchorAt(9, 'old9'), forMs: 8_000 })).code, code);
    });
  }

  test('a topic deleted under the reader is missing after a bound', async () => {
    const topic = await makeTopic(brokers);
    await fill(brokers, topic, series('v', 0, 3));
    const opened = await openTopic(brokers, topic, { missingTopicMs: 1_500 });
    assert.equal((await readAll(opened, 0, { want: 3 })).values.length, 3);
    await withAdmin(brokers, (admin) => admin.deleteTopics({ topics: [topic] }));
    let code: string | undefined;
    await until(async () => {
      code = (await readAll(opened, 3, { forMs: 1_000 })).code;
      return code === 'topic-missing';
    });
    await opened.close();
    await assert.rejects(openTopic(brokers, topic), { code: 'topic-missing' });
  });

  test('an older data directory put back is truncated, and an anchor mismatch once it has grown past the reader', async () => {
    const topic = await makeTopic(brokers);
    await fill(brokers, topic, series('v', 0, 10));
    await cluster.stop(1);
    cluster.copyData(1, 'aside');
    await cluster.startNode(1);
    await fill(brokers, topic, series('v', 10, 20));
    await cluster.stop(1);
    cluster.copyData(1, 'back');
    await cluster.startNode(1);
    const anchor = anchorAt(19, 'v19');
    assert.equal((await look(brokers, topic, 20, { anchor, forMs: 8_000 })).code, 'truncated');
    await fill(brokers, topic, series('OTHER', 10, 30));
    assert.equal((await look(brokers, topic, 20, { anchor, forMs: 8_000 })).code, 'anchor-mismatch');
  });

  for (const codec of ['lz4', 'gzip'])
    test(`records compressed by the broker with ${codec} are refused`, async () => {
      const topic = await makeTopic(brokers, { 'compression.type': codec });
      await fill(brokers, topic, ['a'.repeat(300)]);
      assert.equal((await look(brokers, topic, 0)).code, 'compressed');
    });

  test('a record that a writer compressed stands unpacked in a topic that was made here', async () => {
    const create = { replicationFactor: 1, minimumInsyncReplicas: 1 };
    const opened = await openTopic(brokers, uniqueName('ledger'), { create });
    const { name } = await opened.describe();
    const producer = await plainProducer(brokers);
    // What is refused in reading is lent to this one writer.
    const refused = kafkajs.CompressionCodecs[kafkajs.CompressionTypes.GZIP];
    kafkajs.CompressionCodecs[kafkajs.CompressionTypes.GZIP] = () => ({
      compress: (encoder: { buffer: Buffer }) => gzipSync(encoder.buffer),
    });
    const message = { partition: 0, value: 'a'.repeat(300) };
    await producer.send({ topic: name, compression: kafkajs.CompressionTypes.GZIP, messages: [message] });
    kafkajs.CompressionCodecs[kafkajs.CompressionTypes.GZIP] = refused;
    await producer.disconnect();
    assert.deepEqual(await readAll(opened, 0, { want: 1 }), { values: ['a'.repeat(300)], code: undefined });
    await opened.close();
  });

  test('a record that is too large is not stored and the next one is', async () => {
    const topic = await makeTopic(brokers, { 'max.message.bytes': 50_000 });
    const opened = await openTopic(brokers, topic);
    await assert.rejects(opened.append(new Uint8Array(60_000)), { code: 'too-large' });
    assert.equal(await opened.append(bytes('ok')), 0n);
    await opened.close();
  });

  test('every record acknowledged under two kill -9 is in the log once and at its offset', async () => {
    const topic = await makeTopic(brokers);
    const opened = await openTopic(brokers, topic);
    const acknowledged: string[] = [];
    let stop = false;
    const writer = (async (): Promise<void> => {
      for (let index = 0; !stop; index++) {
        assert.equal(await opened.append(bytes(`v${index}`)), BigInt(index));
        acknowledged.push(`v${index}`);
      }
    })();
    for (let round = 0; round < 2; round++) {
      await delay(500);
      await cluster.kill(1);
      await cluster.startNode(1);
      const before = acknowledged.length;
      await until(() => acknowledged.length > before + 20, 40_000);
    }
    stop = true;
    await writer;
    assert.deepEqual(await look(brokers, topic, 0, { want: acknowledged.length, forMs: 10_000 }), {
      values: acknowledged,
      code: undefined,
    });
    await opened.close();
  });

  test('a broker killed and started again does not stop or mislead a reader', async () => {
    const topic = await makeTopic(brokers);
    await fill(brokers, topic, series('v', 0, 10));
    const opened = await openTopic(brokers, topic);
    assert.equal((await readAll(opened, 0, { want: 10 })).values.length, 10);
    await cluster.kill(1);
    assert.equal((await readAll(opened, 10, { forMs: 700 })).code, 'unavailable');
    await cluster.startNode(1);
    await fill(brokers, topic, series('v', 10, 20));
    const values: string[] = [];
    await until(async () => {
      const read = await readAll(opened, 10 + values.length, { want: 10 - values.length, forMs: 2_000 });
      assert.ok(read.code === undefined || read.code === 'unavailable');
      values.push(...read.values);
      return values.length === 10;
    });
    assert.deepEqual(values, series('v', 10, 20));
    await opened.close();
  });

  test('a bit flipped on disk reaches the reader as good, so the caller compares its own hash', async () => {
    const topic = await makeTopic(brokers);
    await fill(brokers, topic, series('value-', 0, 10));
    await cluster.stop(1);
    const file = join(cluster.dataDir(1), `${topic}-0`, '00000000000000000000.log');
    const stored = readFileSync(file);
    const at = stored.indexOf('value-5');
    stored[at] = (stored[at] as number) ^ 1;
    writeFileSync(file, stored);
    await cluster.startNode(1);
    const { values } = await look(brokers, topic, 0, { want: 10, forMs: 8_000 });
    assert.equal(values[5], 'walue-5');
    assert.equal((await look(brokers, topic, 6, { anchor: anchorAt(5, 'value-5') })).code, 'anchor-mismatch');
  });

  test('settings that could lose records are named as drift', async () => {
    const topic = await makeTopic(brokers, { 'retention.ms': 1_000_000 });
    const opened = await openTopic(brokers, topic);
    const { drift } = await opened.describe();
    assert.ok(drift.includes('retention.ms: 1000000, wanted -1'));
    assert.ok(drift.includes('replicas: 1, wanted 3'));
    await opened.close();
  });

  test('a topic that is made here keeps its records for ever, or for as long as it is told', async () => {
    for (const kept of [{ retentionMs: -1 }, { retentionMs: 3_600_000 }]) {
      const create = { replicationFactor: 1, minimumInsyncReplicas: 1, ...kept };
      const topic = new KafkaTopic({ brokers, topic: `made-${kept.retentionMs}`, create });
      await topic.connect();
      assert.deepEqual((await topic.describe()).drift, []);
      await topic.close();
    }
  });
});
