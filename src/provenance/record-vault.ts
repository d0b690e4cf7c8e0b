import { randomBytes } from 'node:crypto';
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { isWrite } from '../fhir/interaction.ts';
import { seal, unseal } from './cipher.ts';
import type { EventKind, RecordEntity } from './exchange-record.ts';
import { indexTags } from './index-tags.ts';
import type { ProvenanceStore } from './provenance-store.ts';
import {
  base64url,
  buildRecord,
  jointKey,
  type CommittedEntity,
  type ExchangeRecord,
  type RecordDraft,
  type RequestPart,
  type SealedContent,
} from './record.ts';

/** Rows of one record, sealed and ready to be inserted. */
export interface SealedRecord {
  readonly idBytes: Uint8Array;
  readonly commit: Uint8Array;
  readonly timeMs: number;
  readonly kind: EventKind;
  readonly interaction: string;
  readonly outcome: string;
  readonly writes: boolean;
  readonly sealed: Uint8Array;
  readonly parts: readonly { readonly tag: Uint8Array; readonly sealed: Uint8Array }[];
  readonly tags: readonly Uint8Array[];
}

/** A record as far as today's keys open it. */
export interface OpenedRecord {
  readonly sequence: number;
  readonly record: ExchangeRecord;
  /** Exactly what was committed to, with the record's salt. */
  readonly recordText: string;
  readonly salt: Uint8Array;
  /** By their index in the record; `patients` are those that are not erased. An entity that nothing opens any more is left out. */
  readonly entities: readonly (RecordEntity & { readonly index: number })[];
  readonly erasedEntities: number;
  readonly request: RequestPart | undefined;
  readonly requestErased: boolean;
}

interface OwnContent extends SealedContent {
  readonly salt: string;
  readonly key: string;
  readonly recordText: string;
}

/** Part under the joint key of all Patients of the record; no tag is that short. */
const JOINT_TAG = new Uint8Array(0);

/** The sealed records: what comes from outside is an HMAC tag or ciphertext, whatever it is. */
export class RecordVault {
  readonly #store: ProvenanceStore;
  readonly #insertRecord: StatementSync;
  readonly #insertPart: StatementSync;
  readonly #insertTag: StatementSync;
  readonly #selectParts: StatementSync;
  readonly #selectRecord: StatementSync;

