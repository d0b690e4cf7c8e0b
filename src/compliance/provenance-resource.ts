import type { Provenance, ProvenanceAgent, Reference } from '@medplum/fhirtypes';
import type { InteractionCode } from '../fhir/interaction.ts';
import type { OpenedRecord } from '../provenance/record-vault.ts';
import { federatedReference, fhirIdOf, purposeConcept, shownEntities, type RenderOptions } from './audit-event.ts';
import { metaOf, type Proof } from './proof.ts';

const PARTICIPANT = 'http://terminology.hl7.org/CodeSystem/provenance-participant-type';

/**
 * One record of a write as a FHIR R4 Provenance: targets are the versions that it made, the user (or client) is the author, the gateway the verifier.
 * Undefined where nothing is left to point to, because it is erased or may not be shown.
 */
export function renderProvenance(opened: OpenedRecord, proof: Proof, options: RenderOptions): Provenance | undefined {
  const { record } = opened;
  const target = shownEntities(opened, options.onlyPatient).flatMap((entity) => {
    const reference = federatedReference(entity);
    return reference === undefined || entity.interaction === 'read' ? [] : [{ reference }];
  });
  const [first, ...others] = target;
  if (first === undefined) return undefined;
  return {
    resourceType: 'Provenance',
    id: fhirIdOf(record.id),
    meta: metaOf(record.recorded, proof),
    target: [first, ...others] as Reference[],
    occurredPeriod: { start: record.started, end: record.recorded },
    recorded: record.recorded,
    policy: [`urn:concordat:rule-set:${record.ruleSet}`],
    ...(record.caller.purpose !== undefined && { reason: [purposeConcept(record.caller.purpose)] }),
    activity: {
      coding: [
        {
          system: 'http://terminology.hl7.org/CodeSystem/v3-DataOperation',
          code: activityOf(record.interaction),
        },
      ],
    },
    agent: agentsOf(opened, options),
  };
}

function activityOf(interaction: InteractionCode): 'CREATE' | 'UPDATE' | 'DELETE' | 'OPERATE' {
  switch (interaction) {
    case 'create':
      return 'CREATE';
    case 'update':
    case 'patch':
      return 'UPDATE';
    case 'delete':
      return 'DELETE';
    case 'read':
    case 'vread':
    case 'history-instance':
    case 'history-type':
    case 'history-system':
    case 'search-type':
    case 'search-system':
    case 'batch':
    case 'transaction':
    case 'operation':
    case 'capabilities':
      return 'OPERATE';
  }
}

function agentsOf(opened: OpenedRecord, { member, onlyPatient }: RenderOptions): ProvenanceAgent[] {
  const { caller } = opened.record;
  const subject = caller.subject ?? (onlyPatient === undefined ? opened.request?.subject : undefined);
  const user = caller.user ?? (onlyPatient === undefined ? opened.request?.user : undefined);
  const organisation = caller.organisation === undefined ? {} : { onBehalfOf: { display: caller.organisation } };
  const agents: ProvenanceAgent[] = [];
  if (subject !== undefined || user !== undefined) {
    agents.push({
      type: { coding: [{ system: PARTICIPANT, code: 'author' }] },
      who: {
        ...(subject !== undefined && { identifier: { system: caller.issuer, value: subject } }),
        ...(user !== undefined && { display: user }),
      },
      ...organisation,
    });
  }
  agents.push({
    type: { coding: [{ system: PARTICIPANT, code: 'enterer' }] },
    who: { identifier: { system: caller.issuer, value: caller.clientId } },
    ...organisation,
  });
  agents.push({
    type: { coding: [{ system: PARTICIPANT, code: 'verifier' }] },
    who: { display: `${member} gateway` },
  });
  return agents;
}
