import { createPrivateKey, createPublicKey, diffieHellman } from 'node:crypto';
import { hmacSha256 } from '../hash.ts';
import { base64url } from './record.ts';

/** PKCS #8 and SubjectPublicKeyInfo heads of an X25519 key (RFC 8410), before its 32 bytes. */
const PRIVATE_HEAD = Buffer.from('302e020100300506032b656e04220420', 'hex');
const PUBLIC_HEAD = Buffer.from('302a300506032b656e032100', 'hex');
const TAG_BYTES = 16;
const ACKNOWLEDGED_DOMAIN = Buffer.from('concordat/acknowledged/v1\n', 'utf8');

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

/**
 * `peer` of an `acknowledged` event, base64url: of the disclosure's id and not of its own, so that the discloser finds which one is acknowledged; of another
 * domain than `peer` of the disclosure, so that nobody else can see that the two belong together.
 * @param disclosureIdBytes 16 bytes, id of the other member's event
 */
export function acknowledgementTag(key: Uint8Array, disclosureIdBytes: Uint8Array): string {
  return base64url(hmacSha256(key, ACKNOWLEDGED_DOMAIN, disclosureIdBytes).subarray(0, TAG_BYTES));
}
