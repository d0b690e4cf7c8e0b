import { join } from 'node:path';
import { missingForKafka } from '../src/demo/kafka-jars.ts';
import type { BrokerAnswer, BrokerTask } from './bench-ledger-broker-process.ts';
import type { BenchProcesses } from './bench-ledger-process.ts';
import { kafkaPlace, type TopicPlace } from './bench-ledger-topic.ts';

/**
 * Where the topics of this run stand: on the given cluster, else on a Kafka broker in a process of its own, else, where that cannot be had, in files.
 * @returns `said`: what a reader of the figures must know of it
 */
export async function findTopicPlace(options: {
  readonly processes: BenchProcesses;
  readonly folder: string;
  readonly brokers: readonly string[] | undefined;
}): Promise<{ readonly place: TopicPlace; readonly said: string }> {
  const { processes, folder, brokers } = options;
  if (brokers !== undefined) return { place: kafkaPlace(brokers), said: 'topics: on the Kafka cluster that was given' };
  const missing = missingForKafka();
  if (missing !== undefined)
    return { place: { kind: 'file', folder }, said: `topics: files, not Kafka, because ${missing}` };
  const task: BrokerTask = { dir: join(folder, 'kafka') };
  const answer = await processes.start<BrokerAnswer>('bench-ledger-broker-process.ts', task);
  return {
    place: kafkaPlace(answer.brokers),
    said: 'topics: on one Kafka broker of this run, in a process of its own',
  };
}
