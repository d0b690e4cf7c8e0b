import assert from 'node:assert/strict';
import { readFileSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import kafkajs from 'kafkajs';
import type { KafkaCluster } from '../../src/demo/kafka-cluster.ts';
import type { KafkaTopic } from '../../src/ledger/kafka-topic.ts';
import { LocalPeer, testEvent } from '../ledger/consortium.ts';
import { SoloLog } from '../ledger/solo-log.ts';
import { makeTopic, openTopic, skipOwnBroker, startCluster, trimTopic, until, withAdmin } from './broker.ts';

const RESEND_MS = 6_000;
const MINUTE_MS = 60_000;

describe('a replica whose broker forgets or alters', { skip: skipOwnBroker, timeout: 600_000 }, () => {
  let cluster: KafkaCluster;
  let brokers: string[];
  const opened: KafkaTopic[] = [];
  before(async () => {
    cluster = await startCluster({ nodes: 1 });
    brokers = cluster.brokers();
  });
  after(async () => {
    await Promise.all(opened.map((topic) => topic.close()));
    await cluster?.close({ wipe: true });
  });

  async function open(name: string): Promise<KafkaTopic> {
    const topic = await openTopic(brokers, name, { settleMs: 2_000, missingTopicMs: 1_500, appendTimeoutMs: 10_000 });
    opened.push(topic);
    return topic;
  }

  /** A log of one member with so many batches, all read back. */
  async function filledLog(name: string, batches: number): Promise<SoloLog> {
    const log = new SoloLog({ topic: await open(name) });
    await log.start();
    for (let i = 0; i < batches; i++) await addBatch(log);
    return log;
  }

  async function addBatch(log: SoloLog): Promise<void> {
    const { size } = log.engine.replica.head;
    await log.addBatch(1);
    await until(async () => {
      await log.engine.readStep(200);
      return log.engine.replica.head.size > size;
    });
  }

  const logFile = (name: string): string => join(cluster.dataDir(1), `${name}-0`, '00000000000000000000.log');

  /** Where each stored batch begins, by offset: one record each. */
  function batchPositions(stored: Buffer): number[] {
    const positions: number[] = [];
    for (let at = 0; at + 12 <= stored.length && stored.readInt32BE(at + 8) > 0; at += 12 + stored.readInt32BE(at + 8))
      positions.push(at);
    return positions;
  }

  /** The broker dies, and with it what it acknowledged from `offset` on but had not yet written to its disk. */
  async function loseTail(name: string, offset: number): Promise<void> {
    await cluster.kill(1);
    const file = logFile(name);
    const position = batchPositions(readFileSync(file))[offset];
    assert.ok(position !== undefined);
    truncateSync(file, position);
    const folder = join(cluster.dataDir(1), `${name}-0`);
    for (const found of readdirSync(folder)) if (/index$|snapshot$/.test(found)) rmSync(join(folder, found));
    await cluster.startNode(1);
  }

  async function readUntilHalted(log: SoloLog): Promise<[string, number][]> {
    await until(async () => {
      await log.engine.readStep(200);
      return log.engine.reader.state.state === 'halted';
    }, 40_000);
    return incidentsOf(log);
  }

  async function readUntilReading(log: SoloLog): Promise<void> {
    await until(async () => {
      await log.engine.readStep(200);
      return log.engine.reader.state.state === 'reading';
    }, 40_000);
  }

  const incidentsOf = ({ engine }: SoloLog): [string, number][] =>
    engine.replica.incidents.map(({ kind, leafIndex }) => [kind, leafIndex]);

  test('a byte flipped on disk in a record that is not the last one is an incident with its leaf; nothing more is signed', async () => {
    const name = await makeTopic(brokers);
    const log = await filledLog(name, 20);
    const { size } = log.engine.replica.head;
    await cluster.stop(1);
    const file = logFile(name);
    const stored = readFileSync(file);
    const position = batchPositions(stored)[size - 6];
    assert.ok(position !== undefined);
    // In the body of the record; the checksum of the broker's format is not looked at by anybody.
    const at = position + 12 + stored.readInt32BE(position + 8) - 20;
    stored[at] = (stored[at] ?? 0) ^ 1;
    writeFileSync(file, stored);
    await cluster.startNode(1);
    assert.deepEqual(await readUntilHalted(log), [['anchor-mismatch', size - 6]]);
    log.nowMs += MINUTE_MS;
    await log.engine.cutStep();
    assert.equal(await log.engine.signStep(), undefined);
    assert.equal(log.engine.replica.head.size, size);
  });

  test('an unclean restart that lost records which were read back is truncated, from the first one lost', async () => {
    const name = await makeTopic(brokers);
    const log = await filledLog(name, 12);
    await loseTail(name, 7);
    assert.deepEqual(await readUntilHalted(log), [['truncated', 7]]);
  });

  test('the same, with others written since in their place, is an anchor mismatch from the first one lost', async () => {
    const name = await makeTopic(brokers);
    const log = await filledLog(name, 12);
    await loseTail(name, 7);
    const other = await open(name);
    for (let i = 0; i < 10; i++) await other.append(Buffer.from(`other ${String(i)}`));
    assert.deepEqual(await readUntilHalted(log), [['anchor-mismatch', 7]]);
  });

  test('records that an unclean restart lost before they were read back are sent again, without an incident', async () => {
    const name = await makeTopic(brokers);
    const log = await filledLog(name, 5);
    const { size } = log.engine.replica.head;
    const { engine, sealStore } = log;
    // Sealed and acknowledged by the broker, but not read back.
    for (const label of ['lost a', 'lost b', 'lost c']) {
      sealStore.commit(testEvent(label).bytes, log.nowMs);
      log.nowMs += 20;
      await engine.sealStep();
    }
    assert.equal(await log.topic.endOffset(), BigInt(size + 3));
    await loseTail(name, size + 1);
    await until(async () => {
      log.nowMs += RESEND_MS;
      await engine.readStep(200);
      await engine.sealStep();
      return sealStore.unsequenced(10).length === 0;
    }, 40_000);
    assert.deepEqual(incidentsOf(log), []);
    for (const label of ['lost a', 'lost b', 'lost c'])
      assert.ok(engine.replica.place(Buffer.from(testEvent(label).id, 'base64url')) !== undefined, label);
    await log.finalise();
    assert.ok(engine.finality.size > size + 3);
  });

  test('a topic made again between two reads, that begins alike, is told apart within a minute at the first record that differs', async () => {
    const name = await makeTopic(brokers);
    const log = await filledLog(name, 9);
    const { size } = log.engine.replica.head;
    const old = await open(name);
    const { records } = await old.read({ fromOffset: 0n, maximumBytes: 1 << 20, waitMs: 1_000 });
    await withAdmin(brokers, (admin) => admin.deleteTopics({ topics: [name] }));
    await delay(1_500);
    await makeTopic(brokers, {}, { name });
    const other = await open(name);
    for (const { value } of records.slice(0, 4)) await other.append(value);
    for (let i = 4; i < size + 5; i++) await other.append(Buffer.from(`other ${String(i)}`));
    // The connection held all the time, and the offset is there: only the clock tells the reader to look.
    log.nowMs += MINUTE_MS;
    assert.deepEqual(await readUntilHalted(log), [['anchor-mismatch', 4]]);
  });

  test('a topic that stays deleted is missing from leaf 0', async () => {
    const name = await makeTopic(brokers);
    const log = await filledLog(name, 3);
    await withAdmin(brokers, (admin) => admin.deleteTopics({ topics: [name] }));
    assert.deepEqual(await readUntilHalted(log), [['topic-missing', 0]]);
  });

  test('retention cuts what everybody has: a replica that has it goes on, one that lacks it says so and is filled from a peer', async () => {
    const name = await makeTopic(brokers, { 'segment.ms': 300 });
    const log = await filledLog(name, 10);
    const early = new SoloLog({ topic: await open(name), peers: [new LocalPeer('hospital', () => log.view)] });
    await early.start();
    await delay(8_000);
    for (let i = 0; i < 3; i++) await addBatch(log);
    await log.finalise();
    const retain = (ms: number): Promise<unknown> =>
      withAdmin(brokers, (admin) =>
        admin.alterConfigs({
          validateOnly: false,
          resources: [
            {
              type: kafkajs.ConfigResourceTypes.TOPIC,
              name,
              configEntries: [{ name: 'retention.ms', value: String(ms) }],
            },
          ],
        }),
      );
    await retain(6_000);
    let startOffset = 0n;
    await until(async () => {
      const end = await log.topic.endOffset();
      ({ startOffset } = await log.topic.read({ fromOffset: end, maximumBytes: 1, waitMs: 0 }));
      return startOffset > 0n;
    });
    await retain(-1);
    assert.equal(startOffset, 11n);

    log.nowMs += MINUTE_MS;
    await addBatch(log);
    assert.deepEqual(incidentsOf(log), []);

    const late = new SoloLog({ topic: await open(name), peers: [new LocalPeer('hospital', () => log.view)] });
    await late.topic.connect();
    await log.finalise();
    for (const replica of [late, early]) {
      const had = replica.engine.replica.head.size;
      // Whoever had read nothing has lost nothing; whoever had is told what is gone.
      assert.deepEqual(await readUntilHalted(replica), had === 0 ? [] : [['trimmed', 0]]);
      assert.equal(replica.engine.reader.state.code, 'trimmed');
      assert.equal(await replica.engine.bootstrapStep(), true);
      await readUntilReading(replica);
      const { size } = log.engine.replica.head;
      assert.equal(replica.engine.replica.head.size, size);
      assert.deepEqual(replica.engine.replica.tree.root(size), log.engine.replica.tree.root(size));
    }
    assert.ok(early.engine.replica.head.size > 0);
  });

  test('retention that cut also the last accepted record is trimmed', async () => {
    const name = await makeTopic(brokers);
    const log = await filledLog(name, 4);
    const end = await log.topic.endOffset();
    await trimTopic(brokers, name, end);
    log.nowMs += MINUTE_MS;
    assert.deepEqual(await readUntilHalted(log), [['trimmed', 0]]);
  });
});
