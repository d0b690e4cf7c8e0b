import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { FhirDefinition } from '../../src/validation/packages/definitions.ts';
import { carriedPackages, element, engineOver, errorsOf, isError, profile, testBase } from '../support/validation.ts';

const packages = await carriedPackages(['hl7.fhir.us.core#6.1.0']);
const engine = engineOver(packages);
const usCore = 'http://hl7.org/fhir/us/core/StructureDefinition/';

type Json = { [key: string]: unknown };

const seeds: readonly Json[] = [
  {
    resourceType: 'Patient',
    meta: { profile: [`${usCore}us-core-patient`] },
    identifier: [{ system: 'urn:oid:2.16.840.1.113883.4.1', value: '1' }],
    name: [{ family: 'x', given: ['a', 'b'], period: { start: '2020-01-01' } }],
    gender: 'female',
    birthDate: '1970-01-01',
    _birthDate: {
      extension: [
        { url: 'http://hl7.org/fhir/StructureDefinition/patient-birthTime', valueDateTime: '1970-01-01T00:00:00Z' },
      ],
    },
    extension: [{ url: `${usCore}us-core-birthsex`, valueCode: 'F' }],
    contained: [{ resourceType: 'Organization', id: 'o', name: 'x' }],
    managingOrganization: { reference: '#o' },
  },
  {
    resourceType: 'Observation',
    meta: { profile: [`${usCore}us-core-heart-rate`] },
    status: 'final',
    category: [
      { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/observation-category', code: 'vital-signs' }] },
    ],
    code: { coding: [{ system: 'http://loinc.org', code: '8867-4' }] },
    subject: { reference: 'Patient/1' },
    effectiveDateTime: '2020-01-01',
    valueQuantity: { value: 60, unit: '/min', system: 'http://unitsofmeasure.org', code: '/min' },
  },
  {
    resourceType: 'Bundle',
    type: 'collection',
    entry: [
      { fullUrl: 'urn:uuid:2b90dd2b-2dab-4c75-9bb9-a355e07401e8', resource: { resourceType: 'Patient', active: true } },
      {
        fullUrl: 'urn:uuid:2b90dd2b-2dab-4c75-9bb9-a355e07401e9',
        resource: {
          resourceType: 'Account',
          status: 'active',
          subject: [{ reference: 'urn:uuid:2b90dd2b-2dab-4c75-9bb9-a355e07401e8' }],
        },
      },
    ],
  },
];

const junk = fc.oneof(
  fc.jsonValue({ maxDepth: 2 }),
  fc.constantFrom<unknown>(
    '',
    ' ',
    'x',
    '#x',
    'Patient/1',
    '2020-13-01',
    {},
    [],
    [null],
    null,
    { resourceType: 'Patient' },
    { resourceType: 'Nope' },
    1e400,
    -0,
    '\ud800',
  ),
);
const keys = fc.constantFrom(
  'status',
  'code',
  'id',
  'extension',
  'contained',
  'value',
  'valueString',
  '_status',
  '__proto__',
  'constructor',
  'toString',
  'resourceType',
  'reference',
  'url',
);

/** Copies a seed and changes it at places that the numbers choose. */
function mutate(seed: Json, changes: readonly { at: number; key: string; value: unknown; drop: boolean }[]): Json {
  const copy = structuredClone(seed);
  for (const { at, key, value: given, drop } of changes) {
    const value = structuredClone(given);
    const objects: Json[] = [];
    const collect = (node: unknown): void => {
      if (typeof node !== 'object' || node === null) return;
      objects.push(node as Json);
      Object.values(node).forEach(collect);
    };
    collect(copy);
    const target = objects[at % objects.length] as Json;
    if (Array.isArray(target)) {
      target[at % (target.length + 1)] = value ?? null;
      continue;
    }
    const present = Object.keys(target);
    const name = drop && present.length > 0 ? (present[at % present.length] as string) : key;
    if (drop && value === undefined) delete target[name];
    else Object.defineProperty(target, name, { value, writable: true, enumerable: true, configurable: true });
  }
  return copy;
}

const mutants = fc
  .tuple(
    fc.constantFrom(...seeds),
    fc.array(
      fc.record({ at: fc.nat(1000), key: keys, value: fc.option(junk, { nil: undefined }), drop: fc.boolean() }),
      { minLength: 1, maxLength: 4 },
    ),
  )
  .map(([seed, changes]) => mutate(seed, changes));

describe('the engine', () => {
  test('accepts what is right', () => {
    for (const seed of seeds) assert.deepEqual(errorsOf(engine, seed), []);
  });

  test('says yes or no as the full findings do, whatever it is given', () => {
    fc.assert(
      fc.property(mutants, (resource) => {
        const { findings } = engine.check(resource);
        assert.equal(engine.test(resource), !findings.some(({ rule }) => isError(rule)));
      }),
      { numRuns: 400 },
    );
  });

  test('finds the same without new Function', () => {
    const careful = engineOver(packages, { withoutEval: true });
    // On values of the wrong JSON shape a constraint may see more or less: the shape is the finding.
    const told = (one: typeof engine, resource: unknown): string[] => {
      const found = one.check(resource).findings.map(({ rule, expression }) => `${expression} ${rule.id}`);
      return found.some((text) => / json-(shape|type|null)$/.test(text))
        ? found.filter((text) => !text.includes('invariant:'))
        : found;
    };
    fc.assert(
      fc.property(mutants, (resource) => assert.deepEqual(told(careful, resource), told(engine, resource))),
      { numRuns: 150 },
    );
  });

  test('finds the same a second time: nothing of one instance is kept for the next', () => {
    fc.assert(
      fc.property(mutants, mutants, (first, second) => {
        const before = engine.check(first).findings;
        engine.check(second);
        assert.deepEqual(engine.check(first).findings, before);
      }),
      { numRuns: 100 },
    );
  });

  test('refuses what is no resource', () => {
    for (const value of [undefined, null, 1, 'x', [], [{}], true]) {
      assert.deepEqual(
        engine.check(value).findings.map(({ rule }) => rule.id),
        ['not-an-object'],
      );
      assert.equal(engine.test(value), false);
    }
    assert.deepEqual(errorsOf(engine, {}), [' resource-type-missing']);
    assert.deepEqual(errorsOf(engine, { resourceType: 'Nope' }), ['Nope resource-type-unknown']);
    assert.deepEqual(errorsOf(engine, { resourceType: 'constructor' }), ['constructor resource-type-unknown']);
  });

  test('stops at a depth, and takes a megabyte and many siblings in bounded time', () => {
    let deep: Json = { url: 'http://example.org/x', valueString: 'x' };
    for (let level = 0; level < 10_000; level++) deep = { url: 'x', extension: [deep] };
    const start = performance.now();
    assert.ok(
      errorsOf(engine, { resourceType: 'Patient', extension: [deep] }).some((text) => text.endsWith('too-deep')),
    );
    let section: Json = { title: 'x', text: { status: 'empty' } };
    for (let level = 0; level < 5_000; level++) section = { title: 'x', section: [section] };
    errorsOf(engine, { resourceType: 'Composition', section: [section] });
    assert.deepEqual(errorsOf(engine, { resourceType: 'Patient', name: [{ text: 'x'.repeat(2 << 20) }] }), [
      'Patient.name[0].text string-too-long',
    ]);
    errorsOf(engine, { resourceType: 'Patient', name: Array.from({ length: 20_000 }, () => ({ text: 'x' })) });
    assert.ok(performance.now() - start < 20_000);
  });

  test('treats keys of the prototype as unknown elements', () => {
    const resource = JSON.parse(
      '{"resourceType":"Patient","__proto__":{"x":1},"constructor":1,"toString":"x","active":true}',
    ) as unknown;
    assert.deepEqual(errorsOf(engine, resource), [
      'Patient element-unknown',
      'Patient element-unknown',
      'Patient element-unknown',
    ]);
  });
});

describe('hostile definitions', () => {
  const word = fc.constantFrom(
    '"',
    "'",
    '`',
    '\\',
    '\n',
    '${x}',
    ');process.exit(1);//',
    '__proto__',
    'constructor',
    'Patient.name',
    'x',
    '*/',
    '\u2028',
    '</script>',
    'a.b.c',
    '[x]',
    '*',
    '#Patient',
    'value[x]',
  );
  const text = fc.array(word, { maxLength: 4 }).map((words) => words.join(''));
  const hostileElement = fc.record(
    {
      id: text,
      path: fc.oneof(
        text,
        text.map((tail) => `Patient.${tail}`),
        fc.constantFrom('Patient.name', 'Patient.name.given', 'Patient.deceased[x]'),
      ),
      sliceName: text,
      min: fc.oneof(fc.integer(), fc.constant('x')),
      max: fc.oneof(text, fc.constantFrom('0', '1', '*')),
      type: fc.array(
        fc.record({
          code: text,
          profile: fc.array(text, { maxLength: 2 }),
          targetProfile: fc.array(text, { maxLength: 2 }),
        }),
        { maxLength: 2 },
      ),
      constraint: fc.array(fc.record({ key: text, severity: fc.constant('error'), human: text, expression: text }), {
        maxLength: 2,
      }),
      slicing: fc.record({
        rules: text,
        discriminator: fc.array(
          fc.record({ type: fc.constantFrom('value', 'pattern', 'type', 'profile', 'exists', 'x'), path: text }),
          { maxLength: 2 },
        ),
      }),
      binding: fc.record({ strength: fc.constantFrom('required', 'x'), valueSet: text }),
      fixedString: text,
      patternHumanName: fc.jsonValue({ maxDepth: 2 }),
      contentReference: text,
      maxLength: fc.integer(),
    },
    { requiredKeys: ['path'] },
  );

  test('never become code, never throw, never hang', () => {
    const planted = globalThis as { concordatPlanted?: boolean };
    let count = 0;
    fc.assert(
      fc.property(fc.array(hostileElement, { maxLength: 6 }), (elements) => {
        const definition: FhirDefinition = {
          ...profile({ id: `hostile${count++}`, type: 'Patient', elements: [] }),
          snapshot: { element: [{ id: 'Patient', path: 'Patient' }, ...elements] },
        };
        const hostile = engineOver(packages, { definitions: [definition] });
        for (const seed of seeds.slice(0, 1)) hostile.check(seed, [String(definition.url)]);
      }),
      { numRuns: 60 },
    );
    assert.equal(planted.concordatPlanted, undefined);
  });

  test('plant nothing by names, keys or expressions', () => {
    const plant = '"+(globalThis.concordatPlanted=true)+"';
    const definition = profile({
      id: 'planting',
      type: 'Patient',
      elements: [
        element('Patient.name', {
          constraint: [
            { key: plant, severity: 'error', human: plant, expression: `'${plant}' = name` },
            {
              key: 'p-2',
              severity: 'error',
              human: plant,
              expression: 'family.constructor.constructor("globalThis.concordatPlanted=true")()',
            },
            {
              key: 'p-3',
              severity: 'error',
              human: plant,
              expression: '`"];globalThis.concordatPlanted=true;//`.exists()',
            },
          ],
        }),
        element(`Patient.name.${plant}`, { min: 1 }),
      ],
    });
    const hostile = engineOver(packages, { definitions: [definition] });
    hostile.check(seeds[0], [`${testBase}planting`]);
    hostile.test(seeds[0], [`${testBase}planting`]);
    assert.equal((globalThis as { concordatPlanted?: boolean }).concordatPlanted, undefined);
  });

  test('that refer to each other in circles end', () => {
    const circle = (id: string, other: string): FhirDefinition =>
      profile({
        id,
        type: 'Patient',
        elements: [element('Patient.link.other', { type: [{ code: 'Reference', targetProfile: [testBase + other] }] })],
      });
    const circular = engineOver(packages, { definitions: [circle('one', 'two'), circle('two', 'one')] });
    const self = {
      resourceType: 'Patient',
      id: 'p',
      link: [{ other: { reference: '#q' }, type: 'seealso' }],
      contained: [{ resourceType: 'Patient', id: 'q', link: [{ other: { reference: '#q' }, type: 'seealso' }] }],
    };
    assert.deepEqual(errorsOf(circular, self, ['one']), []);
  });
});
