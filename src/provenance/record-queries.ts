import type { SQLInputValue } from 'node:sqlite';
import type { EventKind } from './exchange-record.ts';
import { indexTag, resourceTag, versionTag, type IndexField } from './index-tags.ts';
import type { ProvenanceStore } from './provenance-store.ts';
import type { OpenedRecord, RecordVault } from './record-vault.ts';

/** One thing that a record must be indexed under. */
export type IndexCondition =
  | { readonly field: IndexField; readonly value: string }
  | { readonly field: 'patient'; readonly upstream: string; readonly id: string }
  | {
      readonly field: 'resource';
      readonly upstream: string;
      readonly type: string;
      readonly id: string;
      readonly versionId?: string;
    };

/** All conditions hold at once; inside a list of alternatives, one does. */
export interface RecordFilter {
  readonly index?: readonly (readonly IndexCondition[])[];
  readonly kinds?: readonly (readonly EventKind[])[];
  readonly interactions?: readonly (readonly string[])[];
  readonly outcomes?: readonly (readonly string[])[];
  /** Epoch ms, `fromMs` included, `beforeMs` not. */
  readonly times?: readonly { readonly fromMs?: number; readonly beforeMs?: number; readonly not?: boolean }[];
  /** Raw event ids. */
  readonly events?: readonly (readonly Uint8Array[])[];
  /** Only what changed an upstream. */
  readonly writesOnly?: boolean;
  readonly newestFirst: boolean;
  /** Go on behind this row. */
  readonly after?: RecordPlace;
}

/** Place of a record in the order of time. */
export interface RecordPlace {
  readonly timeMs: number;
  readonly sequence: number;
}

interface Clauses {
  readonly where: string[];
  readonly values: SQLInputValue[];
}

/** Reads the store by its index; what a row says is opened one at a time. */
export class RecordQueries {
  readonly #store: ProvenanceStore;
  readonly #vault: RecordVault;

  constructor(store: ProvenanceStore, vault: RecordVault) {
    this.#store = store;
    this.#vault = vault;
  }

  /** Places of the records that a filter lets through, in its order. */
  find(filter: RecordFilter, limit: number): RecordPlace[] {
    const { from, where, values } = this.#clauses(filter);
    const order = filter.newestFirst ? 'DESC' : 'ASC';
    if (filter.after !== undefined) {
      where.push(`(r.time_ms, r.sequence) ${filter.newestFirst ? '<' : '>'} (?, ?)`);
      values.push(filter.after.timeMs, filter.after.sequence);
    }
    const sql = `SELECT r.time_ms AS timeMs, r.sequence AS sequence FROM ${from} ${whereText(where)} ORDER BY r.time_ms ${order}, r.sequence ${order} LIMIT ?`;
    return this.#store.database.prepare(sql).all(...values, limit) as unknown as RecordPlace[];
  }

  /** How many records a filter lets through; `after` does not count. */
  count(filter: RecordFilter): number {
    const { from, where, values } = this.#clauses(filter);
    const row = this.#store.database
      .prepare(`SELECT count(*) AS count FROM ${from} ${whereText(where)}`)
      .get(...values);
    return (row as { count: number }).count;
  }

  open(sequence: number): OpenedRecord | undefined {
    return this.#vault.open(sequence);
  }

  /** Sequence of the record of one event of ours. */
  sequenceOf(eventId: Uint8Array): number | undefined {
    const row = this.#store.database.prepare('SELECT sequence FROM record WHERE event_id = ?').get(eventId);
    return (row as { sequence: number } | undefined)?.sequence;
  }

  /** Whether a record says that this version was written through here. */
  isWriteRecorded(
    upstream: string,
    version: {
      readonly type: string;
      readonly id: string;
      readonly versionId: string | undefined;
      readonly deleted?: boolean;
    },
  ): boolean {
    if (version.versionId === undefined) return false;
    const filter: RecordFilter = {
      index: [[{ field: 'resource', upstream, type: version.type, id: version.id, versionId: version.versionId }]],
      writesOnly: true,
      newestFirst: false,
    };
    return this.find(filter, 20).some(({ sequence }) =>
      this.open(sequence)?.entities.some(
        (entity) =>
          entity.upstream === upstream &&
          entity.type === version.type &&
          entity.id === version.id &&
          entity.versionId === version.versionId,
      ),
    );
  }

