import { parseBatchBody, parseBatchHeader } from '../ledger/batch.ts';
import { parseEvent } from '../ledger/event.ts';
import { parseFrame } from '../ledger/frame.ts';
import { ProvenanceError } from './provenance-error.ts';
import type { ProvenanceStore } from './provenance-store.ts';

/** Events of a saved batch. @throws {ProvenanceError} corrupt */
export function eventsOfFrame(frame: Uint8Array): Uint8Array[] {
  const parsed = parseFrame(frame);
  if (parsed === undefined) throw new ProvenanceError('corrupt', 'a saved batch is no frame');
  return parseBatchBody(parseBatchHeader(parsed.header), parsed.body);
}

/** Inside a transaction: has an event that was sealed once wait to be sealed anew, in its old place. @throws {ProvenanceError} corrupt */
export function requeueEvent(store: ProvenanceStore, event: Uint8Array): void {
  const record = recordOf(store, parseEvent(event).id);
  if (record === undefined) throw new ProvenanceError('corrupt', 'a sealed event has no record');
  store.database
    .prepare('INSERT INTO pending (sequence, committed_ms, bytes) VALUES (?, ?, ?)')
    .run(record.sequence, record.time_ms, event);
}

/** Place of an own event's record; undefined where this store has none. @param eventId base64url */
export function recordOf(
  store: ProvenanceStore,
  eventId: string,
): { readonly sequence: number; readonly time_ms: number } | undefined {
  return store.database
    .prepare('SELECT sequence, time_ms FROM record WHERE event_id = ?')
    .get(Buffer.from(eventId, 'base64url')) as { sequence: number; time_ms: number } | undefined;
}
