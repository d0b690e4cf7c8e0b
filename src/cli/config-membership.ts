import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Config } from '../config/config.ts';
import { decodeBase64, encodeBase64 } from '../ledger/encoding.ts';
import type { Genesis } from '../ledger/genesis.ts';
import { genesisState, latestVersion, type GovernanceVersion } from '../ledger/governance-state.ts';
import { ledgerFolder } from '../ledger/ledger-folder.ts';
import { parseSignerKey } from '../ledger/note-key.ts';
import { counterparts } from '../main/counterparts.ts';
import { agreementPublicKey } from '../provenance/peer-tag.ts';
import { readInput } from './read-input.ts';
import { withStoredLedger } from './stored-ledger.ts';

/** What is known of the log: what its own replica says is in force, or before there is one what the genesis file says. */
export interface KnownLog {
  readonly version: GovernanceVersion;
  /** Without a replica, members and keys may have changed since the genesis. */
  readonly isOfReplica: boolean;
}

export function knownLog(config: Config, genesis: Genesis): KnownLog {
  const folder = ledgerFolder(config.dataDir, readInput(config.ledger.genesis));
  if (!existsSync(join(folder, 'replica.db')))
    return { version: latestVersion(genesisState(genesis)), isOfReplica: false };
  return { version: withStoredLedger(config, ({ governance }) => latestVersion(governance)), isOfReplica: true };
}

type Report = (path: string, message: string) => void;

/** Whether the members and keys that a configuration names are those of the log. */
export function checkMembership(
  config: Config,
  args: { readonly origin: string; readonly log: KnownLog; readonly problem: Report; readonly warning: Report },
): void {
  const { log, warning } = args;
  const names = log.version.members.filter(({ active }) => active).map(({ name }) => name);
  const noMember = log.isOfReplica
    ? 'is no member in force'
    : 'is no member of the genesis file; it may have been admitted since';
  const named = config.ledger.peers.map(({ member }, index) => ({ path: `ledger.peers[${index}].member`, member }));
  for (const { path, member } of [...named, ...counterparts(config)])
    if (!names.includes(member)) warning(path, noMember);
  if (!names.includes(config.member)) warning('member', `${noMember}: it signs nothing until it is`);
  checkKeys(config, args);
}

const SIGNER_KINDS = ['batch', 'origin', 'cosigner'] as const;
type Keys = Config['ledger']['keys'];

function checkKeys(config: Config, args: Parameters<typeof checkMembership>[1]): void {
  const { log, problem, warning } = args;
  const { keys, nextKeys } = config.ledger;
  const own = log.version.members.find(({ name }) => name === config.member);
  const current = readKeys(config, 'keys', keys, args);
  const next = nextKeys === undefined ? undefined : readKeys(config, 'nextKeys', nextKeys, args);
  if (own === undefined) return;
  const inForce = {
    batch: own.batchKey.text,
    origin: own.originKey.text,
    cosigner: own.cosignerKey.text,
    agreement: encodeBase64(own.agreementKey),
  };
  const differing = (found: Readonly<Record<string, string | undefined>>): string[] =>
    Object.entries(inForce).flatMap(([kind, text]) => (found[kind] === text ? [] : [kind]));
  if (next !== undefined && differing(next).length === 0)
    return warning('ledger.nextKeys', 'are in force: move them to ledger.keys');
  const where = log.isOfReplica ? 'that is in force for this member' : 'that the genesis file has for this member';
  const since = log.isOfReplica ? '' : '; it may have been rotated since';
  for (const kind of differing(current))
    if (current[kind as keyof Keys] !== undefined) problem(`ledger.keys.${kind}`, `is not the key ${where}${since}`);
}

/** The public parts of a set of keys; what cannot be read, or is another's, is a problem. */
function readKeys(
  { member }: Config,
  setting: 'keys' | 'nextKeys',
  keys: Keys,
  { origin, problem }: Parameters<typeof checkMembership>[1],
): Readonly<Record<keyof Keys, string | undefined>> {
  const expectedNames = { batch: member, origin, cosigner: `${member}/cosigner` };
  const found: Record<keyof Keys, string | undefined> = {
    batch: undefined,
    origin: undefined,
    cosigner: undefined,
    agreement: undefined,
  };
  for (const kind of SIGNER_KINDS) {
    const key = attempt(() => parseSignerKey(keys[kind].reveal()).key);
    if (key === undefined) problem(`ledger.${setting}.${kind}`, 'is no signer key (PRIVATE+KEY+…)');
    else if (key.name !== expectedNames[kind])
      problem(`ledger.${setting}.${kind}`, `is a key of ${key.name}, not of ${expectedNames[kind]}`);
    else found[kind] = key.text;
  }
  found.agreement = attempt(() => encodeBase64(agreementPublicKey(decodeBase64(keys.agreement.reveal()))));
  if (found.agreement === undefined) problem(`ledger.${setting}.agreement`, 'is no X25519 key (32 bytes in base64)');
  return found;
}

function attempt<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}
