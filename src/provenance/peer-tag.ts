import { createPrivateKey, createPublicKey, diffieHellman, type KeyObject } from 'node:crypto';
import { sha256 } from '../hash.ts';
import { base64url } from './record.ts';

/** PKCS #8 and SubjectPublicKeyInfo heads of an X25519 key (RFC 8410), before its 32 bytes. */
const PRIVATE_HEAD = Buffer.from('302e020100300506032b656e04220420', 'hex');
const PUBLIC_HEAD = Buffer.from('302a300506032b656e032100', 'hex');
const TAG_BYTES = 16;
const INNER_PAD = 0x36;
const OUTER_PAD = 0x5c;
const ACKNOWLEDGED_DOMAIN = Buffer.from('concordat/acknowledged/v1\n', 'utf8');

/**
 * K_AB of two members: the X25519 secret that both come to (RFC 7748), 32 bytes.
 * @param ownPrivate 32 bytes
 * @param otherPublic 32 bytes, the other member's agreement key from the genesis
 * @throws if the other key is of low order, which would make a secret that everybody knows
 */
export function agreedKey(ownPrivate: Uint8Array, otherPublic: Uint8Array): Uint8Array {
  const privateKey = privateKeyOf(ownPrivate);
  const publicKey = createPublicKey({ key: Buffer.concat([PUBLIC_HEAD, otherPublic]), format: 'der', type: 'spki' });
  const secret = new Uint8Array(diffieHellman({ privateKey, publicKey }));
  if (secret.every((byte) => byte === 0)) throw new TypeError('an agreement key of low order');
  return secret;
}

/** What others may know of an agreement key, 32 bytes. @param ownPrivate 32 bytes @throws where it is no X25519 key */
export function agreementPublicKey(ownPrivate: Uint8Array): Uint8Array {
  const { x = '' } = createPublicKey(privateKeyOf(ownPrivate)).export({ format: 'jwk' });
  return new Uint8Array(Buffer.from(x, 'base64url'));
}

function privateKeyOf(bytes: Uint8Array): KeyObject {
  return createPrivateKey({ key: Buffer.concat([PRIVATE_HEAD, bytes]), format: 'der', type: 'pkcs8' });
}

/**
 * Tags under one K_AB. HMAC-SHA-256 (RFC 2104) with the two key blocks made once: a report makes a tag for each disclosure on the ledger, and `createHmac`
 * takes three times as long, most of it to set up the key.
 */
export class PeerTags {
  readonly #inner: Uint8Array;
  readonly #outer: Uint8Array;

  /** @param key 32 bytes, `agreedKey` */
  constructor(key: Uint8Array) {
    this.#inner = keyBlock(key, INNER_PAD);
    this.#outer = keyBlock(key, OUTER_PAD);
  }

  /** `peer` of a disclosure, base64url; only the counterpart recognises it. @param idBytes 16 bytes, the event's own id */
  disclosure(idBytes: Uint8Array): string {
    return this.#tag(idBytes);
  }

  /**
   * `peer` of an `acknowledged` event, base64url: of the disclosure's id and not of its own, so that the discloser finds which one is acknowledged; of another
   * domain than `peer` of the disclosure, so that nobody else can see that the two belong together.
   * @param disclosureIdBytes 16 bytes, id of the other member's event
   */
  acknowledgement(disclosureIdBytes: Uint8Array): string {
    return this.#tag(ACKNOWLEDGED_DOMAIN, disclosureIdBytes);
  }

  #tag(...parts: Uint8Array[]): string {
    return base64url(sha256(this.#outer, sha256(this.#inner, ...parts)).subarray(0, TAG_BYTES));
  }
}

function keyBlock(key: Uint8Array, pad: number): Uint8Array {
  if (key.length !== 32) throw new TypeError('a key of tags has 32 bytes');
  return new Uint8Array(64).map((_, index) => (key[index] ?? 0) ^ pad);
}
