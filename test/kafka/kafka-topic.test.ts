import { after, before, describe } from 'node:test';
import { KafkaTopic } from '../../src/ledger/kafka-topic.ts';
import type { KafkaCluster } from '../../src/demo/kafka-cluster.ts';
import { topicContract } from '../ledger/topic-contract.ts';
import { givenBrokers, skipAnyBroker, startCluster, trimTopic, uniqueName, withAdmin } from './broker.ts';

describe('a Kafka topic on one real broker', { skip: skipAnyBroker }, () => {
  let cluster: KafkaCluster | undefined;
  let brokers: readonly string[] = [];
  before(async () => {
    cluster = givenBrokers === undefined ? await startCluster({ nodes: 1 }) : undefined;
    brokers = givenBrokers ?? cluster?.brokers() ?? [];
  });
  after(async () => {
    await cluster?.close({ wipe: true });
  });

  topicContract(
    'kafka-topic',
    async () => {
      const topic = uniqueName('contract');
      const create = { replicationFactor: 1, minimumInsyncReplicas: 1 };
      return {
        client: () => new KafkaTopic({ brokers, topic, create, settleMs: 3_000 }),
        trim: (offset) => trimTopic(brokers, topic, offset),
        cleanup: () => withAdmin(brokers, (admin) => admin.deleteTopics({ topics: [topic] })),
      };
    },
    { waitMs: 15_000 },
  );
});
