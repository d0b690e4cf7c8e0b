import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { KEY_ID_BYTES, KeyStore } from './key-store.ts';
import { ProcessLock } from './process-lock.ts';
import { ProvenanceError } from './provenance-error.ts';
import { isStorageFailure, openDatabase, RECORD_MIGRATIONS } from './schema.ts';

export const RECORD_FILE = 'records.db';
export const KEY_FILE = 'keys.db';
/** In the folder of the records. */
export const LOCK_FILE = 'stores.lock';

export interface ProvenanceStoreOptions {
  /** Folder of `records.db` and `keys.db`; made if missing, readable by its owner only. */
  readonly dataDir: string;
  /** Folder of `keys.db` where it is kept apart (another volume, another backup rule). */
  readonly keyDir?: string;
  /** 32 bytes; wraps every key, stands in neither store. */
  readonly masterKey: Uint8Array;
}

/** The two SQLite stores of one gateway: records with their outbox, and keys. One process has them open at a time. */
export class ProvenanceStore {
  readonly database: DatabaseSync;
  readonly keys: KeyStore;
  readonly #lock: ProcessLock;

  /** @throws {ProvenanceError} unavailable | key | schema */
  constructor(options: ProvenanceStoreOptions) {
    const keyDir = options.keyDir ?? options.dataDir;
    for (const folder of [options.dataDir, keyDir]) mkdirSync(folder, { recursive: true, mode: 0o700 });
    this.#lock = new ProcessLock(join(options.dataDir, LOCK_FILE));
    let keys: KeyStore | undefined;
    try {
      this.keys = keys = new KeyStore(join(keyDir, KEY_FILE), options.masterKey);
      this.database = openDatabase(join(options.dataDir, RECORD_FILE), RECORD_MIGRATIONS);
      this.#finishErasures();
    } catch (error) {
      keys?.close();
      this.#lock.release();
      throw error;
    }
  }

  /**
   * Runs the work in one transaction that is on the disk when this returns; nothing of it is when it throws.
   * @throws {ProvenanceError} unavailable: disk full, input/output error, locked
   */
  transaction<T>(work: () => T): T {
    try {
      // New subject keys first: a crash between the two files leaves keys that open nothing, never parts that nothing opens.
      this.keys.saveNewKeys();
      this.database.exec('BEGIN IMMEDIATE');
      const result = work();
      this.database.exec('COMMIT');
      return result;
    } catch (cause) {
      if (this.database.isOpen && this.database.isTransaction) this.database.exec('ROLLBACK');
      if (!isStorageFailure(cause)) throw cause;
      throw new ProvenanceError('unavailable', 'the provenance store cannot be written', { cause });
    }
  }

  /**
   * Inside the erasure's transaction: remembers that this Patient was erased, and every key of the Patient's that is to be gone.
   * @param tombstone.keyId of the key in force, if there is one
   */
  insertTombstone(tombstone: {
    readonly tag: Uint8Array;
    readonly idBytes: Uint8Array;
    readonly erasedMs: number;
    readonly keyId: Uint8Array | undefined;
  }): void {
    const { tag, idBytes, erasedMs, keyId } = tombstone;
    const known = this.database.prepare('SELECT key_id FROM tombstone WHERE tag = ?').get(tag);
    const before = (known?.['key_id'] ?? new Uint8Array(0)) as Uint8Array;
    this.database
      .prepare('INSERT OR REPLACE INTO tombstone (tag, event_id, erased_ms, key_id) VALUES (?, ?, ?, ?)')
      .run(tag, idBytes, erasedMs, Buffer.concat([before, keyId ?? new Uint8Array(0)]));
  }

  /** A crash inside an erasure, or a restored backup of the keys, leaves keys that a tombstone says are gone. */
  #finishErasures(): void {
    const rows = this.database.prepare('SELECT tag, key_id FROM tombstone WHERE key_id IS NOT NULL').all();
    for (const row of rows) {
      const keyIds = row['key_id'] as Uint8Array;
      for (let at = 0; at < keyIds.length; at += KEY_ID_BYTES) {
        this.keys.destroy(row['tag'] as Uint8Array, keyIds.subarray(at, at + KEY_ID_BYTES));
      }
    }
  }

  close(): void {
    this.database.close();
    this.keys.close();
    this.#lock.release();
  }
}
