import type { AuditEvent, AuditEventAgent, AuditEventEntity, CodeableConcept, Coding } from '@medplum/fhirtypes';
import type { InteractionCode } from '../fhir/interaction.ts';
import type { EventKind } from '../provenance/exchange-record.ts';
import type { OpenedRecord } from '../provenance/record-vault.ts';
import { EVENT_SYSTEM, metaOf, proofEntity, type Proof } from './proof.ts';

export const EVENT_KIND_SYSTEM = 'urn:concordat:fhir:event-kind';
const INTERACTION_SYSTEM = 'http://hl7.org/fhir/restful-interaction';
const DICOM = 'http://dicom.nema.org/resources/ontology/DCM';
const ENTITY_TYPE = 'http://terminology.hl7.org/CodeSystem/audit-entity-type';
const OBJECT_ROLE = 'http://terminology.hl7.org/CodeSystem/object-role';
const BALP_ENTITY_TYPE = 'https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType';

export interface RenderOptions {
  /** Name of the member whose gateway observed it. */
  readonly member: string;
  /** `upstream/id` of the only Patient to be shown; undefined shows all. */
  readonly onlyPatient: string | undefined;
}

/** FHIR ids have no `_`: an event id is shown with `.` in its place. */
export function fhirIdOf(eventId: string): string {
  return eventId.replaceAll('_', '.');
}

export function eventIdOf(fhirId: string): string {
  return fhirId.replaceAll('.', '_');
}

/** AuditEvent.action of an interaction. */
export function actionOf(interaction: InteractionCode): 'C' | 'R' | 'U' | 'D' | 'E' {
  switch (interaction) {
    case 'create':
      return 'C';
    case 'read':
    case 'vread':
    case 'history-instance':
    case 'history-type':
    case 'history-system':
      return 'R';
    case 'update':
    case 'patch':
      return 'U';
    case 'delete':
      return 'D';
    case 'search-type':
    case 'search-system':
    case 'batch':
    case 'transaction':
    case 'operation':
    case 'capabilities':
      return 'E';
  }
}

/** AuditEvent.type of a kind of event: looking into the audit is one of its own. */
export function typeOf(kind: EventKind): Coding {
  return kind === 'checked'
    ? { system: DICOM, code: '110101', display: 'Audit Log Used' }
    : {
        system: 'http://terminology.hl7.org/CodeSystem/audit-event-type',
        code: 'rest',
        display: 'RESTful Operation',
      };
}

/**
 * One record as a FHIR R4 AuditEvent after IHE BALP: who asked (user and client), through whom, what was touched, for which Patients, why, and how far
 * the proof is. What was erased is counted, not named.
 */
export function renderAuditEvent(opened: OpenedRecord, proof: Proof, options: RenderOptions): AuditEvent {
  const { record } = opened;
  return {
    resourceType: 'AuditEvent',
    id: fhirIdOf(record.id),
    meta: metaOf(record.recorded, proof),
    type: typeOf(record.kind),
    subtype: [
      { system: INTERACTION_SYSTEM, code: record.interaction },
      { system: EVENT_KIND_SYSTEM, code: record.kind },
    ],
    action: actionOf(record.interaction),
    period: { start: record.started, end: record.recorded },
    recorded: record.recorded,
    outcome: record.outcome === 'unknown' ? '8' : record.outcome,
    outcomeDesc: outcomeText(opened),
    ...(record.caller.purpose !== undefined && { purposeOfEvent: [purposeConcept(record.caller.purpose)] }),
    agent: agentsOf(opened, options),
    source: {
      site: options.member,
      observer: { display: `${options.member} gateway` },
      type: [
        {
          system: 'http://terminology.hl7.org/CodeSystem/security-source-type',
          code: '3',
          display: 'Web Server',
        },
      ],
    },
    entity: [...entitiesOf(opened, options), proofEntity(record.id, proof, record.ruleSet)],
  };
}

