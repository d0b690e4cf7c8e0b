import { sha256 } from '../hash.ts';
import { sameHash } from './merkle/tree-hash.ts';
import { clientFailure, judgeFetch, type ClientFailure, type FetchedMessage } from './kafka-fetch.ts';
import { delay, unlessAborted } from './wait.ts';
import { TransportError, type Topic, type TopicAnchor, type TopicRead } from './transport.ts';

interface FetchPartition {
  readonly partition: number;
  readonly highWatermark: string;
  readonly lastStartOffset: string;
  readonly messages: readonly FetchedMessage[];
}
interface FetchAnswer {
  readonly clientSideThrottleTime: number;
  readonly responses: readonly { readonly topicName: string; readonly partitions: readonly FetchPartition[] }[];
}
interface KafkaBroker {
  fetch(request: object): Promise<FetchAnswer>;
  /** Two connections: one for fetches, one for everything else. kafkajs puts a new socket into a connection that was lost, without a word. */
  readonly connectionPool: { readonly pool: readonly { readonly socket?: object | undefined }[] };
}
/** kafkajs's own cluster object, which has the fetch without a consumer group; untyped there, so typed here. */
export interface KafkaCluster {
  connect(): Promise<void>;
  disconnect(): Promise<void>;
  isConnected(): boolean;
  addTargetTopic(topic: string): Promise<void>;
  refreshMetadata(): Promise<void>;
  removeBroker(address: { host: string | undefined; port: number | undefined }): void;
  findTopicPartitionMetadata(topic: string): readonly { partitionId: number; leader: number | null }[];
  findBroker(query: { nodeId: string }): Promise<KafkaBroker>;
  fetchTopicsOffset(query: readonly object[]): Promise<readonly { partitions: readonly { offset: string }[] }[]>;
}

export interface KafkaReaderOptions {
  readonly topic: string;
  /** How long a topic may be unknown to the brokers before it is called missing. */
  readonly missingTopicMs: number;
  /** How long an accepted record may be invisible after a change of leader before that is called a truncation. */
  readonly settleMs: number;
  readonly onNote: (what: string, error: unknown) => void;
}

const PARTITION = 0;
const FETCH_CONNECTION = 1;
const THROTTLED_PAUSE_MS = 100;
const END_OFFSET_TIMEOUT_MS = 15_000;

/**
 * Reads one partition by kafkajs's broker-level fetch: no consumer group that could skip or rewind silently, uncommitted isolation. Each
 * reconnect and each change of leader is counted, so that the caller compares what it accepted before it takes more.
 */
export class KafkaReader {
  readonly #cluster: KafkaCluster;
  readonly #options: KafkaReaderOptions;
  readonly #closing = new AbortController();
  #leader: number | undefined;
  /** Socket of the last fetch: another one is a reconnect, which kafkajs does not tell. */
  #socket: object | undefined;
  /** Furthest record that was handed out, and the leader epoch it was written under: what comes after it has no smaller one. */
  #furthest: { readonly offset: bigint; readonly leaderEpoch: number } | undefined;
  #interruptions = 0;
  #missingSinceMs: number | undefined;

  constructor(cluster: KafkaCluster, options: KafkaReaderOptions) {
    this.#cluster = cluster;
    this.#options = options;
  }

  /** Ends what is under way: a broker that hangs is not waited for. */
  close(): void {
    this.#closing.abort(new TransportError('closed', 'topic is closed'));
  }

  read(args: Parameters<Topic['read']>[0]): Promise<TopicRead> {
    const read = unlessAborted(this.#read(args), this.#closing.signal);
    return unlessAborted(read, args.signal).catch((error: unknown) => {
      if (error instanceof TransportError) throw error;
      throw new TransportError('closed', 'the read was given up', { cause: error });
    });
  }

  async #read(args: Parameters<Topic['read']>[0]): Promise<TopicRead> {
    const untilMs = Date.now() + args.waitMs;
    let anchor = args.anchor;
    let failure: unknown;
    let emptyBehind = 0;
    do {
      try {
        if (anchor !== undefined) await this.#checkAnchor(anchor);
        anchor = undefined;
        const read = await this.#fetchOnce(
          args.fromOffset,
          args.maximumBytes,
          Math.max(0, Math.min(500, untilMs - Date.now())),
        );
        this.#missingSinceMs = undefined;
        failure = undefined;
        if (read === undefined) continue;
        if (read.records.length > 0) return read;
        if (read.endOffset <= args.fromOffset) {
          emptyBehind = 0;
          if (Date.now() >= untilMs) return read;
        } else if (++emptyBehind >= 3) {
          throw new TransportError('gap', `nothing at ${args.fromOffset} though the log ends at ${read.endOffset}`, {
            offset: args.fromOffset,
          });
        }
      } catch (error) {
        if (error instanceof TransportError) throw error;
        failure = error;
        await this.#afterReadFailure(error, anchor?.offset ?? args.fromOffset);
        await delay(100, args.signal);
      }
    } while (Date.now() < untilMs && args.signal?.aborted !== true && !this.#closing.signal.aborted);
    if (failure !== undefined) throw unavailable(failure);
    return this.#readNothing();
  }

