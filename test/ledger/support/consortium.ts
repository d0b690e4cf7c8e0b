import { sha256 } from '../../../src/hash.ts';
import { encodeUtf8 } from '../../../src/ledger/encoding.ts';
import { parseFrame } from '../../../src/ledger/frame.ts';
import { parseGenesis } from '../../../src/ledger/genesis.ts';
import { activate, takeGovernance } from '../../../src/ledger/governance.ts';
import type { GovernanceVerdict } from '../../../src/ledger/governance.ts';
import type { Change } from '../../../src/ledger/governance-change.ts';
import { buildAcceptance, buildGovernance, proposalNonce } from '../../../src/ledger/governance-record.ts';
import type { GovernanceAct } from '../../../src/ledger/governance-record.ts';
import { genesisState } from '../../../src/ledger/governance-state.ts';
import type { GovernanceState, Proposal } from '../../../src/ledger/governance-state.ts';
import { memberOf, signingMember, SmallLog } from './small-log.ts';
import type { SigningMember } from './small-log.ts';

/** A log with its governance state beside it: each act is a record, each cut brings decided changes into force. */
export class Consortium {
  readonly log: SmallLog;
  state: GovernanceState;
  #nonces = 0;

  constructor(names: readonly string[]) {
    this.log = new SmallLog(names);
    this.state = genesisState(parseGenesis(this.log.genesis));
  }

  /** Appends an act and applies it. */
  act(
    member: string,
    act: GovernanceAct,
    signer = this.log.member(member),
  ): { readonly verdict: GovernanceVerdict; readonly id: string } {
    const { frame, id } = buildGovernance({ log: this.log.origin, member, act, signer: signer.batch });
    return { verdict: this.take(frame), id };
  }

  take(record: Uint8Array): GovernanceVerdict {
    const frame = parseFrame(record);
    if (frame === undefined) throw new Error('malformed framing');
    const step = takeGovernance(this.state, frame, this.log.append(record));
    this.state = step.state;
    return step.verdict;
  }

  propose(member: string, change: Change): { readonly verdict: GovernanceVerdict; readonly id: string } {
    const nonce = proposalNonce(sha256(encodeUtf8(`nonce ${this.#nonces++}`)).subarray(0, 16));
    return this.act(member, { act: 'propose', change, nonce });
  }

  vote(member: string, proposal: string, vote: 'yes' | 'no' = 'yes'): GovernanceVerdict {
    return this.act(member, { act: 'vote', proposal, vote }).verdict;
  }

  /** Appends a cut and activates at its size. @returns the size */
  cut(member = this.log.members[0]?.name ?? ''): number {
    this.log.appendCut(member);
    return this.activate();
  }

  /** What was decided comes into force at the log's end, whose last leaf is a cut. @returns the size */
  activate(): number {
    this.state = activate(this.state, this.log.size);
    return this.log.size;
  }

  /** Proposes, lets the others vote yes until it is decided, and cuts. @returns the size at which it came into force */
  enact(change: Change, voters: readonly string[]): number {
    const [proposer = '', ...others] = voters;
    const { id } = this.propose(proposer, change);
    for (const voter of others) this.vote(voter, id);
    return this.cut(proposer);
  }

  proposal(id: string): Proposal {
    const found = this.state.proposals.get(id);
    if (found === undefined) throw new Error('no such proposal');
    return found;
  }
}

export function acceptanceOf(member: SigningMember, origin: string): Uint8Array {
  return buildAcceptance({ origin, member: memberOf(member), batch: member.batch, originSigner: member.origin });
}

/** An `admit` with everything that the new member must sign. */
export function admission(name: string, origin: string): { readonly member: SigningMember; readonly change: Change } {
  const member = signingMember(name, origin);
  return { member, change: { kind: 'admit', member: memberOf(member), acceptance: acceptanceOf(member, origin) } };
}

/** A `rotate-key` to a new generation of all keys. */
export function rotation(
  name: string,
  origin: string,
  generation: string,
  graceLeaves = 0,
): { readonly member: SigningMember; readonly change: Change } {
  const member = signingMember(name, origin, generation);
  return {
    member,
    change: { kind: 'rotate-key', member: memberOf(member), acceptance: acceptanceOf(member, origin), graceLeaves },
  };
}
