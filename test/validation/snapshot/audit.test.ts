import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { loadPackages } from '../../../src/validation/packages/load-packages.ts';
import { auditDifferential } from '../../../src/validation/snapshot/audit.ts';
import { snapshotOf } from '../../../src/validation/snapshot/snapshot.ts';
import { profile } from '../../support/fhir-package.ts';

const packages = await loadPackages();

function kinds(elements: readonly object[], more: object = {}): string[] {
  const definition = packages
    .with([profile('p', elements, more)])
    .root.resolve('http://example.org/StructureDefinition/p');
  assert.ok(definition !== undefined);
  return auditDifferential(definition, snapshotOf).map(({ kind, index }) => `${kind} ${index ?? '-'}`);
}

describe('auditDifferential', () => {
  const cases: readonly (readonly [name: string, elements: readonly object[], kinds: readonly string[]])[] = [
    ['a sound differential', [{ path: 'Patient' }, { path: 'Patient.name', min: 1 }], []],
    ['an element that the base does not have', [{ path: 'Patient.nome' }], ['path-unknown 0']],
    ['elements out of order', [{ path: 'Patient.birthDate' }, { path: 'Patient.name' }], ['path-order 0']],
    ['a wider maximum', [{ path: 'Patient.birthDate', max: '2' }], ['maximum-widened 0']],
    ['a smaller minimum', [{ path: 'Patient.link.type', min: 0 }], ['minimum-widened 0']],
    ['another type', [{ path: 'Patient.birthDate', type: [{ code: 'string' }] }], ['type-not-allowed 0']],
    [
      'another target',
      [
        {
          path: 'Patient.managingOrganization',
          type: [{ code: 'Reference', targetProfile: ['http://hl7.org/fhir/StructureDefinition/Patient'] }],
        },
      ],
      ['target-not-allowed 0'],
    ],
    [
      'a weaker binding',
      [{ path: 'Patient.gender', binding: { strength: 'example', valueSet: 'http://example.org/v' } }],
      ['binding-weakened 0'],
    ],
    ['a fixed value of another type', [{ path: 'Patient.birthDate', fixedString: 'x' }], ['fixed-type 0']],
    ['a slice of what is not sliced', [{ path: 'Patient.identifier', sliceName: 'a' }], ['slicing-missing 0']],
  ];
  for (const [name, elements, found] of cases)
    test(`says of ${name}: ${found.join(', ') || 'nothing'}`, () => assert.deepEqual(kinds(elements), found));

  test('says of a choice that has no such type: choice-name', () => {
    const observation = { type: 'Observation', baseDefinition: 'http://hl7.org/fhir/StructureDefinition/Observation' };
    assert.deepEqual(kinds([{ path: 'Observation.valueBla' }], observation), ['choice-name 0']);
  });

  test('accepts the differentials that US Core is published with', async () => {
    const set = await loadPackages({ packages: ['hl7.fhir.us.core#7.0.0'] });
    const wrong = (set.scope('hl7.fhir.us.core#7.0.0')?.list('StructureDefinition') ?? [])
      .filter((definition) => definition.packageId === 'hl7.fhir.us.core#7.0.0')
      .flatMap((definition) =>
        auditDifferential(definition, snapshotOf).map(({ kind, found }) => `${definition.id} ${kind} ${found}`),
      );
    assert.deepEqual(wrong, []);
  });
});