  constructor(store: ProvenanceStore) {
    this.#store = store;
    const database: DatabaseSync = store.database;
    this.#insertRecord = database.prepare(
      'INSERT INTO record (event_id, time_ms, kind, interaction, outcome, writes, sealed) VALUES (?, ?, ?, ?, ?, ?, ?)',
    );
    this.#insertPart = database.prepare('INSERT INTO part (record, tag, sealed) VALUES (?, ?, ?)');
    this.#insertTag = database.prepare('INSERT OR IGNORE INTO record_index (tag, record) VALUES (?, ?)');
    this.#selectParts = database.prepare('SELECT tag, sealed FROM part WHERE record = ? ORDER BY tag');
    this.#selectRecord = database.prepare('SELECT sequence, event_id, sealed FROM record WHERE sequence = ?');
  }

  /** Builds, commits to and seals a record; touches no file, but may make subject keys that the next transaction saves. */
  sealRecord(draft: RecordDraft): SealedRecord {
    const { keys } = this.#store;
    const secrets = randomBytes(64);
    const salts = { record: secrets.subarray(0, 32), key: secrets.subarray(32) };
    const built = buildRecord(draft, salts, (upstream, patient) => {
      const tag = keys.patientTag(upstream, patient);
      return { tag, key: keys.subjectKeyOrNew(tag).key };
    });
    const own: OwnContent = {
      salt: base64url(salts.record),
      key: base64url(salts.key),
      recordText: built.recordText,
      ...built.own,
    };
    const parts = built.patients.map(({ patientKey, content }) => ({
      tag: patientKey.tag,
      sealed: seal(patientKey.key, encode(content), partContext(draft.idBytes, patientKey.tag)),
    }));
    if (built.joint !== undefined) {
      const content: SealedContent = { entities: [], request: built.joint.request };
      parts.push({
        tag: JOINT_TAG,
        sealed: seal(built.joint.key, encode(content), partContext(draft.idBytes, JOINT_TAG)),
      });
    }
    return {
      idBytes: draft.idBytes,
      commit: built.commit,
      timeMs: draft.recordedMs,
      kind: built.record.kind,
      interaction: built.record.interaction,
      outcome: built.record.outcome,
      writes: isWrite(draft.intent.interaction) && draft.outcome.outcome === '0' && draft.outcome.entities.length > 0,
      sealed: seal(keys.storeKey, encode(own), recordContext(draft.idBytes)),
      parts,
      tags: indexTags(draft, keys),
    };
  }

  /** Inside the caller's transaction. @returns the record's sequence */
  insert(record: SealedRecord): number {
    const { lastInsertRowid } = this.#insertRecord.run(
      record.idBytes,
      record.timeMs,
      record.kind,
      record.interaction,
      record.outcome,
      record.writes ? 1 : 0,
      record.sealed,
    );
    const sequence = Number(lastInsertRowid);
    for (const { tag, sealed } of record.parts) this.#insertPart.run(sequence, tag, sealed);
    for (const tag of record.tags) this.#insertTag.run(tag, sequence);
    return sequence;
  }

  /** @throws {ProvenanceError} corrupt: a stored part was altered */
  open(sequence: number): OpenedRecord | undefined {
    const row = this.#selectRecord.get(sequence) as { event_id: Uint8Array; sealed: Uint8Array } | undefined;
    if (row === undefined) return undefined;
    const own = decode<OwnContent>(unseal(this.#store.keys.storeKey, row.sealed, recordContext(row.event_id)));
    const record = JSON.parse(own.recordText) as ExchangeRecord;
    const contents = [own, ...this.#openParts(sequence, row.event_id)];
    const entities = mergeEntities(contents);
    const request = contents.find((content) => content.request !== undefined)?.request;
    return {
      sequence,
      record,
      recordText: own.recordText,
      salt: Buffer.from(own.salt, 'base64url'),
      entities,
      erasedEntities: record.entities.length - entities.length,
      request,
      requestErased: record.request !== undefined && request === undefined,
    };
  }

  #openParts(sequence: number, idBytes: Uint8Array): SealedContent[] {
    const rows = this.#selectParts.all(sequence) as { tag: Uint8Array; sealed: Uint8Array }[];
    const contents: SealedContent[] = [];
    const keys: Uint8Array[] = [];
    let joint: Uint8Array | undefined;
    let isWhole = true;
    for (const { tag, sealed } of rows) {
      if (tag.length === 0) {
        joint = sealed;
        continue;
      }
      const subject = this.#store.keys.subjectKey(tag);
      if (subject === undefined) {
        isWhole = false;
        continue;
      }
      keys.push(subject.key);
      contents.push(decode<SealedContent>(unseal(subject.key, sealed, partContext(idBytes, tag))));
    }
    if (joint !== undefined && isWhole) {
      contents.push(decode<SealedContent>(unseal(jointKey(keys), joint, partContext(idBytes, JOINT_TAG))));
    }
    return contents;
  }
}

function mergeEntities(contents: readonly SealedContent[]): (RecordEntity & { index: number })[] {
  const byIndex = new Map<number, { entity: CommittedEntity; patients: string[] }>();
  for (const [index, entity] of contents.flatMap((content) => content.entities)) {
    const known = byIndex.get(index);
    const patients = known?.patients ?? [];
    if (entity.patient !== undefined) patients.push(entity.patient);
    if (known === undefined) byIndex.set(index, { entity, patients });
  }
  return [...byIndex]
    .sort(([a], [b]) => a - b)
    .map(([index, { entity, patients }]) => ({
      index,
      upstream: entity.upstream,
      type: entity.type,
      id: entity.id,
      versionId: entity.versionId,
      profiles: entity.profiles,
      patients: patients.sort(),
      sent: entity.sent,
      stored: entity.stored,
      ...(entity.altered === true && { altered: true }),
      entry: entity.entry,
      interaction: entity.interaction,
    }));
}

function recordContext(idBytes: Uint8Array): string {
  return `record ${base64url(idBytes)}`;
}

function partContext(idBytes: Uint8Array, tag: Uint8Array): string {
  return `part ${base64url(idBytes)} ${base64url(tag)}`;
}

function encode(value: object): Uint8Array {
  return Buffer.from(JSON.stringify(value), 'utf8');
}

function decode<T>(bytes: Uint8Array): T {
  return JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8')) as T;
}
