import assert from 'node:assert/strict';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { profile, temporaryFolder, writePackage } from '../support/fhir-package.ts';
import { runCli } from '../support/run-cli.ts';

describe('concordat packages', { concurrency: 2 }, () => {
  test('adds, lists, locks, and tells what differs from the lock', async () => {
    const folder = temporaryFolder();
    const named = profile('p', [{ path: 'Patient.name', min: 1 }], { baseDefinition: 'http://example.org/nowhere' });
    const archive = writePackage(temporaryFolder(), { id: 'own', version: '1.0.0', resources: [named] });
    const run = (...args: string[]): ReturnType<typeof runCli> =>
      runCli(['packages', ...args, '--packages-dir', folder]);
    assert.equal((await run('add', archive)).code, 0);
    assert.deepEqual(readdirSync(folder), ['own-1.0.0.tgz']);
    const listed = JSON.parse((await run('list', '--json')).stdout) as {
      packages: { id: string }[];
      unresolved: { packageId: string }[];
    };
    assert.ok(listed.packages.some(({ id }) => id === 'own'));
    assert.ok(listed.unresolved.some(({ packageId }) => packageId === 'own#1.0.0'));
    assert.equal((await run('diff')).code, 2);
    assert.equal((await run('lock')).code, 0);
    assert.equal((await run('diff')).code, 0);
    writePackage(folder, { id: 'own', version: '1.0.0', resources: [] });
    const changed = await run('diff', '--json');
    assert.deepEqual([changed.code, JSON.parse(changed.stdout)], [1, [{ id: 'own#1.0.0', kind: 'changed' }]]);
    const refused = await runCli(['validate', archive, '--package', 'own#1.0.0', '--packages-dir', folder]);
    assert.equal(refused.code, 2);
  });

  test('compares two packages definition by definition', async () => {
    const folder = temporaryFolder();
    const version = (min: number, name: string): object => profile(name, [{ path: 'Patient.name', min }]);
    const old = writePackage(folder, { id: 'own', version: '1.0.0', resources: [version(0, 'p'), version(0, 'gone')] });
    const fresh = writePackage(folder, {
      id: 'own',
      version: '2.0.0',
      resources: [version(1, 'p'), version(0, 'new')],
    });
    const result = await runCli(['packages', 'diff', old, fresh, '--packages-dir', folder, '--json']);
    assert.equal(result.code, 1);
    const base = 'http://example.org/StructureDefinition/';
    assert.deepEqual(JSON.parse(result.stdout), [
      { kind: 'removed', canonical: `${base}gone`, detail: '' },
      { kind: 'added', canonical: `${base}new`, detail: '' },
      { kind: 'changed', canonical: `${base}p`, detail: 'Patient.name (min)' },
    ]);
  });

  test('refuses to add what is no package', async () => {
    const path = join(temporaryFolder(), 'x.tgz');
    writeFileSync(path, 'no');
    assert.equal((await runCli(['packages', 'add', path, '--packages-dir', temporaryFolder()])).code, 2);
  });
});
