import { cosignatureMessage, splitCosignature } from './cosignature.ts';
import { verifyEd25519, verifyEd25519Portable } from './ed25519.ts';
import { decodeBase64, decodeUtf8, encodeBase64, encodeUtf8 } from './encoding.ts';
import { FormatError } from './format-error.ts';
import { VerificationError } from './merkle/verification-error.ts';
import { isKeyName } from './note-key.ts';
import type { NoteSigner, VerifierKey } from './note-key.ts';

/** Signed notes: text, an empty line, and one line for each signature (C2SP signed-note). */

export interface NoteSignature {
  readonly name: string;
  readonly keyId: number;
  /** What follows the key ID: 64 bytes of Ed25519, or 8 bytes of time before them in a cosignature. */
  readonly signature: Uint8Array;
}

export interface ParsedNote {
  /** With its final newline. */
  readonly text: string;
  readonly signatures: readonly NoteSignature[];
}

/** A signature that was checked. */
export interface VerifiedSignature {
  readonly key: VerifierKey;
  /** Of a cosignature: when it was made, seconds since the epoch. */
  readonly timestampSeconds: number | undefined;
  readonly signature: NoteSignature;
}

export const MAXIMUM_NOTE_BYTES = 1 << 20;
/** Go's `note` package, which most tools of the kind stand on, refuses a note with more signature lines. */
export const MAXIMUM_SIGNATURES = 100;
const SIGNATURE_LINE = /^— ([^ ]+) ([A-Za-z0-9+/=]+)$/;

/**
 * Reads a note without checking any signature: its text MUST NOT be believed before `verifyNote`.
 * @throws {FormatError} malformed-note | malformed-encoding | too-large
 */
export function parseNote(bytes: Uint8Array): ParsedNote {
  if (bytes.length > MAXIMUM_NOTE_BYTES) throw new FormatError('too-large', 'the note is too large');
  const whole = decodeUtf8(bytes);

  if (/[\u0000-\u0009\u000b-\u001f]/.test(whole)) throw new FormatError('malformed-note', 'a control character');
  const separator = whole.lastIndexOf('\n\n');
  if (separator < 0 || !whole.endsWith('\n')) throw new FormatError('malformed-note', 'no signatures');
  const lines = whole.slice(separator + 2, -1).split('\n');
  if (lines.length > MAXIMUM_SIGNATURES) throw new FormatError('too-large', 'too many signatures');
  return { text: whole.slice(0, separator + 1), signatures: lines.map(parseSignatureLine) };
}

/** @throws {FormatError} malformed-note */
export function parseSignatureLine(line: string): NoteSignature {
  const parts = SIGNATURE_LINE.exec(line);
  const name = parts?.[1] ?? '';
  if (parts === null || !isKeyName(name)) throw new FormatError('malformed-note', 'not a signature line');
  const blob = decodeBase64(parts[2] ?? '');
  if (blob.length < 5) throw new FormatError('malformed-note', 'the signature is too short');
  const keyId = new DataView(blob.buffer, blob.byteOffset).getUint32(0);
  return { name, keyId, signature: blob.subarray(4) };
}

/** One signature line, without its newline. */
export function formatSignatureLine({ name, keyId, signature }: NoteSignature): string {
  const blob = new Uint8Array(4 + signature.length);
  new DataView(blob.buffer).setUint32(0, keyId);
  blob.set(signature, 4);
  return `— ${name} ${encodeBase64(blob)}`;
}

/** Bytes of a note. @param text ends in a newline and holds no control characters @throws {FormatError} malformed-note */
export function formatNote(text: string, signatures: readonly NoteSignature[]): Uint8Array {
  if (!text.endsWith('\n')) throw new FormatError('malformed-note', 'the text does not end in a newline');
  return encodeUtf8(`${text}\n${signatures.map((signature) => `${formatSignatureLine(signature)}\n`).join('')}`);
}