/** A purpose of use as v3 ActReason where it looks like one of its codes, else in words. */
export function purposeConcept(purpose: string): CodeableConcept {
  return /^[A-Z]{3,12}$/.test(purpose)
    ? { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ActReason', code: purpose }] }
    : { text: purpose };
}

/** Patients of a record that may be shown, as `upstream.id`, each once. */
export function shownPatients(opened: OpenedRecord, onlyPatient: string | undefined): string[] {
  const patients = new Set<string>();
  for (const entity of opened.entities) {
    for (const patient of entity.patients) {
      if (onlyPatient === undefined || onlyPatient === `${entity.upstream}/${patient}`) {
        patients.add(`${entity.upstream}.${patient}`);
      }
    }
  }
  return [...patients];
}

/** Entities of a record that may be shown. */
export function shownEntities(opened: OpenedRecord, onlyPatient: string | undefined): OpenedRecord['entities'] {
  if (onlyPatient === undefined) return opened.entities;
  return opened.entities.filter((entity) =>
    entity.patients.some((patient) => `${entity.upstream}/${patient}` === onlyPatient),
  );
}

/** Address of a resource version as on the federated address. */
export function federatedReference(entity: {
  readonly upstream: string;
  readonly type: string;
  readonly id: string | undefined;
  readonly versionId: string | undefined;
}): string | undefined {
  if (entity.id === undefined) return undefined;
  const version = entity.versionId === undefined ? '' : `/_history/${entity.versionId}`;
  return `${entity.type}/${entity.upstream}.${entity.id}${version}`;
}

function outcomeText({ record }: OpenedRecord): string {
  const codes = [...new Set(record.issues.map((issue) => issue.id ?? issue.code))].slice(0, 10);
  const text = `HTTP ${record.status}${codes.length > 0 ? `: ${codes.join(', ')}` : ''}`;
  if (record.outcome === 'unknown') return `${text}; whether the upstream carried it out is not known`;
  return record.reconciled === true ? `${text}; settled from the upstream after an interruption` : text;
}

function agentsOf(opened: OpenedRecord, { member, onlyPatient }: RenderOptions): AuditEventAgent[] {
  const { caller } = opened.record;
  const subject = caller.subject ?? (onlyPatient === undefined ? opened.request?.subject : undefined);
  const user = caller.user ?? (onlyPatient === undefined ? opened.request?.user : undefined);
  const agents: AuditEventAgent[] = [];
  if (subject !== undefined || user !== undefined) {
    agents.push({
      type: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ParticipationType', code: 'IRCP' }] },
      who: {
        ...(subject !== undefined && { identifier: { system: caller.issuer, value: subject } }),
        ...(user !== undefined && { display: user }),
      },
      requestor: true,
      ...(caller.purpose !== undefined && { purposeOfUse: [purposeConcept(caller.purpose)] }),
    });
  }
  agents.push({
    type: { coding: [{ system: DICOM, code: '110153', display: 'Source Role ID' }] },
    who: {
      identifier: { system: caller.issuer, value: caller.clientId },
      ...(caller.organisation !== undefined && { display: caller.organisation }),
    },
    requestor: agents.length === 0,
  });
  agents.push({
    type: { coding: [{ system: DICOM, code: '110152', display: 'Destination Role ID' }] },
    who: { display: member },
    requestor: false,
  });
  return agents;
}

function entitiesOf(opened: OpenedRecord, { onlyPatient }: RenderOptions): AuditEventEntity[] {
  const { record, request } = opened;
  const entities: AuditEventEntity[] = shownPatients(opened, onlyPatient).map((patient) => ({
    what: { reference: `Patient/${patient}` },
    type: { system: ENTITY_TYPE, code: '1', display: 'Person' },
    role: { system: OBJECT_ROLE, code: '1', display: 'Patient' },
  }));
  for (const entity of shownEntities(opened, onlyPatient)) entities.push(resourceEntity(entity));
  if (request?.parameters !== undefined && onlyPatient === undefined) {
    entities.push({
      type: { system: ENTITY_TYPE, code: '2', display: 'System Object' },
      role: { system: OBJECT_ROLE, code: '24', display: 'Query' },
      query: Buffer.from(request.parameters, 'utf8').toString('base64'),
    });
  }
  const asked = askedEntity(opened);
  if (asked !== undefined && onlyPatient === undefined) entities.push(asked);
  if (record.acknowledges !== undefined) {
    entities.push({
      what: { identifier: { system: EVENT_SYSTEM, value: record.acknowledges.event } },
      type: { system: ENTITY_TYPE, code: '4', display: 'Other' },
      name: 'acknowledged event',
      detail: Object.entries(record.acknowledges).map(([type, valueString]) => ({
        type,
        valueString: String(valueString),
      })),
    });
  }
  entities.push({
    what: { identifier: { value: record.requestId } },
    type: { system: BALP_ENTITY_TYPE, code: 'XrequestId' },
  });
  if (opened.erasedEntities > 0) {
    entities.push({
      type: { system: ENTITY_TYPE, code: '2', display: 'System Object' },
      name: `${opened.erasedEntities} erased`,
    });
  }
  return entities;
}

/** What was asked for and not reached: nothing else says so. */
function askedEntity({ record, request, entities }: OpenedRecord): AuditEventEntity | undefined {
  if (entities.length > 0 || record.resourceType === undefined || request?.resourceId === undefined) return undefined;
  const id = record.upstream === undefined ? request.resourceId : `${record.upstream}.${request.resourceId}`;
  return {
    what: { reference: `${record.resourceType}/${id}` },
    type: { system: ENTITY_TYPE, code: '2', display: 'System Object' },
  };
}

function resourceEntity(entity: OpenedRecord['entities'][number]): AuditEventEntity {
  const reference = federatedReference(entity);
  const details: readonly (readonly [string, string | undefined])[] = [
    ['interaction', entity.interaction],
    ['sent-b1', entity.sent?.b1],
    ['sent-f1', entity.sent?.f1],
    ['stored-b1', entity.stored?.b1],
    ['stored-f1', entity.stored?.f1],
    ['altered-by-upstream', entity.altered === true ? 'true' : undefined],
    ...entity.profiles.map((profile) => ['profile', profile] as const),
  ];
  return {
    what: reference === undefined ? { display: entity.type } : { reference },
    type: { system: ENTITY_TYPE, code: '2', display: 'System Object' },
    role: { system: OBJECT_ROLE, code: '4', display: 'Domain Resource' },
    detail: details.flatMap(([type, valueString]) => (valueString === undefined ? [] : [{ type, valueString }])),
  };
}
