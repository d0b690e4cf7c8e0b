import { join } from 'node:path';
import type { Config } from '../config/config.ts';
import { decodeBase64 } from '../ledger/encoding.ts';
import type { ProvenanceStoreOptions } from '../provenance/provenance-store.ts';
import { CommandError } from './command-error.ts';

/** Where a gateway's own stores are, and what opens them. @throws {CommandError} unreadable: the master key is not 32 bytes in base64 */
export function provenanceOptions({ dataDir, provenance }: Config): ProvenanceStoreOptions {
  return {
    dataDir: join(dataDir, 'provenance'),
    ...(provenance.keyDir !== undefined && { keyDir: provenance.keyDir }),
    masterKey: decodeKey(provenance.masterKey.reveal(), 'provenance.masterKey'),
  };
}

/** 32 bytes out of base64. @throws {CommandError} unreadable, naming the place and not the text */
export function decodeKey(text: string, place: string): Uint8Array {
  let key: Uint8Array | undefined;
  try {
    key = decodeBase64(text.trim());
  } catch {
    key = undefined;
  }
  if (key?.length !== 32) throw new CommandError('unreadable', `${place}: is not 32 bytes in base64`);
  return key;
}
