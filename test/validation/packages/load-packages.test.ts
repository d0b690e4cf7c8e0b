import assert from 'node:assert/strict';
import { chmodSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { carriedPackagesDirectory, loadPackages } from '../../../src/validation/packages/load-packages.ts';
import { PackageCache } from '../../../src/validation/packages/package-cache.ts';
import { PackageError } from '../../../src/validation/packages/package-error.ts';
import { makeTar, profile, temporaryFolder, writePackage, writePackageFolder } from '../../support/fhir-package.ts';

const cache = new PackageCache();
const patientProfile = 'http://example.org/StructureDefinition/p';

function withVersion(version: string): object {
  return profile('p', [{ id: 'Patient', path: 'Patient' }], { version });
}

describe('loadPackages', () => {
  test('always has R4 core, terminology and extensions', async () => {
    const set = await loadPackages({ cache });
    assert.deepEqual(set.packages.map((one) => one.id).sort(), [
      'hl7.fhir.r4.core',
      'hl7.fhir.uv.extensions.r4',
      'hl7.terminology.r4',
    ]);
    assert.equal(set.root.resolveType('Patient')?.version, '4.0.1');
  });

  test('terminology supersedes what core once published, in every view', async () => {
    const set = await loadPackages({ cache });
    const system = 'http://terminology.hl7.org/CodeSystem/observation-category';
    assert.equal(set.root.resolve(system)?.packageId, 'hl7.terminology.r4#7.0.1');
    assert.equal(set.scope('hl7.fhir.r4.core#4.0.1')?.resolve(system)?.packageId, 'hl7.fhir.r4.core#4.0.1');
  });

  test('judges each package by its own closure, with versions side by side', async () => {
    const folder = temporaryFolder();
    writePackage(folder, { id: 'base', version: '1.0.0', resources: [withVersion('1.0.0')] });
    writePackage(folder, { id: 'base', version: '2.0.0', resources: [withVersion('2.0.0')] });
    writePackage(folder, { id: 'old', version: '1.0.0', dependencies: { base: '1.0.0' } });
    writePackage(folder, { id: 'new', version: '1.0.0', dependencies: { base: '2.0.0' } });
    const set = await loadPackages({ cache, packages: ['old#1.0.0', 'new#1.0.0'], packagesDirectory: folder });
    assert.equal(set.scope('old#1.0.0')?.resolve(patientProfile)?.version, '1.0.0');
    assert.equal(set.scope('new#1.0.0')?.resolve(patientProfile)?.version, '2.0.0');
    assert.equal(set.root.resolve(patientProfile)?.version, '2.0.0');
    assert.equal(set.root.resolve(`${patientProfile}|1.0.0`)?.scope.id, 'base#1.0.0');
    assert.equal(set.root.resolve(`${patientProfile}|1.0`)?.version, '1.0.0');
    assert.equal(set.root.resolve(`${patientProfile}|3.0.0`), undefined);
    assert.equal(set.root.resolve(`${patientProfile}#frag`)?.version, '2.0.0');
  });

  test('ends where packages depend on each other in a circle', async () => {
    const folder = temporaryFolder();
    writePackage(folder, { id: 'one', version: '1.0.0', dependencies: { two: '1.0.0' } });
    writePackage(folder, {
      id: 'two',
      version: '1.0.0',
      dependencies: { one: '1.0.0' },
      resources: [withVersion('1.0.0')],
    });
    const set = await loadPackages({ cache, packages: ['one#1.0.0'], packagesDirectory: folder });
    assert.equal(set.scope('one#1.0.0')?.resolve(patientProfile)?.packageId, 'two#1.0.0');
  });

  test('names what is missing and loads the rest', async () => {
    const folder = temporaryFolder();
    const broken = profile('p', [{ id: 'Patient', path: 'Patient' }], { baseDefinition: 'http://example.org/nowhere' });
    writePackage(folder, { id: 'one', version: '1.0.0', dependencies: { gone: '1.0.0' }, resources: [broken] });
    const set = await loadPackages({ cache, packages: ['one#1.0.0'], packagesDirectory: folder });
    assert.deepEqual(set.missing, [{ wanted: 'gone#1.0.0', wantedBy: 'one#1.0.0' }]);
    assert.deepEqual(
      set.unresolved().filter((one) => one.packageId === 'one#1.0.0'),
      [
        {
          canonical: 'http://example.org/nowhere',
          kind: 'base',
          packageId: 'one#1.0.0',
          wantedBy: `${patientProfile}|1.0.0`,
          element: '',
        },
      ],
    );
  });

  test('a copy of an always loaded package in the packages folder wins', async () => {
    const folder = temporaryFolder();
    writePackage(folder, { id: 'hl7.terminology.r4', version: '99.0.0' });
    const set = await loadPackages({ cache, packagesDirectory: folder });
    assert.equal(set.packages.find((one) => one.id === 'hl7.terminology.r4')?.version, '99.0.0');
  });

  test('what is always loaded stands for every version of it', async () => {
    const set = await loadPackages({ cache, packages: ['hl7.terminology.r4#5.0.0', 'hl7.fhir.uv.extensions#1.0.0'] });
    assert.deepEqual(set.packages.map((one) => `${one.id}#${one.version}`).sort(), [
      'hl7.fhir.r4.core#4.0.1',
      'hl7.fhir.uv.extensions.r4#5.3.0',
      'hl7.terminology.r4#7.0.1',
    ]);
  });

  test('reads folders as it reads archives', async () => {
    const folder = temporaryFolder();
    const path = writePackageFolder(folder, { id: 'one', version: '1.0.0', resources: [withVersion('1.0.0')] });
    const set = await loadPackages({ cache, packages: [path] });
    assert.equal(set.root.resolve(patientProfile)?.packageId, 'one#1.0.0');
    const byName = await loadPackages({ cache, packages: ['one#1.0.0'], packagesDirectory: folder });
    assert.equal(byName.root.resolve(patientProfile)?.packageId, 'one#1.0.0');
  });

  test('leaves out AppleDouble files, examples and what is no JSON, and names the last', async () => {
    const folder = temporaryFolder();
    const path = join(folder, 'odd.tgz');
    const archive = makeTar([
      { name: 'package/package.json', content: '\uFEFF{"name":"odd","version":"1.0.0"}' },
      { name: 'package/._p.json', content: 'no' },
      { name: 'package/broken.json', content: '{' },
      { name: 'package/example/p.json', content: JSON.stringify(withVersion('1.0.0')) },
      { name: 'openapi/p.json', content: JSON.stringify(withVersion('1.0.0')) },
      {
        name: 'package/proto.json',
        content: '{"resourceType":"ValueSet","url":"http://example.org/v","__proto__":{"url":"x"}}',
      },
    ]);
    writeFileSync(path, gzipSync(archive));
    const set = await loadPackages({ cache, packages: [path] });
    const odd = set.packages.find((one) => one.id === 'odd');
    assert.equal(odd?.count, 1);
    assert.deepEqual(odd?.skipped, ['package/broken.json: not JSON']);
  });

  for (const [name, bytes] of [
    ['is no archive', Buffer.from('hello')],
    [
      'is cut short',
      gzipSync(makeTar([{ name: 'package/package.json', content: '{"name":"a","version":"1"}' }])).subarray(0, 40),
    ],
    ['has no manifest', gzipSync(makeTar([{ name: 'package/a.json', content: '{}' }]))],
    [
      'has a manifest without a name',
      gzipSync(makeTar([{ name: 'package/package.json', content: '{"version":"1"}' }])),
    ],
  ] as const)
    test(`refuses a package that ${name}`, async () => {
      const path = join(temporaryFolder(), 'broken.tgz');
      writeFileSync(path, bytes);
      await assert.rejects(
        loadPackages({ cache, packages: [path] }),
        (error) => error instanceof PackageError && error.code === 'unreadable',
      );
    });

  test('refuses a package that is nowhere', async () => {
    await assert.rejects(
      loadPackages({ cache, packages: ['nowhere#1.0.0'] }),
      (error) => error instanceof PackageError && error.code === 'not-found',
    );
  });
});

describe('PackageCache', () => {
  test('gives the same definitions from the index as from the archive', async () => {
    const directory = temporaryFolder();
    const packages = ['hl7.fhir.us.core#6.1.0'];
    const first = await loadPackages({ packages, cache: new PackageCache(directory) });
    const again = await loadPackages({ packages, cache: new PackageCache(directory) });
    const canonical = 'http://hl7.org/fhir/us/core/StructureDefinition/us-core-patient';
    assert.deepEqual(again.root.resolve(canonical)?.resource, first.root.resolve(canonical)?.resource);
    assert.deepEqual(again.unresolved(), first.unresolved());
  });

  test('unpacks again when the index is damaged or its data is gone', async () => {
    const directory = temporaryFolder();
    const folder = temporaryFolder();
    const path = writePackage(folder, { id: 'one', version: '1.0.0', resources: [withVersion('1.0.0')] });
    const load = async (): Promise<string | undefined> =>
      (await loadPackages({ packages: [path], cache: new PackageCache(directory) })).root.resolve(patientProfile)
        ?.resource.url;
    assert.equal(await load(), patientProfile);
    for (const file of readdirSync(directory))
      if (file.endsWith('.index.json')) truncateSync(join(directory, file), 10);
    assert.equal(await load(), patientProfile);
    for (const file of readdirSync(directory)) if (file.endsWith('.data')) rmSync(join(directory, file));
    assert.equal(await load(), patientProfile);
  });

  test('keeps its index in memory when others may write to the directory', async () => {
    const directory = temporaryFolder();
    chmodSync(directory, 0o777);
    const path = writePackage(temporaryFolder(), { id: 'one', version: '1.0.0', resources: [withVersion('1.0.0')] });
    const shared = new PackageCache(directory);
    assert.equal(shared.open(path).entries.length, 1);
    assert.deepEqual(readdirSync(directory), []);
  });
});

describe('PackageSet.with', () => {
  test('loose resources come first, and see everything below', async () => {
    const set = await loadPackages({ cache });
    const own = set.with([{ ...withVersion('9.0.0'), resourceType: 'StructureDefinition' }]);
    assert.equal(own.root.resolve(patientProfile)?.version, '9.0.0');
    assert.equal(own.root.resolve(patientProfile)?.scope.resolveType('Patient')?.version, '4.0.1');
    assert.equal(set.root.resolve(patientProfile), undefined);
  });
});

test('the carried packages are all in the folder that goes with the installation', () => {
  const carried = readdirSync(carriedPackagesDirectory).filter((name) => name.endsWith('.tgz'));
  assert.deepEqual(carried.sort(), [
    'hl7.fhir.r4.core-4.0.1.tgz',
    'hl7.fhir.us.core-6.1.0.tgz',
    'hl7.fhir.us.core-7.0.0.tgz',
    'hl7.fhir.uv.extensions.r4-5.3.0.tgz',
    'hl7.terminology.r4-7.0.1.tgz',
  ]);
});
