import { DatabaseSync } from 'node:sqlite';
import { ProvenanceError } from './provenance-error.ts';

/**
 * Holds a folder's stores for one process: two gateways on one folder would sign one chain twice. The lock is SQLite's on an empty file, which the
 * operating system drops when the process dies, however it dies.
 */
export class ProcessLock {
  readonly #database: DatabaseSync;

  /**
   * @param path of the lock file, made if missing
   * @param waitMs how long to wait for a process that is about to end
   * @throws {ProvenanceError} unavailable: another process holds it
   */
  constructor(path: string, waitMs = 5000) {
    let database: DatabaseSync | undefined;
    try {
      database = new DatabaseSync(path, { timeout: waitMs });
      database.exec('BEGIN EXCLUSIVE');
      this.#database = database;
    } catch (cause) {
      database?.close();
      throw new ProvenanceError('unavailable', 'another process uses this data folder', { cause });
    }
  }

  release(): void {
    this.#database.close();
  }
}
