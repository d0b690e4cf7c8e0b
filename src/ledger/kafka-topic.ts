import kafkajs, { type Admin, type Kafka, type KafkaConfig, type Producer, type SASLOptions } from 'kafkajs';
import RequestQueue from 'kafkajs/src/network/requestQueue/index.js';
import { classifyAppendFailure, clientFailure } from './kafka-fetch.ts';
import { topicDrift } from './kafka-drift.ts';
import { KafkaReader, type KafkaCluster } from './kafka-reader.ts';
import { KafkaSockets } from './kafka-sockets.ts';
import { delay, unlessAborted, waitAtMost } from './wait.ts';
import { TransportError, type Topic, type TopicDescription, type TopicRead } from './transport.ts';

export interface KafkaTopicOptions {
  readonly brokers: readonly string[];
  readonly topic: string;
  readonly clientId?: string;
  /** TLS: `true`, or PEM texts. */
  readonly tls?:
    | boolean
    | { readonly ca?: string; readonly certificate?: string; readonly key?: string; readonly serverName?: string };
  readonly sasl?: {
    readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512';
    readonly username: string;
    readonly password: string;
  };
  /** When given, a missing topic is made with these; without, it is `topic-missing`. Records are kept for ever unless `retentionMs` says for how long. */
  readonly create?: {
    readonly replicationFactor: number;
    readonly minimumInsyncReplicas: number;
    readonly retentionMs?: number;
  };
  readonly connectTimeoutMs?: number;
  readonly requestTimeoutMs?: number;
  readonly appendTimeoutMs?: number;
  readonly missingTopicMs?: number;
  readonly settleMs?: number;
  /** Disturbances worth a log line: client warnings, leader changes, retries. Codes only, no record content. */
  readonly onNote?: (note: { readonly what: string; readonly detail: string }) => void;
}

const PARTITION = 0;
/** What may wait for its turn; more is refused, so that memory is bounded while the brokers are away. One append alone may always try. */
export const MOST_WAITING_APPENDS = 256;
export const MOST_WAITING_BYTES = 16 * 1024 * 1024;
/** Longer than a cluster takes to find another leader (9 s until a dead broker is missed). */
const DEFAULT_APPEND_TIMEOUT_MS = 12_000;
const NO_PRODUCER_TIMEOUT_MS = 2_000;
const CLOSE_TIMEOUT_MS = 2_000;

/**
 * A ledger topic on Apache Kafka by kafkajs 2.2.4 (pinned exactly: the broker-level fetch is one of its internals).
 * No consumer group, uncommitted isolation, one idempotent record in flight, acks from all in-sync replicas. Nothing the broker says is
 * believed: every offset is compared, and after each disturbance the last record handed out is read again.
 */
export class KafkaTopic implements Topic {
  readonly #options: KafkaTopicOptions;
  readonly #kafka: Kafka;
  #admin: Admin | undefined;
  #producer: Producer | undefined;
  #cluster: KafkaCluster | undefined;
  #reader: KafkaReader | undefined;
  readonly #closing = new AbortController();
  readonly #sockets = new KafkaSockets();
  #appends: Promise<unknown> = Promise.resolve();
  #waitingAppends = 0;
  #waitingBytes = 0;

  constructor(options: KafkaTopicOptions) {
    mendIdleTimer();
    refuseCompressed();
    this.#options = options;
    this.#kafka = new kafkajs.Kafka({ ...kafkaConfig(options), socketFactory: this.#sockets.open });
  }

