import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { carriedPackages, element, engineOver, errorsOf, profile } from '../../support/validation.ts';

const system = 'http://test.invalid/s';
const slicing = (type: string, path: string, rules = 'open', extra: object = {}): Record<string, unknown> => ({
  slicing: { discriminator: [{ type, path }], rules, ...extra },
});
const patient = (...codes: string[]): object => ({
  resourceType: 'Patient',
  identifier: codes.map((code) => ({ system: `${system}/${code}`, value: '1' })),
});
const observation = (content: object): object => ({
  resourceType: 'Observation',
  status: 'final',
  code: { text: 'x' },
  ...content,
});

/** Slices a (exactly one) and b (at most two, with a value) by the system. */
const bySystem = (id: string, rules: string, ordered = false): ReturnType<typeof profile> =>
  profile({
    id,
    type: 'Patient',
    elements: [
      element('Patient.identifier', slicing('value', 'system', rules, { ordered })),
      element('Patient.identifier:a', { min: 1, max: '1' }),
      element('Patient.identifier:a.system', { min: 1, fixedUri: `${system}/a` }),
      element('Patient.identifier:b', { min: 0, max: '2' }),
      element('Patient.identifier:b.system', { min: 1, fixedUri: `${system}/b` }),
      element('Patient.identifier:b.period', { min: 1 }),
    ],
  });

const definitions = [
  bySystem('open', 'open'),
  bySystem('closed', 'closed'),
  bySystem('ordered', 'open', true),
  profile({
    id: 'pattern',
    type: 'Observation',
    elements: [
      element('Observation.category', slicing('pattern', '$this')),
      element('Observation.category:x', {
        min: 1,
        max: '1',
        patternCodeableConcept: { coding: [{ system, code: 'x' }] },
      }),
    ],
  }),
  profile({
    id: 'exists',
    type: 'Patient',
    elements: [
      element('Patient.identifier', slicing('exists', 'value')),
      element('Patient.identifier:has', { min: 1, max: '1' }),
      element('Patient.identifier:has.value', { min: 1 }),
      element('Patient.identifier:not', { max: '1' }),
      element('Patient.identifier:not.value', { max: '0' }),
    ],
  }),
  profile({
    id: 'type',
    type: 'Observation',
    elements: [
      element('Observation.value[x]', slicing('type', '$this', 'closed')),
      element('Observation.value[x]:valueQuantity', { min: 0, type: [{ code: 'Quantity' }] }),
      element('Observation.value[x]:valueQuantity.unit', { min: 1 }),
      element('Observation.value[x]:valueString', { type: [{ code: 'string' }], maxLength: 3 }),
    ],
  }),
  profile({
    id: 'resolved-type',
    type: 'Observation',
    elements: [
      element('Observation.performer', slicing('type', 'resolve()')),
      element('Observation.performer:org', {
        min: 1,
        max: '1',
        type: [{ code: 'Reference', targetProfile: ['http://hl7.org/fhir/StructureDefinition/Organization'] }],
      }),
    ],
  }),
  profile({ id: 'named-org', type: 'Organization', elements: [element('Organization.name', { min: 1 })] }),
  profile({
    id: 'resolved-profile',
    type: 'Observation',
    elements: [
      element('Observation.performer', slicing('profile', 'resolve()')),
      element('Observation.performer:named', {
        min: 1,
        type: [{ code: 'Reference', targetProfile: ['http://test.invalid/StructureDefinition/named-org'] }],
      }),
    ],
  }),
  profile({
    id: 'extension',
    type: 'Patient',
    elements: [
      element(
        'Patient.name',
        slicing('value', "extension('http://hl7.org/fhir/StructureDefinition/iso21090-EN-use').value"),
      ),
      element('Patient.name:x', { min: 1 }),
      element('Patient.name:x.extension', slicing('value', 'url')),
      element('Patient.name:x.extension:use', {
        min: 1,
        type: [{ code: 'Extension', profile: ['http://hl7.org/fhir/StructureDefinition/iso21090-EN-use'] }],
      }),
      element('Patient.name:x.extension:use.value[x]', { min: 1, fixedCode: 'ABC' }),
    ],
  }),
  profile({
    id: 'undecidable',
    type: 'Observation',
    elements: [
      element('Observation.category', slicing('value', 'text')),
      element('Observation.category:x', { min: 1 }),
    ],
  }),
];
const engine = engineOver(await carriedPackages(), { definitions });

