import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { FhirDefinition } from '../../../src/validation/packages/definitions.ts';
import { carriedPackages, element, engineOver, errorsOf, profile, testBase } from '../../support/validation.ts';

const system = 'http://test.invalid/cs';
const valueSet = (id: string, include: object[]): FhirDefinition => ({
  resourceType: 'ValueSet',
  id,
  url: `http://test.invalid/vs/${id}`,
  version: '1.0.0',
  status: 'active',
  compose: { include },
});
const bound = (id: string, strength: string, set: string): FhirDefinition =>
  profile({
    id,
    type: 'Observation',
    elements: [element('Observation.category', { binding: { strength, valueSet: `http://test.invalid/vs/${set}` } })],
  });

const definitions: FhirDefinition[] = [
  {
    resourceType: 'CodeSystem',
    id: 'cs',
    url: system,
    version: '1.0.0',
    status: 'active',
    content: 'complete',
    concept: [{ code: 'a', display: 'A' }, { code: 'b' }, { code: 'c' }],
  },
  valueSet('list', [{ system, concept: [{ code: 'a' }, { code: 'b' }] }]),
  valueSet('whole', [{ system }]),
  valueSet('elsewhere', [{ system: 'http://elsewhere.invalid/cs' }]),
  ...['required', 'extensible', 'preferred', 'example'].map((strength) => bound(strength, strength, 'list')),
  bound('whole', 'required', 'whole'),
  bound('elsewhere', 'required', 'elsewhere'),
  bound('missing', 'required', 'nowhere'),
  profile({
    id: 'quantity',
    type: 'Observation',
    elements: [
      element('Observation.value[x]', {
        type: [{ code: 'Quantity' }],
        binding: { strength: 'required', valueSet: 'http://test.invalid/vs/list' },
      }),
    ],
  }),
  profile({
    id: 'tag',
    type: 'Patient',
    elements: [
      element('Patient.meta.tag', { binding: { strength: 'required', valueSet: 'http://test.invalid/vs/list' } }),
    ],
  }),
];
const engine = engineOver(await carriedPackages(), { definitions });
const categories = (...coding: object[]): object => ({
  resourceType: 'Observation',
  status: 'final',
  code: { text: 'x' },
  category: [{ coding }],
});
const text = { resourceType: 'Observation', status: 'final', code: { text: 'x' }, category: [{ text: 'a' }] };

describe('a binding', () => {
  test('required wants one coding of the value set', () => {
    assert.deepEqual(errorsOf(engine, categories({ system, code: 'a' }), ['required']), []);
    assert.deepEqual(
      errorsOf(engine, categories({ system: 'http://other.invalid', code: 'z' }, { system, code: 'b' }), ['required']),
      [],
    );
    assert.deepEqual(errorsOf(engine, categories({ system, code: 'c' }), ['required']), [
      'Observation.category[0] binding-required',
    ]);
    assert.deepEqual(errorsOf(engine, categories({ system: 'http://other.invalid', code: 'a' }), ['required']), [
      'Observation.category[0] binding-required',
    ]);
    assert.deepEqual(errorsOf(engine, text, ['required']), ['Observation.category[0] binding-missing-code']);
    assert.deepEqual(errorsOf(engine, categories({ system }), ['required']), [
      'Observation.category[0] binding-required',
    ]);
  });

  test('weaker than required is never an error', () => {
    for (const strength of ['extensible', 'preferred', 'example']) {
      assert.deepEqual(errorsOf(engine, categories({ system, code: 'c' }), [strength]), [], strength);
      assert.deepEqual(errorsOf(engine, text, [strength]), [], strength);
    }
    const { findings } = engine.check(categories({ system, code: 'c' }), [`${testBase}extensible`]);
    assert.deepEqual(
      findings.map(({ rule }) => `${rule.id} ${rule.severity}`),
      ['binding-extensible warning'],
    );
  });

  test('cannot be told, and is no error, where the value set or its system is not loaded', () => {
    for (const [name, resource] of [
      ['elsewhere', categories({ system: 'http://elsewhere.invalid/cs', code: 'x' })],
      ['missing', categories({ system, code: 'a' })],
    ] as const) {
      const { findings } = engine.check(resource, [testBase + name]);
      assert.deepEqual(
        findings.map(({ rule }) => `${rule.id} ${rule.severity}`),
        ['binding-cannot-tell warning'],
        name,
      );
    }
  });

  test('takes a coding without system only where the list leaves no doubt', () => {
    assert.deepEqual(errorsOf(engine, categories({ code: 'a' }), ['required']), []);
    assert.deepEqual(errorsOf(engine, categories({ code: 'a' }), ['whole']), [
      'Observation.category[0] binding-required',
    ]);
  });

  test('leaves units to UCUM, and a bare Coding without system or code alone', () => {
    const quantity = (content: object): object => ({
      resourceType: 'Observation',
      status: 'final',
      code: { text: 'x' },
      valueQuantity: { value: 1, ...content },
    });
    assert.deepEqual(errorsOf(engine, quantity({ system: 'http://unitsofmeasure.org', code: 'kg' }), ['quantity']), []);
    assert.deepEqual(errorsOf(engine, quantity({ system, code: 'c' }), ['quantity']), [
      'Observation.value.ofType(Quantity) binding-required',
    ]);
    const tagged = (tag: object): object => ({ resourceType: 'Patient', meta: { tag: [tag] } });
    assert.deepEqual(errorsOf(engine, tagged({ system }), ['tag']), []);
    assert.deepEqual(errorsOf(engine, tagged({ system, code: 'c' }), ['tag']), [
      'Patient.meta.tag[0] binding-required',
    ]);
  });

  test('required on a code holds in the base types too, with or without a value', () => {
    assert.deepEqual(errorsOf(engine, { resourceType: 'Patient', gender: 'x' }), ['Patient.gender binding-required']);
    const absent = {
      extension: [{ url: 'http://hl7.org/fhir/StructureDefinition/data-absent-reason', valueCode: 'unknown' }],
    };
    assert.deepEqual(errorsOf(engine, { resourceType: 'Patient', _gender: absent }), [
      'Patient.gender binding-missing-code',
    ]);
  });
});
