import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { carriedPackages, element, engineOver, errorsOf, profile, testBase } from '../../support/validation.ts';

const system = 'http://test.invalid/s';
const patient = (content: object): object => ({ resourceType: 'Patient', ...content });
const observation = (content: object): object => ({
  resourceType: 'Observation',
  status: 'final',
  code: { text: 'x' },
  ...content,
});

const definitions = [
  profile({
    id: 'fixed',
    type: 'Patient',
    elements: [
      element('Patient.gender', { fixedCode: 'male' }),
      element('Patient.active', { patternBoolean: true }),
      element('Patient.maritalStatus', { patternCodeableConcept: { coding: [{ system, code: 'm' }] } }),
      element('Patient.multipleBirth[x]', { type: [{ code: 'integer' }], fixedInteger: 2 }),
    ],
  }),
  profile({
    id: 'cardinality',
    type: 'Patient',
    elements: [
      element('Patient.name', { min: 2, max: '3' }),
      element('Patient.name.given', { min: 1, max: '2' }),
      element('Patient.telecom', { max: '0' }),
      element('Patient.contact.name', { min: 1 }),
    ],
  }),
  profile({
    id: 'limits',
    type: 'Observation',
    elements: [
      element('Observation.effective[x]', { type: [{ code: 'dateTime' }], minValueDateTime: '2020-01-01' }),
      element('Observation.value[x]', { type: [{ code: 'integer' }], minValueInteger: 10, maxValueInteger: 20 }),
      element('Observation.code.text', { maxLength: 3 }),
    ],
  }),
  profile({
    id: 'birth-time',
    type: 'Patient',
    elements: [
      element('Patient.birthDate.extension', {
        slicing: { discriminator: [{ type: 'value', path: 'url' }], rules: 'open' },
      }),
      element('Patient.birthDate.extension:time', {
        min: 1,
        max: '1',
        type: [{ code: 'Extension', profile: ['http://hl7.org/fhir/StructureDefinition/patient-birthTime'] }],
      }),
    ],
  }),
  profile({
    id: 'simple',
    type: 'Observation',
    elements: [
      element('Observation.value[x]', {
        type: [{ code: 'Quantity', profile: ['http://hl7.org/fhir/StructureDefinition/SimpleQuantity'] }],
      }),
    ],
  }),
  profile({
    id: 'invariant',
    type: 'Patient',
    elements: [
      element('Patient.name', {
        constraint: [{ key: 'test-1', severity: 'error', human: 'family', expression: 'family.exists()' }],
      }),
      element('Patient.contact', {
        constraint: [{ key: 'test-2', severity: 'warning', human: 'gender', expression: 'gender.exists()' }],
      }),
    ],
  }),
  profile({ id: 'named', type: 'Patient', elements: [element('Patient.name', { min: 1 })] }),
  profile({
    id: 'parameters',
    type: 'Parameters',
    elements: [
      element('Parameters.parameter.resource', { type: [{ code: 'Patient', profile: [`${testBase}named`] }] }),
    ],
  }),
  profile({
    id: 'missing-type-profile',
    type: 'Observation',
    elements: [
      element('Observation.value[x]', { type: [{ code: 'Quantity', profile: ['http://nowhere.invalid/x'] }] }),
    ],
  }),
];
const engine = engineOver(await carriedPackages(), { definitions });

