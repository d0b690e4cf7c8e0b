import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { kafkaJars } from '../../src/demo/kafka-jars.ts';
import type { KafkaCluster } from '../../src/demo/kafka-cluster.ts';
import { KafkaTopic, MOST_WAITING_APPENDS, MOST_WAITING_BYTES } from '../../src/ledger/kafka-topic.ts';
import type { TransportError } from '../../src/ledger/transport.ts';
import {
  makeTopic,
  openTopic,
  plainClient,
  readAll,
  series,
  skipOwnBroker,
  startCluster,
  uniqueName,
  withAdmin,
} from './broker.ts';

const run = promisify(execFile);
const bytes = (text: string): Uint8Array => Buffer.from(text);
const openSockets = (): number =>
  process.getActiveResourcesInfo().filter((name) => name.startsWith('TCP') || name.startsWith('Timeout')).length;

describe('the Kafka client of a topic', { skip: skipOwnBroker, timeout: 300_000 }, () => {
  let cluster: KafkaCluster;
  let brokers: string[];
  before(async () => {
    // Two windows instead of eleven: a quota bites at once.
    cluster = await startCluster({ nodes: 1, settings: { 'quota.window.num': 2 } });
    brokers = cluster.brokers();
  });
  afterEach(() => cluster?.resume(1));
  after(async () => {
    await cluster?.close({ wipe: true });
  });

  test('an idle connection arms no timer again and again, as plain kafkajs does', async () => {
    const topic = await makeTopic(brokers);
    const idle = async (whose: 'ours' | 'plain'): Promise<{ timers: number; warnings: number }> => {
      const file = fileURLToPath(new URL('idle-client.ts', import.meta.url));
      const { stdout } = await run(process.execPath, [file, brokers[0] ?? '', topic, whose]);
      return JSON.parse(stdout) as { timers: number; warnings: number };
    };
    const [plain, ours] = [await idle('plain'), await idle('ours')];
    assert.ok(plain.timers > 200 && plain.warnings > 0, JSON.stringify(plain));
    assert.ok(ours.timers < 20, JSON.stringify(ours));
    assert.equal(ours.warnings, 0);
  });

  test('a client under quota is slow, but sees no error, no gap and no end that is not there', async () => {
    const topic = await makeTopic(brokers);
    const clientId = uniqueName('slow');
    const values = series('x'.repeat(4_000), 0, 12);
    const write = async (as: string): Promise<number> => {
      const opened = await openTopic(brokers, topic, { clientId: as });
      const startedMs = performance.now();
      for (const value of values) await opened.append(bytes(value));
      await opened.close();
      return performance.now() - startedMs;
    };
    const read = async (as: string): Promise<{ tookMs: number; empty: number }> => {
      const opened = await openTopic(brokers, topic, { clientId: as });
      const startedMs = performance.now();
      const seen: string[] = [];
      let empty = 0;
      while (seen.length < 2 * values.length) {
        const fromOffset = BigInt(seen.length);
        const answer = await opened.read({ fromOffset, maximumBytes: 8_000, waitMs: 0 });
        assert.equal(answer.endOffset, BigInt(2 * values.length));
        if (answer.records.length === 0) empty++;
        seen.push(...answer.records.map((record) => Buffer.from(record.value).toString()));
      }
      await opened.close();
      assert.deepEqual(seen, [...values, ...values]);
      return { tookMs: performance.now() - startedMs, empty };
    };
    const freeWriteMs = await write('free');
    const jars = join(await kafkaJars(), '*');
    const quota = 'producer_byte_rate=10000,consumer_byte_rate=20000';
    const entity = ['--entity-type', 'clients', '--entity-name', clientId];
    const set = ['--bootstrap-server', brokers[0] ?? '', '--alter', '--add-config', quota, ...entity];
    const configured = spawnSync('java', ['-cp', jars, 'kafka.admin.ConfigCommand', ...set], { encoding: 'utf8' });
    assert.equal(configured.status, 0, configured.stderr);
    const slowWriteMs = await write(clientId);
    const free = await read('free');
    const slow = await read(clientId);
    assert.ok(
      slowWriteMs > 1_500 && slowWriteMs > 3 * freeWriteMs,
      `${slowWriteMs} ms, ${freeWriteMs} ms without quota`,
    );
    assert.ok(
      slow.tookMs > 1_500 && slow.tookMs > 3 * free.tookMs,
      `${slow.tookMs} ms, ${free.tookMs} ms without quota`,
    );
  });

  test('no consumer group exists after reading, so none can rejoin, rewind or skip', async () => {
    const topic = await makeTopic(brokers);
    const opened = await openTopic(brokers, topic);
    await opened.append(bytes('v0'));
    assert.deepEqual((await readAll(opened, 0, { want: 1 })).values, ['v0']);
    const groups = (): Promise<string[]> =>
      withAdmin(brokers, async (admin) => (await admin.listGroups()).groups.map(({ groupId }) => groupId));
    assert.deepEqual(await groups(), []);
    // The list would show one: plain kafkajs makes it by consuming.
    const consumer = plainClient(brokers).consumer({ groupId: 'plain' });
    await consumer.connect();
    await consumer.subscribe({ topic, fromBeginning: true });
    await new Promise<void>((resolve, reject) => {
      consumer.run({ eachMessage: async () => resolve() }).catch(reject);
    });
    assert.deepEqual(await groups(), ['plain']);
    await consumer.disconnect();
    await opened.close();
  });

  test('every append is idempotent: the broker knows its producer by a number', async () => {
    const topic = await makeTopic(brokers);
    const opened = await openTopic(brokers, topic);
    for (const value of ['a', 'b']) await opened.append(bytes(value));
    await opened.close();
    const stored = readFileSync(join(cluster.dataDir(1), `${topic}-0`, '00000000000000000000.log'));
    const producers: bigint[] = [];
    const sequences: number[] = [];
    // Record batches, format 2: the length stands at 8, the producer's id at 43, the sequence number at 53; -1 for a producer that is not idempotent.
    for (let at = 0; at < stored.length && stored.readInt32BE(at + 8) > 0; at += 12 + stored.readInt32BE(at + 8)) {
      producers.push(stored.readBigInt64BE(at + 43));
      sequences.push(stored.readInt32BE(at + 53));
    }
    assert.deepEqual(sequences, [0, 1]);
    assert.ok(producers[0] === producers[1] && (producers[0] ?? -1n) >= 0n, producers.join());
  });

  test('closing while an append hangs settles it soon and leaves no connection', async () => {
    const topic = await makeTopic(brokers);
    const before = openSockets();
    const opened = await openTopic(brokers, topic);
    await opened.append(bytes('v0'));
    await cluster.pause(1);
    const hanging = opened.append(bytes('v1'));
    const waiting = opened.append(bytes('v2'));
    const [first, second] = [
      assert.rejects(hanging, { code: 'outcome-unknown' }),
      assert.rejects(waiting, { code: 'closed' }),
    ];
    await delay(300);
    const startedMs = performance.now();
    await opened.close();
    await Promise.all([first, second]);
    assert.ok(performance.now() - startedMs < 6_000);
    cluster.resume(1);
    await assert.rejects(opened.append(bytes('v3')), { code: 'closed' });
    await assert.rejects(opened.connect(), { code: 'closed' });
    for (const untilMs = Date.now() + 5_000; openSockets() > before && Date.now() < untilMs;) await delay(50);
    assert.ok(openSockets() <= before, `${openSockets()} left of ${before}`);
  });

  test('appends beyond the bound are refused at once while the broker hangs; those that wait are stored in order', async () => {
    const topic = await makeTopic(brokers);
    const opened = await openTopic(brokers, topic);
    await opened.append(bytes('v0'));
    await cluster.pause(1);
    const values = series('v', 1, MOST_WAITING_APPENDS + 11);
    const settled = Promise.allSettled(values.map((value) => opened.append(bytes(value))));
    await delay(500);
    cluster.resume(1);
    const outcomes = await settled;
    const refused = outcomes.filter((outcome) => outcome.status === 'rejected');
    assert.equal(refused.length, 10);
    for (const { reason } of refused) assert.equal((reason as TransportError).code, 'unavailable');
    const want = MOST_WAITING_APPENDS + 1;
    assert.deepEqual((await readAll(opened, 0, { want, forMs: 10_000 })).values, series('v', 0, want));
    assert.equal(await opened.append(bytes('after')), BigInt(want));
    await cluster.pause(1);
    const large = new Uint8Array(900_000);
    const most = Math.floor(MOST_WAITING_BYTES / large.length);
    const largeOutcomes = Promise.allSettled(Array.from({ length: most + 3 }, () => opened.append(large)));
    cluster.resume(1);
    assert.equal((await largeOutcomes).filter((outcome) => outcome.status === 'rejected').length, 3);
    assert.equal(await opened.endOffset(), BigInt(want + 1 + most));
    await opened.close();
  });

  test('a name that does not resolve is unavailable; beside one that does it is no hindrance', async () => {
    const topic = await makeTopic(brokers);
    const unknown = 'no-such-broker.invalid:9092';
    const lost = new KafkaTopic({ brokers: [unknown], topic, connectTimeoutMs: 1_000 });
    await assert.rejects(lost.connect(), { code: 'unavailable' });
    await lost.close();
    const opened = await openTopic([unknown, ...brokers], topic);
    assert.equal(await opened.append(bytes('v0')), 0n);
    await opened.close();
  });
});
