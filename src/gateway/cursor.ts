import { createCipheriv, createDecipheriv } from 'node:crypto';
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { sha256 } from '../hash.ts';
import type { Caller } from '../provenance/exchange-record.ts';
import { GatewayError } from './gateway-error.ts';

/**
 * Paging links: what a next page needs, encrypted and authenticated (AES-256-GCM), so that a client can neither read an upstream's own link nor make one
 * up. A cursor belongs to one caller and one address and ends after a while.
 */
export interface CursorPosition {
  readonly upstream: string;
  /** Path and query below the upstream's base. */
  readonly path: string;
  /** Entries of that page that were shown already. */
  readonly skip: number;
}

export interface CursorContent {
  readonly positions: readonly CursorPosition[];
  /** Raw sort parameter that merges the positions; empty for none. */
  readonly sort: string;
  readonly count: number;
  /** Parameters of the search as the client gave them, for the self link. */
  readonly self: string;
}

export interface CursorOptions {
  readonly key: Uint8Array;
  readonly clock: () => number;
  readonly random: (length: number) => Uint8Array;
  readonly lifetimeMs: number;
}

const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const LONGEST_PLAIN = 64 * 1024;

interface Sealed extends CursorContent {
  readonly endsMs: number;
  readonly owner: string;
}

/** @param address path below our base that the link is for; a cursor opens at no other */
export function sealCursor(content: CursorContent, caller: Caller, address: string, options: CursorOptions): string {
  const sealed: Sealed = { ...content, endsMs: options.clock() + options.lifetimeMs, owner: ownerOf(caller) };
  const nonce = options.random(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', options.key, nonce).setAAD(Buffer.from(address, 'utf8'));
  const plain = deflateRawSync(JSON.stringify(sealed));
  return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]).toString('base64url');
}

/** @throws {GatewayError} bad-request (not made here, or for another address) | cursor-expired | forbidden (another caller's) */
export function openCursor(text: string, caller: Caller, address: string, options: CursorOptions): CursorContent {
  const sealed = decrypt(text, address, options.key);
  if (sealed.endsMs < options.clock()) {
    throw new GatewayError('cursor-expired', { external: 'This paging link has expired; start the search again.' });
  }
  if (sealed.owner !== ownerOf(caller)) {
    throw new GatewayError('forbidden', {
      external: 'This paging link was given to another client.',
      reason: 'cursor',
    });
  }
  return sealed;
}

function decrypt(text: string, address: string, key: Uint8Array): Sealed {
  const bytes = Buffer.from(text, 'base64url');
  try {
    const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES });
    decipher.setAAD(Buffer.from(address, 'utf8')).setAuthTag(bytes.subarray(-TAG_BYTES));
    const plain = Buffer.concat([decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()]);
    // Authenticated above: what is inside was written by this gateway or by one that shares its key.
    return JSON.parse(inflateRawSync(plain, { maxOutputLength: LONGEST_PLAIN }).toString('utf8')) as Sealed;
  } catch (error) {
    throw new GatewayError('bad-request', {
      external: 'This paging link was not made by this gateway, or was altered; start the search again.',
      cause: error,
    });
  }
}

function ownerOf(caller: Caller): string {
  const text = JSON.stringify([caller.issuer, caller.subject, caller.clientId]);
  return Buffer.from(sha256(Buffer.from(text, 'utf8')).subarray(0, 12)).toString('base64url');
}
