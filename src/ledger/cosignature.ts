import { SIGNATURE_LENGTH } from './ed25519.ts';
import { encodeUtf8 } from './encoding.ts';
import { FormatError } from './format-error.ts';
import type { NoteSignature } from './note.ts';
import { COSIGNER_KEY } from './note-key.ts';
import type { NoteSigner } from './note-key.ts';

/** Timestamped Ed25519 cosignatures of checkpoints (C2SP tlog-cosignature, signature type 0x04). */

const TIMESTAMP_LENGTH = 8;

/** The message that is signed. @param text the checkpoint's text with its final newline */
export function cosignatureMessage(text: string, timestampSeconds: number): Uint8Array {
  return encodeUtf8(`cosignature/v1\ntime ${timestampSeconds}\n${text}`);
}

/**
 * Cosigns a checkpoint's text. The caller has checked consistency and saved what it signs: this is pure.
 * @param timestampSeconds whole seconds since the epoch
 * @throws {FormatError} malformed-key | malformed-cosignature
 */
export function cosign(text: string, signer: NoteSigner, timestampSeconds: number): NoteSignature {
  if (signer.key.type !== COSIGNER_KEY) throw new FormatError('malformed-key', 'not a cosigner key');
  if (!Number.isSafeInteger(timestampSeconds) || timestampSeconds < 0) {
    throw new FormatError('malformed-cosignature', 'the time is not in whole seconds');
  }
  const signature = new Uint8Array(TIMESTAMP_LENGTH + SIGNATURE_LENGTH);
  new DataView(signature.buffer).setBigUint64(0, BigInt(timestampSeconds));
  signature.set(signer.sign(cosignatureMessage(text, timestampSeconds)), TIMESTAMP_LENGTH);
  return { name: signer.key.name, keyId: signer.key.keyId, signature };
}

/** @throws {FormatError} malformed-cosignature: wrong length, or a time above 2^53 - 1 seconds */
export function splitCosignature(signature: Uint8Array): {
  readonly timestampSeconds: number;
  readonly ed25519: Uint8Array;
} {
  if (signature.length !== TIMESTAMP_LENGTH + SIGNATURE_LENGTH) {
    throw new FormatError('malformed-cosignature', 'a cosignature has 72 bytes');
  }
  const timestampSeconds = Number(new DataView(signature.buffer, signature.byteOffset).getBigUint64(0));
  if (!Number.isSafeInteger(timestampSeconds))
    throw new FormatError('malformed-cosignature', 'the time is out of range');
  return { timestampSeconds, ed25519: signature.subarray(TIMESTAMP_LENGTH) };
}
