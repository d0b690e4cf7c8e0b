import { sha256 } from '../hash.ts';
import { NO_PREVIOUS_HEADER, parseBatchBody, parseBatchHeader } from './batch.ts';
import type { ParsedBatchHeader } from './batch.ts';
import { parseCutHeader } from './cut.ts';
import type { Cut } from './cut.ts';
import { parseEvent } from './event.ts';
import type { LedgerEvent } from './event.ts';
import { readOrUndefined } from './format-error.ts';
import { parseFrame } from './frame.ts';
import type { Frame } from './frame.ts';
import { sameHash } from './merkle/tree-hash.ts';
import { VerificationError } from './merkle/verification-error.ts';
import { verifyNote } from './note.ts';
import type { ParsedNote } from './note.ts';
import type { VerifierKey } from './note-key.ts';

/**
 * What a leaf is, judged by the state before it. Verdicts never decide what is in the tree: every record is a leaf, and a record that is
 * not accepted stays one.
 */
export type Verdict =
  | 'accepted'
  /** Already accepted; for a cut: its number is not the next. Harmless. */
  | 'duplicate'
  /** Another batch of this number was accepted, or the chain continues otherwise: the two headers are evidence. */
  | 'conflict'
  | 'gap'
  | 'bad-signature'
  | 'unknown-member'
  | 'suspended'
  | 'bad-body'
  | 'not-canonical'
  | 'wrong-log'
  | 'void';

/** What the judge must know, as in force at the record's leaf. */
export interface JudgeState {
  readonly origin: string;
  /** `batchKeys`: every key in force, more than one while a rotation overlaps. Undefined for who never was a member or was removed. */
  member(name: string): { readonly active: boolean; readonly batchKeys: readonly VerifierKey[] } | undefined;
  /** The last accepted batch of a chain; undefined before the first. In a log that goes on from another: batch 0 and its last final header. */
  writerHead(
    member: string,
    writer: string,
  ): { readonly batch: number; readonly headerHash: Uint8Array; readonly nextEvent: number } | undefined;
  /** SHA-256 of the header that was accepted under this number. */
  acceptedHeader(member: string, writer: string, batch: number): Uint8Array | undefined;
  /** Number of the last accepted cut, 0 before the first. */
  readonly lastCut: number;
}

export interface AcceptedBatch {
  readonly kind: 'batch';
  readonly verdict: 'accepted';
  readonly headerHash: Uint8Array;
  readonly header: ParsedBatchHeader;
  readonly body: Uint8Array;
  /** Views into `body`, in order. */
  readonly eventBytes: readonly Uint8Array[];
  readonly events: readonly LedgerEvent[];
}

export interface RefusedBatch {
  readonly kind: 'batch';
  readonly verdict: Exclude<Verdict, 'accepted' | 'void'>;
  readonly headerHash: Uint8Array;
  /** Undefined where it cannot be read. Its words are believed only where the verdict comes after the signature check. */
  readonly header: ParsedBatchHeader | undefined;
  /** With `bad-body`: true where the record does not carry the body that its header names, so that a peer may still have it. */
  readonly bodyMissing: boolean;
}

export interface JudgedCut {
  readonly kind: 'cut';
  readonly verdict: Exclude<Verdict, 'conflict' | 'bad-body' | 'void'>;
  readonly headerHash: Uint8Array;
  readonly cut: Cut | undefined;
}

/** Judged by governance.ts and by who pins the genesis, not here. */
export interface UnjudgedRecord {
  readonly kind: 'governance' | 'genesis';
  readonly headerHash: Uint8Array;
  readonly frame: Frame;
}

export type Judgement =
  | AcceptedBatch
  | RefusedBatch
  | JudgedCut
  | UnjudgedRecord
  | { readonly kind: 'void'; readonly verdict: 'void' }
  /** Framed, but its header begins like nothing we know. */
  | { readonly kind: 'unknown'; readonly verdict: 'not-canonical'; readonly headerHash: Uint8Array };

/**
 * Judges one topic record. Pure; never throws on any bytes. Needs node:crypto.
 * What a record is, is taken from its header's first line: the leaf covers it, while the frame's type byte could be altered on the way.
 */
