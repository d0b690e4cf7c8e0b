import { sha256 } from '../hash.ts';
import {
  canonicalJsonBytes,
  expectArray,
  expectCount,
  expectMembers,
  expectObject,
  expectString,
  parseCanonicalJson,
} from './canonical-json.ts';
import type { LedgerJson } from './canonical-json.ts';
import { isOrigin } from './checkpoint.ts';
import { decodeBase64, encodeBase64, encodeUtf8 } from './encoding.ts';
import { FormatError } from './format-error.ts';
import { encodeFrame } from './frame.ts';
import { parsePreviousLog, previousJson, type PreviousLog } from './genesis-previous.ts';
import { HeaderLines, isMemberName } from './header-lines.ts';
import { COSIGNER_KEY, isKeyName, PLAIN_KEY, parseVerifierKey } from './note-key.ts';
import type { NoteKeyType, VerifierKey } from './note-key.ts';

/** The genesis file: what every verifier pins, and leaf 0 of the log. Strict JSON in RFC 8785 form, `docs/ledger-format.md` section "Genesis". */

export interface Member {
  readonly name: string;
  /** Signs batches, cuts and governance: type 0x01, key name = member. */
  readonly batchKey: VerifierKey;
  /** Signs checkpoints as the log: type 0x01, key name = origin. */
  readonly originKey: VerifierKey;
  /** Cosigns checkpoints: type 0x04, key name = `<member>/cosigner`. */
  readonly cosignerKey: VerifierKey;
  /** X25519 public key, 32 bytes, for tags that only the counterpart of an exchange recognises. */
  readonly agreementKey: Uint8Array;
}

/** A checkpoint is final when more than numerator/denominator of the members cosigned it; at least 2/3. */
export interface QuorumRule {
  readonly numerator: number;
  readonly denominator: number;
}

export interface LogParameters {
  /** A cut is due this long after the first leaf that is no cut. */
  readonly cutIntervalMs: number;
  /** A cut is due this long after the last where nothing else came. */
  readonly idleCutIntervalMs: number;
  /** No new final checkpoint for this long is a freeze. */
  readonly freezeAfterMs: number;
  /** For how many cuts after an adoption events may still name the previous rule set. */
  readonly ruleSetGraceCuts: number;
}

export const DEFAULT_LOG_PARAMETERS: LogParameters = {
  cutIntervalMs: 1000,
  idleCutIntervalMs: 30_000,
  freezeAfterMs: 90_000,
  ruleSetGraceCuts: 600,
};
export const TWO_THIRDS: QuorumRule = { numerator: 2, denominator: 3 };

export interface Genesis {
  readonly origin: string;
  readonly members: readonly Member[];
  readonly quorum: QuorumRule;
  readonly parameters: LogParameters;
  /** SHA-256 of rule set 0, lowercase hex. */
  readonly ruleSet: string;
  /** The log that this one goes on from after an epoch change. */
  readonly previous?: PreviousLog | undefined;
}

export const MAXIMUM_GENESIS_BYTES = 256 * 1024;
export const MAXIMUM_MEMBERS = 64;
const FORMAT = 'concordat/genesis/v1';
const TITLE = 'concordat/genesis/v1';

/** How many of `memberCount` members make a quorum: floor(n * 2/3) + 1 by the default rule, so all of them below four. */
export function quorumSize(memberCount: number, { numerator, denominator }: QuorumRule): number {
  return Math.min(memberCount, Math.floor((memberCount * numerator) / denominator) + 1);
}

/** Bytes of the genesis file. @throws {FormatError} malformed-genesis: what `parseGenesis` would refuse */
export function buildGenesis(genesis: Genesis): Uint8Array {
  const bytes = canonicalJsonBytes({
    format: FORMAT,
    origin: genesis.origin,
    members: genesis.members.map(memberJson),
    quorum: { ...genesis.quorum },
    parameters: { ...genesis.parameters },
    ruleSet: genesis.ruleSet,
    ...(genesis.previous === undefined ? {} : { previous: previousJson(genesis.previous) }),
  });
  parseGenesis(bytes);
  return bytes;
}

/** @throws {FormatError} malformed-genesis | malformed-json | malformed-key | too-large */
export function parseGenesis(bytes: Uint8Array): Genesis {
  const file = expectObject(parseCanonicalJson(bytes, MAXIMUM_GENESIS_BYTES), 'the genesis');
  expectMembers(file, ['format', 'members', 'origin', 'parameters', 'quorum', 'ruleSet'], ['previous']);
  if (file['format'] !== FORMAT) throw new FormatError('malformed-genesis', 'an unknown format');
  const origin = expectString(file['origin'], 'origin');
  if (!isKeyName(origin) || !isOrigin(origin))
    throw new FormatError('malformed-genesis', 'the origin cannot be a key name');
  const members = expectArray(file['members'], 'members').map((member) => parseMember(member, origin));
  assertDistinctMembers(members);
  const previous = file['previous'];
  return {
    origin,
    members,
    quorum: parseQuorumRule(file['quorum']),
    parameters: parseLogParameters(file['parameters']),
    ruleSet: parseRuleSetDigest(file['ruleSet']),
    ...(previous === undefined ? {} : { previous: parsePreviousLog(previous, origin) }),
  };
}

/** What a verifier pins: SHA-256 of the genesis file, 32 bytes. */
export function genesisHash(bytes: Uint8Array): Uint8Array {
  return sha256(bytes);
}

