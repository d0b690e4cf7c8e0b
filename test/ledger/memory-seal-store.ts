import { parseBatchBody, parseBatchHeader } from '../../src/ledger/batch.ts';
import { parseFrame } from '../../src/ledger/frame.ts';
import type { PendingEvent, SealedBatch, SealStore, WriterHead } from '../../src/ledger/seal-store.ts';

type SequencedBatch = SealedBatch & { leafIndex: number | undefined };

/** A seal store whose content survives a simulated crash: every method is one durable step. */
export class MemorySealStore implements SealStore {
  /** Thrown from by a simulation to kill the process before or after a durable step. */
  onStep: (step: string) => void = () => {};
  readonly batches: SequencedBatch[] = [];
  finalSize = 0;
  #writer: string;
  #pending: (PendingEvent & { atMs: number })[] = [];
  #nextSequence = 1;
  #chainStart: Uint8Array = new Uint8Array(32);
  /** Of the log that was entered last. */
  #origin: string | undefined;

  constructor(writer: string) {
    this.#writer = writer;
  }

  commit(bytes: Uint8Array, atMs: number): void {
    this.#pending.push({ sequence: this.#nextSequence++, bytes, atMs });
  }

  /** A copy of what a backup taken now would hold. */
  backup(): MemorySealStore {
    const copy = new MemorySealStore(this.#writer);
    copy.batches.push(...this.batches.map((batch) => ({ ...batch })));
    copy.#pending = [...this.#pending];
    copy.#nextSequence = this.#nextSequence;
    copy.finalSize = this.finalSize;
    copy.#chainStart = this.#chainStart;
    copy.#origin = this.#origin;
    return copy;
  }

  /**
   * The log has ended: batches that it has are done with, the events of all others wait again. One step, done once for each log.
   * @param origin of the log that is entered
   */
  enterNextLog(origin: string, chainStart: Uint8Array, isKept: (batch: SealedBatch) => boolean): void {
    this.onStep('before enterNextLog');
    if (this.#origin === origin) return;
    const lost = this.batches.filter((batch) => !isKept(batch));
    const events = lost.flatMap(({ frame }) => {
      const { header = new Uint8Array(), body = new Uint8Array() } = parseFrame(frame) ?? {};
      return parseBatchBody(parseBatchHeader(header), body);
    });
    const again = [...events, ...this.#pending.map(({ bytes }) => bytes)];
    this.#pending = again.map((bytes) => ({ sequence: this.#nextSequence++, bytes, atMs: 0 }));
    this.batches.length = 0;
    this.finalSize = 0;
    this.#chainStart = chainStart;
    this.#origin = origin;
    this.onStep('after enterNextLog');
  }

  head(): WriterHead {
    const last = this.batches.at(-1);
    return {
      writer: this.#writer,
      batch: last?.batch ?? 0,
      headerHash: last?.headerHash ?? this.#chainStart,
      nextEvent: last === undefined ? 0 : last.firstEvent + last.count,
    };
  }

  pending(limit: number): readonly PendingEvent[] {
    return this.#pending.slice(0, limit);
  }

  backlog(): { events: number; oldestMs: number | undefined } {
    return { events: this.#pending.length, oldestMs: this.#pending[0]?.atMs };
  }

  saveSealed(batch: SealedBatch, throughSequence: number): void {
    this.onStep('before saveSealed');
    this.batches.push({ ...batch, leafIndex: undefined });
    this.#pending = this.#pending.filter((event) => event.sequence > throughSequence);
    this.onStep('after saveSealed');
  }

  unsequenced(limit: number): readonly SealedBatch[] {
    return this.batches.filter((batch) => batch.leafIndex === undefined).slice(0, limit);
  }

  markSequenced(number: number, leafIndex: number): void {
    this.onStep('before markSequenced');
    const batch = this.batches.find((candidate) => candidate.batch === number);
    if (batch !== undefined) batch.leafIndex = leafIndex;
    this.onStep('after markSequenced');
  }

  markFinal(size: number): void {
    this.onStep('before markFinal');
    this.finalSize = Math.max(this.finalSize, size);
    this.onStep('after markFinal');
  }
}
