import { sha256 } from '../hash.ts';
import { evidenceNotes, parseEvidence } from './evidence-file.ts';
import { FormatError, readOrUndefined } from './format-error.ts';
import type { Frame } from './frame.ts';
import { evidenceOf } from './governance-change.ts';
import type { Change } from './governance-change.ts';
import { changedVersion } from './governance-effect.ts';
import { acceptanceText, parseGovernance, parseGovernanceHeader } from './governance-record.ts';
import type { GovernanceRecord } from './governance-record.ts';
import { batchKeysAt, keysOfAllTime, versionAtLeaf, votersOn, votesNeeded } from './governance-state.ts';
import type { GovernanceState, Proposal } from './governance-state.ts';
import { judgeSigner } from './judge.ts';
import type { Verdict } from './judge.ts';
import { sameHash } from './merkle/tree-hash.ts';
import { VerificationError } from './merkle/verification-error.ts';
import { parseNote, verifyNote } from './note.ts';
import type { ParsedNote } from './note.ts';
import type { VerifierKey } from './note-key.ts';

/**
 * Governance as a pure state machine over the log: records in leaf order, and the sizes at which a decided change comes into force.
 * That size is the one of the first cut after the deciding leaf, so that all members know it from the log alone; members cosign no greater
 * size before that one is final under the old membership.
 */

export type GovernanceVerdict = Exclude<Verdict, 'gap' | 'void'>;

export interface GovernanceStep {
  readonly state: GovernanceState;
  /** `conflict`: well-formed and signed, but not possible as things stand. */
  readonly verdict: GovernanceVerdict;
  readonly record: GovernanceRecord | undefined;
  /** With `bad-body`: the record does not carry the body that its header names, so that a peer may still have it. */
  readonly bodyMissing: boolean;
}

/** More open proposals of one member than this are refused: memory is bounded by the members. */
const MAXIMUM_OPEN_PROPOSALS = 16;

/** Judges one governance record and applies it; needs node:crypto. Never throws on any bytes. */
export function takeGovernance(
  state: GovernanceState,
  frame: Pick<Frame, 'header' | 'body'>,
  leafIndex: number,
): GovernanceStep {
  const refuse = (verdict: GovernanceVerdict, bodyMissing = false): GovernanceStep => {
    return { state, verdict, record: undefined, bodyMissing };
  };
  const header = readOrUndefined(() => parseGovernanceHeader(frame.header));
  if (header === undefined) return refuse('not-canonical');
  const fault = judgeSigner(header, {
    origin: state.origin,
    member: (name) => batchKeysAt(state, name, leafIndex),
  });
  if (fault !== undefined) return refuse(fault);
  if (!sameHash(sha256(frame.body), header.bodyHash)) return refuse('bad-body', true);
  if (frame.body.length !== header.bodyBytes) return refuse('bad-body');
  const record = readOrUndefined(() => parseGovernance(frame));
  if (record === undefined) return refuse('not-canonical');
  if (!claimsHold(record, state)) return refuse('bad-signature');
  return applyGovernance(state, record, leafIndex);
}

/** A note that must be signed by each of these keys, or by one of them. */
export interface GovernanceClaim {
  readonly note: ParsedNote;
  readonly keys: readonly VerifierKey[];
  readonly needed: 'all' | 'one';
}

/**
 * What must be signed by whom, beside the record itself, for a change to be what it says.
 * @throws {FormatError} something inside the change cannot be read
 * @throws {VerificationError} evidence that is no contradiction or about no member, or another acceptance than this log's
 */
export function claimsOf(change: Change, state: GovernanceState): readonly GovernanceClaim[] {
  if (change.kind === 'admit' || change.kind === 'rotate-key') {
    const note = parseNote(change.acceptance);
    if (note.text !== acceptanceText(state.origin, change.member)) {
      throw new VerificationError('bad-signature', 'the acceptance is not of this member in this log');
    }
    const keys = [change.member.batchKey, change.member.originKey];
    // It stands in every receipt from then on: lines by others, which nobody checks, would only make those larger.
    if (note.signatures.length !== keys.length)
      throw new VerificationError('bad-signature', 'an acceptance has two signatures');
    return [{ note, keys, needed: 'all' }];
  }
  const file = evidenceOf(change);
  if (file === undefined) return [];
  const evidence = parseEvidence(file);
  const keys = keysOfAllTime(state, evidence.member);
  if (keys === undefined || !('member' in change) || change.member !== evidence.member) {
    throw new VerificationError('unknown-member', 'the evidence is about somebody else');
  }
  const relevant = evidence.kind === 'two-batches' ? keys.batchKeys : keys.checkpointKeys;
  return evidenceNotes(evidence, state.origin).map((note) => ({ note, keys: relevant, needed: 'one' }));
}

