import { quorumOf, type GovernanceVersion, type GovernedMember } from './governance-state.ts';

export type Member = GovernedMember;

/** Who belongs to the consortium, and how many of them make a checkpoint final. */
export interface Membership {
  readonly members: readonly Member[];
  readonly quorum: number;
}

export function membershipOf(version: GovernanceVersion): Membership {
  return { members: version.members, quorum: quorumOf(version) };
}

export function activeMembers(membership: Membership): readonly Member[] {
  return membership.members.filter((member) => member.active);
}
