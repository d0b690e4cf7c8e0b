import { decodeBase64, encodeBase64, encodeUtf8, parseDecimal } from './encoding.ts';
import { FormatError } from './format-error.ts';
import { HASH_LENGTH } from './merkle/tree-hash.ts';
import { parseNote } from './note.ts';
import type { ParsedNote } from './note.ts';

/** The text of a checkpoint: origin, tree size and root, a line each (C2SP tlog-checkpoint). */
export interface Checkpoint {
  readonly origin: string;
  /** Number of leaves, up to 2^53 - 1. */
  readonly size: number;
  /** 32 bytes. */
  readonly root: Uint8Array;
}

export interface ParsedCheckpoint extends Checkpoint {
  /** Lines after the third, of logs by others; our own logs write none. */
  readonly extensions: readonly string[];
}

/** Text to be signed, with its final newline and without extension lines. @throws {FormatError} malformed-checkpoint */
export function formatCheckpoint({ origin, size, root }: Checkpoint): string {
  if (!isOrigin(origin)) throw new FormatError('malformed-checkpoint', 'a bad origin');
  if (!Number.isSafeInteger(size) || size < 0) throw new FormatError('malformed-checkpoint', 'a bad size');
  if (root.length !== HASH_LENGTH) throw new FormatError('malformed-checkpoint', 'a root has 32 bytes');
  return `${origin}\n${size}\n${encodeBase64(root)}\n`;
}

/** Reads the text of a checkpoint; who signed it is for `verifyNote`. @throws {FormatError} malformed-checkpoint | malformed-encoding */
export function parseCheckpoint(text: string): ParsedCheckpoint {
  if (!text.endsWith('\n')) throw new FormatError('malformed-checkpoint', 'no final newline');
  const [origin, sizeText, rootText, ...extensions] = text.slice(0, -1).split('\n');
  if (origin === undefined || sizeText === undefined || rootText === undefined) {
    throw new FormatError('malformed-checkpoint', 'fewer than three lines');
  }
  const size = parseDecimal(sizeText);
  if (!isOrigin(origin) || size === undefined) throw new FormatError('malformed-checkpoint', 'a bad origin or size');
  const root = decodeBase64(rootText);
  if (root.length !== HASH_LENGTH) throw new FormatError('malformed-checkpoint', 'a root has 32 bytes');
  if (extensions.includes('')) throw new FormatError('malformed-checkpoint', 'an empty extension line');
  return { origin, size, root, extensions };
}

/** A whole signed checkpoint, not yet verified. @throws {FormatError} */
export function parseSignedCheckpoint(bytes: Uint8Array): {
  readonly note: ParsedNote;
  readonly checkpoint: ParsedCheckpoint;
} {
  const note = parseNote(bytes);
  return { note, checkpoint: parseCheckpoint(note.text) };
}

/** An origin is one non-empty line of at most 255 bytes without control characters. */
export function isOrigin(origin: string): boolean {
  return origin !== '' && origin.isWellFormed() && encodeUtf8(origin).length <= 255 && !/\p{Cc}/u.test(origin);
}
