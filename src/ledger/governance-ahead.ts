import { parseFrame } from './frame.ts';
import { activate, takeGovernance, waitingSince } from './governance.ts';
import { batchKeysAt, type GovernanceState } from './governance-state.ts';
import { judgeFrame } from './judge.ts';

/** Governance at one place of the log. */
export interface GovernancePlace {
  readonly state: GovernanceState;
  /** Leaves up to there: the number of the next one. */
  readonly size: number;
  /** Number of the last accepted cut, 0 before the first. */
  readonly cuts: number;
}

/**
 * Where governance stands once this topic record is a leaf too: the verdict that a replica will pass on it, where it is a cut or a governance act. Pure.
 * @param record value of a topic record; a copy of one that is a leaf already changes nothing
 */
export function governanceAfter({ state, size, cuts }: GovernancePlace, record: Uint8Array): GovernancePlace {
  const unchanged = { state, size: size + 1, cuts };
  const frame = parseFrame(record);
  if (frame === undefined) return unchanged;
  const judgement = judgeFrame(frame, {
    origin: state.origin,
    member: (name) => batchKeysAt(state, name, size),
    // Chains of batches bear on nothing here.
    writerHead: () => undefined,
    acceptedHeader: () => undefined,
    lastCut: cuts,
  });
  if (judgement.kind === 'governance') return { ...unchanged, state: takeGovernance(state, frame, size).state };
  if (judgement.kind !== 'cut' || judgement.verdict !== 'accepted') return unchanged;
  const decided = waitingSince(state) !== undefined;
  return { state: decided ? activate(state, size + 1) : state, size: size + 1, cuts: cuts + 1 };
}
