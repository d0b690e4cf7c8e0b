import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseRestReference, typeInReference } from '../../../src/validation/checks/references.ts';
import { carriedPackages, engineOver, errorsOf } from '../../support/validation.ts';

const packages = await carriedPackages();
const engine = engineOver(packages);
const observation = (subject: object, more: object = {}): object => ({
  resourceType: 'Observation',
  status: 'final',
  code: { text: 'x' },
  subject,
  ...more,
});

describe('a reference', () => {
  test('is of an allowed type, however its URL is written', () => {
    for (const reference of [
      'Patient/1',
      'http://x.invalid/Group/1',
      'Patient/1/_history/2',
      'foo',
      'Foo/1',
      'urn:uuid:zzz',
      'urn:oid:1.2.3',
      'patient/1',
    ])
      assert.deepEqual(errorsOf(engine, observation({ reference })), [], reference);
    for (const reference of [
      'Organization/1',
      'http://x.invalid/Organization/1',
      '../Organization/1',
      'Organization/1/_history/1',
    ])
      assert.deepEqual(
        errorsOf(engine, observation({ reference })),
        ['Observation.subject reference-target-type'],
        reference,
      );
  });

  test('is not believed where the settings say so', () => {
    const doubting = engineOver(packages, { settings: { believeReferences: false } });
    assert.deepEqual(errorsOf(doubting, observation({ reference: 'Organization/1' })), []);
  });

  test('has no white space and no query, and the type that its URL has', () => {
    for (const reference of ['Patient/1 ', ' Patient/1', 'Patient?name=x'])
      assert.ok(
        errorsOf(engine, observation({ reference })).includes('Observation.subject reference-format'),
        reference,
      );
    assert.deepEqual(errorsOf(engine, observation({ reference: 'Patient/1', type: 'Group' })), [
      'Observation.subject reference-type-mismatch',
    ]);
  });

  test('to a contained resource finds it, and finds it of the right type', () => {
    const contained = [{ resourceType: 'Patient', id: 'p', active: true }];
    assert.deepEqual(errorsOf(engine, observation({ reference: '#p' }, { contained })), []);
    assert.deepEqual(errorsOf(engine, observation({ reference: '#q' })), [
      'Observation.subject reference-contained-missing',
    ]);
    const wrong = [{ resourceType: 'Organization', id: 'p', name: 'x' }];
    assert.deepEqual(errorsOf(engine, observation({ reference: '#p' }, { contained: wrong })), [
      'Observation.subject reference-target-type',
    ]);
  });

  test('is parsed to its parts', () => {
    assert.deepEqual(parseRestReference('http://x.invalid/fhir/Patient/1/_history/2'), {
      base: 'http://x.invalid/fhir',
      type: 'Patient',
      id: '1',
      version: '2',
    });
    assert.deepEqual(parseRestReference('Patient/1'), {
      base: undefined,
      type: 'Patient',
      id: '1',
      version: undefined,
    });
    for (const text of ['', 'Patient', '/Patient/1', 'Patient/1?x=1', `Patient/${'1'.repeat(65)}`, 'x'.repeat(1 << 20)])
      assert.equal(parseRestReference(text), undefined);
    assert.equal(typeInReference('x/Organization/1'), 'Organization');
    assert.equal(typeInReference('Organization'), undefined);
  });
});