export function judgeFrame(record: Uint8Array | Frame, state: JudgeState): Judgement {
  const frame = record instanceof Uint8Array ? parseFrame(record) : record;
  if (frame === undefined) return { kind: 'void', verdict: 'void' };
  const headerHash = sha256(frame.header);
  switch (titleOf(frame.header)) {
    case 'concordat/batch/v1':
      return judgeBatch(frame, headerHash, state);
    case 'concordat/cut/v1':
      return judgeCut(frame, headerHash, state);
    case 'concordat/governance/v1':
      return { kind: 'governance', headerHash, frame };
    case 'concordat/genesis/v1':
      return { kind: 'genesis', headerHash, frame };
    default:
      return { kind: 'unknown', verdict: 'not-canonical', headerHash };
  }
}

function judgeBatch(frame: Frame, headerHash: Uint8Array, state: JudgeState): AcceptedBatch | RefusedBatch {
  const refuse = (verdict: RefusedBatch['verdict'], header?: ParsedBatchHeader, bodyMissing = false): RefusedBatch => {
    return { kind: 'batch', verdict, headerHash, header, bodyMissing };
  };
  const header = readOrUndefined(() => parseBatchHeader(frame.header));
  if (header === undefined) return refuse('not-canonical');
  const fault = judgeSigner(header, state);
  if (fault !== undefined) return refuse(fault, header);
  const place = judgePlace(header, headerHash, state);
  if (place !== 'next') return refuse(place, header);
  if (!sameHash(sha256(frame.body), header.bodyHash)) return refuse('bad-body', header, true);
  const eventBytes = readOrUndefined(() => parseBatchBody(header, frame.body));
  if (eventBytes === undefined) return refuse('bad-body', header);
  const events = readOrUndefined(() => eventBytes.map(parseEvent));
  if (events === undefined) return refuse('not-canonical', header);
  return { kind: 'batch', verdict: 'accepted', headerHash, header, body: frame.body, eventBytes, events };
}

function judgeCut(frame: Frame, headerHash: Uint8Array, state: JudgeState): JudgedCut {
  const cut = readOrUndefined(() => parseCutHeader(frame.header));
  if (cut === undefined) return { kind: 'cut', verdict: 'not-canonical', headerHash, cut };
  const fault = judgeSigner(cut, state);
  if (fault !== undefined) return { kind: 'cut', verdict: fault, headerHash, cut };
  const verdict = cut.cut <= state.lastCut ? 'duplicate' : cut.cut > state.lastCut + 1 ? 'gap' : 'accepted';
  return { kind: 'cut', verdict, headerHash, cut };
}

/** Who signed, before anything that the header says is believed; also for governance records. */
export function judgeSigner(
  header: { readonly log: string; readonly member: string; readonly note: ParsedNote },
  state: Pick<JudgeState, 'origin' | 'member'>,
): 'wrong-log' | 'unknown-member' | 'suspended' | 'bad-signature' | undefined {
  if (header.log !== state.origin) return 'wrong-log';
  const member = state.member(header.member);
  if (member === undefined) return 'unknown-member';
  try {
    if (verifyNote(header.note, member.batchKeys).length === 0) return 'bad-signature';
  } catch (error) {
    if (error instanceof VerificationError && error.code === 'bad-signature') return 'bad-signature';
    throw error;
  }
  return member.active ? undefined : 'suspended';
}

function judgePlace(
  header: ParsedBatchHeader,
  headerHash: Uint8Array,
  state: JudgeState,
): 'next' | 'duplicate' | 'conflict' | 'gap' {
  const { member, writer, batch } = header;
  const head = state.writerHead(member, writer) ?? { batch: 0, headerHash: NO_PREVIOUS_HEADER, nextEvent: 0 };
  if (batch > head.batch + 1) return 'gap';
  if (batch <= head.batch) {
    const accepted = state.acceptedHeader(member, writer, batch);
    return accepted !== undefined && sameHash(accepted, headerHash) ? 'duplicate' : 'conflict';
  }
  return sameHash(header.prev, head.headerHash) && header.firstEvent === head.nextEvent ? 'next' : 'conflict';
}

function titleOf(header: Uint8Array): string {
  const end = header.indexOf(0x0a);
  // Longer than every title we know: enough to tell that it is none.
  return String.fromCharCode(...header.subarray(0, end < 0 || end > 40 ? 40 : end));
}
