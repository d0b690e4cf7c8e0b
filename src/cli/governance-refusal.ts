import { canonicalJson } from '../ledger/canonical-json.ts';
import { FormatError } from '../ledger/format-error.ts';
import { MAXIMUM_MEMBERS, memberJson } from '../ledger/genesis.ts';
import { applyGovernance, claimsOf } from '../ledger/governance.ts';
import type { GovernancePlace } from '../ledger/governance-ahead.ts';
import type { Change } from '../ledger/governance-change.ts';
import type { GovernanceAct } from '../ledger/governance-record.ts';
import { batchKeysAt, latestVersion } from '../ledger/governance-state.ts';
import type { GovernanceState, Proposal } from '../ledger/governance-state.ts';
import { VerificationError } from '../ledger/merkle/verification-error.ts';
import { verifyNote } from '../ledger/note.ts';

/**
 * Why members would refuse an act that is rightly signed, or why it would change nothing: the rule, and what to do. Undefined where it would count.
 * Whether the ledger takes it is asked of the ledger's own rules; only the words are from here.
 */
export function refusalOf(
  { state, size }: GovernancePlace,
  { member, act }: { readonly member: string; readonly act: GovernanceAct },
): string | undefined {
  if (state.closed !== undefined)
    return `this log was ended by proposal ${state.closed.proposal}: act in the log that goes on from it`;
  const own = batchKeysAt(state, member, size);
  if (own === undefined)
    return `${member} is no member of this log: it can act once its \`admit\` is in force (\`governance list\`)`;
  if (!own.active) return `${member} is suspended: its votes and proposals do not count`;
  const known = act.act === 'vote' ? voteProblem(state, member, act) : claimProblem(state, act.change);
  if (known !== undefined) return known;
  const unsigned = { log: state.origin, member, id: '', act, note: { text: '', signatures: [] } };
  const { verdict } = applyGovernance(state, unsigned, size);
  if (verdict === 'accepted') return undefined;
  const possible = act.act === 'propose' ? changeProblem(state, act.change) : undefined;
  return possible ?? `${member} has too many open proposals: the others must decide some of them first`;
}

function voteProblem(
  { proposals }: GovernanceState,
  member: string,
  { proposal: id, vote }: Extract<GovernanceAct, { act: 'vote' }>,
): string | undefined {
  const proposal = proposals.get(id);
  if (proposal === undefined) return 'the ledger has no such proposal: see `governance list`';
  const cast = proposal.votes.get(member);
  if (cast !== undefined)
    return `already voted ${cast} on ${id}${cast === vote ? '' : ': the first word of a member counts'}`;
  return proposal.status === 'open' ? undefined : closedText(proposal);
}

function closedText({ id, status, inForceFrom }: Proposal): string {
  const told = {
    decided: 'decided and waits for the next checkpoint',
    'in-force': `in force from size ${inForceFrom ?? 0}`,
    rejected: 'rejected: what is still wanted is proposed again',
    moot: 'moot, since another change made it impossible: what is still wanted is proposed again',
    open: 'open',
  };
  return `no vote counts any more: proposal ${id} is ${told[status]}`;
}

/** What must be signed by others for the change to be what it says. */
function claimProblem(state: GovernanceState, change: Change): string | undefined {
  const remedy =
    change.kind === 'admit' || change.kind === 'rotate-key'
      ? '--member-file must be made by that member with `governance accept` for this log'
      : '--evidence must be an evidence file about that member, as `/ledger/evidence` gives it';
  try {
    for (const { note, keys, needed } of claimsOf(change, state)) {
      const signed = verifyNote(note, keys).length;
      if (signed < (needed === 'all' ? keys.length : 1)) return `a signature in it is not of that member; ${remedy}`;
    }
    return undefined;
  } catch (error) {
    if (!(error instanceof FormatError || error instanceof VerificationError)) throw error;
    return `${error.message} (${error.code}); ${remedy}`;
  }
}

/** Words for a change that the ledger does not take as things stand. */
function changeProblem(state: GovernanceState, change: Change): string | undefined {
  const { members, quorum, parameters, ruleSets } = latestVersion(state);
  const find = (wanted: string) => members.find(({ name }) => name === wanted);
  const same = (a: object, b: object): string | undefined =>
    canonicalJson({ ...a }) === canonicalJson({ ...b }) ? 'that is in force already' : undefined;
  switch (change.kind) {
    case 'admit': {
      const { name } = change.member;
      if (state.removedNames.includes(name)) return `${name} was removed, and its name is never given again`;
      if (find(name) !== undefined) return `${name} is a member already: new keys come by \`rotate-key\``;
      return members.length >= MAXIMUM_MEMBERS ? 'the consortium is full' : 'one of its keys stands twice';
    }
    case 'rotate-key': {
      const { name } = change.member;
      const old = find(name);
      if (old === undefined) return `${name} is no member of this log: who joins is proposed with \`admit\``;
      const isInForce = canonicalJson(memberJson(old)) === canonicalJson(memberJson(change.member));
      return isInForce ? `these keys of ${name} are in force already` : 'one of the keys stands twice';
    }
    case 'suspend':
    case 'accept-evidence':
    case 'remove': {
      const target = find(change.member);
      if (target === undefined) return `${change.member} is no member of this log: see \`governance list\``;
      if (!target.active && change.kind !== 'remove') return `${change.member} is suspended already`;
      const others = members.filter(({ name, active }) => active && name !== change.member);
      return others.length === 0 ? 'no active member would be left' : undefined;
    }
    case 'change-quorum':
      return same(quorum, change.quorum);
    case 'change-parameters':
      return same(parameters, change.parameters);
    case 'adopt-rule-set':
      return ruleSets.at(-1)?.digest === change.digest ? 'that rule set is in force already' : undefined;
    case 'open-epoch':
      return undefined;
  }
}
