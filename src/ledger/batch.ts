import { sha256 } from '../hash.ts';
import { encodeBase64 } from './encoding.ts';
import { encodeEntryBundle, parseEntryBundle } from './entry-bundle.ts';
import { MAXIMUM_EVENT_BYTES } from './event.ts';
import { FormatError } from './format-error.ts';
import { encodeFrame } from './frame.ts';
import { HeaderLines, isMemberName } from './header-lines.ts';
import { leafHash, treeRoot } from './merkle/tree-hash.ts';
import { parseNote, signNote } from './note.ts';
import type { ParsedNote } from './note.ts';
import type { NoteSigner } from './note-key.ts';

/** A writer's batch of events: a signed header over a body in entry-bundle form. */

export const MAXIMUM_BATCH_EVENTS = 256;
/** What stands in `prev` of a writer's first batch. */
export const NO_PREVIOUS_HEADER: Uint8Array = new Uint8Array(32);
const TITLE = 'concordat/batch/v1';

/** What a batch's header says. */
export interface BatchHeader {
  /** Origin of the log. */
  readonly log: string;
  readonly member: string;
  /** Name of the gateway within its member; member and writer together name a chain of batches. */
  readonly writer: string;
  /** Number in the chain, from 1. */
  readonly batch: number;
  /** SHA-256 of the header of batch - 1, 32 bytes; zeroes before the first. */
  readonly prev: Uint8Array;
  /** Number of the first event in the chain, from 0. */
  readonly firstEvent: number;
  /** 1–256. */
  readonly count: number;
  /** RFC 6962 root of the events. */
  readonly root: Uint8Array;
  readonly bodyBytes: number;
  /** SHA-256 of the body. */
  readonly bodyHash: Uint8Array;
}

export interface ParsedBatchHeader extends BatchHeader {
  readonly note: ParsedNote;
}

/** A batch that was just signed. */
export interface BuiltBatch {
  /** The topic record. */
  readonly frame: Uint8Array;
  readonly header: Uint8Array;
  readonly body: Uint8Array;
  /** SHA-256 of the header: the next batch's `prev`. */
  readonly headerHash: Uint8Array;
  readonly firstEvent: number;
  readonly count: number;
}

/**
 * Signs a batch. Pure: the caller saves the frame before it sends it, and never signs one number twice.
 * @param args.prev   32 bytes
 * @param args.events canonical event bytes (`encodeEvent`), 1–256 of them
 * @param args.signer the member's batch key: type 0x01, key name = member
 * @throws {FormatError} malformed-batch | too-large
 */
export function buildBatch(args: {
  readonly log: string;
  readonly member: string;
  readonly writer: string;
  readonly batch: number;
  readonly prev: Uint8Array;
  readonly firstEvent: number;
  readonly events: readonly Uint8Array[];
  readonly signer: NoteSigner;
}): BuiltBatch {
  const { events, signer, firstEvent } = args;
  if (events.length < 1 || events.length > MAXIMUM_BATCH_EVENTS)
    throw new FormatError('malformed-batch', 'a batch has 1 to 256 events');
  if (events.some((event) => event.length > MAXIMUM_EVENT_BYTES))
    throw new FormatError('too-large', 'an event is too large');
  if (signer.key.name !== args.member) throw new FormatError('malformed-batch', 'the key is not the member’s');
  const body = encodeEntryBundle(events);
  const text = formatBatchHeader({
    log: args.log,
    member: args.member,
    writer: args.writer,
    batch: args.batch,
    prev: args.prev,
    firstEvent,
    count: events.length,
    root: batchRoot(events),
    bodyBytes: body.length,
    bodyHash: sha256(body),
  });
  const header = signNote(text, [signer]);
  const frame = encodeFrame({ kind: 'batch', header, body });
  return { frame, header, body, headerHash: sha256(header), firstEvent, count: events.length };
}

/**
 * Reads a batch's header, without checking its signature.
 * @throws {FormatError} malformed-batch | malformed-note | malformed-encoding
 */
export function parseBatchHeader(header: Uint8Array): ParsedBatchHeader {
  const note = parseNote(header);
  const lines = new HeaderLines(note.text, TITLE, 'malformed-batch');
  const parsed: ParsedBatchHeader = {
    log: lines.text('log'),
    member: lines.text('member'),
    writer: lines.text('writer'),
    batch: lines.count('batch', 1),
    prev: lines.hash('prev'),
    firstEvent: lines.count('first', 0, Number.MAX_SAFE_INTEGER - MAXIMUM_BATCH_EVENTS),
    count: lines.count('count', 1, MAXIMUM_BATCH_EVENTS),
    root: lines.hash('root'),
    bodyBytes: lines.count('bytes', 1, MAXIMUM_BATCH_EVENTS * (2 + MAXIMUM_EVENT_BYTES)),
    bodyHash: lines.hash('body'),
    note,
  };
  lines.end();
  assertSoleSigner(note, parsed.member, 'malformed-batch');
  if (!isMemberName(parsed.member) || !isMemberName(parsed.writer))
    throw new FormatError('malformed-batch', 'a bad name');
  return parsed;
}

/**
 * Event bytes of a body that has the header's hash.
 * @throws {FormatError} malformed-entry-bundle | malformed-batch | too-large: count, length or root are not what the header says
 */
export function parseBatchBody(header: BatchHeader, body: Uint8Array): Uint8Array[] {
  if (body.length !== header.bodyBytes) throw new FormatError('malformed-batch', 'another length than the header says');
  const events = parseEntryBundle(body, MAXIMUM_BATCH_EVENTS);
  if (events.length !== header.count) throw new FormatError('malformed-batch', 'another count than the header says');
  const root = batchRoot(events);
  if (root.some((byte, i) => byte !== header.root[i]))
    throw new FormatError('malformed-batch', 'another root than the header says');
  return events;
}

/** One signature line and no other, under this name: a second would give the same batch a second hash. */
export function assertSoleSigner(
  note: ParsedNote,
  name: string,
  code: 'malformed-batch' | 'malformed-cut' | 'malformed-governance',
): void {
  if (note.signatures.length !== 1 || note.signatures[0]?.name !== name) {
    throw new FormatError(code, 'one signature, by the member that is named');
  }
}

function formatBatchHeader(header: BatchHeader): string {
  if (!isMemberName(header.member) || !isMemberName(header.writer))
    throw new FormatError('malformed-batch', 'a bad name');
  return [
    TITLE,
    `log ${header.log}`,
    `member ${header.member}`,
    `writer ${header.writer}`,
    `batch ${header.batch}`,
    `prev ${encodeBase64(header.prev)}`,
    `first ${header.firstEvent}`,
    `count ${header.count}`,
    `root ${encodeBase64(header.root)}`,
    `bytes ${header.bodyBytes}`,
    `body ${encodeBase64(header.bodyHash)}`,
    '',
  ].join('\n');
}

function batchRoot(events: readonly Uint8Array[]): Uint8Array {
  return treeRoot(events.map((event) => leafHash(event)));
}
