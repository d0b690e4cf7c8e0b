import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { KeyStore } from './key-store.ts';
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

  /** A crash inside an erasure, or a restored backup of the keys, leaves keys that a tombstone says are gone. */
  #finishErasures(): void {
    const rows = this.database.prepare('SELECT tag, key_id FROM tombstone WHERE key_id IS NOT NULL').all() as {
      tag: Uint8Array;
      key_id: Uint8Array;
    }[];
    for (const { tag, key_id } of rows) this.keys.destroy(tag, key_id);
  }

  close(): void {
    this.database.close();
    this.keys.close();
    this.#lock.release();
  }
}
