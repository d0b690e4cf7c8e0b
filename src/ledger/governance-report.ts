import type { LedgerJson } from './canonical-json.ts';
import { memberJson } from './genesis.ts';
import type { LogParameters, QuorumRule } from './genesis.ts';
import { changeJson } from './governance-change.ts';
import {
  latestVersion,
  quorumOf,
  votersOn,
  votesNeeded,
  type AdoptedRuleSet,
  type GovernanceState,
  type ProposalStatus,
} from './governance-state.ts';

/** Governance as people and programs ask for it; JSON all through. */
export interface GovernanceReport {
  readonly origin: string;
  readonly members: readonly { readonly name: string; readonly active: boolean; readonly keys: LedgerJson }[];
  /** Cosignatures that make a checkpoint final now, and the rule behind them. */
  readonly quorum: number;
  readonly quorumRule: QuorumRule;
  readonly parameters: LogParameters;
  readonly ruleSets: readonly AdoptedRuleSet[];
  /** Newest first. */
  readonly proposals: readonly ProposalReport[];
  /** Id of the proposal that ended this log. */
  readonly closed: string | null;
}

export interface ProposalReport {
  readonly id: string;
  readonly proposer: string;
  readonly status: ProposalStatus;
  readonly change: LedgerJson;
  readonly leafIndex: number;
  readonly yes: readonly string[];
  readonly no: readonly string[];
  /** Members that have a vote and have not cast it. */
  readonly open: readonly string[];
  /** Yes votes that decide it, by the membership in force now. */
  readonly needed: number;
  readonly inForceFrom: number | null;
}

export function governanceReport(state: GovernanceState): GovernanceReport {
  const version = latestVersion(state);
  const proposals = [...state.proposals.values()].toReversed().map((proposal): ProposalReport => {
    const { id, proposer, status, change, leafIndex, votes, inForceFrom } = proposal;
    const said = (vote: 'yes' | 'no') => [...votes].filter(([, cast]) => cast === vote).map(([name]) => name);
    return {
      id,
      proposer,
      status,
      change: changeJson(change),
      leafIndex,
      yes: said('yes'),
      no: said('no'),
      open: votersOn(version, change).filter((name) => !votes.has(name)),
      needed: votesNeeded(version, change),
      inForceFrom: inForceFrom ?? null,
    };
  });
  return {
    origin: state.origin,
    members: version.members.map((member) => ({ name: member.name, active: member.active, keys: memberJson(member) })),
    quorum: quorumOf(version),
    quorumRule: version.quorum,
    parameters: version.parameters,
    ruleSets: version.ruleSets,
    proposals,
    closed: state.closed?.proposal ?? null,
  };
}
