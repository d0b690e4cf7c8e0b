import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { classifyAppendFailure, clientFailure, judgeFetch, type FetchedMessage } from '../../src/ledger/kafka-fetch.ts';
import { topicDrift, type TopicFacts } from '../../src/ledger/kafka-drift.ts';

const message = (offset: number, more: Partial<FetchedMessage> = {}): FetchedMessage => ({
  offset: String(offset),
  value: Buffer.from(`v${String(offset)}`),
  batchContext: { inTransaction: false, partitionLeaderEpoch: 3 },
  ...more,
});
const inEpoch = (partitionLeaderEpoch: number): Partial<FetchedMessage> => ({ batchContext: { partitionLeaderEpoch } });

// An honest broker gives none of these answers, and the real one of the suite in test/kafka cannot be made to give all of them.
describe('one fetch as a lying broker may answer it', () => {
  const cases: [string, FetchedMessage[], number, string | undefined, number | undefined][] = [
    ['records in order', [message(7), message(8)], 2, undefined, undefined],
    [
      'the head of a stored batch before the asked offset',
      [message(5), message(6), message(7)],
      1,
      undefined,
      undefined,
    ],
    ['a hole', [message(7), message(9)], 1, 'gap', 8],
    ['a hole at once', [message(8)], 0, 'gap', 7],
    ['a record twice', [message(7), message(7)], 1, 'rewound', 8],
    ['an earlier record after a later one', [message(7), message(8), message(7)], 2, 'rewound', 9],
    ['a smaller leader epoch', [message(7), message(8, inEpoch(2))], 1, 'epoch-back', 8],
    ['a marker', [message(7), message(8, { isControlRecord: true })], 1, 'control', 8],
    ['a record of a transaction', [message(7, { batchContext: { inTransaction: true } })], 0, 'transactional', 7],
  ];
  for (const [name, messages, good, code, offset] of cases) {
    test(`${name}: ${code ?? 'good'}, and the records before it are kept`, () => {
      const judged = judgeFetch(messages, 7n, 3);
      assert.equal(judged.records.length, good);
      assert.equal(judged.odd?.code, code);
      assert.equal(judged.odd?.offset, offset === undefined ? undefined : BigInt(offset));
      assert.equal(judged.nextOffset, BigInt(7 + good));
    });
  }

  test('an epoch below that of an earlier fetch goes back, a greater one does not', () => {
    assert.equal(judgeFetch([message(7)], 7n, 4).odd?.code, 'epoch-back');
    assert.deepEqual(judgeFetch([message(7)], 7n, 2).leaderEpoch, 3);
  });
});

describe('a failed append', () => {
  const typed = (type: string): Error => Object.assign(new Error(type), { type });
  const cases: [string, ReturnType<typeof classifyAppendFailure>][] = [
    ['MESSAGE_TOO_LARGE', 'too-large'],
    ['RECORD_LIST_TOO_LARGE', 'too-large'],
    ['TOPIC_AUTHORIZATION_FAILED', 'refused'],
    ['NOT_ENOUGH_REPLICAS', 'not-stored'],
    ['NOT_ENOUGH_REPLICAS_AFTER_APPEND', 'doubt'],
    ['REQUEST_TIMED_OUT', 'doubt'],
    ['OUT_OF_ORDER_SEQUENCE_NUMBER', 'producer-lost'],
    ['something new', 'doubt'],
  ];
  for (const [type, expected] of cases)
    test(`${type} is ${expected}, also below other errors`, () => {
      const wrapped = new Error('outer', { cause: new Error('between', { cause: typed(type) }) });
      assert.equal(classifyAppendFailure(clientFailure(wrapped)), expected);
    });

  test('what is no error at all is in doubt', () => {
    for (const thrown of [undefined, 'text', 7, {}])
      assert.equal(classifyAppendFailure(clientFailure(thrown)), 'doubt');
  });
});

describe('settings of a topic', () => {
  const good: Record<string, string> = {
    'cleanup.policy': 'delete',
    'retention.ms': '-1',
    'retention.bytes': '-1',
    'min.insync.replicas': '2',
    'unclean.leader.election.enable': 'false',
    'message.timestamp.type': 'LogAppendTime',
    'compression.type': 'producer',
  };
  const facts = (settings: Record<string, string>, more: Partial<TopicFacts> = {}): TopicFacts => ({
    partitions: 1,
    replicas: 3,
    insyncReplicas: 3,
    settings: new Map(Object.entries(settings)),
    ...more,
  });
  const wanted = { replicas: 3, insyncReplicas: 2, retentionMs: -1 };

  test('as they must be are no drift', () => assert.deepEqual(topicDrift(facts(good), wanted), []));

  test('each of them is a drift when it is another or unknown', () => {
    const others = { ...Object.fromEntries(Object.keys(good).map((name) => [name, '0'])), 'compression.type': 'lz4' };
    for (const name of Object.keys(good)) {
      const other = others[name as keyof typeof others] ?? '';
      assert.match(topicDrift(facts({ ...good, [name]: other }), wanted).join('|'), new RegExp(`^${name}: ${other}, `));
      const rest = Object.fromEntries(Object.entries(good).filter(([kept]) => kept !== name));
      assert.equal(topicDrift(facts(rest), wanted).length, 1, name);
    }
  });

  test('so are more partitions, fewer replicas, and replicas that are not in sync', () => {
    for (const more of [{ partitions: 2 }, { insyncReplicas: 2 }])
      assert.equal(topicDrift(facts(good, more), wanted).length, 1);
    assert.deepEqual(topicDrift(facts(good, { replicas: 1, insyncReplicas: 1 }), wanted), ['replicas: 1, wanted 3']);
  });
});
