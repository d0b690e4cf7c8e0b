import { sha256 } from '../hash.ts';
import type { LedgerLog, LedgerParameters } from './ledger-options.ts';
import type { IncidentKind } from './ledger-view.ts';
import { sameHash } from './merkle/tree-hash.ts';
import type { Replica } from './replica.ts';
import { TransportError, type Topic, type TopicRecord, type TransportCode } from './transport.ts';

/** Faults after which the topic is not the one that was read so far. */
const HALTING: ReadonlyMap<TransportCode, IncidentKind> = new Map([
  ['trimmed', 'trimmed'],
  ['truncated', 'truncated'],
  ['gap', 'offset-gap'],
  ['rewound', 'rewound'],
  ['control', 'control'],
  ['transactional', 'transactional'],
  ['compressed', 'compressed'],
  ['anchor-mismatch', 'anchor-mismatch'],
  ['epoch-back', 'epoch-back'],
  ['topic-missing', 'topic-missing'],
  ['corrupt', 'corrupt'],
]);

/** Longest stretch of work before the event loop gets a turn. */
const SLICE_MS = 8;

export interface ReplicaReaderOptions {
  readonly topic: Topic;
  readonly replica: Replica;
  readonly parameters: LedgerParameters;
  readonly clock: () => number;
  readonly log: LedgerLog;
  /** Judges one record and appends it to the replica. */
  readonly take: (record: TopicRecord, valueHash: Uint8Array) => Promise<void> | void;
}

export interface ReaderState {
  readonly state: 'reading' | 'unavailable' | 'halted';
  readonly sinceMs: number;
  readonly code: TransportCode | undefined;
  readonly lagRecords: number;
}

/**
 * Reads the topic into the replica, from the replica's own offset. After a connect, after any error, and each minute the last accepted record is read
 * again and compared. Where the topic is not what it was, it halts: nothing more is read, so nothing false is signed, until the anchor holds again.
 */
export class ReplicaReader {
  readonly #options: ReplicaReaderOptions;
  #anchoredMs: number | undefined;
  #state: ReaderState;

  constructor(options: ReplicaReaderOptions) {
    this.#options = options;
    this.#state = { state: 'reading', sinceMs: options.clock(), code: undefined, lagRecords: 0 };
  }

  get state(): ReaderState {
    return this.#state;
  }

  /** One read. @returns how many records were taken */
  async poll(waitMs: number, signal?: AbortSignal): Promise<number> {
    const { topic, replica, parameters, clock } = this.#options;
    // What could not be stored before (a full disk) is stored first: nothing piles up in memory.
    await replica.flush();
    const { nextOffset, anchor } = replica.head;
    const nowMs = clock();
    const due = this.#anchoredMs === undefined || nowMs - this.#anchoredMs >= parameters.anchorIntervalMs;
    try {
      const read = await topic.read({
        fromOffset: nextOffset,
        maximumBytes: parameters.maximumReadBytes,
        waitMs,
        ...(due && anchor !== undefined ? { anchor } : {}),
        ...(signal === undefined ? {} : { signal }),
      });
      if (due) this.#anchoredMs = nowMs;
      for (const [i, record] of read.records.entries()) await this.#take(record, i);
      await replica.flush();
      const lagRecords = Math.max(0, Number(read.endOffset - replica.head.nextOffset));
      this.#enter('reading', undefined, lagRecords);
      return read.records.length;
    } catch (error) {
      if (!(error instanceof TransportError)) throw error;
      await this.#failed(error);
      return 0;
    }
  }

  #sliceStartMs = 0;

  async #take(record: TopicRecord, i: number): Promise<void> {
    if (i === 0) this.#sliceStartMs = performance.now();
    else if (performance.now() - this.#sliceStartMs > SLICE_MS) {
      await new Promise((resolve) => setImmediate(resolve));
      this.#sliceStartMs = performance.now();
    }
    await this.#options.take(record, sha256(record.value));
  }

  async #failed(error: TransportError): Promise<void> {
    this.#anchoredMs = undefined;
    const kind = HALTING.get(error.code);
    if (kind === undefined) {
      this.#enter('unavailable', error.code, this.#state.lagRecords);
      return;
    }
    // A new member that the topic can no longer serve has lost nothing: it begins from a peer, or has begun and not yet found where the topic goes on.
    const isNew = error.code === 'trimmed' && this.#options.replica.head.anchor === undefined;
    if (!isNew && (this.#state.state !== 'halted' || this.#state.code !== error.code)) {
      const { replica } = this.#options;
      const leafIndex = await this.#firstBadLeaf(error);
      const detail = `the topic is not what was read before (${error.code}); reading stops`;
      replica.addIncident({ kind, leafIndex, member: undefined, writer: undefined, detail, evidence: undefined });
      await replica.flush();
    }
    this.#enter('halted', error.code, this.#state.lagRecords);
  }

  /** The first leaf that the topic no longer holds as it was read, or the next leaf to come where all of them still stand. */
  async #firstBadLeaf(error: TransportError): Promise<number> {
    const { replica } = this.#options;
    if (error.code === 'trimmed') return 0;
    // What is left of a truncated topic may have been filled up with other records meanwhile.
    if (error.code !== 'anchor-mismatch' && error.code !== 'gap' && error.code !== 'truncated')
      return replica.head.size;
    try {
      return (await findFirstDifference(this.#options.topic, replica)) ?? replica.head.size;
    } catch (cause) {
      if (!(cause instanceof TransportError)) throw cause;
      // All before the record that cannot be had are as they were.
      return cause.offset === undefined ? Math.max(0, replica.head.size - 1) : replica.leafAtOffset(cause.offset);
    }
  }

  #enter(state: ReaderState['state'], code: TransportCode | undefined, lagRecords: number): void {
    const { clock, log } = this.#options;
    if (state !== this.#state.state || code !== this.#state.code) {
      if (state === 'reading') log.info({}, 'the topic is read again');
      else log.warn({ state, code }, 'the topic cannot be read');
      this.#state = { state, code, lagRecords, sinceMs: clock() };
    } else this.#state = { ...this.#state, lagRecords };
  }
}

/**
 * Compares a topic with a replica, record by record, over what both hold.
 * @returns the first leaf index whose record differs; undefined when none does
 * @throws {TransportError} when the topic cannot be read that far; its offset says where
 */
export async function findFirstDifference(topic: Topic, replica: Replica): Promise<number | undefined> {
  const size = replica.head.size;
  const first = await topic.read({ fromOffset: await startOffset(topic), maximumBytes: 1 << 20, waitMs: 0 });
  let index = 0;
  while (index < size && replica.leaves.record(index).topicOffset < first.startOffset) index++;
  let records = first.records;
  while (index < size && records.length > 0) {
    for (const record of records) {
      if (index >= size) return undefined;
      const stored = replica.leaves.record(index);
      if (stored.topicOffset !== record.offset || !sameHash(stored.valueHash, sha256(record.value))) return index;
      index++;
    }
    // What comes behind the own leaves may be what cannot be read.
    if (index >= size) return undefined;
    const last = records.at(-1) as TopicRecord;
    records = (await topic.read({ fromOffset: last.offset + 1n, maximumBytes: 1 << 20, waitMs: 0 })).records;
  }
  return index < size ? index : undefined;
}

async function startOffset(topic: Topic): Promise<bigint> {
  try {
    return (await topic.read({ fromOffset: 0n, maximumBytes: 1, waitMs: 0 })).startOffset;
  } catch (error) {
    if (error instanceof TransportError && error.code === 'trimmed') return error.offset ?? 0n;
    throw error;
  }
}
