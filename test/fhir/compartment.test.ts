import { describe, test } from 'node:test';
import assert from 'node:assert/strict';
import { patientOfReference, patientsOf, patientsOfNode } from '../../src/fhir/compartment.ts';
import { PATIENT_COMPARTMENT_PATHS } from '../../src/fhir/compartment-paths.ts';
import { parseJsonText } from '../../src/fhir/json-text.ts';

const base = 'http://ehr.example/fhir';

function bothWays(resource: unknown): string[] {
  const patients = patientsOf(resource, base);
  assert.deepEqual(patientsOfNode(parseJsonText(JSON.stringify(resource)).root, base), patients);
  return patients;
}

describe('patientsOf', () => {
  test('names the Patient itself first, then the linked ones', () => {
    const patient = { resourceType: 'Patient', id: 'p', link: [{ other: { reference: 'Patient/q' } }] };
    assert.deepEqual(bothWays(patient), ['p', 'q']);
  });

  test('follows each path through arrays and names each Patient once', () => {
    const resource = {
      resourceType: 'Observation',
      subject: { reference: 'Patient/a' },
      performer: [
        { reference: 'Patient/b/_history/3' },
        { reference: 'Practitioner/c' },
        { reference: `${base}/Patient/a` },
      ],
      focus: [{ reference: 'Patient/not-by-path' }],
    };
    assert.deepEqual(bothWays(resource), ['a', 'b']);
    const group = {
      resourceType: 'Group',
      member: [{ entity: { reference: 'Patient/1' } }, { entity: { reference: 'Patient/2' } }],
    };
    assert.deepEqual(bothWays(group), ['1', '2']);
  });

  test('ignores references to other servers, logical and contained ones', () => {
    const references = [
      'http://other.example/fhir/Patient/a',
      '#p',
      'urn:uuid:0',
      'Patient?identifier=1',
      'xPatient/1',
      'Patient/',
    ];
    for (const reference of references) {
      assert.deepEqual(bothWays({ resourceType: 'Condition', subject: { reference } }), []);
    }
    assert.deepEqual(bothWays({ resourceType: 'Condition', subject: { identifier: { value: '1' } } }), []);
  });

  test('finds nobody in types outside the compartment and in what is no resource', () => {
    for (const value of [{ resourceType: 'Practitioner', id: 'p' }, { resourceType: '__proto__' }, null, 3, [], {}]) {
      assert.deepEqual(bothWays(value), []);
    }
  });

  test('covers the 66 types of the R4 patient compartment', () => {
    assert.equal(Object.keys(PATIENT_COMPARTMENT_PATHS).length, 66);
    for (const type of ['Encounter', 'Procedure', 'AuditEvent', 'Provenance', 'Basic']) {
      assert(type in PATIENT_COMPARTMENT_PATHS, type);
    }
  });
});

test('patientOfReference takes ids as FHIR has them', () => {
  assert.equal(patientOfReference('Patient/A.b-1'), 'A.b-1');
  assert.equal(patientOfReference(`Patient/${'a'.repeat(65)}`), undefined);
  assert.equal(patientOfReference('Patient/a/Observation/b'), undefined);
});
