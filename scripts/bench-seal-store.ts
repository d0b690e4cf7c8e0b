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

  constructor(writer: string, durablePath?: string) {
    this.#writer = writer;
    if (durablePath === undefined) return;
    this.#database = new DatabaseSync(durablePath);
    this.#database.exec(
      'PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE sealed (batch INTEGER PRIMARY KEY, frame BLOB)',
    );
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
    this.#waiting = this.#waiting.filter((candidate) => candidate.batch !== batch);
  }

  markFinal(): void {}
}
