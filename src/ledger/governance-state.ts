import type { Genesis, LogParameters, Member, QuorumRule } from './genesis.ts';
import { quorumSize } from './genesis.ts';
import type { Change } from './governance-change.ts';
import { targetOf } from './governance-change.ts';
import type { VerifierKey } from './note-key.ts';

/** The consortium's own state, as the log's governance records make it: plain data, never changed in place. */

export interface GovernedMember extends Member {
  /** False while suspended: neither its batches nor its votes nor its cosignatures count. */
  readonly active: boolean;
  /** Batch keys that were rotated out and are still valid for leaves below `until`. */
  readonly formerBatchKeys: readonly { readonly key: VerifierKey; readonly until: number }[];
}

export interface AdoptedRuleSet {
  /** What events name in `rules`. */
  readonly index: number;
  /** SHA-256, lowercase hex. */
  readonly digest: string;
  /** In force from this leaf on. */
  readonly from: number;
}

/** What is in force from one size of the log to the next version's. */
export interface GovernanceVersion {
  /** 0, or the size of the checkpoint that put it in force: it holds for leaves from there on, and for checkpoints of greater size. */
  readonly from: number;
  readonly members: readonly GovernedMember[];
  readonly quorum: QuorumRule;
  readonly parameters: LogParameters;
  readonly ruleSets: readonly AdoptedRuleSet[];
}

export type ProposalStatus =
  | 'open'
  /** Enough yes votes; waits for the next checkpoint to be final. */
  | 'decided'
  | 'in-force'
  /** Too many no votes for it ever to pass. */
  | 'rejected'
  /** Decided, but another change that came into force first made it impossible. */
  | 'moot';

export interface Proposal {
  readonly id: string;
  readonly proposer: string;
  readonly change: Change;
  /** Leaf of the proposal. */
  readonly leafIndex: number;
  readonly votes: ReadonlyMap<string, 'yes' | 'no'>;
  readonly status: ProposalStatus;
  /** Leaf of the deciding vote. */
  readonly decidedAt: number | undefined;
  /** Size from which it is in force. */
  readonly inForceFrom: number | undefined;
}

export interface GovernanceState {
  readonly origin: string;
  /** Oldest first, never empty. */
  readonly versions: readonly GovernanceVersion[];
  readonly proposals: ReadonlyMap<string, Proposal>;
  /** Names that were removed: never given again, since chains and receipts name them. */
  readonly removedNames: readonly string[];
  /** The proposal that ended this log, and the leaf at which it did. */
  readonly closed: { readonly proposal: string; readonly leafIndex: number } | undefined;
}

export function genesisState(genesis: Genesis): GovernanceState {
  return {
    origin: genesis.origin,
    versions: [
      {
        from: 0,
        members: genesis.members.map((member) => ({ ...member, active: true, formerBatchKeys: [] })),
        quorum: genesis.quorum,
        parameters: genesis.parameters,
        ruleSets: [{ index: genesis.previous?.rules ?? 0, digest: genesis.ruleSet, from: 0 }],
      },
    ],
    proposals: new Map(),
    removedNames: [],
    closed: undefined,
  };
}

/** The newest version; in force for every leaf to come until the next change. */
export function latestVersion(state: GovernanceState): GovernanceVersion {
  return state.versions[state.versions.length - 1] as GovernanceVersion;
}

/** What is in force at a leaf. */
export function versionAtLeaf(state: GovernanceState, leafIndex: number): GovernanceVersion {
  return state.versions.findLast(({ from }) => from <= leafIndex) ?? (state.versions[0] as GovernanceVersion);
}

/** Whose signatures make a checkpoint of this size final: a change comes into force by one that is final under the membership before it. */
export function versionAtSize(state: GovernanceState, size: number): GovernanceVersion {
  return state.versions.findLast(({ from }) => from < size) ?? (state.versions[0] as GovernanceVersion);
}

export function activeMembers(version: GovernanceVersion): readonly GovernedMember[] {
  return version.members.filter(({ active }) => active);
}

/** How many cosignatures make a checkpoint final, and how many yes votes decide most changes. */
export function quorumOf(version: GovernanceVersion): number {
  return quorumSize(activeMembers(version).length, version.quorum);
}

/** Keys that a member's batches, cuts and votes may be signed with at a leaf; undefined for who is no member there. */
export function batchKeysAt(
  state: GovernanceState,
  name: string,
  leafIndex: number,
): { readonly active: boolean; readonly batchKeys: readonly VerifierKey[] } | undefined {
  const member = versionAtLeaf(state, leafIndex).members.find((candidate) => candidate.name === name);
  if (member === undefined) return undefined;
  const former = member.formerBatchKeys.filter(({ until }) => leafIndex < until).map(({ key }) => key);
  return { active: member.active, batchKeys: [member.batchKey, ...former] };
}

/** All keys in force at a leaf, by member. */
export function keysInForce(state: GovernanceState, leafIndex: number) {
  return versionAtLeaf(state, leafIndex).members.map(({ name }) => ({ name, ...batchKeysAt(state, name, leafIndex) }));
}

/** Every key that a member ever had, for evidence: a contradiction does not age. */
export function keysOfAllTime(
  state: GovernanceState,
  name: string,
): { readonly batchKeys: readonly VerifierKey[]; readonly checkpointKeys: readonly VerifierKey[] } | undefined {
  const ever = state.versions.flatMap(({ members }) => members.filter((member) => member.name === name));
  if (ever.length === 0) return undefined;
  return {
    batchKeys: distinct(ever.map(({ batchKey }) => batchKey)),
    checkpointKeys: distinct(ever.flatMap(({ originKey, cosignerKey }) => [originKey, cosignerKey])),
  };
}

/**
 * Yes votes that decide a change: the quorum of active members, or, where it acts on one member, floor(2 (n - 1) / 3) + 1 of the n - 1 others, so that nobody
 * need agree to its own removal. A log that can no longer finalise is left by floor(2 n / 3) + 1, at most n - 1: two sets of so many cannot open two epochs.
 */
export function votesNeeded(version: GovernanceVersion, change: Change): number {
  const active = activeMembers(version);
  if (change.kind === 'open-epoch') return Math.max(1, Math.min(moreThanTwoThirdsOf(active.length), active.length - 1));
  const target = targetOf(change);
  if (target === undefined) return quorumOf(version);
  return moreThanTwoThirdsOf(active.filter(({ name }) => name !== target).length);
}

/** Who has a vote on a change. */
export function votersOn(version: GovernanceVersion, change: Change): readonly string[] {
  const target = targetOf(change);
  return activeMembers(version)
    .map(({ name }) => name)
    .filter((name) => name !== target);
}

/** The rule set that events must name, and the one before it while its grace lasts. @param cutsSince accepted cuts since its adoption */
export function acceptableRuleSets(version: GovernanceVersion, cutsSince: number): readonly AdoptedRuleSet[] {
  return version.ruleSets.slice(cutsSince <= version.parameters.ruleSetGraceCuts ? -2 : -1);
}

function moreThanTwoThirdsOf(members: number): number {
  return Math.floor((2 * members) / 3) + 1;
}

function distinct(keys: readonly VerifierKey[]): readonly VerifierKey[] {
  return keys.filter((key, i) => keys.findIndex(({ text }) => text === key.text) === i);
}