  /** One fetch from the leader; undefined when the broker throttled it. */
  async #fetchOnce(fromOffset: bigint, maximumBytes: number, waitMs: number): Promise<TopicRead | undefined> {
    const partition = await this.#rawFetch(fromOffset, maximumBytes, waitMs);
    if (partition === undefined) {
      await delay(THROTTLED_PAUSE_MS);
      return undefined;
    }
    const isFurther = this.#furthest !== undefined && this.#furthest.offset < fromOffset;
    const judged = judgeFetch(partition.messages, fromOffset, isFurther ? (this.#furthest?.leaderEpoch ?? -1) : -1);
    if (judged.odd !== undefined && judged.records.length === 0) throw judged.odd;
    const last = judged.records.at(-1);
    if (last !== undefined && (this.#furthest === undefined || last.offset > this.#furthest.offset))
      this.#furthest = { offset: last.offset, leaderEpoch: judged.leaderEpoch };
    return {
      records: judged.records,
      startOffset: BigInt(partition.lastStartOffset),
      endOffset: BigInt(partition.highWatermark),
      interruptions: this.#interruptions,
    };
  }

  /** A throttled fetch says nothing about where the log ends, and "read to the end" must not be guessed: that is asked by itself. */
  async #readNothing(): Promise<TopicRead> {
    try {
      return { records: [], ...(await this.#limits()), interruptions: this.#interruptions };
    } catch (error) {
      throw unavailable(error);
    }
  }

  async #rawFetch(fromOffset: bigint, maximumBytes: number, waitMs: number): Promise<FetchPartition | undefined> {
    const cluster = this.#cluster;
    const metadata = cluster
      .findTopicPartitionMetadata(this.#options.topic)
      .find((found) => found.partitionId === PARTITION);
    if (metadata === undefined || metadata.leader === null || metadata.leader < 0) {
      throw Object.assign(new Error('no leader'), { type: 'LEADER_NOT_AVAILABLE' });
    }
    const broker = await cluster.findBroker({ nodeId: String(metadata.leader) });
    const answer = await broker.fetch({
      replicaId: -1,
      isolationLevel: 0,
      maxWaitTime: waitMs,
      minBytes: 1,
      maxBytes: maximumBytes,
      topics: [
        {
          topic: this.#options.topic,
          partitions: [{ partition: PARTITION, fetchOffset: String(fromOffset), maxBytes: maximumBytes }],
        },
      ],
    });
    this.#noteWay(metadata.leader, broker.connectionPool.pool[FETCH_CONNECTION]?.socket);
    return answer.responses
      .find((response) => response.topicName === this.#options.topic)
      ?.partitions.find((found) => found.partition === PARTITION);
  }

  /** Counts an interruption where an answer came another way than the one before. */
  #noteWay(leader: number, socket: object | undefined): void {
    if (this.#leader !== undefined && this.#leader !== leader)
      this.#interrupted('leader-change', new Error(`${this.#leader} to ${leader}`));
    else if (this.#socket !== undefined && this.#socket !== socket) this.#interrupted('reconnect', undefined);
    this.#leader = leader;
    this.#socket = socket;
  }

  /**
   * Reads an already accepted record again. Right after a change of leader the new one's high watermark may lie behind what was already
   * read: that is waited out before it is called a truncation.
   */
  async #checkAnchor({ offset, hash }: TopicAnchor): Promise<void> {
    const untilMs = Date.now() + this.#options.settleMs;
    let partition: FetchPartition | undefined;
    do {
      partition = await this.#rawFetch(offset, 1, 100);
      if (partition !== undefined && (partition.messages.length > 0 || BigInt(partition.highWatermark) > offset)) break;
      await delay(100);
    } while (Date.now() < untilMs && !this.#closing.signal.aborted);
    if (partition === undefined) throw new Error('anchor fetch throttled');
    const message = partition.messages.find((found) => BigInt(found.offset) === offset);
    if (message === undefined) {
      throw new TransportError(
        partition.messages.length > 0 ? 'gap' : 'truncated',
        `accepted record ${offset} is gone`,
        { offset: partition.messages.length > 0 ? offset : BigInt(partition.highWatermark) },
      );
    }
    if (!sameHash(sha256(message.value ?? new Uint8Array(0)), hash)) {
      throw new TransportError('anchor-mismatch', `record ${offset} is not the one accepted before`, { offset });
    }
  }

  /** Sorts a failed fetch: what can never be right is thrown with its kind, the rest is repaired for the next try. */
  async #afterReadFailure(error: unknown, wanted: bigint): Promise<void> {
    const failure = clientFailure(error);
    if (failure.type === 'OFFSET_OUT_OF_RANGE') {
      const limits = await this.#limitsNow(failure);
      if (limits === undefined) return;
      const { startOffset, endOffset } = limits;
      if (wanted < startOffset)
        throw new TransportError('trimmed', `wanted ${wanted}, the log starts at ${startOffset}`, {
          cause: error,
          offset: startOffset,
        });
      if (wanted > endOffset)
        throw new TransportError('truncated', `wanted ${wanted}, the log ends at ${endOffset}`, {
          cause: error,
          offset: endOffset,
        });
      return;
    }
    const at = { cause: error, offset: wanted };
    if (failure.type === 'CORRUPT_MESSAGE')
      throw new TransportError('corrupt', 'the broker calls the record corrupt', at);
    if (failure.name === 'KafkaJSNotImplemented')
      throw new TransportError('compressed', 'compressed by the broker', at);
    if (failure.name === 'RangeError' || failure.name === 'TypeError' || failure.code === 'ERR_OUT_OF_RANGE') {
      throw new TransportError('corrupt', 'a fetch answer that cannot be decoded', at);
    }
    this.#interrupted('fetch-retry', error);
    if (failure.type === 'UNKNOWN_TOPIC_OR_PARTITION' || failure.name === 'KafkaJSTopicMetadataNotLoaded') {
      this.#missingSinceMs ??= Date.now();
      if (Date.now() - this.#missingSinceMs > this.#options.missingTopicMs) {
        throw new TransportError('topic-missing', `topic ${this.#options.topic} is gone`, at);
      }
    }
    await this.#reconnect(failure);
  }

  #interrupted(what: string, error: unknown): void {
    this.#interruptions++;
    this.#options.onNote(what, error);
  }

  /** Both ends of the log; undefined when they cannot be had before the leader is looked up anew. */
  async #limitsNow(failure: ClientFailure): Promise<{ startOffset: bigint; endOffset: bigint } | undefined> {
    try {
      return await this.#limits();
    } catch (error) {
      this.#options.onNote('limits-retry', error);
      await this.#reconnect(failure);
      return undefined;
    }
  }

  async #reconnect(failure: { name: string; host: string | undefined; port: number | undefined }): Promise<void> {
    const cluster = this.#cluster;
    if (failure.name === 'KafkaJSConnectionClosedError' || failure.name === 'KafkaJSConnectionError') {
      cluster.removeBroker({ host: failure.host, port: failure.port });
    }
    try {
      if (!cluster.isConnected()) await cluster.connect();
      await cluster.refreshMetadata();
    } catch (error) {
      this.#options.onNote('metadata-retry', error);
      if (clientFailure(error).type === 'UNKNOWN_TOPIC_OR_PARTITION') this.#missingSinceMs ??= Date.now();
    }
  }

  async #limits(): Promise<{ startOffset: bigint; endOffset: bigint }> {
    const at = async (fromBeginning: boolean): Promise<bigint> => {
      const answer = await this.#cluster.fetchTopicsOffset([
        { topic: this.#options.topic, partitions: [{ partition: PARTITION }], fromBeginning },
      ]);
      return BigInt(answer[0]?.partitions[0]?.offset ?? '0');
    };
    return { startOffset: await at(true), endOffset: await at(false) };
  }

  endOffset(): Promise<bigint> {
    return unlessAborted(this.#endOffset(), this.#closing.signal);
  }

  async #endOffset(): Promise<bigint> {
    let failure: unknown;
    for (const untilMs = Date.now() + END_OFFSET_TIMEOUT_MS; Date.now() < untilMs && !this.#closing.signal.aborted;) {
      try {
        return (await this.#limits()).endOffset;
      } catch (error) {
        failure = error;
        await this.#reconnect(clientFailure(error));
        await delay(150, this.#closing.signal);
      }
    }
    throw unavailable(failure);
  }
}

function unavailable(failure: unknown): TransportError {
  const { type, name } = clientFailure(failure);
  return new TransportError('unavailable', type ?? name, { cause: failure });
}
