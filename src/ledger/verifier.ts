import { sha256 } from '../hash.ts';
import { parseBatchHeader } from './batch.ts';
import type { ParsedBatchHeader } from './batch.ts';
import { parseSignedCheckpoint } from './checkpoint.ts';
import type { ParsedCheckpoint } from './checkpoint.ts';
import { verifyEpoch } from './epoch.ts';
import { parseEvent } from './event.ts';
import type { LedgerEvent } from './event.ts';
import { FormatError } from './format-error.ts';
import { parseGenesis } from './genesis.ts';
import type { Genesis } from './genesis.ts';
import { verifyHistory } from './governance-history.ts';
import { activeMembers, batchKeysAt, genesisState, quorumOf, versionAtSize } from './governance-state.ts';
import type { GovernanceState, GovernanceVersion } from './governance-state.ts';
import { headerLeafBytes } from './leaf.ts';
import { leafHash } from './merkle/tree-hash.ts';
import { VerificationError } from './merkle/verification-error.ts';
import { verifyInclusion } from './merkle/verify.ts';
import { verifyNotePortable } from './note.ts';
import type { CheckNote, ParsedNote } from './note.ts';
import type { VerifierKey } from './note-key.ts';
import { buildPolicy, evaluatePolicy, parsePolicy, policyKeys } from './policy.ts';
import type { Policy } from './policy.ts';
import { parseReceipt } from './receipt.ts';
import type { Receipt } from './receipt.ts';
import { isTlogProof } from './tlog-proof.ts';

/** The receipt check for outsiders: no network, no clock, no Node imports; runs in a browser. */

/** What a receipt proves, once `verifyReceipt` resolves. */
export interface ReceiptFacts {
  readonly origin: string;
  /** Index of the batch's leaf, and the checkpoint that it was proved to be in. */
  readonly index: number;
  readonly size: number;
  /** Root at `size`, 32 bytes. */
  readonly root: Uint8Array;
  readonly event: LedgerEvent;
  readonly eventBytes: Uint8Array;
  /** Place in the batch, from 0, and the event's number in its writer's chain. */
  readonly position: number;
  readonly eventNumber: number;
  readonly writer: string;
  readonly batch: number;
  /** Name of the member whose key signed the batch, or `not checked` with a policy alone. */
  readonly author: string;
  /** Who cosigned the checkpoint, by name, and when the last of them did, seconds since the epoch. */
  readonly cosigners: readonly string[];
  readonly cosignedSeconds: number | undefined;
}

export const AUTHOR_NOT_CHECKED = 'not checked';

/**
 * Checks a receipt: inclusion, quorum and, with a genesis, the author.
 * @param args.receipt a tlog-proof file
 * @param args.genesis the genesis file that the caller pins
 * @param args.policy  a tlog-policy file; alone it leaves the author unchecked, beside a genesis both must hold
 * @param args.history governance history from the genesis on; taken from the receipt itself when left out
 * @param args.ended   where the log is known to have ended: the epoch file and the next log's genesis; no checkpoint beyond that end counts. It may
 *   take the history of the whole log to check it
 * @param args.checkNote how signatures are checked; by default with WebCrypto
 * @throws {FormatError} something is no file of its kind at all
 * @throws {VerificationError} the receipt does not hold; `malformed-receipt` where a part of it cannot even be read
 */
export async function verifyReceipt(args: {
  readonly receipt: Uint8Array;
  readonly genesis?: Uint8Array | undefined;
  readonly policy?: string | undefined;
  readonly history?: Uint8Array | undefined;
  readonly ended?: { readonly epoch: Uint8Array; readonly genesis: Uint8Array } | undefined;
  readonly checkNote?: CheckNote;
}): Promise<ReceiptFacts> {
  const genesis = args.genesis === undefined ? undefined : parseGenesis(args.genesis);
  const policyFile = args.policy === undefined ? undefined : parsePolicy(args.policy);
  if (genesis === undefined && policyFile === undefined) {
    throw new FormatError('malformed-policy', 'a genesis or a policy is needed');
  }
  const checkNote = args.checkNote ?? verifyNotePortable;
  const read = readReceipt(args.receipt);
  const { receipt, header, event, checkpoint } = read;
  if (header.log !== checkpoint.origin) throw new VerificationError('wrong-log', 'the batch belongs to another log');
  verifyPath(receipt, header, checkpoint);
  const state = genesis && (await governanceOf(genesis, args.history, receipt, checkNote));
  if (state !== undefined && args.ended !== undefined) {
    const endSize = await endOf(args.ended, state, args.history === undefined, checkNote);
    if (checkpoint.size > endSize)
      throw new VerificationError('log-ended', 'the checkpoint lies beyond the end that the members gave this log');
  }
  const policies = [
    ...(state === undefined ? [] : [membershipPolicy(versionAtSize(state, checkpoint.size))]),
    ...(policyFile === undefined ? [] : [policyFile]),
  ];
  const cosigners = new Set<string>();
  const times: number[] = [];
  for (const policy of policies) {
    const signatures = await checkNote(read.note, policyKeys(policy));
    for (const name of evaluatePolicy(policy, checkpoint.origin, signatures)) cosigners.add(name);
    for (const { timestampSeconds } of signatures) if (timestampSeconds !== undefined) times.push(timestampSeconds);
  }
  if (state !== undefined) refuseBrokenLines(read.note, policies.flatMap(policyKeys));
  const author = state === undefined ? AUTHOR_NOT_CHECKED : await verifyAuthor(header, state, receipt.index, checkNote);
  return {
    origin: checkpoint.origin,
    index: receipt.index,
    size: checkpoint.size,
    root: checkpoint.root,
    event,
    eventBytes: receipt.extra.event,
    position: receipt.extra.position,
    eventNumber: header.firstEvent + receipt.extra.position,
    writer: header.writer,
    batch: header.batch,
    author,
    cosigners: [...cosigners],
    cosignedSeconds: times.length === 0 ? undefined : Math.max(...times),
  };
}

