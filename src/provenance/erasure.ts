import { newEventId } from './event-id.ts';
import type { Caller, ExchangeIntent, RecordEntity } from './exchange-record.ts';
import { indexTag, resourceTag, userValues, versionTag } from './index-tags.ts';
import type { ProvenanceStore } from './provenance-store.ts';
import { base64url, type RequestPart } from './record.ts';
import { truncateLog } from './schema.ts';
import type { OpenedRecord } from './record-vault.ts';
import type { ExchangeRecorder } from './recorder.ts';

/** Classes of legal ground that the record of an erasure may state; nothing more is said of why. */
export const ERASURE_GROUNDS = [
  'consent-withdrawn',
  'objection',
  'unlawful',
  'legal-obligation',
  'not-needed',
  'unstated',
] as const;
export type ErasureGround = (typeof ERASURE_GROUNDS)[number];

export interface PatientErasure {
  readonly upstream: string;
  readonly patient: string;
  readonly caller: Caller;
  readonly requestId: string;
  readonly ground: ErasureGround;
  readonly ruleSet: string;
  readonly packages: readonly string[];
  readonly engine: string;
}

export interface ErasureOptions {
  readonly store: ProvenanceStore;
  readonly recorder: ExchangeRecorder;
  /** Epoch ms. */
  readonly clock: () => number;
  readonly random: (length: number) => Uint8Array;
}

interface Doomed {
  /** Index rows that only the erased Patient's parts explain. */
  readonly rows: readonly { readonly tag: Uint8Array; readonly record: number }[];
  readonly records: readonly number[];
  /** Records of which no entity is left: they have nothing more to point to. */
  readonly emptied: readonly number[];
}

const RECORDS_PER_TURN = 200;

/**
 * Erases one upstream Patient: destroys K and every part under it, and writes the `erased` event with a tombstone. What is left on the ledger is noise;
 * other Patients in the same records keep theirs. The record of the erasure does not name the Patient: only the tombstone, an HMAC, knows.
 * @returns the event's id and how many sealed parts are gone
 * @throws {ProvenanceError} unavailable: nothing was erased, or a backup under way still holds what was; ask again
 */
export async function erasePatient(
  options: ErasureOptions,
  erasure: PatientErasure,
): Promise<{ readonly eventId: string; readonly erasedParts: number }> {
  const { store, recorder } = options;
  const tag = store.keys.patientTag(erasure.upstream, erasure.patient);
  const idBytes = newEventId(options.random);
  const exchange = { eventId: base64url(idBytes), startedMs: options.clock() };

  // The long part, in turns: which rows go. Nothing is changed yet.
  const doomed: Doomed[] = [];
  let after = 0;
  for (;;) {
    const found = collect(options, erasure, tag, after);
    if (found.records.length === 0) break;
    doomed.push(found);
    after = found.records.at(-1) ?? after;
    await new Promise((resolve) => setImmediate(resolve));
  }
  // From here to the destruction of the key nothing else runs: what was recorded meanwhile is flushed and collected too.
  recorder.flush();
  doomed.push(collect(options, erasure, tag, after, Number.MAX_SAFE_INTEGER));
  const erased = recorder.prepareErasure(exchange, intentOf(erasure), outcomeOf(erasure), erasure.ground);
  const erasedParts = store.transaction(() => {
    const parts = removeRows(store, doomed, tag);
    recorder.intents.forgetPatient(erasure.upstream, erasure.patient);
    // Once this is committed the erasure stands: a crash right after it is finished by the next start, which destroys the key.
    store.insertTombstone({ tag, idBytes, erasedMs: exchange.startedMs, keyId: store.keys.subjectKey(tag)?.keyId });
    erased.insert();
    return parts;
  });
  erased.committed();
  store.keys.destroy(tag);
  truncateLog(store.database);
  return { eventId: exchange.eventId, erasedParts };
}

function collect(
  { store, recorder }: ErasureOptions,
  erasure: PatientErasure,
  tag: Uint8Array,
  after: number,
  limit = RECORDS_PER_TURN,
): Doomed {
  const found = store.database
    .prepare('SELECT record FROM record_index WHERE tag = ? AND record > ? ORDER BY record LIMIT ?')
    .all(tag, after, limit) as { record: number }[];
  const records = found.map((row) => row.record);
  const emptied: number[] = [];
  const rows = records.flatMap((record) => {
    const opened = recorder.vault.open(record);
    if (opened === undefined) return [];
    if (opened.entities.every((entity) => isOnlyOf(entity, erasure))) emptied.push(record);
    return [tag, ...tagsOfErased(store, opened, erasure)].map((one) => ({ tag: one, record }));
  });
  return { rows, records, emptied };
}

function isOnlyOf(entity: RecordEntity, { upstream, patient }: PatientErasure): boolean {
  return entity.upstream === upstream && entity.patients.length === 1 && entity.patients[0] === patient;
}

/** Tags that stand for what only this Patient's part says, so that not even the index keeps them. */
function tagsOfErased(store: ProvenanceStore, opened: OpenedRecord, erasure: PatientErasure): Uint8Array[] {
  const { keys } = store;
  const tags: Uint8Array[] = [];
  for (const entity of opened.entities) {
    if (entity.id === undefined || !isOnlyOf(entity, erasure)) continue;
    tags.push(versionTag(keys, resourceTag(keys, entity.upstream, entity.type, entity.id), entity.versionId));
  }
  const request: RequestPart = opened.request ?? {};
  if (request.subject !== undefined) tags.push(indexTag(keys, 'subject', request.subject));
  for (const user of userValues(request.user)) tags.push(indexTag(keys, 'user', user));
  const { upstream: asked, resourceType } = opened.record;
  if (
    opened.entities.length === 0 &&
    asked !== undefined &&
    resourceType !== undefined &&
    request.resourceId !== undefined
  ) {
    tags.push(versionTag(keys, resourceTag(keys, asked, resourceType, request.resourceId), undefined));
  }
  return tags;
}

function removeRows(store: ProvenanceStore, doomed: readonly Doomed[], tag: Uint8Array): number {
  const removeTag = store.database.prepare('DELETE FROM record_index WHERE tag = ? AND record = ?');
  const removeParts = store.database.prepare("DELETE FROM part WHERE record = ? AND tag IN (?, x'')");
  const unmarkWrite = store.database.prepare('UPDATE record SET writes = 0 WHERE sequence = ?');
  let parts = 0;
  for (const { rows, records, emptied } of doomed) {
    for (const record of emptied) unmarkWrite.run(record);
    for (const row of rows) removeTag.run(row.tag, row.record);
    for (const record of records) parts += Number(removeParts.run(record, tag).changes);
  }
  return parts;
}

/** Who asked is kept; if a Patient asked with the own token, nothing that names the Patient is. */
function intentOf({ caller, requestId, upstream }: PatientErasure): ExchangeIntent {
  const asked: Caller =
    caller.patient === undefined ? caller : { ...caller, subject: 'patient', user: undefined, patient: undefined };
  return {
    requestId,
    caller: asked,
    interaction: 'operation',
    kind: 'erased',
    upstream,
    resourceType: undefined,
    resourceId: undefined,
    parameters: undefined,
    entities: [],
  };
}

function outcomeOf({ ruleSet, packages, engine }: PatientErasure) {
  return { kind: 'erased', status: 200, outcome: '0', entities: [], issues: [], ruleSet, packages, engine } as const;
}