  async connect(): Promise<void> {
    if (this.#reader !== undefined) return;
    const untilMs = Date.now() + (this.#options.connectTimeoutMs ?? 15_000);
    for (;;) {
      this.#closing.signal.throwIfAborted();
      try {
        await unlessAborted(this.#connectOnce(), this.#closing.signal);
        return;
      } catch (error) {
        await this.#disconnectAll();
        if (error instanceof TransportError && ['topic-missing', 'closed'].includes(error.code)) throw error;
        if (Date.now() >= untilMs)
          throw new TransportError('unavailable', 'no broker could be reached', { cause: error });
        this.#note('connect-retry', error);
        await delay(300, this.#closing.signal);
      }
    }
  }

  async #connectOnce(): Promise<void> {
    this.#admin = this.#kafka.admin({ retry: { retries: 3, initialRetryTime: 100 } });
    await this.#admin.connect();
    await this.#ensureTopic(this.#admin);
    const cluster = createCluster(this.#kafka);
    this.#cluster = cluster;
    await cluster.connect();
    await cluster.addTargetTopic(this.#options.topic);
    this.#producer = await this.#newProducer();
    this.#reader = new KafkaReader(cluster, {
      topic: this.#options.topic,
      missingTopicMs: this.#options.missingTopicMs ?? 10_000,
      settleMs: this.#options.settleMs ?? 15_000,
      onNote: (what, error) => this.#note(what, error),
    });
  }

  async #ensureTopic(admin: Admin): Promise<void> {
    const { topic, create } = this.#options;
    if ((await admin.listTopics()).includes(topic)) return;
    if (create === undefined) throw new TransportError('topic-missing', `topic ${topic} is not there`);
    const settings = {
      'cleanup.policy': 'delete',
      'retention.ms': String(create.retentionMs ?? -1),
      'retention.bytes': '-1',
      'min.insync.replicas': String(create.minimumInsyncReplicas),
      'unclean.leader.election.enable': 'false',
      'message.timestamp.type': 'LogAppendTime',
      // The broker unpacks what a writer compressed: a compressed record would end the reading of every member.
      'compression.type': 'uncompressed',
    };
    await admin.createTopics({
      waitForLeaders: true,
      topics: [
        {
          topic,
          numPartitions: 1,
          replicationFactor: create.replicationFactor,
          configEntries: Object.entries(settings).map(([name, value]) => ({ name, value })),
        },
      ],
    });
  }

  async #newProducer(): Promise<Producer> {
    const producer = this.#kafka.producer({
      idempotent: true,
      maxInFlightRequests: 1,
      allowAutoTopicCreation: false,
      createPartitioner: () => () => PARTITION,
      // One attempt a call (kafkajs refuses 0 for idempotent producers): each attempt's answer must be seen here.
      retry: { retries: Number.NaN },
    });
    try {
      await producer.connect();
      this.#closing.signal.throwIfAborted();
    } catch (error) {
      // A half-open one would keep its sockets and timers, one for each attempt of a long outage.
      await producer.disconnect().catch(() => undefined);
      throw error;
    }
    return producer;
  }

  append(value: Uint8Array): Promise<bigint> {
    const isTooMany =
      this.#waitingAppends >= MOST_WAITING_APPENDS || this.#waitingBytes + value.length > MOST_WAITING_BYTES;
    if (this.#waitingAppends > 0 && isTooMany)
      return Promise.reject(new TransportError('unavailable', 'too many appends wait for the brokers'));
    this.#waitingAppends++;
    this.#waitingBytes += value.length;
    const result = this.#appends
      .then(() => this.#append(value))
      .finally(() => {
        this.#waitingAppends--;
        this.#waitingBytes -= value.length;
      });
    this.#appends = result.catch(() => undefined);
    return result;
  }

  async #append(value: Uint8Array): Promise<bigint> {
    const startedMs = Date.now();
    const untilMs = startedMs + (this.#options.appendTimeoutMs ?? DEFAULT_APPEND_TIMEOUT_MS);
    let doubt = false;
    let last: unknown;
    do {
      if (this.#closing.signal.aborted) break;
      try {
        this.#producer ??= await unlessAborted(this.#newProducer(), this.#closing.signal);
      } catch (error) {
        last = error;
        this.#note('producer-retry', error);
        // Surely nothing is stored yet: the caller, who may want to stop, decides whether to go on.
        if (Date.now() - startedMs > NO_PRODUCER_TIMEOUT_MS) break;
        await delay(200, this.#closing.signal);
        continue;
      }
      try {
        return await unlessAborted(this.#send(this.#producer, value), this.#closing.signal);
      } catch (error) {
        last = error;
        const failure = classifyAppendFailure(clientFailure(error));
        this.#note('append-retry', error);
        if (!doubt && failure === 'too-large')
          throw new TransportError('too-large', `record of ${value.length} bytes`, { cause: error });
        if (!doubt && failure === 'refused')
          throw new TransportError('unavailable', clientFailure(error).type ?? 'refused', { cause: error });
        if (failure !== 'not-stored') doubt = true;
        if (failure === 'producer-lost') break;
        await delay(100, this.#closing.signal);
      }
    } while (Date.now() < untilMs);
    if (!doubt)
      throw new TransportError(this.#closing.signal.aborted ? 'closed' : 'unavailable', 'nothing was stored', {
        cause: last,
      });
    // kafkajs rolled its sequence number back: with this producer the broker could take the next, different record for a repeat of
    // this one, acknowledge it at this one's offset and drop it. Only a new producer is safe; the caller reads back what was stored.
    const spent = this.#producer;
    this.#producer = undefined;
    spent?.disconnect().catch(() => undefined);
    throw new TransportError('outcome-unknown', 'the record may or may not be stored', { cause: last });
  }

  async #send(producer: Producer, value: Uint8Array): Promise<bigint> {
    const [answer] = await producer.send({
      topic: this.#options.topic,
      acks: -1,
      timeout: this.#options.requestTimeoutMs ?? 10_000,
      messages: [{ partition: PARTITION, value: Buffer.from(value.buffer, value.byteOffset, value.byteLength) }],
    });
    const offset = answer?.baseOffset;
    if (
      answer === undefined ||
      answer.errorCode !== 0 ||
      answer.partition !== PARTITION ||
      offset === undefined ||
      !/^\d+$/.test(offset)
    ) {
      throw new Error('odd answer to a produce request');
    }
    return BigInt(offset);
  }

  async read(args: Parameters<Topic['read']>[0]): Promise<TopicRead> {
    return this.#openReader().read(args);
  }

  async endOffset(): Promise<bigint> {
    return this.#openReader().endOffset();
  }

  async describe(): Promise<TopicDescription> {
    const { topic } = this.#options;
    const admin = this.#admin;
    if (admin === undefined) throw new TransportError('closed', 'topic is not connected');
    try {
      const found = (await admin.fetchTopicMetadata({ topics: [topic] })).topics[0];
      const settings = await admin.describeConfigs({
        includeSynonyms: false,
        resources: [{ type: kafkajs.ConfigResourceTypes.TOPIC, name: topic }],
      });
      const entries = settings.resources[0]?.configEntries ?? [];
      const partition = found?.partitions.find((candidate) => candidate.partitionId === PARTITION);
      const drift = topicDrift(
        {
          partitions: found?.partitions.length ?? 0,
          replicas: partition?.replicas.length ?? 0,
          insyncReplicas: partition?.isr.length ?? 0,
          settings: new Map(entries.map((entry) => [entry.configName, entry.configValue])),
        },
        {
          replicas: this.#options.create?.replicationFactor ?? 3,
          insyncReplicas: this.#options.create?.minimumInsyncReplicas ?? 2,
          retentionMs: this.#options.create?.retentionMs ?? -1,
        },
      );
      return { kind: 'kafka', name: topic, drift };
    } catch (error) {
      throw new TransportError('unavailable', 'the topic cannot be described', { cause: error });
    }
  }

  async close(): Promise<void> {
    this.#closing.abort(new TransportError('closed', 'topic is closed'));
    this.#reader?.close();
    await waitAtMost(this.#disconnectAll(), CLOSE_TIMEOUT_MS);
    this.#sockets.end();
  }

  async #disconnectAll(): Promise<void> {
    this.#reader = undefined;
    const parts = [this.#producer, this.#admin, this.#cluster];
    this.#producer = undefined;
    this.#admin = undefined;
    this.#cluster = undefined;
    await Promise.allSettled(parts.map(async (part) => part?.disconnect()));
  }

  #openReader(): KafkaReader {
    if (this.#reader === undefined || this.#closing.signal.aborted)
      throw new TransportError('closed', 'topic is not connected');
    return this.#reader;
  }

  #note(what: string, error: unknown): void {
    const failure = clientFailure(error);
    this.#options.onNote?.({ what, detail: failure.type ?? failure.name });
  }
}

function kafkaConfig(options: KafkaTopicOptions): KafkaConfig {
  const { tls, sasl } = options;
  return {
    clientId: options.clientId ?? 'concordat',
    brokers: [...options.brokers],
    connectionTimeout: 3_000,
    authenticationTimeout: 5_000,
    requestTimeout: options.requestTimeoutMs ?? 10_000,
    retry: { retries: 2, initialRetryTime: 100, maxRetryTime: 1_000 },
    logLevel: kafkajs.logLevel.WARN,
    // Client log entries carry broker addresses and payload fragments: only their namespace and label go on.
    logCreator:
      () =>
      ({ namespace, label }) =>
        options.onNote?.({ what: 'client', detail: `${label} ${namespace}` }),
    ...(tls === undefined ? {} : { ssl: tlsOptions(tls) }),
    ...(sasl === undefined ? {} : { sasl: { ...sasl } as SASLOptions }),
  };
}

function tlsOptions(tls: NonNullable<KafkaTopicOptions['tls']>): NonNullable<KafkaConfig['ssl']> {
  if (typeof tls === 'boolean') return tls;
  return {
    ...(tls.ca === undefined ? {} : { ca: [tls.ca] }),
    ...(tls.certificate === undefined ? {} : { cert: tls.certificate }),
    ...(tls.key === undefined ? {} : { key: tls.key }),
    ...(tls.serverName === undefined ? {} : { servername: tls.serverName }),
  };
}

/** kafkajs keeps the maker of its cluster object under a private symbol. */
function createCluster(kafka: Kafka): KafkaCluster {
  const symbol = Object.getOwnPropertySymbols(kafka).find(
    (found) => found.description === 'private:Kafka:createCluster',
  );
  if (symbol === undefined) throw new Error('kafkajs is not the pinned version: its cluster cannot be had');
  const make = Reflect.get(kafka, symbol) as (options: object) => KafkaCluster;
  return make.call(kafka, {
    metadataMaxAge: 60_000,
    allowAutoTopicCreation: false,
    maxInFlightRequests: null,
    isolationLevel: 0,
  });
}

/**
 * kafkajs 2.2.4 arms a timer again and again on every idle connection (900 wake-ups a second on current Node, with a warning): the patch
 * arms it only while something waits. Safe to apply more than once.
 */
function mendIdleTimer(): void {
  const prototype = RequestQueue.prototype as typeof RequestQueue.prototype & { idleTimerMended?: true };
  if (prototype.idleTimerMended === true) return;
  const schedule = prototype.scheduleCheckPendingRequests;
  prototype.scheduleCheckPendingRequests = function (this: typeof prototype): void {
    if (this.pending.length > 0 || this.throttledUntil > Date.now()) schedule.call(this);
  };
  prototype.idleTimerMended = true;
}

/**
 * kafkajs unpacks gzip by itself, whatever its size: 1 MB by a hostile writer becomes 1 GB in every member's memory. Safe to apply more than once.
 */
function refuseCompressed(): void {
  kafkajs.CompressionCodecs[kafkajs.CompressionTypes.GZIP] = (): never => {
    throw new TransportError('compressed', 'a compressed record');
  };
}
