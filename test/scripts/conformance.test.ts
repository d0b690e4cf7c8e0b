import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { promisify } from 'node:util';
import { closedCodes } from '../../scripts/conformance-codes.ts';
import { baseMutants } from '../../scripts/conformance-mutants.ts';
import { sitesOf, withValue } from '../../scripts/conformance-sites.ts';
import { expressionKey } from '../../scripts/conformance-suite.ts';
import { resourceFromXml } from '../../scripts/conformance-xml.ts';
import { loadPackages } from '../../src/validation/packages/load-packages.ts';
import { profile, temporaryFolder, writePackage } from '../support/fhir-package.ts';

const run = promisify(execFile);
const packages = await loadPackages();

function script(name: string, args: readonly string[], cwd: string): Promise<{ stdout: string }> {
  const path = new URL(`../../scripts/${name}.ts`, import.meta.url).pathname;
  return run(process.execPath, ['--disable-warning=ExperimentalWarning', path, ...args], {
    cwd,
    env: { ...process.env, INIT_CWD: cwd },
  });
}

const profileXml = `<StructureDefinition xmlns="http://hl7.org/fhir">
  <url value="http://example.org/StructureDefinition/x"/><name value="X"/><status value="draft"/><fhirVersion value="4.0.1"/>
  <kind value="resource"/><abstract value="false"/><type value="Patient"/>
  <baseDefinition value="http://hl7.org/fhir/StructureDefinition/Patient"/><derivation value="constraint"/>
  <differential><element id="Patient.name"><path value="Patient.name"/><min value="1"/></element></differential>
</StructureDefinition>`;

/** A suite of our own making: a sound resource, a broken one, one with a profile in XML, and one whose support is missing. */
function makeSuite(): string {
  const folder = temporaryFolder();
  mkdirSync(join(folder, 'cases'));
  mkdirSync(join(folder, 'outcomes'));
  const check = (name: string, mode: string, expectedErrors: number): object => ({
    mode,
    tier: 'core',
    outcome: `outcomes/${name}-${mode}.json`,
    expectedErrors,
  });
  const outcome = (name: string, mode: string, expression?: string): void =>
    writeFileSync(
      join(folder, 'outcomes', `${name}-${mode}.json`),
      JSON.stringify({
        resourceType: 'OperationOutcome',
        issue: expression === undefined ? [] : [{ severity: 'error', expression: [expression] }],
      }),
    );
  writeFileSync(join(folder, 'cases', 'sound.json'), '{"resourceType":"Patient","id":"a"}');
  writeFileSync(
    join(folder, 'cases', 'broken.json'),
    '{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueQuantity":{"value":"1"}}',
  );
  writeFileSync(join(folder, 'cases', 'profile.xml'), profileXml);
  outcome('sound', 'base');
  outcome('sound', 'profile', 'Patient');
  outcome('broken', 'base', 'Observation/*x*/.value.ofType(Quantity).value');
  const cases = [
    {
      name: 'sound',
      file: 'sound.json',
      module: 'general',
      profile: { source: 'profile.xml' },
      checks: [check('sound', 'base', 0), check('sound', 'profile', 1)],
    },
    {
      name: 'broken',
      file: 'broken.json',
      module: 'general',
      supporting: ['gone.json'],
      packages: ['gone#1.0.0'],
      checks: [check('broken', 'base', 1)],
    },
    { name: 'absent', file: 'absent.json', module: 'general', checks: [check('absent', 'base', 0)] },
  ];
  writeFileSync(join(folder, 'manifest.json'), JSON.stringify({ cases }));
  return folder;
}

