/** Where a writer's chain stands, as durably saved. */
export interface WriterHead {
  readonly writer: string;
  /** Number of the last sealed batch, 0 before the first. */
  readonly batch: number;
  /** SHA-256 of that batch's header bytes; 32 zero bytes before the first. */
  readonly headerHash: Uint8Array;
  /** Number that the next event gets; the first event of a writer is 0. */
  readonly nextEvent: number;
}

/** An event that is durable here and in no batch yet. */
export interface PendingEvent {
  /** Store-local, strictly increasing; commit order. */
  readonly sequence: number;
  /** Canonical event JSON, at most 2048 bytes. */
  readonly bytes: Uint8Array;
}

export interface SealedBatch {
  readonly batch: number;
  readonly headerHash: Uint8Array;
  readonly firstEvent: number;
  readonly count: number;
  /** The complete topic record, exactly as it is and will ever be sent. */
  readonly frame: Uint8Array;
}

/**
 * The durable side of sealing, implemented by `provenance` so that sealed bytes share the outbox's transaction.
 * Every method is durable when it returns (SQLite, synchronous=full). Methods are synchronous because node:sqlite is.
 */
export interface SealStore {
  head(): WriterHead;
  /** Oldest first, at most `limit`. */
  pending(limit: number): readonly PendingEvent[];
  /** How many events wait unsealed, and since when the oldest does (epoch ms; undefined when none). */
  backlog(): { readonly events: number; readonly oldestMs: number | undefined };
  /** Saves the signed batch and takes its events (all pending up to and including `throughSequence`) off the pending list, in one transaction. */
  saveSealed(batch: SealedBatch, throughSequence: number): void;
  /** Sealed batches that the own replica has not read back, oldest first. */
  unsequenced(limit: number): readonly SealedBatch[];
  /** The own replica read this batch back as accepted, as leaf `leafIndex`. Called again after a crash: idempotent. */
  markSequenced(batch: number, leafIndex: number): void;
  /** All leaves below `size` are final; saved so that states can be shown and frames dropped. Idempotent, never shrinks. */
  markFinal(size: number): void;
}