/** A note signed by plain keys (type 0x01); cosignatures carry a time and are made by `cosign`. */
export function signNote(text: string, signers: readonly NoteSigner[]): Uint8Array {
  return formatNote(
    text,
    signers.map((signer) => signText(text, signer)),
  );
}

/** One plain signature over a note's text. @throws {FormatError} malformed-key for a cosigner key */
export function signText(text: string, signer: NoteSigner): NoteSignature {
  if (signer.key.type !== 0x01) throw new FormatError('malformed-key', 'not a plain note key');
  return { name: signer.key.name, keyId: signer.key.keyId, signature: signer.sign(encodeUtf8(text)) };
}

/**
 * Reads a note and checks the signatures of known keys; needs node:crypto.
 * @throws {FormatError} as `parseNote`
 * @throws {VerificationError} bad-signature: a known key's signature is wrong, or no known key signed
 */
export function openNote(
  bytes: Uint8Array,
  keys: readonly VerifierKey[],
): ParsedNote & { readonly verified: readonly VerifiedSignature[] } {
  const note = parseNote(bytes);
  const verified = verifyNote(note, keys);
  if (verified.length === 0) throw new VerificationError('bad-signature', 'no known key signed this note');
  return { ...note, verified };
}

/**
 * Checks the signatures of known keys, ignoring those of unknown ones; needs node:crypto.
 * A key counts once: of several lines by one key only the first is looked at.
 * @returns one element for each known key that signed; empty where none did
 * @throws {VerificationError} bad-signature: a line by a known key does not verify
 */
export function verifyNote(note: ParsedNote, keys: readonly VerifierKey[]): readonly VerifiedSignature[] {
  return claimsOf(note, keys).map((claim) => {
    return accept(claim, verifyEd25519(claim.key.publicKey, claim.message, claim.ed25519));
  });
}

/** As `verifyNote`, by WebCrypto: runs anywhere, and checks the signatures of one note side by side (measured: a receipt in a third of the time). */
export async function verifyNotePortable(
  note: ParsedNote,
  keys: readonly VerifierKey[],
): Promise<readonly VerifiedSignature[]> {
  const claims = claimsOf(note, keys);
  return Promise.all(
    claims.map(async (claim) =>
      accept(claim, await verifyEd25519Portable(claim.key.publicKey, claim.message, claim.ed25519)),
    ),
  );
}

/** How a verifier checks notes: `verifyNotePortable`, or something that counts or caches. */
export type CheckNote = (note: ParsedNote, keys: readonly VerifierKey[]) => Promise<readonly VerifiedSignature[]>;

interface SignatureClaim extends VerifiedSignature {
  readonly message: Uint8Array;
  readonly ed25519: Uint8Array;
}

function claimsOf(note: ParsedNote, keys: readonly VerifierKey[]): SignatureClaim[] {
  const claims: SignatureClaim[] = [];
  for (const signature of note.signatures) {
    const key = keys.find(({ name, keyId }) => name === signature.name && keyId === signature.keyId);
    if (key === undefined || claims.some((claim) => claim.key === key)) continue;
    if (key.type === 0x01) {
      const message = encodeUtf8(note.text);
      claims.push({ key, signature, timestampSeconds: undefined, message, ed25519: signature.signature });
    } else {
      const { timestampSeconds, ed25519 } = readCosignature(key, signature);
      const message = cosignatureMessage(note.text, timestampSeconds);
      claims.push({ key, signature, timestampSeconds, message, ed25519 });
    }
  }
  return claims;
}

/** A line by a known key that is no cosignature at all is a wrong signature, not a note of another format. */
function readCosignature(key: VerifierKey, { signature }: NoteSignature): ReturnType<typeof splitCosignature> {
  try {
    return splitCosignature(signature);
  } catch (cause) {
    throw new VerificationError('bad-signature', `the cosignature by ${key.name} is malformed`, { cause });
  }
}

function accept({ key, signature, timestampSeconds }: SignatureClaim, valid: boolean): VerifiedSignature {
  if (!valid) throw new VerificationError('bad-signature', `the signature by ${key.name} is wrong`);
  return { key, signature, timestampSeconds };
}
