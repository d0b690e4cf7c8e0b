import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { carriedPackages, element, engineOver, errorsOf, profile, testBase } from '../../support/validation.ts';

const packages = await carriedPackages();
const definitions = [profile({ id: 'named', type: 'Patient', elements: [element('Patient.name', { min: 1 })] })];
const engine = engineOver(packages, { definitions });
const patient = (profiles: string[]): object => ({
  resourceType: 'Patient',
  active: true,
  meta: { profile: profiles },
});
const observation = (code: string, more: object = {}): object => ({
  resourceType: 'Observation',
  status: 'final',
  category: [
    { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/observation-category', code: 'vital-signs' }] },
  ],
  code: { coding: [{ system: 'http://loinc.org', code }] },
  subject: { reference: 'Patient/1' },
  effectiveDateTime: '2020-01-01',
  valueQuantity: { value: 60, unit: 'beats/minute', system: 'http://unitsofmeasure.org', code: '/min' },
  ...more,
});

describe('a resource', () => {
  test('meets the profiles it declares, wherever it stands', () => {
    assert.deepEqual(errorsOf(engine, patient([testBase + 'named'])), ['Patient cardinality-minimum']);
    const bundle = {
      resourceType: 'Bundle',
      type: 'collection',
      entry: [{ fullUrl: 'http://x.invalid/p', resource: patient([`${testBase}named|1.0.0`]) }],
    };
    assert.deepEqual(errorsOf(engine, bundle), ['Bundle.entry[0].resource cardinality-minimum']);
    const disobeying = engineOver(packages, { definitions, settings: { obeyDeclaredProfiles: false } });
    assert.deepEqual(errorsOf(disobeying, patient([testBase + 'named'])), []);
  });

  test('that declares a profile which is not loaded is told so', () => {
    const { findings, profiles } = engine.check(patient(['http://nowhere.invalid/p', testBase + 'named']));
    assert.deepEqual(
      findings.map(({ rule, expression }) => `${expression} ${rule.id} ${rule.severity}`),
      ['Patient.meta.profile[0] profile-cannot-tell warning', 'Patient cardinality-minimum error'],
    );
    assert.deepEqual(profiles, [`${testBase}named|1.0.0`]);
    assert.deepEqual(errorsOf(engine, patient(['x'])), ['Patient.meta.profile[0] canonical-relative']);
  });

  test('with a vital sign LOINC code meets its vital signs profile, declared or not', () => {
    assert.deepEqual(errorsOf(engine, observation('8867-4')), []);
    const { category, ...bare } = observation('8867-4') as { category: unknown };
    assert.ok(Array.isArray(category));
    assert.ok(errorsOf(engine, bare).some((text) => text === 'Observation slice-minimum'));
    assert.ok(errorsOf(engine, observation('8889-8')).includes('Observation.code slice-minimum'));
    assert.ok(
      !errorsOf(engine, { ...bare, code: { coding: [{ system: 'http://loinc.org', code: '8462-4' }] } }).some((text) =>
        text.includes('slice'),
      ),
    );
  });

  test('names its type', () => {
    const bundle = (resource: object): object => ({
      resourceType: 'Bundle',
      type: 'collection',
      entry: [{ fullUrl: 'http://x.invalid/p', resource }],
    });
    assert.deepEqual(errorsOf(engine, bundle({ active: true })), ['Bundle.entry[0].resource resource-type-missing']);
    assert.deepEqual(errorsOf(engine, bundle({ resourceType: 'Nope', active: true })), [
      'Bundle.entry[0].resource resource-type-unknown',
    ]);
  });
});
