import { sha256 } from '../hash.ts';
import type { LedgerLog, LedgerParameters } from './ledger-options.ts';
import type { IncidentKind } from './ledger-view.ts';
import { sameHash } from './merkle/tree-hash.ts';
import type { Replica } from './replica.ts';
import { TransportError, type Topic, type TopicRead, type TopicRecord, type TransportCode } from './transport.ts';

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

/** How much of what was accepted last is compared again: at most so many leaves, and so many bytes or one leaf. */
export const OVERLAP_LEAVES = 64;
const OVERLAP_BYTES = 256 * 1024;

/** A broker that slows its clients down may answer with nothing; one that always does is not there. */
const MOST_EMPTY_READS = 50;

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
 * Reads the topic into the replica, from the replica's own offset. After a connect, after any error or interruption, and each minute the last accepted records
 * are read again and compared. Where the topic is not what it was, it halts: nothing more is read, so nothing false is signed, until what was accepted stands there
 * again.
 */
export class ReplicaReader {
  readonly #options: ReplicaReaderOptions;
  #comparedMs: number | undefined;
  /** The topic's count when records were compared last. */
  #interruptions = 0;
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
    const due = this.#comparedMs === undefined || nowMs - this.#comparedMs >= parameters.anchorIntervalMs;
    const abort = signal === undefined ? {} : { signal };
    try {
      const overlaps = due && overlapStart(replica) < replica.head.size;
      if (overlaps && !(await this.#compareOverlap({ waitMs, ...abort }))) return 0;
      const read = await topic.read({
        fromOffset: nextOffset,
        maximumBytes: parameters.maximumReadBytes,
        waitMs,
        // A replica that came from a peer has one record of the topic to compare.
        ...(due && !overlaps && anchor !== undefined ? { anchor } : {}),
        ...abort,
      });
      if (due) this.#comparedMs = nowMs;
      if (due && !overlaps) this.#interruptions = read.interruptions;
      if (read.interruptions !== this.#interruptions) {
        // What came may be of another log: it is read again once the accepted records were found in their places.
        this.#comparedMs = undefined;
        return 0;
      }
      for (const [i, record] of read.records.entries()) await this.#take(record, i);
      await replica.flush();
      const lagRecords = Math.max(0, Number(read.endOffset - replica.head.nextOffset));
      this.#enter('reading', undefined, lagRecords);
      return read.records.length;
    } catch (error) {
      if (!(error instanceof TransportError)) throw error;
      if (signal?.aborted !== true) await this.#failed(error);
      return 0;
    }
  }

  /**
   * Reads the last accepted records again.
   * @returns false when the topic did not give all of them in time
   * @throws {TransportError} anchor-mismatch, with the offset of the first that is another one now
   */
  async #compareOverlap(wait: { readonly waitMs: number; readonly signal?: AbortSignal }): Promise<boolean> {
    const { topic, replica, parameters } = this.#options;
    const { size, anchor } = replica.head;
    let index = overlapStart(replica);
    let known: number | undefined;
    while (index < size) {
      let read: TopicRead;
      try {
        read = await topic.read({
          fromOffset: replica.leaves.record(index).topicOffset,
          maximumBytes: parameters.maximumReadBytes,
          // The transport waits out a new leader that does not show everything yet.
          ...(known === undefined && anchor !== undefined ? { anchor } : {}),
          ...wait,
        });
      } catch (error) {
        const startOffset = trimmedTo(error);
        if (startOffset === undefined || anchor === undefined || startOffset > anchor.offset) throw error;
        // Retention cut what the replica has; the last accepted record still stands.
        index = replica.leafAtOffset(startOffset);
        continue;
      }
      if (read.records.length === 0 || (known !== undefined && read.interruptions !== known)) return false;
      known = read.interruptions;
      index = compareRecords(replica, index, read.records);
    }
    if (known !== undefined) this.#interruptions = known;
    return true;
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
    this.#comparedMs = undefined;
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
  async #firstBadLeaf({ code, offset }: TransportError): Promise<number> {
    const { topic, replica } = this.#options;
    if (code === 'trimmed' || code === 'topic-missing') return 0;
    const told = offset === undefined ? replica.head.size : replica.leafAtOffset(offset);
    // What is left of a truncated topic may have been filled up with other records meanwhile.
    if (code !== 'anchor-mismatch' && code !== 'gap' && code !== 'truncated') return told;
    try {
      return (await findFirstDifference(topic, replica)) ?? told;
    } catch (cause) {
      if (!(cause instanceof TransportError)) throw cause;
      return cause.offset === undefined ? told : Math.min(told, replica.leafAtOffset(cause.offset));
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

/** First leaf of the overlap; the size where no leaf came from the topic. */
function overlapStart({ head, leaves }: Replica): number {
  let index = head.size;
  let bytes = 0;
  while (index > 0 && head.size - index < OVERLAP_LEAVES) {
    const { topicOffset, headerLength, bodyLength } = leaves.record(index - 1);
    bytes += headerLength + bodyLength;
    if (topicOffset < 0n || (bytes > OVERLAP_BYTES && index < head.size)) break;
    index--;
  }
  return index;
}

/**
 * Compares records with the leaves from `index` on.
 * @returns the first leaf that is not compared yet
 * @throws {TransportError} anchor-mismatch
 */
function compareRecords(replica: Replica, index: number, records: readonly TopicRecord[]): number {
  let next = index;
  for (const record of records) {
    if (next >= replica.head.size) break;
    if (!isLeafRecord(replica, next, record))
      throw new TransportError('anchor-mismatch', 'another record stands there', { offset: record.offset });
    next++;
  }
  return next;
}

function isLeafRecord(replica: Replica, index: number, record: TopicRecord): boolean {
  const { topicOffset, valueHash } = replica.leaves.record(index);
  return topicOffset === record.offset && sameHash(valueHash, sha256(record.value));
}

/**
 * Compares a topic with a replica, record by record, over what both hold.
 * @returns the first leaf index whose record differs; undefined when none does
 * @throws {TransportError} when the topic cannot be read that far; its offset says where
 */
export async function findFirstDifference(topic: Topic, replica: Replica): Promise<number | undefined> {
  const { size } = replica.head;
  let index = replica.leafAtOffset(await startOffset(topic));
  let emptyReads = 0;
  while (index < size) {
    const fromOffset = replica.leaves.record(index).topicOffset;
    const { records, endOffset } = await topic.read({ fromOffset, maximumBytes: 1 << 20, waitMs: 0 });
    if (records.length === 0 && endOffset <= fromOffset) return index;
    emptyReads = records.length === 0 ? emptyReads + 1 : 0;
    if (emptyReads > MOST_EMPTY_READS) throw new TransportError('unavailable', 'the topic gives nothing to compare');
    for (const record of records) {
      if (index >= size) return undefined;
      if (!isLeafRecord(replica, index, record)) return index;
      index++;
    }
  }
  return undefined;
}

async function startOffset(topic: Topic): Promise<bigint> {
  try {
    return (await topic.read({ fromOffset: 0n, maximumBytes: 1, waitMs: 0 })).startOffset;
  } catch (error) {
    const start = trimmedTo(error);
    if (start === undefined) throw error;
    return start;
  }
}

/** First offset that is left, where an error says that earlier ones are gone. */
function trimmedTo(error: unknown): bigint | undefined {
  return error instanceof TransportError && error.code === 'trimmed' ? error.offset : undefined;
}
