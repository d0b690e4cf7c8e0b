import { randomBytes } from 'node:crypto';
import { mkdtempSync } from 'node:fs';
import { createServer, connect, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import kafkajs, { type Admin, type Kafka, type KafkaConfig, type Producer } from 'kafkajs';
import { KafkaCluster, type KafkaClusterOptions } from '../../src/demo/kafka-cluster.ts';
import { kafkaJars, missingForKafka } from '../../src/demo/kafka-jars.ts';
import { KafkaTopic, type KafkaTopicOptions } from '../../src/ledger/kafka-topic.ts';
import { TransportError, type TopicAnchor } from '../../src/ledger/transport.ts';

/** The existing cluster to use instead of own brokers, from `KAFKA_BROKERS`. */
export const givenBrokers = process.env.KAFKA_BROKERS?.split(',').filter((address) => address !== '');

/** Why suites on own brokers cannot run here; false when they can. */
export const skipOwnBroker: string | false = missingForKafka() ?? false;
export const skipAnyBroker: string | false = givenBrokers === undefined ? skipOwnBroker : false;

/** A port range that is free now, for a cluster of `nodes`. */
export async function freeBasePort(): Promise<number> {
  for (let attempt = 0; attempt < 50; attempt++) {
    const base = 20_000 + 40 * Math.floor(Math.random() * 600);
    const free = await Promise.all([0, 1, 2, 3, 4, 5, 6, 10, 11, 20, 21].map((shift) => isFree(base + shift)));
    if (free.every(Boolean)) return base;
  }
  throw new Error('no free port range');
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

export async function startCluster(options: Partial<KafkaClusterOptions> & { nodes: number }): Promise<KafkaCluster> {
  const cluster = new KafkaCluster({
    basePort: await freeBasePort(),
    dir: mkdtempSync(join(tmpdir(), 'concordat-kafka-')),
    jars: await kafkaJars(),
    ...options,
  });
  try {
    await cluster.start();
  } catch (error) {
    await cluster.close({ wipe: true });
    throw error;
  }
  return cluster;
}

/** A path to the broker that can lose answers, hold back requests, or cut. */
export interface Proxy {
  dropAnswers: boolean;
  holdRequests: boolean;
  releaseHeld(): void;
  cut(): void;
  close(): void;
}

export async function startProxy(port: number, targetPort: number): Promise<Proxy> {
  const sockets = new Set<Socket>();
  let held: (() => void)[] = [];
  const proxy: Proxy = {
    dropAnswers: false,
    holdRequests: false,
    releaseHeld: () => {
      held.forEach((write) => write());
      held = [];
    },
    cut: () => sockets.forEach((socket) => socket.destroy()),
    close: () => {
      proxy.cut();
      server.close();
    },
  };
  const server: Server = createServer((client) => {
    const broker = connect(targetPort, '127.0.0.1');
    // While requests are held, the client's going away must not take the held bytes with it: a slow network delivers them later.
    const end = (): void => {
      client.destroy();
      if (!proxy.holdRequests && held.length === 0) broker.destroy();
    };
    for (const socket of [client, broker]) {
      sockets.add(socket);
      socket.on('error', end);
      socket.on('close', end);
    }
    client.on('data', (chunk) =>
      proxy.holdRequests ? void held.push(() => broker.write(chunk)) : void broker.write(chunk),
    );
    broker.on('data', (chunk) => void (proxy.dropAnswers || client.destroyed || client.write(chunk)));
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  return proxy;
}

/** Settings of a one-node cluster with a second listener that is reached only through a proxy. */
export function proxySettings(basePort: number): Record<string, string> {
  return {
    listeners: `PLAINTEXT://127.0.0.1:${basePort},PROXY://127.0.0.1:${basePort + 5},CONTROLLER://127.0.0.1:${basePort + 1}`,
    'advertised.listeners': `PLAINTEXT://127.0.0.1:${basePort},PROXY://127.0.0.1:${basePort + 6}`,
  };
}

export function plainClient(brokers: readonly string[], options: Partial<KafkaConfig> = {}): Kafka {
  return new kafkajs.Kafka({
    clientId: 'test',
    brokers: [...brokers],
    logLevel: kafkajs.logLevel.NOTHING,
    connectionTimeout: 2_000,
    ...options,
  });
}

export async function withAdmin<T>(brokers: readonly string[], act: (admin: Admin) => Promise<T>): Promise<T> {
  const admin = plainClient(brokers).admin();
  await admin.connect();
  try {
    return await act(admin);
  } finally {
    await admin.disconnect();
  }
}

export function uniqueName(prefix: string): string {
  return `${prefix}-${randomBytes(4).toString('hex')}`;
}

export async function makeTopic(
  brokers: readonly string[],
  settings: Record<string, string | number> = {},
  options: { name?: string; replicationFactor?: number } = {},
): Promise<string> {
  const topic = options.name ?? uniqueName('ledger');
  const configEntries = Object.entries(settings).map(([name, value]) => ({ name, value: String(value) }));
  await withAdmin(brokers, async (admin) => {
    const made = { topic, numPartitions: 1, replicationFactor: options.replicationFactor ?? 1, configEntries };
    // kafkajs's own waiting for leaders gives up when a broker has not heard of the new topic yet.
    await admin.createTopics({ waitForLeaders: false, topics: [made] });
    await until(async () => {
      try {
        const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
        return (topics[0]?.partitions[0]?.leader ?? -1) >= 0;
      } catch {
        return false;
      }
    });
  });
  return topic;
}

/** Removes the records before an offset. */
export async function trimTopic(brokers: readonly string[], topic: string, offset: bigint | number): Promise<void> {
  await withAdmin(brokers, async (admin) => {
    await admin.fetchTopicOffsets(topic);
    await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: String(offset) }] });
  });
}