/** Applies a record whose signatures were checked. Pure. */
export function applyGovernance(state: GovernanceState, record: GovernanceRecord, leafIndex: number): GovernanceStep {
  const step = (verdict: GovernanceVerdict, next: GovernanceState = state): GovernanceStep => {
    return { state: next, verdict, record, bodyMissing: false };
  };
  if (state.closed !== undefined) return step('conflict');
  const { act, member } = record;
  if (act.act === 'propose') {
    if (state.proposals.has(record.id)) return step('duplicate');
    const open = [...state.proposals.values()].filter(
      ({ proposer, status }) => proposer === member && status === 'open',
    );
    if (open.length >= MAXIMUM_OPEN_PROPOSALS || changedVersion(state, act.change, leafIndex) === undefined)
      return step('conflict');
    const proposal: Proposal = {
      id: record.id,
      proposer: member,
      change: act.change,
      leafIndex,
      votes: new Map(),
      status: 'open',
      decidedAt: undefined,
      inForceFrom: undefined,
    };
    return step('accepted', withVote(state, proposal, member, 'yes', leafIndex));
  }
  const proposal = state.proposals.get(act.proposal);
  if (proposal === undefined) return step('conflict');
  if (proposal.votes.has(member)) return step('duplicate');
  return step('accepted', withVote(state, proposal, member, act.vote, leafIndex));
}

/**
 * Brings decided changes into force at a checkpoint of this size, in the order of their decisions.
 * @param size of the first cut after the deciding leaf (its leaf index + 1)
 */
export function activate(state: GovernanceState, size: number): GovernanceState {
  let next = state;
  for (const proposal of waiting(state)) {
    if (proposal.decidedAt === undefined || proposal.decidedAt >= size) continue;
    const version = changedVersion(next, proposal.change, size);
    const status = version === undefined ? 'moot' : 'in-force';
    const proposals = new Map(next.proposals).set(proposal.id, { ...proposal, status, inForceFrom: version && size });
    const removed = proposal.change.kind === 'remove' && version !== undefined ? [proposal.change.member] : [];
    const versions =
      version === undefined ? next.versions : [...next.versions.filter(({ from }) => from < size), version];
    next = { ...next, versions, proposals, removedNames: [...next.removedNames, ...removed] };
  }
  return next;
}

/** Leaf of the first decision that waits for its checkpoint: the next cut after it is a size that must be final before any greater one is cosigned. */
export function waitingSince(state: GovernanceState): number | undefined {
  return waiting(state)[0]?.decidedAt;
}

function waiting(state: GovernanceState): readonly Proposal[] {
  return [...state.proposals.values()]
    .filter(({ status, change }) => status === 'decided' && change.kind !== 'open-epoch')
    .sort((a, b) => (a.decidedAt ?? 0) - (b.decidedAt ?? 0));
}

function withVote(
  state: GovernanceState,
  proposal: Proposal,
  member: string,
  vote: 'yes' | 'no',
  leafIndex: number,
): GovernanceState {
  const version = versionAtLeaf(state, leafIndex);
  const voted = { ...proposal, votes: new Map(proposal.votes).set(member, vote) };
  // Too late to count, and noted all the same: the same words again are a duplicate.
  if (proposal.status !== 'open') return { ...state, proposals: new Map(state.proposals).set(proposal.id, voted) };
  const voters = votersOn(version, proposal.change);
  const count = (wanted: 'yes' | 'no') => voters.filter((name) => voted.votes.get(name) === wanted).length;
  const needed = votesNeeded(version, proposal.change);
  const decided = count('yes') >= needed;
  const rejected = voters.length - count('no') < needed;
  const status = decided ? 'decided' : rejected ? 'rejected' : 'open';
  const settled: Proposal = { ...voted, status, decidedAt: decided ? leafIndex : undefined };
  const proposals = new Map(state.proposals).set(proposal.id, settled);
  // An epoch is opened where no checkpoint may ever be final again, so it does not wait for one.
  const closed = decided && proposal.change.kind === 'open-epoch' ? { proposal: proposal.id, leafIndex } : state.closed;
  return { ...state, proposals, closed };
}

function claimsHold(record: GovernanceRecord, state: GovernanceState): boolean {
  if (record.act.act !== 'propose') return true;
  try {
    return claimsOf(record.act.change, state).every(({ note, keys, needed }) => {
      const signed = verifyNote(note, keys).length;
      return signed >= (needed === 'all' ? keys.length : 1);
    });
  } catch (error) {
    if (error instanceof FormatError || error instanceof VerificationError) return false;
    throw error;
  }
}
