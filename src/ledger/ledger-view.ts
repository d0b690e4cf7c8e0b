import type { GovernanceReport } from './governance-report.ts';
import type { AddCheckpointResult } from './peer.ts';
import type { FinalTime, TaggedBatch } from './tagged-events.ts';

/** A member as the membership in force knows it; keys in their C2SP verifier-key text, the agreement key as base64 of 32 bytes. */
export interface MemberView {
  readonly name: string;
  readonly active: boolean;
  readonly batchKey: string;
  readonly originKey: string;
  readonly cosignerKey: string;
  /** X25519, for peer tags. */
  readonly agreementKey: string;
}

/** Where a writer's chain stands in this member's own verified replica. */
export interface WriterChain {
  readonly writer: string;
  readonly member: string;
  /** Last accepted batch number, at least 1. */
  readonly batch: number;
  /** SHA-256 of its header, 32 bytes. */
  readonly headerHash: Uint8Array;
  readonly nextEvent: number;
  readonly leafIndex: number;
}

/** `index` is what events name in `rules`; `digest` is lowercase hex SHA-256. */
export interface RuleSetView {
  readonly index: number;
  readonly digest: string;
}

export type ReceiptAnswer =
  | { readonly state: 'final'; readonly text: string }
  | { readonly state: 'pending'; readonly signers: number; readonly members: number }
  /** Final, but its batch's body is no longer kept here. */
  | PrunedReceipt
  | { readonly state: 'unknown' };

export interface PrunedReceipt {
  readonly state: 'pruned';
  /** Name of the member that wrote the event. */
  readonly author: string;
  /** Members that were asked for the body and did not answer; they may have it. */
  readonly unreachable: readonly string[];
}

/** `unknown` also stands for queued and sealed events: only the recorder knows those. */
export type ProofState =
  | { readonly state: 'unknown' }
  | {
      readonly state: 'sequenced';
      readonly leafIndex: number;
      readonly position: number;
      readonly signers: number;
      readonly members: number;
    }
  | { readonly state: 'final'; readonly leafIndex: number; readonly position: number; readonly checkpointSize: number };

export type IncidentKind =
  // what a batch's leaf may carry instead of `accepted`; `duplicate` is harmless and is counted, not an incident
  | 'conflict'
  | 'gap'
  | 'bad-signature'
  | 'unknown-member'
  | 'suspended'
  | 'bad-body'
  | 'not-canonical'
  | 'wrong-log'
  | 'void'
  // what the topic may do
  | 'trimmed'
  | 'truncated'
  | 'offset-gap'
  | 'rewound'
  | 'control'
  | 'transactional'
  | 'compressed'
  | 'anchor-mismatch'
  | 'epoch-back'
  | 'topic-missing'
  | 'corrupt'
  | 'genesis-mismatch'
  // what only the author can tell: a record stands there more often than it was sent, or not where it was acknowledged
  | 'duplicated'
  | 'dropped'
  // what members may do to one another
  | 'fork'
  | 'conflicting-cosignatures'
  | 'replica-altered';

/** A fault that somebody must explain. Never raised by an honest run; kept for ever. */
export interface Incident {
  readonly kind: IncidentKind;
  /** First leaf index at which the fault shows. */
  readonly leafIndex: number;
  readonly member: string | undefined;
  readonly writer: string | undefined;
  readonly detail: string;
  readonly atMs: number;
  /** Name of the evidence file, where the fault can be shown to an outsider. */
  readonly evidence: string | undefined;
}

export type AlarmKind =
  | 'freeze'
  | 'topic-unavailable'
  | 'topic-halted'
  | 'topic-drift'
  | 'cosignatures-unavailable'
  | 'behind-peers'
  | 'restored-backup'
  | 'unsequenced'
  | 'peer-unreachable'
  | 'storage'
  | 'suspended'
  | 'key-not-in-force'
  | 'log-ended';

/** A state that hinders now and ends by itself or by an operator's hand: liveness, not an incident. */
export interface Alarm {
  readonly kind: AlarmKind;
  readonly sinceMs: number;
  readonly detail: string;
}

