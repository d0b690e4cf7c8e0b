import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import type { LoadedPackage } from '../../../src/validation/packages/definitions.ts';
import {
  assertLocked,
  compareLocks,
  lockFileName,
  lockOf,
  readLock,
  writeLock,
} from '../../../src/validation/packages/lock.ts';
import { PackageError } from '../../../src/validation/packages/package-error.ts';
import { temporaryFolder } from '../../support/fhir-package.ts';

function loaded(id: string, digest: string): LoadedPackage {
  return {
    id,
    version: '1.0.0',
    digest: digest.repeat(64),
    path: `/packages/${id}-1.0.0.tgz`,
    dependencies: {},
    resolved: [],
    count: 0,
    skipped: [],
  };
}

describe('lock file', () => {
  test('is read back as it was written', () => {
    const folder = temporaryFolder();
    const lock = lockOf([loaded('b', '1'), loaded('a', '2')]);
    writeLock(folder, lock);
    assert.deepEqual(readLock(folder), lock);
    assert.equal(readLock(temporaryFolder()), undefined);
  });

  test('tells what was added, removed and changed', () => {
    const before = lockOf([loaded('a', '1'), loaded('b', '1')]);
    const after = lockOf([loaded('b', '2'), loaded('c', '1')]);
    assert.deepEqual(compareLocks(before, after), [
      { id: 'a#1.0.0', kind: 'removed' },
      { id: 'b#1.0.0', kind: 'changed' },
      { id: 'c#1.0.0', kind: 'added' },
    ]);
  });

  test('refuses packages that are not locked or have another content', () => {
    const lock = lockOf([loaded('a', '1'), loaded('b', '1')]);
    assert.doesNotThrow(() => assertLocked(lock, [loaded('a', '1')], '/packages'));
    for (const packages of [[loaded('a', '2')], [loaded('c', '1')]])
      assert.throws(
        () => assertLocked(lock, packages, '/packages'),
        (error) => error instanceof PackageError && error.code === 'lock',
      );
  });

  test('leaves packages from elsewhere to whoever named them', () => {
    assert.doesNotThrow(() => assertLocked(lockOf([loaded('a', '1')]), [loaded('c', '1')], '/others'));
  });

  for (const text of ['no', '{}', '{"packages":{"a#1":"short"}}'])
    test(`refuses ${text} as a lock file`, () => {
      const folder = temporaryFolder();
      writeFileSync(join(folder, lockFileName), text);
      assert.throws(
        () => readLock(folder),
        (error) => error instanceof PackageError && error.code === 'lock',
      );
    });
});
