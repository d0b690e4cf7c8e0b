import { sha256 } from '../hash.ts';
import { KEY_LENGTH, isAdmissibleKey, signerFromSeed } from './ed25519.ts';
import { decodeBase64, encodeBase64, encodeUtf8 } from './encoding.ts';
import { FormatError } from './format-error.ts';

/** Keys of C2SP signed notes, in the text forms that the Go tools write: `name+hash+base64` and `PRIVATE+KEY+name+hash+base64`. */

/** Plain Ed25519 (`0x01`) or a timestamped cosignature (`0x04`, C2SP tlog-cosignature). */
export type NoteKeyType = 0x01 | 0x04;

export const PLAIN_KEY = 0x01;
export const COSIGNER_KEY = 0x04;

export interface VerifierKey {
  readonly name: string;
  readonly type: NoteKeyType;
  /** First four bytes of SHA-256(name || "\n" || type || public key), big-endian. */
  readonly keyId: number;
  /** Ed25519, 32 bytes. */
  readonly publicKey: Uint8Array;
  /** The key as a C2SP verifier key (vkey). */
  readonly text: string;
}

export interface NoteSigner {
  readonly key: VerifierKey;
  sign(message: Uint8Array): Uint8Array;
}

const MAXIMUM_NAME_BYTES = 255;
/** C2SP signed-note: control characters are those below U+0020. */
const UNFIT_IN_NAME = /[\p{White_Space}\u0000-\u001f+]/u;

/** Whether a key name may stand in a signed note: not empty, no Unicode space, no plus sign, at most 255 bytes. */
export function isKeyName(name: string): boolean {
  return (
    name !== '' && !UNFIT_IN_NAME.test(name) && name.isWellFormed() && encodeUtf8(name).length <= MAXIMUM_NAME_BYTES
  );
}

/**
 * @param publicKey Ed25519, 32 bytes
 * @throws {FormatError} malformed-key: a bad name, or a key that may not be admitted
 */
export function makeVerifierKey(name: string, type: NoteKeyType, publicKey: Uint8Array): VerifierKey {
  if (!isKeyName(name)) throw new FormatError('malformed-key', 'a bad key name');
  if (!isAdmissibleKey(publicKey)) throw new FormatError('malformed-key', 'not an admissible Ed25519 key');
  const material = typedMaterial(type, publicKey);
  const keyId = keyIdOf(name, material);
  const text = `${name}+${formatKeyId(keyId)}+${encodeBase64(material)}`;
  return { name, type, keyId, publicKey: publicKey.slice(), text };
}

/**
 * Reads a C2SP verifier key (vkey) of type 0x01 or 0x04. This is where keys are admitted.
 * @throws {FormatError} malformed-key
 */
export function parseVerifierKey(text: string): VerifierKey {
  const { name, keyId, type, material } = splitKey(text);
  const key = makeVerifierKey(name, type, material);
  if (key.keyId !== keyId) throw new FormatError('malformed-key', 'the key hash is not that of the key');
  return key;
}

/**
 * Makes a key pair from 32 random bytes; needs node:crypto.
 * @param seed 32 bytes from a cryptographic source
 * @returns `signerKey`, the secret text of a key file (`PRIVATE+KEY+…`), and `verifierKey`, its vkey
 */
export function generateSigningKey(args: {
  readonly name: string;
  readonly type: NoteKeyType;
  readonly seed: Uint8Array;
}): {
  readonly signerKey: string;
  readonly verifierKey: string;
} {
  const { publicKey } = signerFromSeed(args.seed);
  const key = makeVerifierKey(args.name, args.type, publicKey);
  const material = typedMaterial(args.type, args.seed);
  return {
    signerKey: `PRIVATE+KEY+${key.name}+${formatKeyId(key.keyId)}+${encodeBase64(material)}`,
    verifierKey: key.text,
  };
}

/**
 * Reads the text of a key file (one line; a newline at its end is allowed); needs node:crypto.
 * @throws {FormatError} malformed-key, never quoting the text
 */
export function parseSignerKey(text: string): NoteSigner {
  const prefix = 'PRIVATE+KEY+';
  if (!text.startsWith(prefix)) throw new FormatError('malformed-key', 'not a signer key');
  const { name, keyId, type, material } = splitKey(text.slice(prefix.length).replace(/\r?\n$/, ''));
  const signer = signerFromSeed(material);
  const key = makeVerifierKey(name, type, signer.publicKey);
  if (key.keyId !== keyId) throw new FormatError('malformed-key', 'the key hash is not that of the key');
  return { key, sign: signer.sign };
}

export function formatKeyId(keyId: number): string {
  return keyId.toString(16).padStart(8, '0');
}

function splitKey(text: string): { name: string; keyId: number; type: NoteKeyType; material: Uint8Array } {
  // Base64 may hold plus signs, names may not: the first two separate the parts.
  const parts = /^([^+]+)\+([0-9a-f]{8})\+(.+)$/.exec(text);
  if (parts === null) throw new FormatError('malformed-key', 'not name+hash+key');
  const [, name = '', keyId = '', encoded = ''] = parts;
  let typed: Uint8Array;
  try {
    typed = decodeBase64(encoded);
  } catch {
    throw new FormatError('malformed-key', 'the key is not base64');
  }
  const type = typed[0];
  if (type !== PLAIN_KEY && type !== COSIGNER_KEY) throw new FormatError('malformed-key', 'an unknown signature type');
  if (typed.length !== 1 + KEY_LENGTH) throw new FormatError('malformed-key', 'an Ed25519 key has 32 bytes');
  return { name, keyId: Number.parseInt(keyId, 16), type, material: typed.subarray(1) };
}

function typedMaterial(type: NoteKeyType, material: Uint8Array): Uint8Array {
  const typed = new Uint8Array(1 + material.length);
  typed[0] = type;
  typed.set(material, 1);
  return typed;
}

function keyIdOf(name: string, typed: Uint8Array): number {
  const digest = sha256(encodeUtf8(`${name}\n`), typed);
  return new DataView(digest.buffer, digest.byteOffset).getUint32(0);
}
