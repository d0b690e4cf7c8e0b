import { hmac } from '@noble/hashes/hmac.js';
import { sha256 as nobleSha256 } from '@noble/hashes/sha2.js';

/**
 * SHA-256 and HMAC-SHA-256 for everybody. `portable…` run anywhere (browser, stand-alone verifier); the unprefixed ones use the platform's
 * OpenSSL where there is one, because it is twice as fast on the hot path (measured: 390 k against 190 k events/s).
 */
const nodeCrypto = globalThis.process?.getBuiltinModule?.('node:crypto');
const nodeBuffer = globalThis.process?.getBuiltinModule?.('node:buffer');
const SMALL_INPUT_BYTES = 4096;

export function portableSha256(...parts: Uint8Array[]): Uint8Array {
  const digest = nobleSha256.create();
  for (const part of parts) digest.update(part);
  return digest.digest();
}

export function portableHmacSha256(key: Uint8Array, ...parts: Uint8Array[]): Uint8Array {
  const mac = hmac.create(nobleSha256, key);
  for (const part of parts) mac.update(part);
  return mac.digest();
}

/** SHA-256 of the concatenated parts, 32 bytes (FIPS 180-4). */
export function sha256(...parts: Uint8Array[]): Uint8Array {
  if (nodeCrypto === undefined || nodeBuffer === undefined) return portableSha256(...parts);
  if (parts.length === 1) return fromLatin1(nodeCrypto.hash('sha256', parts[0] as Uint8Array, 'binary'));
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  if (length > SMALL_INPUT_BYTES) {
    const digest = nodeCrypto.createHash('sha256');
    for (const part of parts) digest.update(part);
    return fromLatin1(digest.digest('binary'));
  }
  // From Buffer's own pool: an array of more than 64 bytes costs as much to allocate as its hash.
  const input = nodeBuffer.Buffer.allocUnsafe(length);
  let position = 0;
  for (const part of parts) {
    input.set(part, position);
    position += part.length;
  }
  return fromLatin1(nodeCrypto.hash('sha256', input, 'binary'));
}

/** SHA-256 of one piece, written into `output` from `at` on: for rows of hashes, where an array for each costs a quarter of the time. */
export function sha256Into(input: Uint8Array, output: Uint8Array, at: number): void {
  if (nodeCrypto === undefined) output.set(portableSha256(input), at);
  else writeLatin1(nodeCrypto.hash('sha256', input, 'binary'), output, at);
}

/** HMAC-SHA-256 of the concatenated parts, 32 bytes (RFC 2104). */
export function hmacSha256(key: Uint8Array, ...parts: Uint8Array[]): Uint8Array {
  if (nodeCrypto === undefined) return portableHmacSha256(key, ...parts);
  // A KeyObject, because a raw key costs 10 µs a call in Node's own argument checks (measured with 24.21).
  const mac = nodeCrypto.createHmac('sha256', nodeCrypto.createSecretKey(key));
  for (const part of parts) mac.update(part);
  return fromLatin1(mac.digest('binary'));
}

/** A digest by way of a string: measured 0.4 µs against 1.0 µs for a Buffer, which lives off the heap and is kept alive by every view of it. */
function fromLatin1(digest: string): Uint8Array {
  const bytes = new Uint8Array(32);
  writeLatin1(digest, bytes, 0);
  return bytes;
}

function writeLatin1(digest: string, output: Uint8Array, at: number): void {
  for (let i = 0; i < 32; i++) output[at + i] = digest.charCodeAt(i);
}