/** The policy that a membership stands for. */
export function membershipPolicy(version: GovernanceVersion): Policy {
  return buildPolicy({ members: activeMembers(version), quorum: quorumOf(version) });
}

/**
 * A line under a known key's name with another key ID, or the reverse, is ignored in notes at large. In a receipt, whose checkpoint carries lines by keys in
 * force and by outside witnesses only, it is a damaged line.
 */
function refuseBrokenLines(note: ParsedNote, keys: readonly VerifierKey[]): void {
  for (const { name, keyId } of note.signatures) {
    const isKnown = keys.some((key) => key.name === name && key.keyId === keyId);
    if (isKnown || !keys.some((key) => key.name === name || key.keyId === keyId)) continue;
    throw new VerificationError('bad-signature', 'a signature line names one key and carries the ID of another');
  }
}

async function governanceOf(
  genesis: Genesis,
  given: Uint8Array | undefined,
  receipt: Receipt,
  checkNote: CheckNote,
): Promise<GovernanceState> {
  if (given !== undefined) return verifyHistory({ history: given, genesis, checkNote });
  const { history } = receipt.extra;
  if (history === undefined) return genesisState(genesis);
  try {
    return await verifyHistory({ history, genesis, checkNote });
  } catch (cause) {
    if (cause instanceof FormatError) throw unreadablePart(cause);
    throw cause;
  }
}

/** Size at which the members ended the log. @param isPartial whether `state` ends where the receipt's own history does */
async function endOf(
  ended: { readonly epoch: Uint8Array; readonly genesis: Uint8Array },
  state: GovernanceState,
  isPartial: boolean,
  checkNote: CheckNote,
): Promise<number> {
  try {
    const { previous } = await verifyEpoch({ ...ended, state, checkNote });
    return previous?.size ?? 0;
  } catch (cause) {
    // Who ended the log may have joined it, or changed keys, after this receipt.
    const isUnknown =
      cause instanceof VerificationError &&
      ['unknown-member', 'suspended', 'bad-signature', 'no-quorum'].includes(cause.code);
    if (!isPartial || !isUnknown) throw cause;
    const text = 'the epoch does not hold by the receipt’s own history; give the history of the whole log (--history)';
    throw new VerificationError('history-broken', text, { cause });
  }
}

function readReceipt(bytes: Uint8Array): {
  readonly receipt: Receipt;
  readonly header: ParsedBatchHeader;
  readonly event: LedgerEvent;
  readonly note: ParsedNote;
  readonly checkpoint: ParsedCheckpoint;
} {
  if (!isTlogProof(bytes)) throw new FormatError('malformed-receipt', 'not a receipt');
  try {
    const receipt = parseReceipt(bytes);
    const { note, checkpoint } = parseSignedCheckpoint(receipt.checkpoint);
    if (checkpoint.extensions.length > 0) throw new FormatError('malformed-checkpoint', 'a line too many');
    const event = parseEvent(receipt.extra.event);
    return { receipt, header: parseBatchHeader(receipt.extra.header), event, note, checkpoint };
  } catch (cause) {
    if (cause instanceof FormatError) throw unreadablePart(cause);
    throw cause;
  }
}

/** A file that calls itself a receipt and has an unreadable part is one that does not hold, not some other file. */
function unreadablePart(cause: FormatError): VerificationError {
  return new VerificationError('malformed-receipt', `the receipt cannot be read: ${cause.message}`, { cause });
}

function verifyPath({ index, path, extra }: Receipt, header: ParsedBatchHeader, checkpoint: ParsedCheckpoint): void {
  try {
    const { position } = extra;
    const leaf = leafHash(extra.event);
    verifyInclusion({ index: position, size: header.count, leafHash: leaf, proof: extra.path, root: header.root });
  } catch (cause) {
    throw new VerificationError('event-mismatch', 'the event is not in the batch', { cause });
  }
  const leaf = leafHash(headerLeafBytes(sha256(extra.header)));
  verifyInclusion({ index, size: checkpoint.size, leafHash: leaf, proof: path, root: checkpoint.root });
}

async function verifyAuthor(
  header: ParsedBatchHeader,
  state: GovernanceState,
  leafIndex: number,
  checkNote: CheckNote,
): Promise<string> {
  const member = batchKeysAt(state, header.member, leafIndex);
  if (member === undefined) throw new VerificationError('unknown-member', 'the batch is by no member');
  const signatures = await checkNote(header.note, member.batchKeys);
  if (signatures.length === 0)
    throw new VerificationError('bad-signature', 'the batch is signed by no key of its member');
  if (!member.active) throw new VerificationError('suspended', 'the batch is by a member that was suspended');
  return header.member;
}
