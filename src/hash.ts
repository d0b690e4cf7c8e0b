import { hmac } from '@noble/hashes/hmac.js';
import { sha256 as nobleSha256 } from '@noble/hashes/sha2.js';

/**
 * SHA-256 and HMAC-SHA-256 for everybody. `portable…` run anywhere (browser, stand-alone verifier); the unprefixed ones use the platform's
 * OpenSSL where there is one, because it is twice as fast on the hot path (measured: 390 k against 190 k events/s).
 */
const nodeCrypto = globalThis.process?.getBuiltinModule?.('node:crypto');

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
  if (nodeCrypto === undefined) return portableSha256(...parts);
  if (parts.length === 1) return toBytes(nodeCrypto.hash('sha256', parts[0] as Uint8Array, 'buffer'));
  const digest = nodeCrypto.createHash('sha256');
  for (const part of parts) digest.update(part);
  return toBytes(digest.digest());
}

/** HMAC-SHA-256 of the concatenated parts, 32 bytes (RFC 2104). */
export function hmacSha256(key: Uint8Array, ...parts: Uint8Array[]): Uint8Array {
  if (nodeCrypto === undefined) return portableHmacSha256(key, ...parts);
  // A KeyObject, because a raw key costs 10 µs a call in Node's own argument checks (measured with 24.21).
  const mac = nodeCrypto.createHmac('sha256', nodeCrypto.createSecretKey(key));
  for (const part of parts) mac.update(part);
  return toBytes(mac.digest());
}

/** A plain view without Buffer's own methods, so that equality, JSON and slicing behave as for any Uint8Array. */
function toBytes(buffer: Uint8Array): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
}
