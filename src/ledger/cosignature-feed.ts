import { errorCode } from './error-code.ts';
import type { LedgerLog } from './ledger-options.ts';
import type { Topic } from './transport.ts';
import { waitAtMost } from './wait.ts';

export interface CosignatureFeedOptions {
  readonly topic: Topic;
  readonly maximumReadBytes: number;
  /** Never goes back. */
  readonly clock: () => number;
  readonly log: LedgerLog;
  readonly absorb: (note: Uint8Array) => void;
}

/** How long a signer waits for the topic: what it carries goes to peers as well. */
const PUBLISH_PATIENCE_MS = 1000;
/** Signatures of old trees are of no use: enough of the tail to hold every member's latest. */
const TAIL_RECORDS = 256n;

/**
 * The second topic: signed checkpoints by members. Nothing in it is believed, and nothing in it is needed for good, because peers carry the
 * same: after any fault it is read on from its tail.
 */
export class CosignatureFeed {
  readonly #options: CosignatureFeedOptions;
  #offset: bigint | undefined;
  #readToEnd = false;
  #isConnected = false;
  #isPublishing = false;
  #unreadableSinceMs: number | undefined;

  constructor(options: CosignatureFeedOptions) {
    this.#options = options;
  }

  /** Whether it was read to its end since the last fault. */
  get readToEnd(): boolean {
    return this.#readToEnd;
  }

  /** Since when it cannot be read. */
  get unreadableSinceMs(): number | undefined {
    return this.#unreadableSinceMs;
  }

  /** Hands each record to `absorb`. @returns how many came */
  async read(waitMs: number, signal?: AbortSignal): Promise<number> {
    const { topic, maximumReadBytes: maximumBytes, clock, log, absorb } = this.#options;
    try {
      // Not when the ledger starts: this topic is not needed for that.
      if (!this.#isConnected) await topic.connect();
      this.#isConnected = true;
      this.#offset ??= await tailOffset(topic);
      const aborting = signal === undefined ? {} : { signal };
      const read = await topic.read({ fromOffset: this.#offset, maximumBytes, waitMs, ...aborting });
      for (const record of read.records) {
        absorb(record.value);
        this.#offset = record.offset + 1n;
      }
      if (this.#offset >= read.endOffset) this.#readToEnd = true;
      this.#unreadableSinceMs = undefined;
      return read.records.length;
    } catch (error) {
      if (this.#unreadableSinceMs === undefined) log.warn({ error: errorCode(error) }, 'cosignatures cannot be read');
      this.#unreadableSinceMs ??= clock();
      this.#offset = undefined;
      this.#readToEnd = false;
      return 0;
    }
  }

  /**
   * Appends a note, and waits a moment for it. A failure is only logged, and while the topic hangs the next ones are left out: peers get them as well, and the last is
   * published again while its tree is not final.
   */
  async publish(note: Uint8Array): Promise<void> {
    if (this.#isPublishing) return;
    this.#isPublishing = true;
    await waitAtMost(this.#append(note), PUBLISH_PATIENCE_MS);
  }

  async #append(note: Uint8Array): Promise<void> {
    try {
      await this.#options.topic.append(note);
    } catch (error) {
      this.#options.log.warn({ error: errorCode(error) }, 'a cosignature could not be appended');
    } finally {
      this.#isPublishing = false;
    }
  }
}

async function tailOffset(topic: Topic): Promise<bigint> {
  const end = await topic.endOffset();
  const { startOffset } = await topic.read({ fromOffset: end, maximumBytes: 1, waitMs: 0 });
  const tail = end - TAIL_RECORDS;
  return tail > startOffset ? tail : startOffset;
}
