import { expectCount, expectMembers, expectObject, expectString } from './canonical-json.ts';
import type { LedgerJson } from './canonical-json.ts';
import { decodeBase64, encodeBase64 } from './encoding.ts';
import { FormatError } from './format-error.ts';
import { memberJson, parseLogParameters, parseMember, parseQuorumRule, parseRuleSetDigest } from './genesis.ts';
import type { LogParameters, Member, QuorumRule } from './genesis.ts';

/** What members can decide, as data: no kind carries code or conditions of its own. */
export type Change =
  /** `acceptance`: a note by the new member's batch and origin keys over `acceptanceText`. */
  | { readonly kind: 'admit'; readonly member: Member; readonly acceptance: Uint8Array }
  | { readonly kind: 'suspend' | 'remove'; readonly member: string; readonly ground: Ground }
  /** The member as it will be; its former batch key stays valid for `graceLeaves` more leaves, for batches that are on their way. */
  | {
      readonly kind: 'rotate-key';
      readonly member: Member;
      readonly acceptance: Uint8Array;
      readonly graceLeaves: number;
    }
  | { readonly kind: 'change-quorum'; readonly quorum: QuorumRule }
  /** SHA-256 of the rule set, lowercase hex. */
  | { readonly kind: 'adopt-rule-set'; readonly digest: string }
  | { readonly kind: 'change-parameters'; readonly parameters: LogParameters }
  /** In force, it suspends the member. */
  | { readonly kind: 'accept-evidence'; readonly member: string; readonly evidence: Uint8Array }
  /** Ends this log at its last final checkpoint; the new one begins with the genesis file of this SHA-256. */
  | { readonly kind: 'open-epoch'; readonly size: number; readonly root: Uint8Array; readonly genesis: Uint8Array };

export type ChangeKind = Change['kind'];

/** Why others act on a member: an evidence file, or the size at which the log has stood still for want of its signature. */
export type Ground = { readonly evidence: Uint8Array } | { readonly freeze: number };

export const CHANGE_KINDS: readonly ChangeKind[] = [
  'admit',
  'suspend',
  'remove',
  'rotate-key',
  'change-quorum',
  'adopt-rule-set',
  'change-parameters',
  'accept-evidence',
  'open-epoch',
];

const MAXIMUM_GRACE_LEAVES = 10_000_000;

export function changeJson(change: Change): { readonly [name: string]: LedgerJson } {
  switch (change.kind) {
    case 'admit':
      return { kind: change.kind, member: memberJson(change.member), acceptance: encodeBase64(change.acceptance) };
    case 'suspend':
    case 'remove':
      return { kind: change.kind, member: change.member, ground: groundJson(change.ground) };
    case 'rotate-key':
      return {
        kind: change.kind,
        member: memberJson(change.member),
        acceptance: encodeBase64(change.acceptance),
        graceLeaves: change.graceLeaves,
      };
    case 'change-quorum':
      return { kind: change.kind, quorum: { ...change.quorum } };
    case 'adopt-rule-set':
      return { kind: change.kind, digest: change.digest };
    case 'change-parameters':
      return { kind: change.kind, parameters: { ...change.parameters } };
    case 'accept-evidence':
      return { kind: change.kind, member: change.member, evidence: encodeBase64(change.evidence) };
    case 'open-epoch':
      return {
        kind: change.kind,
        size: change.size,
        root: encodeBase64(change.root),
        genesis: encodeBase64(change.genesis),
      };
  }
}

/** @throws {FormatError} malformed-governance | malformed-json | malformed-genesis | malformed-key | malformed-encoding */
export function parseChange(value: LedgerJson | undefined, origin: string): Change {
  const object = expectObject(value, 'change');
  const kind = CHANGE_KINDS.find((known) => known === object['kind']);
  switch (kind) {
    case 'admit':
      expectMembers(object, ['acceptance', 'kind', 'member']);
      return { kind, member: parseMember(object['member'], origin), acceptance: bytesOf(object['acceptance']) };
    case 'suspend':
    case 'remove':
      expectMembers(object, ['ground', 'kind', 'member']);
      return { kind, member: expectString(object['member'], 'member'), ground: parseGround(object['ground']) };
    case 'rotate-key': {
      expectMembers(object, ['acceptance', 'graceLeaves', 'kind', 'member']);
      const graceLeaves = expectCount(object['graceLeaves'], 'graceLeaves');
      if (graceLeaves > MAXIMUM_GRACE_LEAVES) throw new FormatError('malformed-governance', 'the grace is too long');
      const acceptance = bytesOf(object['acceptance']);
      return { kind, member: parseMember(object['member'], origin), acceptance, graceLeaves };
    }
    case 'change-quorum':
      expectMembers(object, ['kind', 'quorum']);
      return { kind, quorum: parseQuorumRule(object['quorum']) };
    case 'adopt-rule-set':
      expectMembers(object, ['digest', 'kind']);
      return { kind, digest: parseRuleSetDigest(object['digest']) };
    case 'change-parameters':
      expectMembers(object, ['kind', 'parameters']);
      return { kind, parameters: parseLogParameters(object['parameters']) };
    case 'accept-evidence':
      expectMembers(object, ['evidence', 'kind', 'member']);
      return { kind, member: expectString(object['member'], 'member'), evidence: bytesOf(object['evidence']) };
    case 'open-epoch':
      expectMembers(object, ['genesis', 'kind', 'root', 'size']);
      return {
        kind,
        size: expectCount(object['size'], 'size'),
        root: hashOf(object['root']),
        genesis: hashOf(object['genesis']),
      };
    case undefined:
      throw new FormatError('malformed-governance', 'an unknown kind of change');
  }
}

/** The member that a change acts on against its will, and whose vote therefore does not count. */
export function targetOf(change: Change): string | undefined {
  return change.kind === 'suspend' || change.kind === 'remove' || change.kind === 'accept-evidence'
    ? change.member
    : undefined;
}

/** The evidence file that a change rests on. */
export function evidenceOf(change: Change): Uint8Array | undefined {
  if (change.kind === 'accept-evidence') return change.evidence;
  if (change.kind !== 'suspend' && change.kind !== 'remove') return undefined;
  return 'evidence' in change.ground ? change.ground.evidence : undefined;
}

function groundJson(ground: Ground): LedgerJson {
  return 'evidence' in ground ? { evidence: encodeBase64(ground.evidence) } : { freeze: ground.freeze };
}

function parseGround(value: LedgerJson | undefined): Ground {
  const object = expectObject(value, 'ground');
  if (object['evidence'] !== undefined) {
    expectMembers(object, ['evidence']);
    return { evidence: bytesOf(object['evidence']) };
  }
  expectMembers(object, ['freeze']);
  return { freeze: expectCount(object['freeze'], 'freeze') };
}

function bytesOf(value: LedgerJson | undefined): Uint8Array {
  return decodeBase64(expectString(value, 'bytes'));
}

function hashOf(value: LedgerJson | undefined): Uint8Array {
  const hash = bytesOf(value);
  if (hash.length !== 32) throw new FormatError('malformed-governance', 'a hash has 32 bytes');
  return hash;
}
