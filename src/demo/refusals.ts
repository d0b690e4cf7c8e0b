import { issuesOf } from './fhir-client.ts';
import type { Call, Reply } from './fhir-client.ts';

/** Something that a gateway must refuse. */
export interface DefectiveCall {
  readonly title: string;
  /** Name of the upstream that it goes to. */
  readonly upstream: string;
  readonly type: string;
  readonly call: Call;
  readonly expected: number;
}

/** A refusal as the summary tells it. */
export interface Refusal {
  readonly title: string;
  readonly expected: number;
  readonly status: number;
  readonly upstream: string;
  readonly type: string;
  readonly event: string | null;
  readonly issues: readonly {
    readonly code: string;
    readonly expression: string | null;
    readonly text: string | null;
  }[];
}

const US_CORE_PATIENT = 'http://hl7.org/fhir/us/core/StructureDefinition/us-core-patient';

export interface RefusalArguments {
  readonly gatewayUrl: string;
  readonly upstream: string;
  /** Upstream-local id of a patient that is there. */
  readonly patientId: string;
  /** May write everything. */
  readonly writer: string;
  /** May read Patients only. */
  readonly narrow: string;
}

/** Calls with one defect each, and what each must be answered with. */
export function defectiveCalls({ gatewayUrl, upstream, patientId, writer, narrow }: RefusalArguments): DefectiveCall[] {
  const base = `${gatewayUrl}/${upstream}`;
  const subject = { reference: `Patient/${patientId}` };
  const code = { coding: [{ system: 'http://loinc.org', code: '29463-7' }], text: 'Body weight' };
  const create = (title: string, type: string, content: object, expected = 422): DefectiveCall => {
    const call: Call = {
      method: 'POST',
      url: `${base}/${type}`,
      token: writer,
      body: { resourceType: type, ...content },
    };
    return { title, upstream, type, call, expected };
  };
  const entry = (type: string, content: object) => ({
    resource: { resourceType: type, ...content },
    request: { method: 'POST', url: type },
  });
  return [
    create('a required element is missing', 'Observation', { code, subject }),
    create('a value of the wrong type', 'Patient', { birthDate: '31/12/1980', name: [{ family: 'Example' }] }),
    create('an element that FHIR does not have', 'Patient', { name: [{ family: 'Example', nick: 'Ex' }] }),
    create('a code outside its value set', 'Patient', { name: [{ family: 'Example' }], gender: 'm' }),
    create('a profile declared and not met', 'Patient', {
      meta: { profile: [US_CORE_PATIENT] },
      birthDate: '1980-12-31',
    }),
    {
      ...create('a transaction with one bad entry', '', {}),
      type: 'Bundle',
      call: {
        method: 'POST',
        url: base,
        token: writer,
        body: {
          resourceType: 'Bundle',
          type: 'transaction',
          entry: [
            entry('Observation', { status: 'final', code, subject }),
            entry('Observation', { status: 'done', code, subject }),
          ],
        },
      },
    },
    {
      ...create('no JSON', 'Patient', {}, 400),
      call: { method: 'POST', url: `${base}/Patient`, token: writer, body: '{"resourceType": "Patient", ' },
    },
    {
      ...create('no token', 'Patient', {}, 401),
      call: { method: 'GET', url: `${base}/Patient/${patientId}` },
    },
    {
      ...create('a read that the token does not allow', 'Observation', {}, 403),
      call: { method: 'GET', url: `${base}/Observation?patient=${patientId}`, token: narrow },
    },
  ];
}

export function refusalOf({ title, expected, upstream, type }: DefectiveCall, reply: Reply): Refusal {
  return { title, expected, status: reply.status, upstream, type, event: reply.event, issues: issuesOf(reply.body) };
}
