import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { decodeBase64 } from '../ledger/encoding.ts';
import { DEFAULT_LOG_PARAMETERS, TWO_THIRDS, buildGenesis } from '../ledger/genesis.ts';
import type { LogParameters, Member } from '../ledger/genesis.ts';
import { parseVerifierKey } from '../ledger/note-key.ts';
import { CommandError } from './command-error.ts';
import { KEY_KINDS, makeKey, writeKeyFile } from './key-files.ts';
import type { KeyKind, MadeKey } from './key-files.ts';
import { acceptedMember } from './member-file.ts';

/** What all founders agree on. */
export interface Founding {
  /** Name of the log, e.g. `ledger.example.org/consortium`. */
  readonly origin: string;
  /** SHA-256 of the first rule set, lowercase hex. */
  readonly ruleSet: string;
  readonly parameters?: Partial<LogParameters>;
  readonly outDir: string;
}

export interface ConsortiumOptions extends Founding {
  readonly members: readonly string[];
  readonly random: (length: number) => Uint8Array;
}

export interface Consortium {
  readonly genesisFile: string;
  /** By member: its folder of key files. */
  readonly keyDirs: ReadonlyMap<string, string>;
}

/**
 * Founds a consortium: `genesis.json`, and in a folder per member its five key files. In earnest each member makes its own keys and hands in
 * a member file, see `foundFrom`; this does all at once, for trials.
 * @throws {CommandError} usage: something of it is there already @throws {FormatError} malformed-genesis
 */
export function foundConsortium(options: ConsortiumOptions): Consortium {
  assertAbsent(options);
  const made = options.members.map((member) => ({ member, keys: memberKeys(member, options) }));
  const genesis = firstGenesis(
    options,
    made.map(({ member, keys }) => genesisMember(member, keys)),
  );
  const keyDirs = new Map(options.members.map((member) => [member, join(options.outDir, member)]));
  for (const { member, keys } of made) {
    for (const kind of KEY_KINDS) writeKeyFile(join(keyDirs.get(member) ?? '', `${kind}.key`), keys[kind].secret);
  }
  // Last, so that a crash before it leaves keys that nothing names, and the next run says which file is in the way.
  return { genesisFile: writeGenesis(options, genesis), keyDirs };
}

/**
 * Founds a consortium of members that made their own keys: `genesis.json`, and no key.
 * @param memberFiles one of each member, made by `governance accept`
 * @returns the genesis file
 * @throws {CommandError} usage: it is there already; unreadable, false: as `acceptedMember` @throws {FormatError} malformed-genesis: two of one name, or with one key
 */
export function foundFrom(memberFiles: readonly string[], founding: Founding): string {
  assertAbsent(founding);
  const members = memberFiles.map((file) => acceptedMember(file, founding.origin));
  return writeGenesis(founding, firstGenesis(founding, members));
}

function firstGenesis({ origin, parameters, ruleSet }: Founding, members: readonly Member[]): Uint8Array {
  return buildGenesis({
    origin,
    members,
    quorum: TWO_THIRDS,
    parameters: { ...DEFAULT_LOG_PARAMETERS, ...parameters },
    ruleSet,
  });
}

/** Where the genesis file of a founding goes. */
export function genesisFileIn(outDir: string): string {
  return join(outDir, 'genesis.json');
}

function assertAbsent({ outDir }: Founding): void {
  const file = genesisFileIn(outDir);
  if (existsSync(file)) throw new CommandError('usage', `${file}: is there already`);
}

function writeGenesis({ outDir }: Founding, genesis: Uint8Array): string {
  const file = genesisFileIn(outDir);
  mkdirSync(outDir, { recursive: true });
  writeFileSync(file, genesis, { flag: 'wx' });
  return file;
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
