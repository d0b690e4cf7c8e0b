import { decodeBase64, decodeUtf8, encodeBase64, parseDecimal } from './encoding.ts';
import { FormatError } from './format-error.ts';
import { HASH_LENGTH } from './merkle/tree-hash.ts';

/** A proof that a leaf is in a signed tree, as one text file (C2SP tlog-proof). */
export interface TlogProof {
  /** Opaque to the format; not covered by any signature. */
  readonly extra: Uint8Array | undefined;
  readonly index: number;
  /** Sibling hashes, leaf to root, 32 bytes each. */
  readonly path: readonly Uint8Array[];
  /** The signed checkpoint, byte for byte. */
  readonly checkpoint: Uint8Array;
}

export const TLOG_PROOF_TITLE = 'c2sp.org/tlog-proof@v1';
/** A receipt may carry the history of its log's keys, in base64 twice. */
export const MAXIMUM_PROOF_BYTES = 1 << 25;
/** A tree of 2^53 leaves is 53 levels high. */
const MAXIMUM_PATH = 53;

export function formatTlogProof({ extra, index, path, checkpoint }: TlogProof): string {
  const head = [
    TLOG_PROOF_TITLE,
    ...(extra === undefined ? [] : [`extra ${encodeBase64(extra)}`]),
    `index ${index}`,
    ...path.map(encodeBase64),
  ];
  return `${head.join('\n')}\n\n${decodeUtf8(checkpoint)}`;
}

/** Whether a file says of itself that it is such a proof; anything else is some other file. */
export function isTlogProof(bytes: Uint8Array): boolean {
  const title = `${TLOG_PROOF_TITLE}\n`;
  return bytes.length >= title.length && [...title].every((character, i) => bytes[i] === character.charCodeAt(0));
}

/** Reads a proof without checking anything. @throws {FormatError} malformed-receipt | malformed-encoding | too-large */
export function parseTlogProof(bytes: Uint8Array): TlogProof {
  if (bytes.length > MAXIMUM_PROOF_BYTES) throw new FormatError('too-large', 'the proof is too large');
  if (!isTlogProof(bytes)) throw new FormatError('malformed-receipt', 'not a tlog-proof');
  const end = indexOfEmptyLine(bytes);
  if (end < 0) throw new FormatError('malformed-receipt', 'no checkpoint');
  const lines = decodeUtf8(bytes.subarray(0, end)).split('\n').slice(1);
  let extra: Uint8Array | undefined;
  if (lines[0]?.startsWith('extra ') === true) extra = decodeBase64((lines.shift() ?? '').slice('extra '.length));
  const indexLine = lines.shift() ?? '';
  const index = indexLine.startsWith('index ') ? parseDecimal(indexLine.slice('index '.length)) : undefined;
  if (index === undefined) throw new FormatError('malformed-receipt', 'no leaf index');
  if (lines.length > MAXIMUM_PATH) throw new FormatError('malformed-receipt', 'the path is too long');
  const path = lines.map(decodeBase64);
  if (path.some((hash) => hash.length !== HASH_LENGTH))
    throw new FormatError('malformed-receipt', 'a hash has 32 bytes');
  return { extra, index, path, checkpoint: bytes.subarray(end + 2) };
}

function indexOfEmptyLine(bytes: Uint8Array): number {
  for (let i = bytes.indexOf(0x0a); i >= 0; i = bytes.indexOf(0x0a, i + 1)) {
    if (bytes[i + 1] === 0x0a) return i;
  }
  return -1;
}
