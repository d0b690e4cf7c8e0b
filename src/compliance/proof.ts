import type { AuditEventEntity, Meta } from '@medplum/fhirtypes';
import type { LedgerView } from '../ledger/ledger-view.ts';
import type { Outbox } from '../provenance/outbox.ts';

/** How far an event of ours has come on the ledger. */
export interface Proof {
  readonly state: 'queued' | 'sealed' | 'sequenced' | 'final';
  /** Of the batch's leaf, and the event's place in the batch. */
  readonly leafIndex?: number;
  readonly position?: number;
  /** Size of the smallest final checkpoint that covers it. */
  readonly checkpointSize?: number;
  /** Members that have cosigned so far, of all. */
  readonly signers?: number;
  readonly members?: number;
}

/** The verified replica knows best; the outbox knows what the replica has not read back yet. */
export function proofOf(outbox: Outbox, ledger: LedgerView, eventId: string, sequence: number): Proof {
  const seen = ledger.proofState(eventId);
  switch (seen.state) {
    case 'final':
      return {
        state: 'final',
        leafIndex: seen.leafIndex,
        position: seen.position,
        checkpointSize: seen.checkpointSize,
      };
    case 'sequenced':
      return {
        state: 'sequenced',
        leafIndex: seen.leafIndex,
        position: seen.position,
        signers: seen.signers,
        members: seen.members,
      };
    case 'unknown':
      return { state: outbox.stateOf(sequence) };
  }
}

/** Where resources say how far their proof is: `queued`, `sealed`, `sequenced` or `final`. A tag, because no profile needs to know it. */
export const PROOF_STATE_SYSTEM = 'urn:concordat:fhir:proof-state';
export const EVENT_SYSTEM = 'urn:concordat:fhir:event';

/** `Resource.meta` of what is rendered from a record. */
export function metaOf(recorded: string, proof: Proof): Meta {
  return { lastUpdated: recorded, tag: [{ system: PROOF_STATE_SYSTEM, code: proof.state }] };
}

/** The event on the ledger as an entity of the AuditEvent: its id, how far it is, and the rule set in force. */
export function proofEntity(eventId: string, proof: Proof, ruleSet: string): AuditEventEntity {
  const details = Object.entries({ ...proof, ruleSet }).filter(([, value]) => value !== undefined);
  return {
    what: { identifier: { system: EVENT_SYSTEM, value: eventId } },
    type: { system: 'http://terminology.hl7.org/CodeSystem/audit-entity-type', code: '4', display: 'Other' },
    name: 'ledger event',
    detail: details.map(([type, value]) => ({ type, valueString: String(value) })),
  };
}
