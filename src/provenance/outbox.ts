import type { StatementSync } from 'node:sqlite';
import { NO_PREVIOUS_HEADER } from '../ledger/batch.ts';
import type { PendingEvent, SealedBatch, SealStore, WriterHead } from '../ledger/seal-store.ts';
import type { ProvenanceStore } from './provenance-store.ts';

interface BatchRow {
  readonly number: number;
  readonly header_hash: Uint8Array;
  readonly first_event: number;
  readonly count: number;
  readonly frame: Uint8Array | null;
}

/** Where an event of ours stands before the replica knows more. */
export type OutboxState = 'queued' | 'sealed' | 'sequenced' | 'final';

/** Events on their way to the ledger, and the signed batches of one writer: the durable side of sealing, in the records' own database. */
export class Outbox implements SealStore {
  readonly #store: ProvenanceStore;
  readonly #writer: string;
  readonly #chainStart: Uint8Array;
  readonly #insertPending: StatementSync;
  readonly #statements: Record<
    | 'head'
    | 'pending'
    | 'oldest'
    | 'saveBatch'
    | 'takePending'
    | 'unsequenced'
    | 'sequence'
    | 'dropFrames'
    | 'setFinal'
    | 'batchOf'
    | 'pastBatchOf',
    StatementSync
  >;
  /** Durable events in no batch, and those in batches that are not read back; kept here because each begin asks. */
  #pendingEvents: number;
  #unsequencedEvents: number;
  #finalSize: number;