export interface LedgerStatus {
  readonly origin: string;
  readonly member: string | undefined;
  readonly writer: string | undefined;
  /** Leaves in the own verified replica. */
  readonly size: number;
  /** Tree root at `size`, 32 bytes. */
  readonly root: Uint8Array;
  readonly finalSize: number;
  readonly finalRoot: Uint8Array;
  /** Events in accepted batches. */
  readonly events: number;
  /** Number of the last accepted cut, 0 before the first. */
  readonly cuts: number;
  readonly signedSize: number;
  /** Topic records known to exist and not read yet. */
  readonly lagRecords: number;
  readonly incidents: readonly Incident[];
  readonly alarms: readonly Alarm[];
  readonly members: readonly { readonly name: string; readonly active: boolean; readonly signedSize: number }[];
  readonly quorum: number;
}

/**
 * What a member serves of its own replica: the read side of the ledger, for the gateway's log routes, compliance and CLI.
 * Methods read local files and memory only, and return bytes that were checked when they were stored; `undefined` means that it is not here.
 */
export interface LedgerView {
  readonly origin: string;
  /** Undefined for a reader that belongs to no member. */
  readonly member: string | undefined;
  /** This member's origin verifier key (C2SP vkey): the one that tools by others check `checkpoint()` with. */
  readonly originKey: string | undefined;
  /** Logs that this one goes on from after epoch changes, oldest first, as far as this member has them: proofs of what was final in them. */
  readonly past: readonly LedgerView[];
  genesisBytes(): Uint8Array;
  /** C2SP tlog-policy of the membership in force at the latest final checkpoint. */
  policyFile(): string;
  /** Latest final checkpoint: a signed note with origin signatures (this member's among them) and a quorum of cosignatures. */
  checkpoint(): Uint8Array | undefined;
  /** C2SP tlog-tiles tile of hashes. @param width 1–255 for a partial tile, undefined for a full one */
  tile(level: number, index: number, width?: number): Uint8Array | undefined;
  /** C2SP entry bundle: leaf bytes with u16 lengths. @param width as in `tile` */
  entryBundle(index: number, width?: number): Uint8Array | undefined;
  /** A header or body by its SHA-256, 32 bytes. */
  blob(hash: Uint8Array): Uint8Array | undefined;
  /** @param eventId base64url of 16 bytes, of any member's event */
  receipt(eventId: string): ReceiptAnswer;
  /**
   * As `receipt`, but where the batch's body is no longer kept here, members are asked for it. Optional: without it nobody is asked.
   * @throws {LedgerError} unavailable: too many are being fetched
   */
  fetchReceipt?(eventId: string): Promise<ReceiptAnswer>;
  proofState(eventId: string): ProofState;
  /** Bytes of an accepted event, exactly as its author wrote them. */
  event(eventId: string): Uint8Array | undefined;
  /** As `event`, but where the batch's body is no longer kept here, members are asked for it. @throws {LedgerError} unavailable */
  fetchEvent?(eventId: string): Promise<Uint8Array | undefined>;
  /** Accepted batches with tagged events, in order, of the durable leaves from `from` to before `to`; those whose body is not here too. */
  taggedBatches(from: number, to: number): readonly TaggedBatch[];
  /** When a leaf became final; undefined while it is not. */
  finalTime(leafIndex: number): FinalTime | undefined;
  /** @param writer `<member>/<writer>`; the bare writer name finds the first member's that has one of that name */
  head(writer: string): WriterChain | undefined;
  members(): readonly MemberView[];
  /** The rule set in force. */
  ruleSet(): RuleSetView;
  /** Rule sets that events may name now: the one in force, last, and before it the previous one while its grace lasts. */
  acceptableRuleSets(): readonly RuleSetView[];
  /** Leaves that were refused because nobody had their body, the first ones first: a refilled replica could not tell them from pruned ones. */
  badBodies(): readonly number[];
  /** How the membership for the latest final checkpoint came to be; undefined where it is the genesis's, or not known here yet. */
  history(): Uint8Array | undefined;
  /** Members, what is in force, and all proposals. */
  governance(): GovernanceReport;
  evidenceNames(): readonly string[];
  evidence(name: string): Uint8Array | undefined;
  /** C2SP tlog-witness `add-checkpoint`. @param body the request's body, at most 64 KiB */
  addCheckpoint(body: Uint8Array): Promise<AddCheckpointResult>;
  /** Appends another member's sealed batch to the topic, if it could be accepted. @param frame at most 1 MB @returns whether it was appended @throws {TransportError} outcome-unknown */
  relay?(frame: Uint8Array): Promise<boolean>;
  status(): LedgerStatus;
}
