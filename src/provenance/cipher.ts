import { createCipheriv, createDecipheriv, createSecretKey, randomFillSync } from 'node:crypto';
import { ProvenanceError } from './provenance-error.ts';

const NONCE_BYTES = 12;
const TAG_BYTES = 16;
export const KEY_BYTES = 32;

/**
 * AES-256-GCM: 12 random bytes of nonce, ciphertext, 16 bytes of tag.
 * @param key 32 bytes; random nonces hold for 2^32 texts under one key
 * @param context binds the ciphertext to its place, so that one row cannot be put in another's stead
 */
export function seal(key: Uint8Array, plaintext: Uint8Array, context: string): Uint8Array {
  const sealed = new Uint8Array(NONCE_BYTES + plaintext.length + TAG_BYTES);
  randomFillSync(sealed, 0, NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', createSecretKey(key), sealed.subarray(0, NONCE_BYTES));
  cipher.setAAD(Buffer.from(context, 'utf8'));
  const ciphertext = cipher.update(plaintext);
  sealed.set(ciphertext, NONCE_BYTES);
  sealed.set(cipher.final(), NONCE_BYTES + ciphertext.length);
  sealed.set(cipher.getAuthTag(), sealed.length - TAG_BYTES);
  return sealed;
}

/** Undoes `seal`. @throws {ProvenanceError} corrupt: another key, another context, or altered bytes */
export function unseal(key: Uint8Array, sealed: Uint8Array, context: string): Uint8Array {
  try {
    const decipher = createDecipheriv('aes-256-gcm', createSecretKey(key), sealed.subarray(0, NONCE_BYTES), {
      authTagLength: TAG_BYTES,
    });
    decipher.setAAD(Buffer.from(context, 'utf8'));
    decipher.setAuthTag(sealed.subarray(sealed.length - TAG_BYTES));
    const start = decipher.update(sealed.subarray(NONCE_BYTES, sealed.length - TAG_BYTES));
    const end = decipher.final();
    return end.length === 0 ? start : Buffer.concat([start, end]);
  } catch (cause) {
    throw new ProvenanceError('corrupt', 'a sealed part does not open', { cause });
  }
}
