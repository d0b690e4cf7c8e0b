import type { LedgerLog, LedgerParameters } from './ledger-options.ts';
import { sameHash } from './merkle/tree-hash.ts';
import type { SealedBatch, SealStore, WriterHead } from './seal-store.ts';
import { SendLog } from './send-log.ts';
import { TransportError, type Topic } from './transport.ts';

export const MAXIMUM_BATCH_EVENTS = 256;
const SEND_WINDOW = 64;
/** After a doubtful append the replica gets this long to read the record back before it is sent again. */
const DOUBT_PAUSE_MS = 250;
const RETRY_PAUSE_MS = 200;

export interface SealerOptions {
  readonly store: SealStore;
  readonly topic: Topic;
  readonly parameters: LedgerParameters;
  /** Never goes back. */
  readonly clock: () => number;
  /** The one by which the store notes when events were committed; it may. */
  readonly commitClock: () => number;
  readonly log: LedgerLog;
  /** Builds and signs the batch that follows `head`; undefined while this member may not sign. */
  readonly buildBatch: (head: WriterHead, events: readonly Uint8Array[]) => SealedBatch | undefined;
}

/** An accepted batch of this writer as the own replica read it back. */
export interface ReadBack {
  readonly batch: number;
  readonly headerHash: Uint8Array;
  readonly leafIndex: number;
}

/**
 * Turns committed events into signed batches and gets them into the topic: seal → save → send → read back.
 * Only saved bytes are ever sent, and an acknowledgement is never believed: `readBack` alone marks a batch sequenced.
 */
export class Sealer {
  readonly #options: SealerOptions;
  /** Greatest batch number that was handed to the transport since the last doubt; 0 means send from the first one not read back. */
  #sentThrough = 0;
  #oldestSentMs: number | undefined;
  #waitingSinceMs: number | undefined;
  #pausedUntilMs = 0;
  #allowed = false;
  readonly sends = new SendLog();

  constructor(options: SealerOptions) {
    this.#options = options;
  }

  /** False until `allow`: nothing is signed before the restored-backup check passed. */
  get allowed(): boolean {
    return this.#allowed;
  }

  /** Since when a sent batch has not been read back. */
  get waitingSinceMs(): number | undefined {
    return this.#waitingSinceMs;
  }

  /** Sealed batches that are not known to have been read back, oldest first; no more than are sent at once. */
  unsequenced(): readonly SealedBatch[] {
    return this.#options.store.unsequenced(SEND_WINDOW);
  }

  allow(): void {
    this.#allowed = true;
  }

  /** Another process signs for this writer, or the own state went back: nothing more is signed. */
  forbid(): void {
    this.#allowed = false;
  }

  /** Ms until `seal` has something to do; 0 now, undefined when nothing waits. */
  dueInMs(): number | undefined {
    const { events, oldestMs } = this.#options.store.backlog();
    if (events === 0 || oldestMs === undefined) return undefined;
    if (events >= MAXIMUM_BATCH_EVENTS) return 0;
    const ageMs = this.#options.commitClock() - oldestMs;
    return ageMs < 0 ? 0 : Math.max(0, this.#options.parameters.lingerMs - ageMs);
  }

  /** Seals one batch if one is due; true if it did. */
  seal(): boolean {
    if (!this.#allowed || this.dueInMs() !== 0) return false;
    const { store } = this.#options;
    const pending = store.pending(MAXIMUM_BATCH_EVENTS);
    const last = pending.at(-1);
    if (last === undefined) return false;
    const head = store.head();
    const batch = this.#options.buildBatch(
      head,
      pending.map((event) => event.bytes),
    );
    if (batch === undefined) return false;
    // A crash before this line leaves the events pending and no trace of the signature; after it, the batch is sent at the next start.
    store.saveSealed(batch, last.sequence);
    this.sends.begin(batch.batch);
    return true;
  }

  /** Sends what has not been sent, in order; after a doubt or a timeout, everything from the first batch not read back. */
  async send(): Promise<void> {
    const { store, clock, parameters, log } = this.#options;
    const nowMs = clock();
    if (!this.#allowed || nowMs < this.#pausedUntilMs) return;
    const waiting = store.unsequenced(SEND_WINDOW);
    const first = waiting[0];
    if (first === undefined) {
      this.#oldestSentMs = undefined;
      this.#waitingSinceMs = undefined;
      return;
    }
    this.#waitingSinceMs ??= nowMs;
    if (this.#oldestSentMs !== undefined && nowMs - this.#oldestSentMs >= parameters.resendAfterMs) {
      log.warn({ batch: first.batch }, 'sealed batches were not read back in time and are sent again');
      this.#sentThrough = 0;
      this.#oldestSentMs = undefined;
    }
    for (const batch of waiting) {
      if (batch.batch <= this.#sentThrough) continue;
      if (!(await this.#sendOne(batch))) return;
    }
  }

  async #sendOne(batch: SealedBatch): Promise<boolean> {
    const { topic, clock, log } = this.#options;
    try {
      this.sends.sending(batch.batch);
      this.sends.acknowledged(batch.batch, await topic.append(batch.frame));
      this.#sentThrough = batch.batch;
      this.#oldestSentMs ??= clock();
      return true;
    } catch (error) {
      if (!(error instanceof TransportError)) throw error;
      this.sends.failed(batch.batch, error.code === 'outcome-unknown' ? 'maybe' : 'no');
      if (error.code === 'outcome-unknown') {
        // It may be stored, or may be stored later, even after its successor: all are sent again in order, and readers drop what is double.
        this.#sentThrough = 0;
        this.#pausedUntilMs = clock() + DOUBT_PAUSE_MS;
      } else {
        this.#pausedUntilMs = clock() + RETRY_PAUSE_MS;
      }
      log.warn({ batch: batch.batch, code: error.code }, 'a sealed batch could not be sent');
      return false;
    }
  }

  /**
   * The own verified replica holds this batch. Idempotent.
   * @returns false when it is not the one that was saved here: somebody else signed that number
   */
  readBack(found: ReadBack): boolean {
    const { store, clock } = this.#options;
    const head = store.head();
    if (found.batch > head.batch) return false;
    if (found.batch === head.batch && !sameHash(found.headerHash, head.headerHash)) return false;
    const saved = store.unsequenced(SEND_WINDOW).find((batch) => batch.batch === found.batch);
    if (saved === undefined) return true;
    if (!sameHash(saved.headerHash, found.headerHash)) return false;
    store.markSequenced(found.batch, found.leafIndex);
    this.#waitingSinceMs = undefined;
    this.#oldestSentMs = this.#sentThrough > found.batch ? clock() : undefined;
    return true;
  }
}
