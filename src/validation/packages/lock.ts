/** Lock file of a packages folder: which packages with which content were agreed on. */
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type { LoadedPackage } from './definitions.ts';
import { PackageError } from './package-error.ts';
import { isObject, parseJson } from './package-source.ts';

export const lockFileName = 'packages.lock.json';

/** `ID#VERSION` to lowercase hex SHA-256. */
export type PackageLock = ReadonlyMap<string, string>;

export interface LockDifference {
  readonly id: string;
  /** `added`: loaded and not locked; `removed`: locked and not loaded; `changed`: another digest than locked. */
  readonly kind: 'added' | 'removed' | 'changed';
}

export function lockOf(packages: readonly LoadedPackage[]): PackageLock {
  const pairs = packages.map((one) => [`${one.id}#${one.version}`, one.digest] as const);
  return new Map(pairs.sort(([left], [right]) => (left < right ? -1 : 1)));
}

/**
 * The lock of a folder; undefined when it has none.
 * @throws {PackageError} lock: the file is not a lock file
 */
export function readLock(directory: string): PackageLock | undefined {
  const path = join(directory, lockFileName);
  if (!existsSync(path)) return undefined;
  try {
    const lock = parseJson(readFileSync(path));
    if (!isObject(lock) || !isObject(lock.packages)) throw new Error('no packages');
    const pairs = Object.entries(lock.packages).map(([id, digest]): [string, string] => {
      if (typeof digest !== 'string' || !/^[0-9a-f]{64}$/.test(digest)) throw new Error(`digest of ${id}`);
      return [id, digest];
    });
    return new Map(pairs);
  } catch (cause) {
    throw new PackageError('lock', `${path} is not a lock file`, { cause });
  }
}

/** Written beside and renamed: after a crash the old lock or the new one is there, whole. */
export function writeLock(directory: string, lock: PackageLock): string {
  const path = join(directory, lockFileName);
  const temporary = `${path}.${process.pid}.tmp`;
  writeFileSync(temporary, `${JSON.stringify({ version: 1, packages: Object.fromEntries(lock) }, undefined, 2)}\n`);
  renameSync(temporary, path);
  return path;
}

export function compareLocks(locked: PackageLock, loaded: PackageLock): LockDifference[] {
  const ids = [...new Set([...locked.keys(), ...loaded.keys()])].sort();
  return ids.flatMap((id): LockDifference[] => {
    if (!locked.has(id)) return [{ id, kind: 'added' }];
    if (!loaded.has(id)) return [{ id, kind: 'removed' }];
    return locked.get(id) === loaded.get(id) ? [] : [{ id, kind: 'changed' }];
  });
}

/**
 * Every loaded package that the folder holds is locked, and every locked one unchanged; a package from elsewhere is whoever named it's affair,
 * and a locked package that is not loaded does no harm.
 * @param directory the folder that the lock is of
 * @throws {PackageError} lock
 */
export function assertLocked(locked: PackageLock, packages: readonly LoadedPackage[], directory: string): void {
  const own = new Set(
    packages
      .filter(({ path }) => dirname(resolve(path)) === resolve(directory))
      .map(({ id, version }) => `${id}#${version}`),
  );
  const broken = compareLocks(locked, lockOf(packages)).filter(
    ({ id, kind }) => kind === 'changed' || (kind === 'added' && own.has(id)),
  );
  if (broken.length === 0) return;
  const list = broken.map(({ id, kind }) => `${id} ${kind === 'added' ? 'is not locked' : 'has another content'}`);
  throw new PackageError('lock', `packages differ from the lock file: ${list.join(', ')}`);
}
