import { sha256 } from '../hash.ts';
import { MAXIMUM_BATCH_EVENTS } from '../ledger/batch.ts';
import { encodeHex } from '../ledger/encoding.ts';
import { parseEntryBundle } from '../ledger/entry-bundle.ts';
import { parseGenesis } from '../ledger/genesis.ts';
import type { PreviousLog } from '../ledger/genesis-previous.ts';
import { ProvenanceError } from './provenance-error.ts';
import type { ProvenanceStore } from './provenance-store.ts';
import { LOST_BATCH, lostBatchSetting } from './recover-outbox.ts';
import { eventsOfFrame, requeueEvent } from './requeue.ts';

/** A log that this store's events may belong to. */
export interface EnterableLog {
  /** Genesis file of the log, whose `previous` says how the one before it ended. */
  readonly genesis: Uint8Array;
}

interface BatchRow {
  readonly writer: string;
  readonly number: number;
  readonly header_hash: Uint8Array;
  readonly count: number;
  readonly frame: Uint8Array | null;
  readonly leaf_index: number | null;
}

/**
 * Makes the store's outbox one of the configured log, going through every epoch change on the way: batches that the ended log has below its end are done
 * with; the events of all others wait again, in their order, to be sealed anew. One transaction for each change, so that a crash leaves it before or after.
 * @param args.logs the configured log, and before it those that it goes on from, oldest first
 * @param args.bodyOf body of a batch of an ended log, by its origin and leaf index, where its frame is no longer kept
 * @returns how many events wait again
 * @throws {ProvenanceError} other-log: the store belongs to a log from which the configured one does not go on, or has lost batches that the ledger has
 */
export function enterLog(
  store: ProvenanceStore,
  args: {
    readonly member: string;
    readonly logs: readonly EnterableLog[];
    readonly bodyOf: (origin: string, leafIndex: number) => Uint8Array | undefined;
  },
): { readonly requeued: number } {
  const { logs } = args;
  const known = logs.map(({ genesis }) => ({ hash: sha256(genesis), ...parseGenesis(genesis) }));
  const now = store.database.prepare('SELECT origin, genesis FROM log ORDER BY number DESC LIMIT 1').get();
  const isEmpty = store.database.prepare('SELECT 1 FROM batch LIMIT 1').get() === undefined;
  // A store from before logs were noted belongs to the first one.
  let at = now === undefined && isEmpty ? known.length - 1 : 0;
  if (now !== undefined) {
    at = known.findIndex(({ hash }) => Buffer.from(hash).equals(now['genesis'] as Uint8Array));
    if (at < 0) throw new ProvenanceError('other-log', `the records belong to the log ${String(now['origin'])}`);
  }
  const note = (log: { readonly origin: string; readonly hash: Uint8Array }): void => {
    store.database.prepare('INSERT INTO log (origin, genesis) VALUES (?, ?)').run(log.origin, log.hash);
  };
  const first = known[at];
  if (now === undefined && first !== undefined) store.transaction(() => note(first));
  let requeued = 0;
  for (const next of known.slice(at + 1)) {
    const { previous } = next;
    if (previous === undefined) throw new ProvenanceError('other-log', `${next.origin} goes on from no other log`);
    requeued += store.transaction(() => {
      note(next);
      return endLog(store, args.member, previous, args.bodyOf);
    });
  }
  return { requeued };
}

function endLog(
  store: ProvenanceStore,
  member: string,
  end: PreviousLog,
  bodyOf: (origin: string, leafIndex: number) => Uint8Array | undefined,
): number {
  const { database } = store;
  const rows = database
    .prepare('SELECT writer, number, header_hash, count, frame, leaf_index FROM batch ORDER BY writer, number')
    .all() as unknown as BatchRow[];
  const ends = new Map(
    [...new Set(rows.map(({ writer }) => writer))].map((writer) => [
      writer,
      lastOf(store, rows, { member, writer, end }),
    ]),
  );
  let requeued = 0;
  for (const row of rows) {
    if (row.number <= (ends.get(row.writer) ?? 0)) continue;
    for (const event of eventsOf(row, (leafIndex) => bodyOf(end.origin, leafIndex))) requeueEvent(store, event);
    requeued += row.count;
    database.prepare('DELETE FROM batch WHERE writer = ? AND number = ?').run(row.writer, row.number);
  }
  database.exec(`INSERT INTO past_batch SELECT through_sequence, writer, number, header_hash, first_event, count, leaf_index FROM batch;
    DELETE FROM batch; DELETE FROM setting WHERE name = 'final_size' OR name LIKE '${LOST_BATCH}%'`);
  return requeued;
}

/** Number of a writer's last batch that the ended log has, by the header that the next genesis names. */
function lastOf(
  { database }: ProvenanceStore,
  rows: readonly BatchRow[],
  { member, writer, end }: { readonly member: string; readonly writer: string; readonly end: PreviousLog },
): number {
  const hash = end.chains.get(`${member}/${writer}`);
  if (hash === undefined) return 0;
  const last = rows.find((row) => row.writer === writer && Buffer.from(row.header_hash).equals(hash));
  if (last !== undefined) return last.number;
  const lost = database.prepare('SELECT value FROM setting WHERE name = ?').get(lostBatchSetting(writer, hash));
  if (lost !== undefined) return Number(lost['value']);
  const detail = `the ledger ended with a batch of ${writer} that this store does not know (${encodeHex(hash).slice(0, 16)})`;
  throw new ProvenanceError('other-log', `${detail}: "concordat recover" with the former configuration first`);
}

function eventsOf(
  { frame, writer, number, leaf_index: leafIndex }: BatchRow,
  bodyAt: (leafIndex: number) => Uint8Array | undefined,
): Uint8Array[] {
  if (frame !== null) return eventsOfFrame(frame);
  const body = leafIndex === null ? undefined : bodyAt(leafIndex);
  if (body === undefined)
    throw new ProvenanceError('corrupt', `batch ${number} of ${writer} is neither here nor in the stored replica`);
  return parseEntryBundle(body, MAXIMUM_BATCH_EVENTS);
}
