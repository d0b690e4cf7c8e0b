import { chmodSync, mkdirSync, openSync, writeSync, closeSync } from 'node:fs';
import { generateKeyPairSync } from 'node:crypto';
import { dirname } from 'node:path';
import { COSIGNER_KEY, PLAIN_KEY, generateSigningKey } from '../ledger/note-key.ts';
import { CommandError } from './command-error.ts';

export type KeyKind = 'batch' | 'origin' | 'cosigner' | 'agreement' | 'master';
export const KEY_KINDS: readonly KeyKind[] = ['batch', 'origin', 'cosigner', 'agreement', 'master'];

export interface MadeKey {
  /** Text of the key file. */
  readonly secret: string;
  /** What others may know: a C2SP verifier key, base64 of 32 bytes for `agreement`, nothing for `master`. */
  readonly public: string | undefined;
}

/**
 * Makes one key of a member.
 * @param args.member stands in the key's name, as the origin does for the origin key
 * @param args.random cryptographic source
 */
export function makeKey(args: {
  readonly kind: KeyKind;
  readonly member: string;
  readonly origin: string;
  readonly random: (length: number) => Uint8Array;
}): MadeKey {
  const { kind, member, origin, random } = args;
  switch (kind) {
    case 'batch':
      return signingKey(member, PLAIN_KEY, random(32));
    case 'origin':
      return signingKey(origin, PLAIN_KEY, random(32));
    case 'cosigner':
      return signingKey(`${member}/cosigner`, COSIGNER_KEY, random(32));
    case 'agreement': {
      const { privateKey } = generateKeyPairSync('x25519');
      const { d = '', x = '' } = privateKey.export({ format: 'jwk' });
      return { secret: base64(d), public: base64(x) };
    }
    case 'master':
      return { secret: Buffer.from(random(32)).toString('base64'), public: undefined };
  }
}

/** Writes a secret that only its owner may read. @throws {CommandError} usage: the file is there already, and a key is never overwritten */
export function writeKeyFile(file: string, secret: string): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  let fd: number;
  try {
    fd = openSync(file, 'wx', 0o600);
  } catch (cause) {
    throw new CommandError('usage', `${file}: is there already or cannot be made; a key is never overwritten`, {
      cause,
    });
  }
  writeSync(fd, `${secret}\n`);
  closeSync(fd);
  chmodSync(file, 0o600);
}

function signingKey(name: string, type: typeof PLAIN_KEY | typeof COSIGNER_KEY, seed: Uint8Array): MadeKey {
  const { signerKey, verifierKey } = generateSigningKey({ name, type, seed });
  return { secret: signerKey, public: verifierKey };
}

function base64(base64url: string): string {
  return Buffer.from(base64url, 'base64url').toString('base64');
}
