import { encodeHex } from '../ledger/encoding.ts';
import type { ProvenanceStore } from './provenance-store.ts';
import { eventsOfFrame, recordOf, requeueEvent } from './requeue.ts';

/** A batch of the own former chain as the ledger has it. */
export interface PublishedBatch {
  readonly batch: number;
  readonly headerHash: Uint8Array;
  readonly firstEvent: number;
  readonly leafIndex: number;
  /** Event ids, base64url, in order. */
  readonly eventIds: readonly string[];
}

export interface OutboxRecovery {
  /** Own events that the ledger has though the store did not know: they will not be sealed again. */
  readonly found: number;
  /** Own events of batches that never reached the ledger: they wait to be sealed anew, under the new writer's name. */
  readonly requeued: number;
  /** Event ids on the ledger whose record this store does not have: their openings are lost. */
  readonly lost: readonly string[];
}

/**
 * Makes a restored store fit to go on under a new writer name, in one transaction: a crash leaves it as it was, and it may be done again.
 * @param writer the former name, under which nothing is signed any more
 * @param published its batches on the ledger, ascending, from the oldest that the store does not know as sequenced
 * @throws {ProvenanceError} unavailable | corrupt: a saved batch cannot be read
 */
export function recoverOutbox(
  store: ProvenanceStore,
  { writer, published }: { readonly writer: string; readonly published: readonly PublishedBatch[] },
): OutboxRecovery {
  return store.transaction(() => {
    const recovery = { found: 0, requeued: 0, lost: [] as string[] };
    recovery.requeued = requeueUnpublished(store, writer, published);
    for (const batch of published) adopt(store, writer, batch, recovery);
    return recovery;
  });
}

/** Takes batches apart that were signed and are not on the ledger; those that are get their leaf. */
function requeueUnpublished(store: ProvenanceStore, writer: string, published: readonly PublishedBatch[]): number {
  const rows = store.database
    .prepare('SELECT number, frame FROM batch WHERE writer = ? AND leaf_index IS NULL ORDER BY number')
    .all(writer) as { number: number; frame: Uint8Array }[];
  let requeued = 0;
  for (const { number, frame } of rows) {
    const found = published.find(({ batch }) => batch === number);
    if (found !== undefined) {
      store.database
        .prepare('UPDATE batch SET leaf_index = ? WHERE writer = ? AND number = ?')
        .run(found.leafIndex, writer, number);
      continue;
    }
    store.database.prepare('DELETE FROM batch WHERE writer = ? AND number = ?').run(writer, number);
    for (const event of eventsOfFrame(frame)) {
      requeueEvent(store, event);
      requeued += 1;
    }
  }
  return requeued;
}

/** Name of the setting that holds the number of a published batch all of whose records are lost. */
export function lostBatchSetting(writer: string, headerHash: Uint8Array): string {
  return `${LOST_BATCH}${writer}/${encodeHex(headerHash)}`;
}

/** What those names begin with. */
export const LOST_BATCH = 'lost batch ';

/** Takes what the ledger has off the list of what waits, and off the open intents. */
function adopt(
  store: ProvenanceStore,
  writer: string,
  published: PublishedBatch,
  recovery: { found: number; lost: string[] },
): void {
  const { database } = store;
  let through: number | undefined;
  for (const eventId of published.eventIds) {
    const record = recordOf(store, eventId);
    if (record === undefined) {
      recovery.lost.push(eventId);
      // Its exchange was completed after the copy was taken: settling it again would give one id a second, different event.
      database.prepare('DELETE FROM intent WHERE event_id = ?').run(Buffer.from(eventId, 'base64url'));
      continue;
    }
    const { changes } = database.prepare('DELETE FROM pending WHERE sequence = ?').run(record.sequence);
    recovery.found += Number(changes);
    through = Math.max(through ?? 0, record.sequence);
  }
  const { batch, headerHash, firstEvent, eventIds, leafIndex } = published;
  if (through === undefined) {
    // It has no record here that would tell its place; its number is noted for an epoch change, whose genesis may name it as the chain's end.
    database
      .prepare('INSERT OR REPLACE INTO setting (name, value) VALUES (?, ?)')
      .run(lostBatchSetting(writer, headerHash), batch);
    return;
  }
  database
    .prepare(
      'INSERT OR IGNORE INTO batch (writer, number, header_hash, first_event, count, through_sequence, frame, leaf_index) VALUES (?, ?, ?, ?, ?, ?, NULL, ?)',
    )
    .run(writer, batch, headerHash, firstEvent, eventIds.length, through, leafIndex);
}