/** Plain kafkajs, as anybody might write to the topic. */
export async function plainProducer(
  brokers: readonly string[],
  options: Parameters<Kafka['producer']>[0] = {},
): Promise<Producer> {
  const producer = plainClient(brokers).producer({
    idempotent: true,
    maxInFlightRequests: 1,
    allowAutoTopicCreation: false,
    createPartitioner: () => () => 0,
    retry: { retries: 50, maxRetryTime: 300 },
    ...options,
  });
  await producer.connect();
  return producer;
}

export async function put(producer: Producer, topic: string, value: string, key?: string): Promise<number> {
  const [answer] = await producer.send({
    topic,
    acks: -1,
    messages: [{ partition: 0, value, ...(key === undefined ? {} : { key }) }],
  });
  return Number(answer?.baseOffset);
}

export async function fill(brokers: readonly string[], topic: string, values: readonly string[]): Promise<void> {
  const producer = await plainProducer(brokers);
  for (const value of values) await put(producer, topic, value);
  await producer.disconnect();
}

export function series(prefix: string, from: number, to: number): string[] {
  return Array.from({ length: to - from }, (_, index) => `${prefix}${from + index}`);
}

export async function openTopic(
  brokers: readonly string[],
  topic: string,
  options: Partial<KafkaTopicOptions> = {},
): Promise<KafkaTopic> {
  const opened = new KafkaTopic({ brokers, topic, settleMs: 5_000, ...options });
  await opened.connect();
  return opened;
}

/** Reads from `fromOffset` until `want` records, the first odd thing, or `forMs`. */
export async function readAll(
  topic: KafkaTopic,
  fromOffset: number,
  options: { want?: number; forMs?: number; anchor?: TopicAnchor } = {},
): Promise<{ values: string[]; code: string | undefined }> {
  const values: string[] = [];
  const untilMs = Date.now() + (options.forMs ?? 3_000);
  let anchor = options.anchor;
  try {
    while (Date.now() < untilMs && values.length < (options.want ?? Infinity)) {
      const { records } = await topic.read({
        fromOffset: BigInt(fromOffset + values.length),
        maximumBytes: 1 << 20,
        waitMs: 300,
        ...(anchor === undefined ? {} : { anchor }),
      });
      anchor = undefined;
      values.push(...records.map((record) => Buffer.from(record.value).toString()));
    }
  } catch (error) {
    if (error instanceof TransportError) return { values, code: error.code };
    throw error;
  }
  return { values, code: undefined };
}

export async function look(
  brokers: readonly string[],
  topic: string,
  fromOffset: number,
  options: { want?: number; forMs?: number; anchor?: TopicAnchor } = {},
): Promise<{ values: string[]; code: string | undefined }> {
  const opened = await openTopic(brokers, topic);
  try {
    return await readAll(opened, fromOffset, options);
  } finally {
    await opened.close();
  }
}

export async function until(holds: () => boolean | Promise<boolean>, forMs = 20_000): Promise<void> {
  for (const untilMs = Date.now() + forMs; !(await holds()); await delay(25)) {
    if (Date.now() > untilMs) throw new Error('waited in vain');
  }
}
