import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { checkBase64Characters, isPrimitiveName, primitiveCheck } from '../../../src/validation/checks/primitives.ts';
import { carriedPackages, engineOver, errorsOf, findingsOf } from '../../support/validation.ts';

const findings = (type: string, value: unknown): string[] => findingsOf((c) => primitiveCheck(type)(value, c));
const types = [
  'boolean',
  'integer',
  'positiveInt',
  'unsignedInt',
  'decimal',
  'string',
  'markdown',
  'code',
  'id',
  'date',
  'dateTime',
  'instant',
  'time',
  'base64Binary',
  'uri',
  'url',
  'canonical',
  'oid',
  'uuid',
];
const engine = engineOver(await carriedPackages());
const absent = {
  extension: [{ url: 'http://hl7.org/fhir/StructureDefinition/data-absent-reason', valueCode: 'unknown' }],
};
const patient = (content: object): string[] => errorsOf(engine, { resourceType: 'Patient', ...content });

describe('a primitive value', () => {
  test('has the JSON type of its FHIR type', () => {
    for (const [type, value] of [
      ['boolean', 'true'],
      ['integer', '1'],
      ['decimal', '1'],
      ['string', 1],
      ['code', 1],
      ['date', true],
      ['uri', 1],
    ] as const)
      assert.ok(findings(type, value).includes('json-type'), `${type} ${String(value)}`);
  });

  test('is within the limits of its type', () => {
    for (const [type, value] of [
      ['integer', 2147483648],
      ['integer', 1.5],
      ['positiveInt', 0],
      ['unsignedInt', -1],
      ['decimal', Infinity],
      ['date', '2020-13-01'],
      ['code', ' x'],
      ['id', 'a_b'],
      ['base64Binary', 'abc'],
    ] as const)
      assert.deepEqual(findings(type, value), ['primitive-format'], `${type} ${String(value)}`);
    for (const [type, value] of [
      ['integer', -2147483648],
      ['positiveInt', 1],
      ['unsignedInt', 0],
      ['decimal', -1.5],
      ['date', '2020'],
      ['id', 'a-1.b'],
      ['code', 'a b'],
    ] as const)
      assert.deepEqual(findings(type, value), [], `${type} ${String(value)}`);
  });

  test('that is a URI has no white space, and names OIDs and UUIDs properly', () => {
    for (const uri of ['http://x', 'x', 'urn:oid:2.16.840.1', 'urn:uuid:2b90dd2b-2dab-4c75-9bb9-a355e07401e8'])
      assert.deepEqual(findings('uri', uri), [], uri);
    assert.deepEqual(findings('uri', 'http://x y'), ['uri-whitespace']);
    assert.deepEqual(findings('uri', 'oid:1.2.3'), ['uri-oid']);
    assert.deepEqual(findings('uri', 'urn:oid:1.02'), ['uri-oid']);
    assert.deepEqual(findings('uri', 'urn:uuid:1'), ['uri-uuid']);
    assert.deepEqual(findings('oid', 'http://x'), ['uri-oid']);
  });

  test('is not empty, and not longer than a string may be', () => {
    for (const type of types.slice(5)) assert.ok(findings(type, '').includes('value-empty'), type);
    assert.deepEqual(findings('string', 'x'.repeat(1_048_577)), ['string-too-long']);
    assert.deepEqual(findings('string', 'x'.repeat(1_048_576)), []);
  });

  test('of any kind is judged without a throw', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...types, 'nonsense'),
        fc.jsonValue({ maxDepth: 1 }),
        (type, value) => void findings(type, value),
      ),
    );
    assert.ok(
      isPrimitiveName('code') &&
        isPrimitiveName('xhtml') &&
        !isPrimitiveName('Coding') &&
        !isPrimitiveName('constructor'),
    );
    assert.deepEqual(
      findingsOf((c) => checkBase64Characters('!!!!', c)),
      ['base64-characters'],
    );
  });
});

describe('the `_` sibling of a primitive value', () => {
  test('says why a value is not there', () => {
    assert.deepEqual(patient({ _birthDate: absent }), []);
    assert.deepEqual(patient({ birthDate: '2020', _birthDate: { id: 'x' } }), []);
    assert.deepEqual(patient({ _birthDate: { id: 'x' } }), ['Patient.birthDate invariant:ele-1']);
    assert.deepEqual(patient({ _birthDate: {} }), ['Patient.birthDate object-empty']);
    assert.deepEqual(patient({ _birthDate: 'x' }), ['Patient.birthDate json-shape']);
    assert.deepEqual(patient({ id: 'x', _id: absent }), ['Patient.id resource-id-extended']);
  });

  test('goes with its array place by place', () => {
    const given = (values: unknown, siblings: unknown): string[] =>
      patient({ name: [{ given: values, _given: siblings }] });
    assert.deepEqual(given(['a', null], [null, absent]), []);
    assert.deepEqual(given(['a'], [null, absent]), []);
    assert.deepEqual(given(['a', null], [null, null]), ['Patient.name[0].given[1] json-null']);
    assert.deepEqual(given(['a'], [null, null]), ['Patient.name[0].given[1] json-null']);
    assert.deepEqual(given(['a'], absent), ['Patient.name[0].given json-shape']);
    assert.deepEqual(patient({ active: null }), ['Patient.active json-null']);
  });
});

describe('the shape of an element', () => {
  test('is an array where it repeats, and only there', () => {
    assert.deepEqual(patient({ name: { text: 'x' } }), ['Patient.name json-shape']);
    assert.deepEqual(patient({ maritalStatus: [{ text: 'x' }] }), ['Patient.maritalStatus json-shape']);
    assert.deepEqual(patient({ name: [] }), ['Patient.name json-shape']);
    assert.deepEqual(patient({ name: ['x'] }), ['Patient.name[0] json-shape']);
    assert.deepEqual(patient({ deceasedBoolean: [true] }), ['Patient.deceased[x] json-shape']);
  });

  test('has one type of a choice, no element that is not defined, and some content', () => {
    assert.deepEqual(patient({ deceasedBoolean: true, deceasedDateTime: '2020' }), ['Patient choice-twice']);
    assert.deepEqual(patient({ nope: 1 }), ['Patient element-unknown']);
    assert.deepEqual(patient({ name: [{}] }), ['Patient.name[0] object-empty']);
    assert.deepEqual(patient({ name: [{ id: 'x' }] }), ['Patient.name[0] invariant:ele-1']);
    assert.deepEqual(errorsOf(engine, { resourceType: 'Observation', code: { text: 'x' } }), [
      'Observation cardinality-minimum',
    ]);
  });
});
