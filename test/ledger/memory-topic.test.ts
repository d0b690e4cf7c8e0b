import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { MemoryBroker, MemoryTopic, type AppendFault } from '../../src/ledger/memory-topic.ts';
import { TransportError } from '../../src/ledger/transport.ts';
import { topicContract } from './topic-contract.ts';

topicContract('memory-topic', async () => {
  const broker = new MemoryBroker();
  return {
    client: () => new MemoryTopic(broker),
    trim: async (offset) => broker.trim(Number(offset)),
    cleanup: async () => {},
  };
});

describe('faults of the in-memory broker', () => {
  const faults: [AppendFault, 'acknowledged' | 'outcome-unknown' | 'unavailable', string[]][] = [
    ['refuse', 'unavailable', ['b']],
    ['drop', 'acknowledged', ['b']],
    ['duplicate', 'acknowledged', ['a', 'a', 'b']],
    ['acknowledgement-lost', 'outcome-unknown', ['a', 'b']],
    ['request-lost', 'outcome-unknown', ['b']],
    ['late', 'outcome-unknown', ['b', 'a']],
    ['reorder', 'acknowledged', ['b', 'a']],
    ['alter', 'acknowledged', ['`', 'b']],
  ];
  for (const [fault, answer, stored] of faults) {
    test(`${fault} answers ${answer} and leaves ${stored.join(' ')}`, async () => {
      const broker = new MemoryBroker();
      const topic = new MemoryTopic(broker);
      await topic.connect();
      broker.failNext(fault);
      const got = await topic.append(new TextEncoder().encode('a')).then(
        () => 'acknowledged',
        (error: unknown) => (error instanceof TransportError ? error.code : 'other'),
      );
      assert.equal(got, answer);
      await topic.append(new TextEncoder().encode('b'));
      assert.deepEqual(
        broker.records.map((value) => new TextDecoder().decode(value)),
        stored,
      );
    });
  }
});

describe('a record that the in-memory broker does not give', () => {
  for (const [act, code] of [
    ['compact', 'gap'],
    ['hide', 'transactional'],
  ] as const) {
    test(`${act} is told as ${code} at its offset, after what stands before it`, async () => {
      const broker = new MemoryBroker();
      const topic = new MemoryTopic(broker);
      await topic.connect();
      for (const value of ['a', 'b', 'c']) await topic.append(new TextEncoder().encode(value));
      broker[act](1);
      const at = (fromOffset: bigint) => topic.read({ fromOffset, maximumBytes: 1000, waitMs: 0 });
      assert.equal((await at(0n)).records.length, 1);
      await assert.rejects(at(1n), (error) => {
        return error instanceof TransportError && error.code === code && error.offset === 1n;
      });
      assert.equal((await at(2n)).records.length, 1);
    });
  }
});
