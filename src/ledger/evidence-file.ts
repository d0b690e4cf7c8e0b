import { parseBatchHeader } from './batch.ts';
import {
  canonicalJsonBytes,
  expectArray,
  expectMembers,
  expectObject,
  expectString,
  parseCanonicalJson,
} from './canonical-json.ts';
import type { LedgerJson } from './canonical-json.ts';
import { parseSignedCheckpoint } from './checkpoint.ts';
import { decodeBase64, encodeBase64 } from './encoding.ts';
import { FormatError } from './format-error.ts';
import { sameHash } from './merkle/tree-hash.ts';
import { VerificationError } from './merkle/verification-error.ts';
import { verifyConsistency } from './merkle/verify.ts';
import { verifyNotePortable } from './note.ts';
import type { CheckNote, ParsedNote } from './note.ts';
import type { VerifierKey } from './note-key.ts';

/**
 * A file that shows to anyone, offline, that a member signed two things of which at most one can be true. It carries nothing but what the
 * member signed and, where sizes differ, the hashes that connect them.
 */
export type Evidence =
  /** Two headers with one number in one chain, and different words. */
  | { readonly kind: 'two-batches'; readonly member: string; readonly first: Uint8Array; readonly second: Uint8Array }
  /** Two signed checkpoints of one log, of which neither tree begins with the other; `first` is not the larger. */
  | {
      readonly kind: 'two-trees';
      readonly member: string;
      readonly first: Uint8Array;
      readonly second: Uint8Array;
      /** Where sizes differ: the root that the second tree has at the first size, and the consistency proof from there. */
      readonly connection: { readonly root: Uint8Array; readonly path: readonly Uint8Array[] } | undefined;
    };

/** The keys that a member signed with: of any time, since a contradiction does not age. */
export interface EvidenceKeys {
  readonly batchKeys: readonly VerifierKey[];
  /** Origin and cosigner keys. */
  readonly checkpointKeys: readonly VerifierKey[];
}

export const MAXIMUM_EVIDENCE_BYTES = 256 * 1024;
const FORMAT = 'concordat/evidence/v1';

/** Bytes of an evidence file, in RFC 8785 form. */
export function formatEvidence(evidence: Evidence): Uint8Array {
  const { kind, member } = evidence;
  const pair = { first: encodeBase64(evidence.first), second: encodeBase64(evidence.second) };
  const connection = kind === 'two-trees' ? evidence.connection : undefined;
  return canonicalJsonBytes({
    format: FORMAT,
    kind,
    member,
    ...pair,
    ...(connection === undefined
      ? {}
      : { connection: { root: encodeBase64(connection.root), path: connection.path.map(encodeBase64) } }),
  });
}

/** @throws {FormatError} malformed-evidence | malformed-json | malformed-encoding | too-large */
export function parseEvidence(bytes: Uint8Array): Evidence {
  const object = expectObject(parseCanonicalJson(bytes, MAXIMUM_EVIDENCE_BYTES), 'the evidence');
  expectMembers(object, ['first', 'format', 'kind', 'member', 'second'], ['connection']);
  if (object['format'] !== FORMAT) throw new FormatError('malformed-evidence', 'an unknown format');
  const kind = expectString(object['kind'], 'kind');
  const member = expectString(object['member'], 'member');
  const first = decodeBase64(expectString(object['first'], 'first'));
  const second = decodeBase64(expectString(object['second'], 'second'));
  if (kind === 'two-batches' && object['connection'] === undefined) return { kind, member, first, second };
  if (kind === 'two-trees') return { kind, member, first, second, connection: parseConnection(object['connection']) };
  throw new FormatError('malformed-evidence', 'an unknown kind');
}

/**
 * Checks that the evidence contradicts itself and that the member signed both sides. No network, no clock; runs anywhere.
 * @param args.keysOf keys of a member by name; undefined where there is no such member
 * @throws {FormatError} as `parseEvidence`, and where a side cannot be read
 * @throws {VerificationError} unknown-member | bad-signature | no-contradiction | wrong-log, or what a consistency proof fails with
 */
export async function verifyEvidence(args: {
  readonly evidence: Uint8Array;
  readonly origin: string;
  readonly keysOf: (member: string) => EvidenceKeys | undefined;
  readonly checkNote?: CheckNote;
}): Promise<Evidence> {
  const evidence = parseEvidence(args.evidence);
  const keys = args.keysOf(evidence.member);
  if (keys === undefined) throw new VerificationError('unknown-member', 'the evidence is about no member');
  const checkNote = args.checkNote ?? verifyNotePortable;
  const notes = evidenceNotes(evidence, args.origin);
  const relevant = evidence.kind === 'two-batches' ? keys.batchKeys : keys.checkpointKeys;
  for (const note of notes) {
    const signatures = await checkNote(note, relevant);
    if (signatures.length === 0) throw new VerificationError('bad-signature', 'a side is not signed by the member');
  }
  return evidence;
}

/**
 * Checks that the two sides contradict each other, and returns the notes that the member must have signed.
 * @throws {FormatError} a side cannot be read
 * @throws {VerificationError} no-contradiction | wrong-log, or what a consistency proof fails with
 */
export function evidenceNotes(evidence: Evidence, origin: string): readonly ParsedNote[] {
  const sides = [evidence.first, evidence.second] as const;
  return evidence.kind === 'two-batches'
    ? checkBatches(sides, evidence.member, origin)
    : checkTrees(sides, origin, evidence.connection);
}

function checkBatches(sides: readonly [Uint8Array, Uint8Array], member: string, origin: string) {
  const [first, second] = [parseBatchHeader(sides[0]), parseBatchHeader(sides[1])];
  for (const header of [first, second]) {
    if (header.log !== origin) throw new VerificationError('wrong-log', 'a batch of another log');
    if (header.member !== member) throw new VerificationError('no-contradiction', 'a batch of another member');
  }
  // The same words signed twice are one statement, so it is the texts that must differ.
  if (first.writer !== second.writer || first.batch !== second.batch || first.note.text === second.note.text) {
    throw new VerificationError('no-contradiction', 'two batches that may both be');
  }
  return [first.note, second.note];
}

function checkTrees(
  sides: readonly [Uint8Array, Uint8Array],
  origin: string,
  connection: { readonly root: Uint8Array; readonly path: readonly Uint8Array[] } | undefined,
) {
  const [first, second] = [parseSignedCheckpoint(sides[0]), parseSignedCheckpoint(sides[1])];
  const [tree1, tree2] = [first.checkpoint, second.checkpoint];
  if (tree1.origin !== origin || tree2.origin !== origin)
    throw new VerificationError('wrong-log', 'a tree of another log');
  const rootAtFirst = connection?.root ?? tree2.root;
  if (connection !== undefined) {
    const { root, path } = connection;
    verifyConsistency({ size1: tree1.size, size2: tree2.size, root1: root, root2: tree2.root, proof: path });
  } else if (tree1.size !== tree2.size) {
    throw new VerificationError('no-contradiction', 'nothing connects two trees of different sizes');
  }
  if (sameHash(tree1.root, rootAtFirst)) throw new VerificationError('no-contradiction', 'two trees that may both be');
  return [first.note, second.note];
}

function parseConnection(value: LedgerJson | undefined) {
  if (value === undefined) return undefined;
  const object = expectObject(value, 'connection');
  expectMembers(object, ['path', 'root']);
  return {
    root: decodeBase64(expectString(object['root'], 'root')),
    path: expectArray(object['path'], 'path').map((hash) => decodeBase64(expectString(hash, 'a hash'))),
  };
}
