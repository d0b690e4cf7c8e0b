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
