import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import kafkajs from 'kafkajs';
import { FileTopic } from '../src/ledger/file-topic.ts';
import { KafkaTopic } from '../src/ledger/kafka-topic.ts';
import type { Topic } from '../src/ledger/transport.ts';
import { perSecond } from './bench-ledger-row.ts';

/** Where the topics of a bench stand; can be told to a child process. */
export type TopicPlace =
  | { readonly kind: 'kafka'; readonly brokers: readonly string[]; readonly prefix: string }
  | { readonly kind: 'file'; readonly folder: string };

/** A place on a cluster where no other bench writes. */
export function kafkaPlace(brokers: readonly string[]): TopicPlace {
  return { kind: 'kafka', brokers, prefix: `concordat-bench-${randomBytes(6).toString('hex')}` };
}

/** Opens a topic, making it where it is not there yet. */
export async function openBenchTopic(place: TopicPlace, name: string): Promise<Topic> {
  const topic = place.kind === 'file' ? new FileTopic({ path: join(place.folder, `${name}.db`) }) : kafka(place, name);
  await topic.connect();
  return topic;
}

function kafka({ brokers, prefix }: TopicPlace & { kind: 'kafka' }, name: string): Topic {
  const create = {
    replicationFactor: Math.min(3, brokers.length),
    minimumInsyncReplicas: Math.min(2, brokers.length),
  };
  return new KafkaTopic({ brokers, topic: `${prefix}-${name}`, create });
}

/** Deletes what this bench made on a cluster. */
export async function deleteBenchTopics(place: TopicPlace): Promise<void> {
  if (place.kind === 'file') return;
  const admin = new kafkajs.Kafka({ brokers: [...place.brokers], logLevel: kafkajs.logLevel.NOTHING }).admin();
  await admin.connect();
  try {
    const topics = (await admin.listTopics()).filter((topic) => topic.startsWith(`${place.prefix}-`));
    if (topics.length > 0) await admin.deleteTopics({ topics });
    const groups = (await admin.listGroups()).groups.map(({ groupId }) => groupId);
    const ours = groups.filter((groupId) => groupId.startsWith(`${place.prefix}-`));
    if (ours.length > 0) await admin.deleteGroups(ours);
  } finally {
    await admin.disconnect();
  }
}

/** Reads a whole topic and does nothing with it. @returns events/s, and how that was done */
export async function onlyConsume(
  place: TopicPlace,
  name: string,
  events: number,
): Promise<{ name: string; value: number }> {
  const topic = await openBenchTopic(place, name);
  try {
    const endOffset = await topic.endOffset();
    if (place.kind === 'kafka') {
      const value = await consumeWithKafkajs(place, name, endOffset, events);
      return { name: 'only consuming the same topic with kafkajs', value };
    }
    const startedMs = performance.now();
    for (let next = 0n; next < endOffset;) {
      const { records } = await topic.read({ fromOffset: next, maximumBytes: 1 << 20, waitMs: 1000 });
      next = (records.at(-1)?.offset ?? next - 1n) + 1n;
    }
    return { name: 'only reading the same topic, a file', value: perSecond(events, startedMs) };
  } finally {
    await topic.close();
  }
}

/** The public client as its users run it: a consumer group, `eachBatch`, the client's own defaults. The clock starts once the group is joined. */
async function consumeWithKafkajs(
  place: TopicPlace & { kind: 'kafka' },
  name: string,
  endOffset: bigint,
  events: number,
): Promise<number> {
  const client = new kafkajs.Kafka({
    brokers: [...place.brokers],
    logLevel: kafkajs.logLevel.NOTHING,
    // A broker's first group waits until its coordinator is loaded; that is before the clock starts.
    retry: { retries: 60, maxRetryTime: 1_000 },
  });
  const consumer = client.consumer({ groupId: `${place.prefix}-${name}-baseline` });
  let startedMs = 0;
  consumer.on(consumer.events.GROUP_JOIN, () => (startedMs = performance.now()));
  await consumer.connect();
  await consumer.subscribe({ topic: `${place.prefix}-${name}`, fromBeginning: true });
  try {
    return await new Promise<number>((resolve, reject) => {
      consumer.on(consumer.events.CRASH, ({ payload }) => reject(payload.error));
      const eachBatch = async ({ batch }: kafkajs.EachBatchPayload): Promise<void> => {
        if (BigInt(batch.lastOffset()) + 1n >= endOffset) resolve(perSecond(events, startedMs));
      };
      consumer.run({ eachBatch }).catch(reject);
    });
  } finally {
    await consumer.disconnect();
  }
}