describe('a profile', () => {
  test('fixes values, and says of patterns what must be in them', () => {
    assert.deepEqual(
      errorsOf(
        engine,
        patient({
          gender: 'male',
          active: true,
          maritalStatus: {
            text: 'x',
            coding: [
              { system, code: 'z' },
              { system, code: 'm', display: 'M' },
            ],
          },
        }),
        ['fixed'],
      ),
      [],
    );
    assert.deepEqual(
      errorsOf(engine, patient({ gender: 'female', active: false, multipleBirthInteger: 3 }), ['fixed']).toSorted(),
      [
        'Patient.gender fixed-value',
        'Patient.active pattern-value',
        'Patient.multipleBirth.ofType(integer) fixed-value',
      ].toSorted(),
    );
    assert.deepEqual(errorsOf(engine, patient({ maritalStatus: { text: 'm' } }), ['fixed']), [
      'Patient.maritalStatus pattern-value',
    ]);
    assert.deepEqual(errorsOf(engine, patient({ multipleBirthBoolean: true }), ['fixed']), [
      'Patient.multipleBirth.ofType(boolean) choice-type',
    ]);
  });

  test('counts elements at every depth', () => {
    const names = (count: number, given = 1): object => ({
      name: Array.from({ length: count }, () => ({ given: Array.from({ length: given }, () => 'x') })),
    });
    assert.deepEqual(errorsOf(engine, patient(names(2)), ['cardinality']), []);
    assert.deepEqual(errorsOf(engine, patient(names(1)), ['cardinality']), ['Patient cardinality-minimum']);
    assert.deepEqual(errorsOf(engine, patient(names(4)), ['cardinality']), ['Patient cardinality-maximum']);
    assert.deepEqual(errorsOf(engine, patient(names(2, 3)), ['cardinality']), [
      'Patient.name[0] cardinality-maximum',
      'Patient.name[1] cardinality-maximum',
    ]);
    const content = { ...names(2), telecom: [{ system: 'phone', value: '1' }], contact: [{ address: { text: 'x' } }] };
    assert.deepEqual(errorsOf(engine, patient(content), ['cardinality']).toSorted(), [
      'Patient cardinality-maximum',
      'Patient.contact[0] cardinality-minimum',
    ]);
  });

  test('limits values and lengths', () => {
    assert.deepEqual(errorsOf(engine, observation({ effectiveDateTime: '2020', valueInteger: 10 }), ['limits']), []);
    assert.deepEqual(errorsOf(engine, observation({ effectiveDateTime: '2019-12' }), ['limits']), [
      'Observation.effective.ofType(dateTime) value-minimum',
    ]);
    assert.deepEqual(errorsOf(engine, observation({ valueInteger: 21 }), ['limits']), [
      'Observation.value.ofType(integer) value-maximum',
    ]);
    assert.deepEqual(errorsOf(engine, { ...observation({}), code: { text: 'long' } }, ['limits']), [
      'Observation.code.text string-too-long',
    ]);
  });

  test('reaches the extensions of primitive values', () => {
    const time = {
      extension: [
        { url: 'http://hl7.org/fhir/StructureDefinition/patient-birthTime', valueDateTime: '2020-01-01T00:00:00Z' },
      ],
    };
    assert.deepEqual(errorsOf(engine, patient({ birthDate: '2020-01-01', _birthDate: time }), ['birth-time']), []);
    assert.deepEqual(errorsOf(engine, patient({ birthDate: '2020-01-01' }), ['birth-time']), [
      'Patient.birthDate slice-minimum',
    ]);
    assert.deepEqual(errorsOf(engine, patient({ active: true }), ['birth-time']), []);
  });

  test('applies the profiles of its elements and of resources in slots', () => {
    assert.deepEqual(errorsOf(engine, observation({ valueQuantity: { value: 1, comparator: '<' } }), ['simple']), [
      'Observation.value.ofType(Quantity) invariant:sqty-1',
      'Observation.value.ofType(Quantity) cardinality-maximum',
    ]);
    const parameters = (resource: object): object => ({
      resourceType: 'Parameters',
      parameter: [{ name: 'x', resource }],
    });
    assert.deepEqual(errorsOf(engine, parameters(patient({ active: true })), ['parameters']), [
      'Parameters.parameter[0].resource cardinality-minimum',
    ]);
    assert.deepEqual(errorsOf(engine, parameters({ resourceType: 'Organization', name: 'x' }), ['parameters']), [
      'Parameters.parameter[0].resource resource-type',
    ]);
  });

  test('runs its constraints at their elements, with their severity', () => {
    const { findings } = engine.check(
      patient({ name: [{ family: 'x' }, { text: 'y' }], contact: [{ name: { text: 'x' } }] }),
      [`${testBase}invariant`],
    );
    assert.deepEqual(findings.map(({ rule, expression }) => `${expression} ${rule.id} ${rule.severity}`).toSorted(), [
      'Patient.contact[0] invariant:test-2 warning',
      'Patient.name[1] invariant:test-1 error',
    ]);
  });

  test('that is not loaded cannot be told about an element, and is an error where it is asked for by name', () => {
    const { findings } = engine.check(observation({ valueQuantity: { value: 1 } }), [
      `${testBase}missing-type-profile`,
    ]);
    assert.deepEqual(
      findings.map(({ rule }) => rule.id),
      ['type-profile-cannot-tell'],
    );
    assert.deepEqual(errorsOf(engine, patient({ active: true }), ['nowhere']), ['Patient profile-unusable']);
  });
});
