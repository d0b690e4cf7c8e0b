import { decodeBase64, decodeUtf8, encodeBase64, encodeUtf8, parseDecimal } from './encoding.ts';
import { FormatError } from './format-error.ts';

/** The request body of C2SP tlog-witness `add-checkpoint`: `old N`, a consistency proof, an empty line, the checkpoint. */
export interface AddCheckpointRequest {
  /** Size that the witness is believed to have cosigned last. */
  readonly oldSize: number;
  /** Consistency proof from `oldSize`, 32 bytes each; empty when it is 0 or the checkpoint's own size. */
  readonly proof: readonly Uint8Array[];
  /** The signed note. */
  readonly note: Uint8Array;
}

export const MAXIMUM_ADD_CHECKPOINT_BYTES = 64 * 1024;
const MAXIMUM_PROOF_HASHES = 63;

export function formatAddCheckpoint({ oldSize, proof, note }: AddCheckpointRequest): Uint8Array {
  const head = encodeUtf8([`old ${String(oldSize)}`, ...proof.map(encodeBase64), '', ''].join('\n'));
  const body = new Uint8Array(head.length + note.length);
  body.set(head);
  body.set(note, head.length);
  return body;
}

/** Anybody may send this. @throws {FormatError} malformed-checkpoint | malformed-encoding | too-large */
export function parseAddCheckpoint(body: Uint8Array): AddCheckpointRequest {
  if (body.length > MAXIMUM_ADD_CHECKPOINT_BYTES) throw new FormatError('too-large', 'the request is too large');
  const text = decodeUtf8(body);
  const end = text.indexOf('\n\n');
  if (end < 0) throw new FormatError('malformed-checkpoint', 'no empty line');
  const [first = '', ...proofLines] = text.slice(0, end).split('\n');
  const oldSize = first.startsWith('old ') ? parseDecimal(first.slice(4)) : undefined;
  if (oldSize === undefined) throw new FormatError('malformed-checkpoint', 'no old size');
  if (proofLines.length > MAXIMUM_PROOF_HASHES) throw new FormatError('too-large', 'the proof is too long');
  const proof = proofLines.map(decodeBase64);
  if (proof.some((hash) => hash.length !== 32)) throw new FormatError('malformed-checkpoint', 'a hash has 32 bytes');
  return { oldSize, proof, note: encodeUtf8(text.slice(end + 2)) };
}
