import type { StatementSync } from 'node:sqlite';
import { seal, unseal } from './cipher.ts';
import type { ExchangeIntent, OpenExchange } from './exchange-record.ts';
import type { ProvenanceStore } from './provenance-store.ts';
import { base64url, patientsNamedByRequest } from './record.ts';

/** An exchange whose end is not recorded. */
export interface OpenIntent extends OpenExchange {
  readonly intent: ExchangeIntent;
}

/**
 * Durable intents: what was about to be written when the process may have died. Those of exchanges still under way are known in memory; every
 * other row on the disk is one that a crash or a full disk cut off.
 */
export class IntentStore {
  readonly #store: ProvenanceStore;
  readonly #insert: StatementSync;
  readonly #update: StatementSync;
  readonly #delete: StatementSync;
  readonly #select: StatementSync;
  readonly #probe: StatementSync;
  readonly #underWay = new Map<string, ExchangeIntent>();

  constructor(store: ProvenanceStore) {
    this.#store = store;
    this.#insert = store.database.prepare('INSERT INTO intent (event_id, started_ms, sealed) VALUES (?, ?, ?)');
    this.#update = store.database.prepare('UPDATE intent SET sealed = ? WHERE event_id = ?');
    this.#delete = store.database.prepare('DELETE FROM intent WHERE event_id = ?');
    this.#select = store.database.prepare('SELECT event_id, started_ms, sealed FROM intent ORDER BY started_ms');
    this.#probe = store.database.prepare("INSERT OR REPLACE INTO setting (name, value) VALUES ('probe', ?)");
  }

  seal(idBytes: Uint8Array, intent: ExchangeIntent): Uint8Array {
    return seal(this.#store.keys.storeKey, Buffer.from(JSON.stringify(intent), 'utf8'), context(idBytes));
  }

  insert(idBytes: Uint8Array, startedMs: number, sealed: Uint8Array): void {
    this.#insert.run(idBytes, startedMs, sealed);
  }

  remove(idBytes: Uint8Array): void {
    this.#delete.run(idBytes);
  }

  /** Writes a row of its own, to learn whether the disk takes one. */
  probe(nowMs: number): void {
    this.#probe.run(nowMs);
  }

  opened(eventId: string, intent: ExchangeIntent): void {
    this.#underWay.set(eventId, intent);
  }

  /** This process works on it no more; what it left on the disk, if anything, is for the reconciler. */
  settled(eventId: string): void {
    this.#underWay.delete(eventId);
  }

  /** Intents of exchanges that this process still works on. */
  underWay(): ReadonlyMap<string, ExchangeIntent> {
    return this.#underWay;
  }

  /**
   * Inside an erasure's transaction: takes everything out of intents that concern a Patient, which are under the store's key and not the Patient's. What an
   * interrupted one wrote can then no longer be found out: it ends as unknown.
   */
  forgetPatient(upstream: string, patient: string): void {
    for (const { eventId, intent } of this.#open(() => true)) {
      const isNamed =
        intent.entities.some((entity) => entity.upstream === upstream && entity.patients.includes(patient)) ||
        patientsNamedByRequest(intent).some((one) => one.upstream === upstream && one.patient === patient);
      if (!isNamed) continue;
      const idBytes = Buffer.from(eventId, 'base64url');
      const { subject, user, patient: bound, ...caller } = intent.caller;
      const isStaff = bound === undefined;
      const bare: ExchangeIntent = {
        ...intent,
        caller: { ...caller, subject: isStaff ? subject : '', user: isStaff ? user : undefined, patient: undefined },
        resourceId: undefined,
        parameters: undefined,
        patients: [],
        entities: [],
      };
      this.#update.run(this.seal(idBytes, bare), idBytes);
    }
  }

  /** Intents that nobody works on any more, oldest first. @throws {ProvenanceError} corrupt */
  abandoned(): OpenIntent[] {
    return this.#open((eventId) => !this.#underWay.has(eventId));
  }

  #open(isWanted: (eventId: string) => boolean): OpenIntent[] {
    const rows = this.#select.all() as { event_id: Uint8Array; started_ms: number; sealed: Uint8Array }[];
    return rows.flatMap((row) => {
      const eventId = base64url(row.event_id);
      if (!isWanted(eventId)) return [];
      const text = Buffer.from(unseal(this.#store.keys.storeKey, row.sealed, context(row.event_id))).toString('utf8');
      return [{ eventId, startedMs: row.started_ms, intent: JSON.parse(text) as ExchangeIntent }];
    });
  }
}

function context(idBytes: Uint8Array): string {
  return `intent ${base64url(idBytes)}`;
}
