import { quorumSize, type Genesis, type Member as GenesisMember } from './genesis.ts';

export interface Member extends GenesisMember {
  /** A suspended member's signatures no longer count. */
  readonly active: boolean;
}

/** Who belongs to the consortium at some leaf, and how many of them make a checkpoint final. */
export interface Membership {
  readonly members: readonly Member[];
  readonly quorum: number;
}

export function activeMembers(membership: Membership): readonly Member[] {
  return membership.members.filter((member) => member.active);
}

export function genesisMembership({ members, quorum }: Genesis): Membership {
  return {
    members: members.map((member) => ({ ...member, active: true })),
    quorum: quorumSize(members.length, quorum),
  };
}
