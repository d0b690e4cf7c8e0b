import { encodeUtf8, parseDecimal } from './encoding.ts';
import { FormatError } from './format-error.ts';
import { VerificationError } from './merkle/verification-error.ts';
import type { VerifiedSignature } from './note.ts';
import { COSIGNER_KEY, parseVerifierKey, PLAIN_KEY } from './note-key.ts';
import type { VerifierKey } from './note-key.ts';

/** Which signatures make a checkpoint valid: one of the logs, and a quorum of witnesses (C2SP tlog-policy). */
export interface Policy {
  readonly logs: readonly VerifierKey[];
  readonly witnesses: readonly { readonly name: string; readonly key: VerifierKey }[];
  readonly groups: readonly PolicyGroup[];
  /** Name of a witness or group, or `none`. */
  readonly quorum: string;
}

export interface PolicyGroup {
  readonly name: string;
  readonly threshold: number;
  readonly members: readonly string[];
}

export const MAXIMUM_POLICY_BYTES = 256 * 1024;

/** The policy that a membership stands for: each origin key a log, each cosigner a witness, `quorum` of them in one group. */
export function buildPolicy(args: {
  readonly members: readonly {
    readonly name: string;
    readonly originKey: VerifierKey;
    readonly cosignerKey: VerifierKey;
  }[];
  readonly quorum: number;
}): Policy {
  const names = args.members.map(({ name }) => name);
  return {
    logs: args.members.map(({ originKey }) => originKey),
    witnesses: args.members.map(({ name, cosignerKey }) => ({ name, key: cosignerKey })),
    // A key name holds no colon in our own logs, so that the group cannot collide with a member's name.
    groups: [{ name: 'quorum:members', threshold: args.quorum, members: names }],
    quorum: 'quorum:members',
  };
}

/** Text of a policy file. */
export function formatPolicy({ logs, witnesses, groups, quorum }: Policy): string {
  return [
    ...logs.map((key) => `log ${key.text}`),
    ...witnesses.map(({ name, key }) => `witness ${name} ${key.text}`),
    ...groups.map(({ name, threshold, members }) => `group ${name} ${threshold} ${members.join(' ')}`),
    `quorum ${quorum}`,
    '',
  ].join('\n');
}

/** Reads a policy file. @throws {FormatError} malformed-policy | malformed-key | too-large */
export function parsePolicy(text: string): Policy {
  if (encodeUtf8(text).length > MAXIMUM_POLICY_BYTES) throw new FormatError('too-large', 'the policy is too large');

  if (/[\u0000-\u0008\u000b-\u001f\u007f]/.test(text)) throw new FormatError('malformed-policy', 'a control character');
  const logs: VerifierKey[] = [];
  const witnesses: { name: string; key: VerifierKey }[] = [];
  const groups: PolicyGroup[] = [];
  let quorum: string | undefined;
  const free = new Set<string>();
  const defined = new Set<string>(['none']);
  const define = (name: string) => {
    if (defined.has(name)) throw new FormatError('malformed-policy', 'a name is defined twice');
    defined.add(name);
    free.add(name);
  };
  for (const line of text.split('\n')) {
    const [keyword, ...items] = line.split(/[ \t]+/).filter((item) => item !== '');
    if (keyword === undefined || keyword.startsWith('#')) continue;
    switch (keyword) {
      case 'log': {
        const key = parsePolicyKey(items[0], items.length <= 2, logs);
        if (key.type !== PLAIN_KEY) throw new FormatError('malformed-policy', 'a log key is of type 0x01');
        logs.push(key);
        break;
      }
      case 'witness': {
        const [name = '', vkey] = items;
        const key = parsePolicyKey(
          vkey,
          items.length <= 3,
          witnesses.map((witness) => witness.key),
        );
        if (key.type !== COSIGNER_KEY) throw new FormatError('malformed-policy', 'a witness key is of type 0x04');
        define(name);
        witnesses.push({ name, key });
        break;
      }
      case 'group': {
        const group = parseGroup(items, free);
        define(group.name);
        groups.push(group);
        break;
      }
      case 'quorum':
        if (quorum !== undefined || items.length !== 1)
          throw new FormatError('malformed-policy', 'one quorum, one name');
        if (!defined.has(items[0] as string)) throw new FormatError('malformed-policy', 'the quorum is not defined');
        quorum = items[0] as string;
        break;
      default:
        throw new FormatError('malformed-policy', 'an unknown keyword');
    }
  }
  if (quorum === undefined) throw new FormatError('malformed-policy', 'no quorum');
  return { logs, witnesses, groups, quorum };
}

/** Every key that the policy names: what to give to `verifyNote`. */
export function policyKeys(policy: Policy): readonly VerifierKey[] {
  return [...policy.logs, ...policy.witnesses.map(({ key }) => key)];
}

/**
 * Checks verified signatures of a checkpoint against the policy.
 * @param verified what `verifyNote(note, policyKeys(policy))` returned
 * @returns names of the witnesses that cosigned
 * @throws {VerificationError} unknown-log: no listed log with this origin signed | no-quorum
 */
export function evaluatePolicy(
  policy: Policy,
  origin: string,
  verified: readonly VerifiedSignature[],
): readonly string[] {
  const signed = (key: VerifierKey) => verified.some((signature) => signature.key === key);
  // A log's key name must be the checkpoint's origin: else one listed log could speak for another.
  if (policy.logs.length > 0 && !policy.logs.some((key) => key.name === origin && signed(key))) {
    throw new VerificationError('unknown-log', 'no log of the policy signed this checkpoint');
  }
  const cosigned = policy.witnesses.filter(({ key }) => signed(key)).map(({ name }) => name);
  const satisfied = new Set<string>(['none', ...cosigned]);
  // A group refers only to what stands before it, so one pass settles all.
  for (const { name, threshold, members } of policy.groups) {
    if (members.filter((member) => satisfied.has(member)).length >= threshold) satisfied.add(name);
  }
  if (!satisfied.has(policy.quorum))
    throw new VerificationError('no-quorum', 'too few witnesses cosigned this checkpoint');
  return cosigned;
}

function parsePolicyKey(vkey: string | undefined, rightCount: boolean, known: readonly VerifierKey[]): VerifierKey {
  if (vkey === undefined || !rightCount) throw new FormatError('malformed-policy', 'wrong number of items');
  const key = parseVerifierKey(vkey);
  if (known.some(({ publicKey }) => publicKey.every((byte, i) => byte === key.publicKey[i]))) {
    throw new FormatError('malformed-policy', 'a key stands twice');
  }
  return key;
}

function parseGroup([name, thresholdText = '', ...members]: readonly string[], free: Set<string>): PolicyGroup {
  if (name === undefined || members.length === 0) throw new FormatError('malformed-policy', 'a group has a member');
  const named = thresholdText === 'all' ? members.length : thresholdText === 'any' ? 1 : parseDecimal(thresholdText);
  if (named === undefined || named < 1 || named > members.length) {
    throw new FormatError('malformed-policy', 'a threshold is between 1 and the number of members');
  }
  for (const member of members) {
    // Each name once, so that one witness counts in one way only.
    if (!free.delete(member)) throw new FormatError('malformed-policy', 'a group member is unknown or stands twice');
  }
  return { name, threshold: named, members };
}
