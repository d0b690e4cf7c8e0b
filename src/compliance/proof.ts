import type { Extension } from '@medplum/fhirtypes';
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

export const PROOF_EXTENSION = 'urn:concordat:fhir:proof';

/** The proof as a FHIR extension: one sub-extension a field. */
export function proofExtension(eventId: string, proof: Proof): Extension {
  const numbers = Object.entries(proof).filter((entry): entry is [string, number] => typeof entry[1] === 'number');
  return {
    url: PROOF_EXTENSION,
    extension: [
      { url: 'event', valueString: eventId },
      { url: 'state', valueCode: proof.state },
      ...numbers.map(([url, value]) => ({ url, valueDecimal: value })),
    ],
  };
}