  /**
   * @param writer name of this gateway's chain of batches; a new name begins a new chain
   * @param chainStart SHA-256 of the header that the chain's batch 1 follows: of an ended log that this one goes on from, or 32 zero bytes
   */
  constructor(store: ProvenanceStore, writer: string, chainStart: Uint8Array = NO_PREVIOUS_HEADER) {
    this.#store = store;
    this.#writer = writer;
    this.#chainStart = chainStart;
    const { database } = store;
    this.#insertPending = database.prepare('INSERT INTO pending (sequence, committed_ms, bytes) VALUES (?, ?, ?)');
    this.#statements = {
      head: database.prepare(
        'SELECT number, header_hash, first_event, count FROM batch WHERE writer = ? ORDER BY number DESC LIMIT 1',
      ),
      pending: database.prepare('SELECT sequence, bytes FROM pending ORDER BY sequence LIMIT ?'),
      oldest: database.prepare('SELECT committed_ms FROM pending ORDER BY sequence LIMIT 1'),
      saveBatch: database.prepare(
        'INSERT INTO batch (writer, number, header_hash, first_event, count, through_sequence, frame) VALUES (?, ?, ?, ?, ?, ?, ?)',
      ),
      takePending: database.prepare('DELETE FROM pending WHERE sequence <= ?'),
      unsequenced: database.prepare(
        'SELECT number, header_hash, first_event, count, frame FROM batch WHERE writer = ? AND leaf_index IS NULL ORDER BY number LIMIT ?',
      ),
      sequence: database.prepare(
        'UPDATE batch SET leaf_index = ? WHERE writer = ? AND number = ? AND leaf_index IS NULL RETURNING count',
      ),
      dropFrames: database.prepare('UPDATE batch SET frame = NULL WHERE leaf_index < ? AND frame IS NOT NULL'),
      setFinal: database.prepare("INSERT OR REPLACE INTO setting (name, value) VALUES ('final_size', ?)"),
      batchOf: database.prepare(
        'SELECT leaf_index, through_sequence FROM batch WHERE through_sequence >= ? ORDER BY through_sequence LIMIT 1',
      ),
      pastBatchOf: database.prepare(
        'SELECT through_sequence FROM past_batch WHERE through_sequence >= ? ORDER BY through_sequence LIMIT 1',
      ),
    };
    this.#pendingEvents = this.#number('SELECT count(*) AS value FROM pending');
    this.#unsequencedEvents = this.#number(
      'SELECT coalesce(sum(count), 0) AS value FROM batch WHERE leaf_index IS NULL AND writer = ?',
      writer,
    );
    this.#finalSize = this.#number("SELECT coalesce(max(value), 0) AS value FROM setting WHERE name = 'final_size'");
  }

  #number(sql: string, ...values: string[]): number {
    return (this.#store.database.prepare(sql).get(...values) as { value: number }).value;
  }

  /** Events that wait for the ledger, sealed or not; what the outbox limit is measured against. */
  get waiting(): number {
    return this.#pendingEvents + this.#unsequencedEvents;
  }

  get finalSize(): number {
    return this.#finalSize;
  }

  /** Inside the caller's transaction; `added` says so once it is committed. */
  insertPending(sequence: number, committedMs: number, bytes: Uint8Array): void {
    this.#insertPending.run(sequence, committedMs, bytes);
  }

  added(events: number): void {
    this.#pendingEvents += events;
  }

  head(): WriterHead {
    const row = this.#statements.head.get(this.#writer) as unknown as BatchRow | undefined;
    if (row === undefined) return { writer: this.#writer, batch: 0, headerHash: this.#chainStart, nextEvent: 0 };
    return {
      writer: this.#writer,
      batch: row.number,
      headerHash: new Uint8Array(row.header_hash),
      nextEvent: row.first_event + row.count,
    };
  }

  pending(limit: number): readonly PendingEvent[] {
    return this.#statements.pending.all(limit) as unknown as PendingEvent[];
  }

  backlog(): { readonly events: number; readonly oldestMs: number | undefined } {
    if (this.#pendingEvents === 0) return { events: 0, oldestMs: undefined };
    const row = this.#statements.oldest.get() as { committed_ms: number } | undefined;
    return { events: this.#pendingEvents, oldestMs: row?.committed_ms };
  }

  saveSealed(batch: SealedBatch, throughSequence: number): void {
    // A crash before the commit leaves the events pending and the number unused; after it, the signed bytes are what is sent.
    this.#store.transaction(() => {
      const { changes } = this.#statements.takePending.run(throughSequence);
      if (Number(changes) !== batch.count)
        throw new Error(`batch ${batch.batch} has ${batch.count} events, ${changes} were pending`);
      this.#statements.saveBatch.run(
        this.#writer,
        batch.batch,
        batch.headerHash,
        batch.firstEvent,
        batch.count,
        throughSequence,
        batch.frame,
      );
    });
    this.#pendingEvents -= batch.count;
    this.#unsequencedEvents += batch.count;
  }

  unsequenced(limit: number): readonly SealedBatch[] {
    const rows = this.#statements.unsequenced.all(this.#writer, limit) as unknown as BatchRow[];
    return rows.map((row) => ({
      batch: row.number,
      headerHash: new Uint8Array(row.header_hash),
      firstEvent: row.first_event,
      count: row.count,
      frame: row.frame ?? new Uint8Array(0),
    }));
  }

  markSequenced(batch: number, leafIndex: number): void {
    // A crash before the commit only means that the replica says it again.
    const row = this.#store.transaction(() => this.#statements.sequence.get(leafIndex, this.#writer, batch)) as
      { count: number } | undefined;
    if (row !== undefined) this.#unsequencedEvents -= row.count;
  }

  markFinal(size: number): void {
    if (size <= this.#finalSize) return;
    this.#store.transaction(() => {
      this.#statements.setFinal.run(size);
      // A final batch is in every member's replica: its bytes need not be kept twice.
      this.#statements.dropFrames.run(size);
    });
    this.#finalSize = size;
  }

  /** @param sequence of the record whose event it is */
  stateOf(sequence: number): OutboxState {
    type Place = { readonly leaf_index: number | null; readonly through_sequence: number };
    const row = this.#statements.batchOf.get(sequence) as Place | undefined;
    const past = this.#statements.pastBatchOf.get(sequence) as Pick<Place, 'through_sequence'> | undefined;
    // Batches hold events in the order of their sequences: the nearest one is the event's.
    if (past !== undefined && past.through_sequence < (row?.through_sequence ?? Infinity)) return 'final';
    if (row === undefined) return 'queued';
    if (row.leaf_index === null) return 'sealed';
    return row.leaf_index < this.#finalSize ? 'final' : 'sequenced';
  }
}
