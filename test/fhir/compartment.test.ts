import { describe, test } from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { patientOfReference, patientsOf, patientsOfNode } from '../../src/fhir/compartment.ts';
import { PATIENT_COMPARTMENT_PATHS } from '../../src/fhir/compartment-paths.ts';
import { parseJsonText } from '../../src/fhir/json-text.ts';
import { readTar } from '../../src/validation/packages/tar.ts';

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

  test('follows exactly the paths that the R4 definitions give', () => {
    assert.deepEqual(PATIENT_COMPARTMENT_PATHS, pathsOfPackage());
  });

  test('covers the 66 types of the R4 patient compartment', () => {
    assert.equal(Object.keys(PATIENT_COMPARTMENT_PATHS).length, 66);
    for (const type of ['Encounter', 'Procedure', 'AuditEvent', 'Provenance', 'Basic']) {
      assert(type in PATIENT_COMPARTMENT_PATHS, type);
    }
  });
});

/** The table derived again: the compartment's search parameters, each replaced by its expression's paths for the type. */
function pathsOfPackage(): Record<string, string[]> {
  const expressions = new Map<string, string>();
  let compartment: { resource: { code: string; param?: string[] }[] } | undefined;
  for (const { name, bytes } of readTar(
    gunzipSync(readFileSync(new URL('../../profiles/hl7.fhir.r4.core-4.0.1.tgz', import.meta.url))),
  )) {
    if (name.endsWith('/CompartmentDefinition-patient.json'))
      compartment = JSON.parse(Buffer.from(bytes).toString()) as never;
    if (!name.startsWith('package/SearchParameter-')) continue;
    const parameter = JSON.parse(Buffer.from(bytes).toString()) as {
      base: string[];
      code: string;
      expression?: string;
    };
    for (const base of parameter.base) expressions.set(`${base} ${parameter.code}`, parameter.expression ?? '');
  }
  const table: Record<string, string[]> = {};
  for (const { code, param = [] } of compartment?.resource ?? []) {
    const paths = param.flatMap((name) =>
      (expressions.get(`${code} ${name}`) ?? '').split('|').flatMap((part) => {
        const match = new RegExp(`^${code}\\.([A-Za-z.]+?)(?:\\.where\\(resolve\\(\\) is Patient\\))?$`).exec(
          part.trim(),
        );
        return match?.[1] === undefined ? [] : [match[1]];
      }),
    );
    if (paths.length > 0) table[code] = [...new Set(paths)];
  }
  return table;
}

test('patientOfReference takes ids as FHIR has them', () => {
  assert.equal(patientOfReference('Patient/A.b-1'), 'A.b-1');
  assert.equal(patientOfReference(`Patient/${'a'.repeat(65)}`), undefined);
  assert.equal(patientOfReference('Patient/a/Observation/b'), undefined);
});
