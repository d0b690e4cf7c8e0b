import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { sha256 } from '../../src/hash.ts';
import type { FetchedMessage } from '../../src/ledger/kafka-fetch.ts';
import { KafkaReader, type KafkaCluster } from '../../src/ledger/kafka-reader.ts';

type Step =
  | {
      readonly messages: readonly FetchedMessage[];
      readonly leader?: number;
      readonly end?: number;
      readonly reconnect?: true;
    }
  | { readonly error: Error }
  | 'throttled';

/**
 * Answers that no real broker can be made to give on demand, one a fetch, in place of kafkajs's cluster object. What a real broker does give is
 * in test/kafka.
 */
function scripted(steps: Step[], limits = { start: 0, end: 100 }): KafkaReader {
  let leader = 1;
  const connection: { socket: object } = { socket: {} };
  const fetch: Awaited<ReturnType<KafkaCluster['findBroker']>>['fetch'] = async () => {
    const step = steps.shift() ?? { messages: [] };
    if (step === 'throttled') return { clientSideThrottleTime: 0, responses: [] };
    if ('error' in step) throw step.error;
    if (step.reconnect === true) connection.socket = {};
    const partition = {
      partition: 0,
      highWatermark: String(step.end ?? limits.end),
      lastStartOffset: String(limits.start),
    };
    return {
      clientSideThrottleTime: 0,
      responses: [{ topicName: 'ledger', partitions: [{ ...partition, messages: step.messages }] }],
    };
  };
  const cluster: KafkaCluster = {
    connect: async () => {},
    disconnect: async () => {},
    isConnected: () => true,
    addTargetTopic: async () => {},
    refreshMetadata: async () => {},
    removeBroker: () => {},
    findTopicPartitionMetadata: () => {
      const next = steps[0];
      if (next !== undefined && next !== 'throttled' && 'leader' in next) leader = next.leader ?? leader;
      return [{ partitionId: 0, leader }];
    },
    findBroker: async () => ({ fetch, connectionPool: { pool: [{}, connection] } }),
    fetchTopicsOffset: async ([query]) => {
      const { fromBeginning } = query as { fromBeginning: boolean };
      return [{ partitions: [{ offset: String(fromBeginning ? limits.start : limits.end) }] }];
    },
  };
  return new KafkaReader(cluster, { topic: 'ledger', missingTopicMs: 50, settleMs: 300, onNote: () => {} });
}

const value = (offset: number): Buffer => Buffer.from(`v${String(offset)}`);
const message = (offset: number, partitionLeaderEpoch = 0): FetchedMessage => ({
  offset: String(offset),
  value: value(offset),
  batchContext: { partitionLeaderEpoch },
});
const at = (fromOffset: number, waitMs = 0) => ({ fromOffset: BigInt(fromOffset), maximumBytes: 1000, waitMs });
const failed = (name: string, type?: string): Error => Object.assign(new Error(name), { name, type });

describe('a Kafka reader under odd answers', () => {
  test('good records before an odd one are handed out first, then the odd one is told', async () => {
    const odd = [message(5), message(7)];
    const reader = scripted([{ messages: odd }, { messages: [message(7)] }]);
    assert.equal((await reader.read(at(5))).records.length, 1);
    await assert.rejects(reader.read(at(6)), { code: 'gap', offset: 6n });
  });

  test('a leader epoch that goes back between two fetches is epoch-back, also after older records were read again', async () => {
    const reader = scripted([
      { messages: [message(5, 4)] },
      { messages: [message(2, 1), message(3, 1)] },
      { messages: [message(6, 3)] },
    ]);
    await reader.read(at(5));
    assert.equal((await reader.read(at(2))).records.length, 2);
    await assert.rejects(reader.read(at(6)), { code: 'epoch-back', offset: 6n });
  });

  for (const [name, error, code] of [
    ['the broker calls corrupt', failed('KafkaJSProtocolError', 'CORRUPT_MESSAGE'), 'corrupt'],
    ['cannot be decoded', failed('RangeError'), 'corrupt'],
    ['has fields of the wrong type', failed('TypeError'), 'corrupt'],
    ['is compressed by a codec that is not there', failed('KafkaJSNotImplemented'), 'compressed'],
  ] as const)
    test(`an answer that ${name} is ${code}`, async () => {
      await assert.rejects(scripted([{ error }]).read(at(5)), { code, offset: 5n });
    });

  test('nothing at an offset that lies before the end is a gap', async () => {
    await assert.rejects(scripted([]).read(at(5, 2_000)), { code: 'gap', offset: 5n });
  });

  test('a throttled answer is waited out, and says nothing about where the log ends', async () => {
    const reader = scripted(['throttled', { messages: [message(5)] }]);
    assert.equal((await reader.read(at(5, 1_000))).records.length, 1);
    const read = await scripted(['throttled']).read(at(5));
    assert.deepEqual(read, { records: [], startOffset: 0n, endOffset: 100n, interruptions: 0 });
  });

  test('failures, reconnects and changes of leader are counted as interruptions, throttling is not', async () => {
    const reader = scripted([
      { messages: [message(5)] },
      'throttled',
      { messages: [message(6)] },
      { error: failed('KafkaJSConnectionClosedError') },
      { messages: [message(7)] },
      { messages: [message(8)], leader: 2 },
      { messages: [message(9)], reconnect: true },
      { messages: [message(10)] },
    ]);
    const counts = [];
    for (const offset of [5, 6, 7, 8, 9, 10]) counts.push((await reader.read(at(offset, 1_000))).interruptions);
    assert.deepEqual(counts, [0, 0, 1, 2, 3, 3]);
  });

  test('an anchor that a new leader does not show yet is waited for, then truncated', async () => {
    const behind: Step = { messages: [], end: 4 };
    const anchor = { offset: 4n, hash: sha256(value(4)) };
    const lagging = scripted([behind, behind, { messages: [message(4)] }, { messages: [message(5)] }]);
    assert.equal((await lagging.read({ ...at(5), anchor })).records.length, 1);
    const lost = scripted(Array.from({ length: 20 }, () => behind));
    await assert.rejects(lost.read({ ...at(5), anchor }), { code: 'truncated', offset: 4n });
  });

  test('a topic that stays unknown is missing after the bound, not before', async () => {
    const unknown = (): Step => ({ error: failed('KafkaJSProtocolError', 'UNKNOWN_TOPIC_OR_PARTITION') });
    const reader = scripted([unknown(), unknown(), unknown()]);
    await assert.rejects(reader.read(at(5)), { code: 'unavailable' });
    await assert.rejects(reader.read(at(5, 1_000)), { code: 'topic-missing' });
  });
});
