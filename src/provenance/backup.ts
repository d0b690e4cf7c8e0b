import {
  closeSync,
  constants,
  copyFileSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { ProvenanceError } from './provenance-error.ts';
import { KeyStore } from './key-store.ts';
import { KEY_FILE, LOCK_FILE, ProvenanceStore, RECORD_FILE, type ProvenanceStoreOptions } from './provenance-store.ts';
import { ProcessLock } from './process-lock.ts';

export interface StoreFolders {
  readonly dataDir: string;
  /** Where `keys.db` is kept apart; else in `dataDir`. */
  readonly keyDir?: string;
}

/**
 * Copies the store of records as it is at one moment, also while the gateway runs. Take it BEFORE that of the keys: every record is then
 * opened by a key of the later copy.
 * @param target file to be written; must not exist
 * @throws {ProvenanceError} unavailable
 */
export function backupRecords({ dataDir }: StoreFolders, target: string): void {
  copyConsistently(join(dataDir, RECORD_FILE), target);
}

/**
 * Copies the store of keys, wrapped as they are. Such a copy undoes every erasure after it if it is ever restored alone: keep it no longer than the erasure of a
 * Patient may take.
 */
export function backupKeys({ dataDir, keyDir }: StoreFolders, target: string): void {
  copyConsistently(join(keyDir ?? dataDir, KEY_FILE), target);
}

/**
 * Puts both copies in place of stores that are not there, and proves that they open: whole files, right master key, known schema. Erasures that the
 * records know of are carried out again on the keys.
 * @throws {ProvenanceError} unavailable | key | schema | corrupt; nothing is left behind then
 */
export function restoreStores(
  options: ProvenanceStoreOptions,
  copies: { readonly records: string; readonly keys: string },
): void {
  const places = [
    { from: copies.records, to: join(options.dataDir, RECORD_FILE) },
    { from: copies.keys, to: join(options.keyDir ?? options.dataDir, KEY_FILE) },
  ];
  for (const { to } of places) {
    if (existsSync(to)) throw new ProvenanceError('unavailable', 'there is a store already; move it away first');
  }
  for (const folder of [options.dataDir, options.keyDir ?? options.dataDir])
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  try {
    for (const { from, to } of places) {
      copyFileSync(from, to, constants.COPYFILE_EXCL);
      sync(to);
    }
    const store = new ProvenanceStore(options);
    try {
      for (const database of [store.database, store.keys.database]) assertWhole(database);
    } finally {
      store.close();
    }
  } catch (cause) {
    for (const { to } of places) for (const suffix of ['', '-wal', '-shm']) rmSync(to + suffix, { force: true });
    if (cause instanceof ProvenanceError) throw cause;
    throw new ProvenanceError('unavailable', 'the copies cannot be restored', { cause });
  }
}

/**
 * Wraps all keys under a new master key. The gateway must be stopped: it would go on wrapping with the old one.
 * @throws {ProvenanceError} key: `masterKey` is not the one in force | unavailable: the gateway is running
 */
export function rotateMasterKey(options: ProvenanceStoreOptions, newMasterKey: Uint8Array): void {
  const lock = new ProcessLock(join(options.dataDir, LOCK_FILE), 0);
  try {
    const keys = new KeyStore(join(options.keyDir ?? options.dataDir, KEY_FILE), options.masterKey);
    try {
      keys.rotateMasterKey(newMasterKey);
    } finally {
      keys.close();
    }
  } finally {
    lock.release();
  }
}

function copyConsistently(source: string, target: string): void {
  if (existsSync(target)) throw new ProvenanceError('unavailable', 'the target of a backup exists already');
  if (!existsSync(source)) throw new ProvenanceError('unavailable', 'there is no store to back up');
  // A crash leaves a file whose name says that it is no backup yet.
  const partial = `${target}.partial`;
  rmSync(partial, { force: true });
  try {
    const database = new DatabaseSync(source, { readOnly: true, timeout: 5000 });
    try {
      database.prepare('VACUUM INTO ?').run(partial);
    } finally {
      database.close();
    }
    sync(partial);
    renameSync(partial, target);
  } catch (cause) {
    rmSync(partial, { force: true });
    throw new ProvenanceError('unavailable', 'the store cannot be copied', { cause });
  }
}

function assertWhole(database: DatabaseSync): void {
  const row = database.prepare('PRAGMA integrity_check').get();
  if (row?.['integrity_check'] !== 'ok') throw new ProvenanceError('corrupt', 'a copy is damaged');
}

function sync(path: string): void {
  const file = openSync(path, 'r+');
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
