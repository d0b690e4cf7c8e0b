import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { decodeBase64 } from '../ledger/encoding.ts';
import { DEFAULT_LOG_PARAMETERS, TWO_THIRDS, buildGenesis } from '../ledger/genesis.ts';
import type { LogParameters, Member } from '../ledger/genesis.ts';
import { parseVerifierKey } from '../ledger/note-key.ts';
import { CommandError } from './command-error.ts';
import { KEY_KINDS, makeKey, writeKeyFile } from './key-files.ts';
import type { KeyKind, MadeKey } from './key-files.ts';

export interface ConsortiumOptions {
  /** Name of the log, e.g. `ledger.example.org/consortium`. */
  readonly origin: string;
  readonly members: readonly string[];
  /** SHA-256 of the first rule set, lowercase hex. */
  readonly ruleSet: string;
  readonly parameters?: Partial<LogParameters>;
  readonly outDir: string;
  readonly random: (length: number) => Uint8Array;
}

export interface Consortium {
  readonly genesisFile: string;
  /** By member: its folder of key files. */
  readonly keyDirs: ReadonlyMap<string, string>;
}

/**
 * Founds a consortium: `genesis.json`, and in a folder per member its five key files. In earnest each member makes its own keys (`keygen`) and hands in
 * the public parts; this does all at once, for trials.
 * @throws {CommandError} usage: something of it is there already @throws {FormatError} malformed-genesis
 */
export function foundConsortium(options: ConsortiumOptions): Consortium {
  const genesisFile = join(options.outDir, 'genesis.json');
  if (existsSync(genesisFile)) throw new CommandError('usage', `${genesisFile}: is there already`);
  const made = options.members.map((member) => ({ member, keys: memberKeys(member, options) }));
  const genesis = buildGenesis({
    origin: options.origin,
    members: made.map(({ member, keys }) => genesisMember(member, keys)),
    quorum: TWO_THIRDS,
    parameters: { ...DEFAULT_LOG_PARAMETERS, ...options.parameters },
    ruleSet: options.ruleSet,
  });
  mkdirSync(options.outDir, { recursive: true });
  const keyDirs = new Map(options.members.map((member) => [member, join(options.outDir, member)]));
  for (const { member, keys } of made) {
    for (const kind of KEY_KINDS) writeKeyFile(join(keyDirs.get(member) ?? '', `${kind}.key`), keys[kind].secret);
  }
  // Last, so that a crash before it leaves keys that nothing names, and the next run says which file is in the way.
  writeFileSync(genesisFile, genesis, { flag: 'wx' });
  return { genesisFile, keyDirs };
}

function memberKeys(member: string, { origin, random }: ConsortiumOptions): Record<KeyKind, MadeKey> {
  const key = (kind: KeyKind) => makeKey({ kind, member, origin, random });
  return {
    batch: key('batch'),
    origin: key('origin'),
    cosigner: key('cosigner'),
    agreement: key('agreement'),
    master: key('master'),
  };
}

function genesisMember(name: string, keys: Record<KeyKind, MadeKey>): Member {
  return {
    name,
    batchKey: parseVerifierKey(keys.batch.public ?? ''),
    originKey: parseVerifierKey(keys.origin.public ?? ''),
    cosignerKey: parseVerifierKey(keys.cosigner.public ?? ''),
    agreementKey: decodeBase64(keys.agreement.public ?? ''),
  };
}
