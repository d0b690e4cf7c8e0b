import { createPrivateKey, createPublicKey, diffieHellman } from 'node:crypto';
import { hmacSha256 } from '../hash.ts';
import { base64url } from './record.ts';

/** PKCS #8 and SubjectPublicKeyInfo heads of an X25519 key (RFC 8410), before its 32 bytes. */
const PRIVATE_HEAD = Buffer.from('302e020100300506032b656e04220420', 'hex');
const PUBLIC_HEAD = Buffer.from('302a300506032b656e032100', 'hex');
const TAG_BYTES = 16;

/**
 * K_AB of two members: the X25519 secret that both come to (RFC 7748), 32 bytes.
 * @param ownPrivate 32 bytes
 * @param otherPublic 32 bytes, the other member's agreement key from the genesis
 * @throws if the other key is of low order, which would make a secret that everybody knows
 */
export function agreedKey(ownPrivate: Uint8Array, otherPublic: Uint8Array): Uint8Array {
  const privateKey = createPrivateKey({ key: Buffer.concat([PRIVATE_HEAD, ownPrivate]), format: 'der', type: 'pkcs8' });
  const publicKey = createPublicKey({ key: Buffer.concat([PUBLIC_HEAD, otherPublic]), format: 'der', type: 'spki' });
  const secret = new Uint8Array(diffieHellman({ privateKey, publicKey }));
  if (secret.every((byte) => byte === 0)) throw new TypeError('an agreement key of low order');
  return secret;
}

/** `peer` of an event: the first 16 bytes of HMAC-SHA-256(K_AB, event id), base64url; only the counterpart recognises it. */
export function peerTag(key: Uint8Array, idBytes: Uint8Array): string {
  return base64url(hmacSha256(key, idBytes).subarray(0, TAG_BYTES));
}