describe('conformance runner', () => {
  test('writes a row for each check of the manifest, in its order', async () => {
    const folder = makeSuite();
    const { stdout } = await script('conformance', ['--suite', '.', '--json', 'rows.json'], folder);
    const rows = JSON.parse(readFileSync(join(folder, 'rows.json'), 'utf8')) as Record<string, unknown>[];
    assert.deepEqual(
      rows.map((row) => [row.case, row.mode, row.valid, row.crash === null, (row.missing as unknown[]).length]),
      [
        ['sound', 'base', true, true, 0],
        ['sound', 'profile', false, true, 0],
        ['broken', 'base', false, true, 2],
        ['absent', 'base', false, true, 1],
      ],
    );
    assert.deepEqual(Object.keys(rows[0] ?? {}), ['case', 'mode', 'tier', 'valid', 'crash', 'missing', 'issues']);
    assert.match(stdout, /core +4 +75\.0 % +0 +1 +0 +100\.0 % +100\.0 %/);
  });

  test('compares places without comments, and choices by their JSON name', () => {
    assert.equal(
      expressionKey('Bundle.entry[0].resource/*Patient/1*/.value.ofType(Quantity).code'),
      'Bundle.entry[0].resource.valueQuantity.code',
    );
  });
});

describe('example and mutant runner', () => {
  test('catches mutants of a package’s examples', async () => {
    const folder = temporaryFolder();
    const named = profile('p', [{ path: 'Patient.name', min: 1 }]);
    const path = writePackage(folder, { id: 'own', version: '1.0.0', resources: [named] });
    await script('conformance-examples', ['--package', path, '--json', 'rows.json'], folder);
    assert.deepEqual(JSON.parse(readFileSync(join(folder, 'rows.json'), 'utf8')), []);
  });

  test('breaks an example in many ways, each at a place in it', () => {
    const resource = {
      resourceType: 'Patient',
      id: 'a',
      active: true,
      name: [{ family: 'x', given: ['y'] }],
      managingOrganization: { reference: 'Organization/1' },
    };
    const mutants = baseMutants({ resource, sites: sitesOf(resource, packages.root), scope: packages.root }, 2);
    assert.ok(new Set(mutants.map(({ operator }) => operator)).size > 15);
    for (const mutant of mutants) {
      assert.notDeepEqual(mutant.resource, resource, mutant.operator);
      assert.match(mutant.expression, /^Patient\./);
    }
  });

  test('takes a value out together with what it leaves empty', () => {
    assert.deepEqual(withValue({ a: { b: [1] } }, ['a', 'b', 0], undefined), { a: {} });
  });

  test('knows which value sets are closed', () => {
    assert.equal(closedCodes('http://hl7.org/fhir/ValueSet/administrative-gender', packages.root), true);
    assert.equal(closedCodes('http://hl7.org/fhir/ValueSet/observation-codes', packages.root), undefined);
  });
});

describe('resourceFromXml', () => {
  test('reads arrays, choices, numbers, primitives with extensions, narratives and contained resources', () => {
    const xml = `<Patient xmlns="http://hl7.org/fhir"><id value="a"/>
      <text><status value="generated"/><div xmlns="http://www.w3.org/1999/xhtml">x</div></text>
      <contained><Organization><id value="o"/></Organization></contained>
      <active value="true"/><name><given value="y"/><given id="g"><extension url="http://e"><valueInteger value="3"/></extension></given></name>
      <birthDate value="2000-01-01"><extension url="http://e"><valueString value="z"/></extension></birthDate>
      <multipleBirthInteger value="2"/></Patient>`;
    assert.deepEqual(resourceFromXml(xml, packages.root), {
      resourceType: 'Patient',
      id: 'a',
      text: { status: 'generated', div: '<div xmlns="http://www.w3.org/1999/xhtml">x</div>' },
      contained: [{ resourceType: 'Organization', id: 'o' }],
      active: true,
      name: [{ given: ['y', null], _given: [null, { id: 'g', extension: [{ url: 'http://e', valueInteger: 3 }] }] }],
      birthDate: '2000-01-01',
      _birthDate: { extension: [{ url: 'http://e', valueString: 'z' }] },
      multipleBirthInteger: 2,
    });
  });

  for (const text of ['', 'no', '<a/>', '<Patient xmlns="http://hl7.org/fhir">'])
    test(`refuses ${JSON.stringify(text)}`, () => assert.throws(() => resourceFromXml(text, packages.root)));
});
