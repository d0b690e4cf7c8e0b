import { FormatError } from './format-error.ts';
import { VerificationError } from './merkle/verification-error.ts';

/**
 * Ed25519 with one pinned rule (RFC 8032): S < L, canonical encodings of A and R, neither of them of low order, and the cofactorless
 * equation as the platform checks it. What is checked here before the platform is asked is what platforms are known to differ in.
 */
const nodeCrypto = globalThis.process?.getBuiltinModule?.('node:crypto');

export const KEY_LENGTH = 32;
export const SIGNATURE_LENGTH = 64;

/** DER of SubjectPublicKeyInfo and PKCS #8 around the 32 bytes of an Ed25519 key (RFC 8410). */
const SPKI_PREFIX = Uint8Array.of(0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00);
const PKCS8_PREFIX = Uint8Array.of(
  0x30,
  0x2e,
  0x02,
  0x01,
  0x00,
  0x30,
  0x05,
  0x06,
  0x03,
  0x2b,
  0x65,
  0x70,
  0x04,
  0x22,
  0x04,
  0x20,
);

/** Order of the base point, little-endian. */
const GROUP_ORDER = littleEndian((1n << 252n) + 27742317777372353535851937790883648493n);
const FIELD_PRIME = littleEndian((1n << 255n) - 19n);
/** The y coordinates of the eight points whose order divides 8 (two points each, but for 1 and p - 1). */
const LOW_ORDER_Y: readonly Uint8Array[] = [
  0n,
  1n,
  (1n << 255n) - 20n,
  2707385501144840649318225287225658788936804267575313519463743609750303402022n,
  55188659117513257062467267217118295137698188065244968500265048394206261417927n,
].map(littleEndian);

/** A private key that can sign and never shows its bytes. */
export interface Ed25519Signer {
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
  /** 64 bytes, deterministic (RFC 8032 section 5.1.6). */
  sign(message: Uint8Array): Uint8Array;
}

/** Whether a public key may be admitted: 32 bytes, canonical, and not of low order (a low-order key signs everything). */
export function isAdmissibleKey(publicKey: Uint8Array): boolean {
  return isAcceptablePoint(publicKey);
}

/**
 * Checks a signature, synchronously; needs node:crypto.
 * @throws {VerificationError} unavailable where there is no node:crypto
 */
export function verifyEd25519(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  if (nodeCrypto === undefined) throw new VerificationError('unavailable', 'no synchronous Ed25519 on this platform');
  if (!passesPinnedRule(publicKey, signature)) return false;
  const key = nodeCrypto.createPublicKey({
    key: concat(SPKI_PREFIX, publicKey) as Buffer,
    format: 'der',
    type: 'spki',
  });
  return nodeCrypto.verify(null, message, key, signature);
}

/** Checks a signature by WebCrypto, anywhere. @throws {VerificationError} unavailable where WebCrypto has no Ed25519 */
export async function verifyEd25519Portable(
  publicKey: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
): Promise<boolean> {
  if (!passesPinnedRule(publicKey, signature)) return false;
  const subtle = globalThis.crypto?.subtle;
  if (subtle === undefined) throw new VerificationError('unavailable', 'no WebCrypto here');
  let key: CryptoKey;
  try {
    key = await subtle.importKey('raw', publicKey.slice(), { name: 'Ed25519' }, false, ['verify']);
  } catch (cause) {
    // Some platforms refuse a key that is not on the curve when it is imported, others when it is used.
    if (cause instanceof Error && cause.name === 'DataError') return false;
    throw new VerificationError('unavailable', 'WebCrypto has no Ed25519 here', { cause });
  }
  return subtle.verify({ name: 'Ed25519' }, key, signature.slice(), message.slice());
}

/**
 * A signer from its 32-byte seed (RFC 8032 section 5.1.5); needs node:crypto.
 * @throws {FormatError} malformed-key
 */
export function signerFromSeed(seed: Uint8Array): Ed25519Signer {
  if (nodeCrypto === undefined) throw new VerificationError('unavailable', 'no Ed25519 signing on this platform');
  if (seed.length !== KEY_LENGTH) throw new FormatError('malformed-key', 'an Ed25519 seed has 32 bytes');
  const { createPrivateKey, createPublicKey, sign } = nodeCrypto;
  const key = createPrivateKey({ key: concat(PKCS8_PREFIX, seed) as Buffer, format: 'der', type: 'pkcs8' });
  const spki = createPublicKey(key).export({ format: 'der', type: 'spki' });
  return {
    publicKey: new Uint8Array(spki.subarray(SPKI_PREFIX.length)),
    sign: (message) => new Uint8Array(sign(null, message, key)),
  };
}

function passesPinnedRule(publicKey: Uint8Array, signature: Uint8Array): boolean {
  return (
    signature.length === SIGNATURE_LENGTH &&
    isAcceptablePoint(publicKey) &&
    isAcceptablePoint(signature.subarray(0, KEY_LENGTH)) &&
    isBelow(signature.subarray(KEY_LENGTH), GROUP_ORDER)
  );
}

/** Canonical (y < p) and not of low order; the two encodings of x = 0 with the sign bit set are of low order, so they are refused too. */
function isAcceptablePoint(encoded: Uint8Array): boolean {
  if (encoded.length !== KEY_LENGTH) return false;
  const y = encoded.slice();
  y[KEY_LENGTH - 1] = (y[KEY_LENGTH - 1] as number) & 0x7f;
  return isBelow(y, FIELD_PRIME) && !LOW_ORDER_Y.some((low) => low.every((byte, i) => byte === y[i]));
}

/** a < b, both little-endian and of one length. */
function isBelow(a: Uint8Array, b: Uint8Array): boolean {
  for (let i = b.length - 1; i >= 0; i--) {
    if (a[i] !== b[i]) return (a[i] as number) < (b[i] as number);
  }
  return false;
}

function littleEndian(value: bigint): Uint8Array {
  return Uint8Array.from({ length: KEY_LENGTH }, (_, i) => Number((value >> BigInt(8 * i)) & 0xffn));
}

function concat(a: Uint8Array, b: Uint8Array): Uint8Array {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}
