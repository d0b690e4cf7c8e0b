import { DatabaseSync } from 'node:sqlite';
import { NO_PREVIOUS_HEADER } from '../src/ledger/batch.ts';
import type { PendingEvent, SealedBatch, SealStore, WriterHead } from '../src/ledger/seal-store.ts';

/** Events in memory, and sealed batches in one SQLite row each where `durable`. */
export class BenchSealStore implements SealStore {
  readonly #writer: string;
  readonly #database: DatabaseSync | undefined;
  #pending: (PendingEvent & { readonly atMs: number })[] = [];
  #taken = 0;
  #waiting: SealedBatch[] = [];
  #last: SealedBatch | undefined;
  #next = 1;
  #sequenced = 0;
  readonly #onSequenced: (count: number) => void;

  /** @param onSequenced told how many events more became sequenced, in the order of their commits */
  constructor(writer: string, durablePath?: string, onSequenced: (count: number) => void = () => {}) {
    this.#writer = writer;
    this.#onSequenced = onSequenced;
    if (durablePath === undefined) return;
    this.#database = new DatabaseSync(durablePath);
    this.#database.exec(
      'PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE sealed (batch INTEGER PRIMARY KEY, frame BLOB)',
    );
  }

  /** Events committed so far, and of them those that are sequenced. */
  get committed(): number {
    return this.#next - 1;
  }

  get sequenced(): number {
    return this.#sequenced;
  }

  commit(bytes: Uint8Array): void {
    this.#pending.push({ sequence: this.#next++, bytes, atMs: Date.now() });
  }

  head(): WriterHead {
    const last = this.#last;
    const nextEvent = last === undefined ? 0 : last.firstEvent + last.count;
    return {
      writer: this.#writer,
      batch: last?.batch ?? 0,
      headerHash: last?.headerHash ?? NO_PREVIOUS_HEADER,
      nextEvent,
    };
  }

  pending(limit: number): readonly PendingEvent[] {
    return this.#pending.slice(this.#taken, this.#taken + limit);
  }

  backlog(): { events: number; oldestMs: number | undefined } {
    return { events: this.#pending.length - this.#taken, oldestMs: this.#pending[this.#taken]?.atMs };
  }

  saveSealed(batch: SealedBatch): void {
    this.#database?.prepare('INSERT INTO sealed VALUES (?, ?)').run(batch.batch, batch.frame);
    this.#taken += batch.count;
    this.#last = batch;
    this.#waiting.push(batch);
    if (this.#taken < 65_536) return;
    this.#pending = this.#pending.slice(this.#taken);
    this.#taken = 0;
  }

  unsequenced(limit: number): readonly SealedBatch[] {
    return this.#waiting.slice(0, limit);
  }

  markSequenced(batch: number): void {
    const found = this.#waiting.find((candidate) => candidate.batch === batch);
    if (found === undefined) return;
    this.#waiting = this.#waiting.filter((candidate) => candidate !== found);
    this.#sequenced += found.count;
    this.#onSequenced(found.count);
  }

  markFinal(): void {}
}