describe('slices', () => {
  test('by value: minimum, maximum and content', () => {
    assert.deepEqual(errorsOf(engine, patient('a'), ['open']), []);
    assert.deepEqual(errorsOf(engine, patient('a', 'c'), ['open']), []);
    assert.deepEqual(errorsOf(engine, patient('c'), ['open']), ['Patient slice-minimum']);
    assert.deepEqual(errorsOf(engine, { resourceType: 'Patient', active: true }, ['open']), ['Patient slice-minimum']);
    assert.deepEqual(errorsOf(engine, patient('a', 'a'), ['open']), ['Patient slice-maximum']);
    assert.deepEqual(errorsOf(engine, patient('a', 'b'), ['open']), ['Patient.identifier[1] cardinality-minimum']);
  });

  test('closed: an item of no slice is refused where it stands', () => {
    assert.deepEqual(errorsOf(engine, patient('a'), ['closed']), []);
    assert.deepEqual(errorsOf(engine, patient('a', 'c'), ['closed']), ['Patient.identifier[1] slice-closed']);
  });

  test('ordered: slices stand in their order', () => {
    const found = errorsOf(engine, patient('b', 'a'), ['ordered']);
    assert.deepEqual(
      found.filter((text) => text.includes('order')),
      ['Patient.identifier[1] slice-order'],
    );
    assert.ok(!errorsOf(engine, patient('a', 'b'), ['ordered']).some((text) => text.includes('order')));
  });

  test('by pattern', () => {
    const categories = (...all: string[]): object =>
      observation({ category: all.map((codes) => ({ coding: codes.split('+').map((code) => ({ system, code })) })) });
    assert.deepEqual(errorsOf(engine, categories('x'), ['pattern']), []);
    assert.deepEqual(errorsOf(engine, categories('y', 'z+x'), ['pattern']), []);
    assert.deepEqual(errorsOf(engine, categories('y'), ['pattern']), ['Observation slice-minimum']);
    assert.deepEqual(errorsOf(engine, categories('x', 'x'), ['pattern']), ['Observation slice-maximum']);
  });

  test('by existence', () => {
    const identifiers = (...all: object[]): object => ({ resourceType: 'Patient', identifier: all });
    assert.deepEqual(errorsOf(engine, identifiers({ value: '1' }, { system }), ['exists']), []);
    assert.deepEqual(errorsOf(engine, identifiers({ system }), ['exists']), ['Patient slice-minimum']);
    assert.deepEqual(errorsOf(engine, identifiers({ value: '1' }, { value: '2' }), ['exists']), [
      'Patient slice-maximum',
    ]);
  });

  test('by type of a choice', () => {
    assert.deepEqual(errorsOf(engine, observation({ valueQuantity: { value: 1, unit: 'x' } }), ['type']), []);
    assert.deepEqual(errorsOf(engine, observation({ valueQuantity: { value: 1 } }), ['type']), [
      'Observation.value.ofType(Quantity) cardinality-minimum',
    ]);
    assert.deepEqual(errorsOf(engine, observation({ valueString: 'abcd' }), ['type']), [
      'Observation.value.ofType(string) string-too-long',
    ]);
    assert.equal(errorsOf(engine, observation({ valueBoolean: true }), ['type']).length > 0, true);
  });

  test('by type and by profile of what a reference names', () => {
    const performers = (...contained: object[]): object =>
      observation({ contained, performer: contained.map((one) => ({ reference: `#${(one as { id: string }).id}` })) });
    const named = { resourceType: 'Organization', id: 'o', name: 'x' };
    const nameless = { resourceType: 'Organization', id: 'p', identifier: [{ value: '1' }] };
    const person = { resourceType: 'Practitioner', id: 'q', active: true };
    assert.deepEqual(errorsOf(engine, performers(named, person), ['resolved-type']), []);
    assert.deepEqual(errorsOf(engine, performers(person), ['resolved-type']), ['Observation slice-minimum']);
    assert.deepEqual(errorsOf(engine, performers(named), ['resolved-profile']), []);
    assert.deepEqual(errorsOf(engine, performers(nameless), ['resolved-profile']), ['Observation slice-minimum']);
  });

  test('by the value of an extension', () => {
    const url = 'http://hl7.org/fhir/StructureDefinition/iso21090-EN-use';
    const named = (valueCode: string): object => ({
      resourceType: 'Patient',
      name: [{ text: 'x', extension: [{ url, valueCode }] }],
    });
    assert.deepEqual(errorsOf(engine, named('ABC'), ['extension']), []);
    assert.deepEqual(errorsOf(engine, named('SYL'), ['extension']), ['Patient slice-minimum']);
  });

  test('that nothing distinguishes are an error of the profile, told at each item', () => {
    assert.deepEqual(errorsOf(engine, observation({ category: [{ text: 'x' }] }), ['undecidable']), [
      'Observation.category[0] slice-undecidable',
    ]);
  });

  test('count the same in whatever order open slices come', () => {
    const codes = fc.array(fc.constantFrom('a', 'c', 'd'), { maxLength: 6 });
    fc.assert(
      fc.property(codes, (all) => {
        const count = all.filter((code) => code === 'a').length;
        const wanted = count === 0 ? ['Patient slice-minimum'] : count > 1 ? ['Patient slice-maximum'] : [];
        const resource = all.length === 0 ? { resourceType: 'Patient', active: true } : patient(...all);
        assert.deepEqual(errorsOf(engine, resource, ['open']), wanted);
      }),
      { numRuns: 50 },
    );
  });
});
