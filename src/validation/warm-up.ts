/** Makes a validator ready before its first message: what is compiled or indexed at first use is used once. */
import type { PackageSet } from './packages/definitions.ts';
import type { Validator } from './validator.ts';

const coding = (system: string, code: string): object => ({ coding: [{ system, code, display: code }] });
const terminology = 'http://terminology.hl7.org/CodeSystem/';

/** Of no patient: one of each data type and of each large code system that messages commonly have. */
const samples: readonly object[] = [
  {
    resourceType: 'Patient',
    id: 'warm-up',
    language: 'en-US',
    meta: {
      versionId: '1',
      lastUpdated: '2020-01-01T00:00:00Z',
      tag: [{ system: `${terminology}v3-ActReason`, code: 'HTEST' }],
    },
    text: { status: 'generated', div: '<div xmlns="http://www.w3.org/1999/xhtml"><p>warm-up</p></div>' },
    contained: [{ resourceType: 'Organization', id: 'o', name: 'warm-up' }],
    extension: [{ url: 'http://hl7.org/fhir/StructureDefinition/patient-birthPlace', valueAddress: { city: 'x' } }],
    identifier: [{ use: 'usual', type: coding(`${terminology}v2-0203`, 'MR'), system: 'urn:oid:1.2.3', value: 'x' }],
    name: [{ use: 'official', family: 'x', given: ['y'], period: { start: '2020' } }],
    telecom: [{ system: 'phone', value: '1', use: 'home' }],
    gender: 'other',
    birthDate: '2000-01-01',
    address: [{ line: ['x'], city: 'x', state: 'x', postalCode: '1', country: 'US' }],
    maritalStatus: coding(`${terminology}v3-MaritalStatus`, 'U'),
    communication: [{ language: coding('urn:ietf:bcp:47', 'en-US') }],
    photo: [{ contentType: 'image/png', data: 'AAAA' }],
    managingOrganization: { reference: '#o' },
  },
  {
    resourceType: 'Observation',
    status: 'final',
    category: [coding(`${terminology}observation-category`, 'vital-signs')],
    code: coding('http://loinc.org', '8867-4'),
    subject: { reference: 'Patient/1' },
    effectiveDateTime: '2020-01-01T00:00:00Z',
    valueQuantity: { value: 1, unit: '/min', system: 'http://unitsofmeasure.org', code: '/min' },
  },
  {
    resourceType: 'Encounter',
    status: 'finished',
    class: { system: `${terminology}v3-ActCode`, code: 'AMB' },
    type: [coding('http://snomed.info/sct', '1')],
    participant: [
      { type: [coding(`${terminology}v3-ParticipationType`, 'PPRF')], individual: { reference: 'Practitioner/1' } },
    ],
    period: { start: '2020-01-01T00:00:00Z', end: '2020-01-01T01:00:00Z' },
  },
  {
    resourceType: 'Bundle',
    type: 'transaction',
    entry: [
      {
        fullUrl: 'urn:uuid:11111111-1111-4111-8111-111111111111',
        resource: {
          resourceType: 'Condition',
          subject: { reference: 'Patient/1' },
          clinicalStatus: coding(`${terminology}condition-clinical`, 'active'),
        },
        request: { method: 'POST', url: 'Condition' },
      },
    ],
  },
];

/**
 * Validates samples of its own, then one bare resource for each profile that a loaded package brings.
 * @param budgetMs after which the rest is left to its first use
 */
export async function warmUp(validator: Validator, packages: PackageSet, budgetMs = 1_500): Promise<void> {
  const start = performance.now();
  for (const resource of [...samples, ...profiled(packages)]) {
    if (performance.now() - start > budgetMs) return;
    await validator.validate({ text: JSON.stringify(resource) });
  }
}

function profiled(packages: PackageSet): object[] {
  const always = new Set(['hl7.fhir.r4.core', 'hl7.terminology.r4', 'hl7.fhir.uv.extensions.r4']);
  const own = packages.packages.filter(({ id }) => !always.has(id)).map(({ id, version }) => `${id}#${version}`);
  return own.flatMap((id) =>
    (packages.scope(id)?.list('StructureDefinition') ?? [])
      .filter(
        ({ packageId, kind, derivation }) => packageId === id && kind === 'resource' && derivation === 'constraint',
      )
      .map(({ url, version, constrainedType }) => {
        const sample = samples.find((one) => 'resourceType' in one && one.resourceType === constrainedType);
        return { ...(sample ?? { resourceType: constrainedType }), meta: { profile: [`${url}|${version}`] } };
      }),
  );
}