  /** Whether the records of this upstream Patient were erased at some time. */
  isErased(upstream: string, patient: string): boolean {
    const tag = this.#store.keys.patientTag(upstream, patient);
    return this.#store.database.prepare('SELECT 1 AS found FROM tombstone WHERE tag = ?').get(tag) !== undefined;
  }

  #clauses(filter: RecordFilter): Clauses & { from: string } {
    const where: string[] = [];
    const values: SQLInputValue[] = [];
    // The rarest thing known of a record is mostly its resource or Patient: such a list leads, the rest is checked row by row.
    const [leading, ...others] = [...(filter.index ?? [])].sort((a, b) => rarity(a) - rarity(b));
    let from = 'record r';
    if (leading !== undefined) {
      const { text, bound } = this.#indexText(leading);
      from = `(SELECT DISTINCT record FROM record_index WHERE ${text}) m CROSS JOIN record r ON r.sequence = m.record`;
      values.push(...bound);
    }
    for (const conditions of others) {
      const { text, bound } = this.#indexText(conditions);
      where.push(
        `EXISTS (SELECT 1 FROM record_index i WHERE i.record = r.sequence AND (${text.replaceAll('tag', 'i.tag')}))`,
      );
      values.push(...bound);
    }
    const among = (column: string, lists: readonly (readonly SQLInputValue[])[] | undefined): void => {
      for (const list of lists ?? []) {
        where.push(`r.${column} IN (${list.map(() => '?').join(',')})`);
        values.push(...list);
      }
    };
    among('kind', filter.kinds);
    among('interaction', filter.interactions);
    among('outcome', filter.outcomes);
    among('event_id', filter.events);
    if (filter.writesOnly === true) where.push('r.writes = 1');
    for (const time of filter.times ?? []) timeClause(time, where, values);
    return { from, where, values };
  }

  #indexText(conditions: readonly IndexCondition[]): { text: string; bound: SQLInputValue[] } {
    const { keys } = this.#store;
    const bound: SQLInputValue[] = [];
    const texts = conditions.map((condition) => {
      if (condition.field === 'patient') {
        bound.push(keys.patientTag(condition.upstream, condition.id));
        return 'tag = ?';
      }
      if (condition.field !== 'resource') {
        bound.push(indexTag(keys, condition.field, condition.value));
        return 'tag = ?';
      }
      const resource = resourceTag(keys, condition.upstream, condition.type, condition.id);
      if (condition.versionId !== undefined) {
        bound.push(versionTag(keys, resource, condition.versionId));
        return 'tag = ?';
      }
      bound.push(resource, Buffer.concat([resource, Buffer.from('ffffffff', 'hex')]));
      return '(tag >= ? AND tag <= ?)';
    });
    return { text: texts.join(' OR '), bound };
  }
}

function rarity(conditions: readonly IndexCondition[]): number {
  return Math.max(...conditions.map(({ field }) => (field === 'resource' ? 0 : field === 'patient' ? 1 : 2)));
}

function timeClause(
  time: { readonly fromMs?: number; readonly beforeMs?: number; readonly not?: boolean },
  where: string[],
  values: SQLInputValue[],
): void {
  const parts: string[] = [];
  if (time.fromMs !== undefined) {
    parts.push('r.time_ms >= ?');
    values.push(time.fromMs);
  }
  if (time.beforeMs !== undefined) {
    parts.push('r.time_ms < ?');
    values.push(time.beforeMs);
  }
  if (parts.length > 0) where.push(`${time.not === true ? 'NOT ' : ''}(${parts.join(' AND ')})`);
}

function whereText(where: readonly string[]): string {
  return where.length === 0 ? '' : `WHERE ${where.join(' AND ')}`;
}