/** The topic record that must be leaf 0: an unsigned header that names the file by hash, and the file. */
export function genesisFrame(bytes: Uint8Array): Uint8Array {
  const { origin } = parseGenesis(bytes);
  const hash = encodeBase64(genesisHash(bytes));
  const header = encodeUtf8(`${TITLE}\nlog ${origin}\nbytes ${bytes.length}\nbody ${hash}\n`);
  return encodeFrame({ kind: 'genesis', header, body: bytes });
}

/** Hash of the genesis file that a header names. @throws {FormatError} malformed-genesis */
export function parseGenesisHeader(text: string): { readonly log: string; readonly bodyHash: Uint8Array } {
  const lines = new HeaderLines(text, TITLE, 'malformed-genesis');
  const log = lines.text('log');
  lines.count('bytes', 1, MAXIMUM_GENESIS_BYTES);
  const bodyHash = lines.hash('body');
  lines.end();
  return { log, bodyHash };
}

/** A member as it stands in the genesis and in proposals. */
export function memberJson(member: Member): { readonly [name: string]: LedgerJson } {
  return {
    name: member.name,
    batchKey: member.batchKey.text,
    originKey: member.originKey.text,
    cosignerKey: member.cosignerKey.text,
    agreementKey: encodeBase64(member.agreementKey),
  };
}

/** @throws {FormatError} malformed-genesis | malformed-json | malformed-key */
export function parseMember(value: LedgerJson | undefined, origin: string): Member {
  const object = expectObject(value, 'a member');
  expectMembers(object, ['agreementKey', 'batchKey', 'cosignerKey', 'name', 'originKey']);
  const name = expectString(object['name'], 'name');
  if (!isMemberName(name)) throw new FormatError('malformed-genesis', 'a bad member name');
  const agreementKey = decodeBase64(expectString(object['agreementKey'], 'agreementKey'));
  if (agreementKey.length !== 32) throw new FormatError('malformed-genesis', 'an X25519 key has 32 bytes');
  return {
    name,
    batchKey: parseNamedKey(object['batchKey'], name, PLAIN_KEY),
    originKey: parseNamedKey(object['originKey'], origin, PLAIN_KEY),
    cosignerKey: parseNamedKey(object['cosignerKey'], `${name}/cosigner`, COSIGNER_KEY),
    agreementKey,
  };
}

/** @throws {FormatError} malformed-genesis unless 2/3 <= numerator/denominator < 1 and the denominator is at most 100 */
export function parseQuorumRule(value: LedgerJson | undefined): QuorumRule {
  const object = expectObject(value, 'quorum');
  expectMembers(object, ['denominator', 'numerator']);
  const numerator = expectCount(object['numerator'], 'numerator');
  const denominator = expectCount(object['denominator'], 'denominator');
  // Below two thirds, two quorums need not share an honest member, and two final checkpoints could differ.
  if (denominator > 100 || numerator >= denominator || 3 * numerator < 2 * denominator) {
    throw new FormatError('malformed-genesis', 'a quorum is at least two thirds, and less than all by rule');
  }
  return { numerator, denominator };
}

/** @throws {FormatError} malformed-genesis */
export function parseLogParameters(value: LedgerJson | undefined): LogParameters {
  const object = expectObject(value, 'parameters');
  expectMembers(object, ['cutIntervalMs', 'freezeAfterMs', 'idleCutIntervalMs', 'ruleSetGraceCuts']);
  const parameter = (name: string, minimum: number, maximum: number) => {
    const count = expectCount(object[name], name);
    if (count < minimum || count > maximum) throw new FormatError('malformed-genesis', `${name} is out of range`);
    return count;
  };
  const day = 86_400_000;
  return {
    cutIntervalMs: parameter('cutIntervalMs', 10, day),
    idleCutIntervalMs: parameter('idleCutIntervalMs', 10, day),
    freezeAfterMs: parameter('freezeAfterMs', 10, day),
    ruleSetGraceCuts: parameter('ruleSetGraceCuts', 0, 10_000_000),
  };
}

/** SHA-256 in lowercase hex. @throws {FormatError} malformed-genesis */
export function parseRuleSetDigest(value: LedgerJson | undefined): string {
  const digest = expectString(value, 'ruleSet');
  if (!/^[0-9a-f]{64}$/.test(digest)) throw new FormatError('malformed-genesis', 'a rule-set digest is 64 hex digits');
  return digest;
}

/** @throws {FormatError} malformed-genesis: no members, too many, or a name or key that stands twice */
export function assertDistinctMembers(members: readonly Member[]): void {
  if (members.length < 1 || members.length > MAXIMUM_MEMBERS)
    throw new FormatError('malformed-genesis', '1 to 64 members');
  const names = new Set(members.map(({ name }) => name));
  const keys = members.flatMap(({ batchKey, originKey, cosignerKey, agreementKey }) => {
    return [batchKey.publicKey, originKey.publicKey, cosignerKey.publicKey, agreementKey].map(encodeBase64);
  });
  if (names.size !== members.length) throw new FormatError('malformed-genesis', 'a member stands twice');
  if (new Set(keys).size !== keys.length) throw new FormatError('malformed-genesis', 'a key stands twice');
}

/** @throws {FormatError} malformed-key unless it is a key of this name and type */
export function parseNamedKey(value: LedgerJson | undefined, name: string, type: NoteKeyType): VerifierKey {
  const key = parseVerifierKey(expectString(value, 'a key'));
  if (key.name !== name || key.type !== type)
    throw new FormatError('malformed-key', 'a key has the wrong name or type');
  return key;
}
