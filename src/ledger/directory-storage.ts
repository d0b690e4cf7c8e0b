import {
  closeSync,
  existsSync,
  fdatasync,
  ftruncateSync,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { promisify } from 'node:util';
import { LedgerError } from './ledger-error.ts';
import type { AppendFile, LedgerStorage, StateStore } from './storage.ts';

const syncFile = promisify(fdatasync);
const PENDING_LIMIT_BYTES = 1 << 18;

class DirectoryFile implements AppendFile {
  readonly #descriptor: number;
  readonly #readOnly: boolean;
  #pending: Uint8Array[] = [];
  #pendingBytes = 0;
  #written: number;
  #dirty = false;
  /** Pending bytes could not be written since the last `sync`. */
  #isRefused = false;

  constructor(path: string, readOnly: boolean) {
    this.#readOnly = readOnly;
    this.#descriptor = openSync(path, readOnly ? 'r' : 'a+');
    this.#written = fstatSync(this.#descriptor).size;
  }

  get length(): number {
    return this.#written + this.#pendingBytes;
  }

  append(bytes: Uint8Array): number {
    const position = this.length;
    this.#pending.push(bytes);
    this.#pendingBytes += bytes.length;
    if (this.#pendingBytes >= PENDING_LIMIT_BYTES) this.#tryToWrite();
    return position;
  }

  read(position: number, length: number): Uint8Array {
    if (position + length > this.#written && this.#pendingBytes > 0) this.#tryToWrite();
    const bytes = new Uint8Array(Math.max(0, Math.min(length, this.length - position)));
    const stored = Math.max(0, Math.min(bytes.length, this.#written - position));
    let done = 0;
    while (done < stored) {
      const count = readSync(this.#descriptor, bytes, done, stored - done, position + done);
      if (count === 0) return bytes.subarray(0, done);
      done += count;
    }
    if (stored === bytes.length) return bytes;
    const first = position + stored - this.#written;
    bytes.set(this.#joinPending().subarray(first, first + bytes.length - stored), stored);
    return bytes;
  }

  truncate(length: number): void {
    // Beyond what is committed, another process may be writing.
    if (this.#readOnly) return;
    this.#write();
    if (length >= this.#written) return;
    ftruncateSync(this.#descriptor, length);
    this.#written = length;
    this.#dirty = true;
  }

  async sync(): Promise<void> {
    this.#write();
    if (!this.#dirty) return;
    this.#dirty = false;
    try {
      await syncFile(this.#descriptor);
    } catch (error) {
      this.#dirty = true;
      throw error;
    }
  }

  close(): void {
    closeSync(this.#descriptor);
  }

  /** A leaf goes to several files: a full disk must not stop it between two of them. What it does not take stays pending, and `sync` tells. */
  #tryToWrite(): void {
    if (this.#isRefused) return;
    try {
      this.#write();
    } catch {
      this.#isRefused = true;
    }
  }

  #joinPending(): Uint8Array {
    if (this.#pending.length !== 1) this.#pending = [Buffer.concat(this.#pending)];
    return this.#pending[0] ?? new Uint8Array();
  }

  /** A full disk may take a part: that is cut off again, so that the whole can be written later. A crash here leaves a tail that the next open cuts. */
  #write(): void {
    this.#isRefused = false;
    if (this.#pendingBytes === 0) return;
    const bytes = this.#joinPending();
    let done = 0;
    try {
      while (done < bytes.length) done += writeSync(this.#descriptor, bytes, done, bytes.length - done);
    } catch (error) {
      ftruncateSync(this.#descriptor, this.#written);
      throw error;
    }
    this.#written += bytes.length;
    this.#pending = [];
    this.#pendingBytes = 0;
    this.#dirty = true;
  }
}

class SqliteState implements StateStore {
  readonly #database: DatabaseSync;
  readonly #get: StatementSync;
  readonly #put: StatementSync;
  readonly #remove: StatementSync;
  readonly #forward: StatementSync;
  readonly #backward: StatementSync;

  constructor(path: string, readOnly: boolean) {
    this.#database = new DatabaseSync(path, { readOnly, timeout: 5000 });
    if (!readOnly)
      this.#database.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
        CREATE TABLE IF NOT EXISTS state (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID`);
    const prepare = (sql: string): StatementSync => this.#database.prepare(sql);
    this.#get = prepare('SELECT value FROM state WHERE key = ?');
    this.#put = prepare('INSERT INTO state VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value');
    this.#remove = prepare('DELETE FROM state WHERE key = ?');
    this.#forward = prepare('SELECT key, value FROM state WHERE key >= ? AND key < ? ORDER BY key LIMIT ?');
    this.#backward = prepare('SELECT key, value FROM state WHERE key >= ? AND key < ? ORDER BY key DESC LIMIT ?');
  }

  get(key: string): Uint8Array | undefined {
    return this.#get.get(key)?.['value'] as Uint8Array | undefined;
  }

  scan(
    prefix: string,
    options: { from?: string; limit?: number; reverse?: boolean } = {},
  ): { key: string; value: Uint8Array }[] {
    const statement = options.reverse === true ? this.#backward : this.#forward;
    const rows = statement.all(options.from ?? prefix, `${prefix}\u{10ffff}`, options.limit ?? -1);
    return rows.map((row) => ({ key: row['key'] as string, value: row['value'] as Uint8Array }));
  }

  commit(changes: ReadonlyMap<string, Uint8Array | undefined>): void {
    this.#database.exec('BEGIN IMMEDIATE');
    try {
      for (const [key, value] of changes) {
        if (value === undefined) this.#remove.run(key);
        else this.#put.run(key, value);
      }
      this.#database.exec('COMMIT');
    } catch (error) {
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK');
      throw error;
    }
  }

  close(): void {
    this.#database.close();
  }
}

/** A folder with one file for each name and `replica.db`; one writing process at a time, and any number that only read. */
export class DirectoryStorage implements LedgerStorage {
  readonly state: SqliteState;
  readonly #folder: string;
  readonly #readOnly: boolean;
  readonly #lock: DatabaseSync | undefined;
  readonly #files = new Map<string, DirectoryFile>();

  /** @throws {LedgerError} configuration: another process writes here, or with `readOnly` there is nothing to read */
  constructor(folder: string, options: { readOnly?: boolean } = {}) {
    this.#folder = folder;
    this.#readOnly = options.readOnly ?? false;
    if (!this.#readOnly) mkdirSync(folder, { recursive: true });
    this.#lock = this.#readOnly ? undefined : lockFolder(folder);
    try {
      this.state = new SqliteState(join(folder, 'replica.db'), this.#readOnly);
    } catch (cause) {
      this.#lock?.close();
      throw new LedgerError('configuration', 'the replica cannot be opened', { cause });
    }
  }

  file(name: string): AppendFile {
    let file = this.#files.get(name);
    if (file === undefined) {
      if (this.#readOnly && !this.hasFile(name)) return NO_FILE;
      const isNew = !this.hasFile(name);
      this.#files.set(name, (file = new DirectoryFile(this.#path(name), this.#readOnly)));
      if (isNew) syncFolder(this.#folder);
    }
    return file;
  }

  hasFile(name: string): boolean {
    return existsSync(this.#path(name));
  }

  fileNames(): string[] {
    return readdirSync(this.#folder)
      .filter((name) => name.endsWith('.bin'))
      .map((name) => name.slice(0, -4));
  }

  remove(name: string): void {
    if (this.#readOnly) return;
    this.#files.get(name)?.close();
    this.#files.delete(name);
    rmSync(this.#path(name), { force: true });
  }

  #path(name: string): string {
    return join(this.#folder, `${name}.bin`);
  }

  close(): void {
    for (const file of this.#files.values()) file.close();
    this.#files.clear();
    this.state.close();
    this.#lock?.close();
  }
}

/** Without it a power cut may take a new file, whose content was synced, from its folder. */
function syncFolder(folder: string): void {
  const descriptor = openSync(folder, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

const NO_FILE: AppendFile = {
  length: 0,
  append: () => 0,
  read: () => new Uint8Array(),
  truncate: () => {},
  sync: async () => {},
};

/** An exclusive transaction that is never ended: the operating system lets go of it when the process dies. */
function lockFolder(folder: string): DatabaseSync {
  const lock = new DatabaseSync(join(folder, 'lock.db'), { timeout: 0 });
  try {
    lock.exec('BEGIN EXCLUSIVE');
    return lock;
  } catch (cause) {
    lock.close();
    throw new LedgerError('configuration', 'another process uses this replica', { cause });
  }
}
