import { accessSync, constants, existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { createPrivateKey, createPublicKey } from 'node:crypto';
import { dirname } from 'node:path';
import type { ConfigProblem } from '../config/config-error.ts';
import type { Config } from '../config/config.ts';
import { parseYaml } from '../config/parse-yaml.ts';
import { decodeBase64, encodeBase64 } from '../ledger/encoding.ts';
import { parseGenesis } from '../ledger/genesis.ts';
import type { Genesis } from '../ledger/genesis.ts';
import { counterparts } from '../main/counterparts.ts';
import { parseSignerKey } from '../ledger/note-key.ts';
import { parseRules } from '../validation/rules-parse.ts';
import { ruleSetDigest } from '../validation/rules.ts';

export interface Consistency {
  /** A gateway with these does not start, or does not take part. */
  readonly problems: readonly ConfigProblem[];
  /** What an operator should know. */
  readonly warnings: readonly ConfigProblem[];
}

/** What the schema cannot see: whether the files that a configuration names are what they are taken for, and fit together. Reads files, opens nothing. */
export function checkConsistency(config: Config): Consistency {
  const problems: ConfigProblem[] = [];
  const warnings: ConfigProblem[] = [];
  const problem = (path: string, message: string) => problems.push({ path, line: undefined, message });
  const warning = (path: string, message: string) => warnings.push({ path, line: undefined, message });
  const genesis = attempt(() => parseGenesis(new Uint8Array(readFileSync(config.ledger.genesis))));
  if (genesis === undefined) problem('ledger.genesis', 'is no genesis file');
  else {
    checkMembership(config, genesis, problem);
    checkPrevious(config, genesis, problem);
  }
  if (!isKeyBytes(config.provenance.masterKey.reveal())) problem('provenance.masterKey', 'is not 32 bytes in base64');
  const rules = attempt(() => parseRules(parseYaml(readFileSync(config.validation.rules, 'utf8'))));
  if (rules === undefined) problem('validation.rules', 'is no rule set');
  else if (genesis !== undefined && ruleSetDigest(rules) !== genesis.ruleSet) {
    warning('validation.rules', 'is not the rule set that the consortium began with; it must be the one adopted since');
  }
  const { localRules } = config.validation;
  if (
    localRules !== undefined &&
    attempt(() => parseRules(parseYaml(readFileSync(localRules, 'utf8')))) === undefined
  ) {
    problem('validation.localRules', 'is no rule set');
  }
  checkPackages(config, problem);
  checkIssuers(config, problem);
  if (!isWritable(config.dataDir)) problem('dataDir', 'cannot be written, or made');
  if (config.auth.mode === 'open')
    warning('auth.mode', 'open: everybody on this machine may read and write everything');
  if (
    Object.values(config.upstreams).some(
      (upstream) => upstream.url.startsWith('http://') && !/^http:\/\/(127\.|localhost|\[::1\])/.test(upstream.url),
    )
  ) {
    warning('upstreams', 'one is asked over plain http across the network');
  }
  return { problems, warnings };
}

type Report = (path: string, message: string) => void;

function checkMembership(config: Config, genesis: Genesis, problem: Report): void {
  const { keys, peers } = config.ledger;
  const names = genesis.members.map((member) => member.name);
  const own = genesis.members.find((member) => member.name === config.member);
  peers.forEach((peer, index) => {
    if (!names.includes(peer.member)) problem(`ledger.peers[${index}].member`, 'is no member of the genesis file');
  });
  for (const { path, member } of counterparts(config)) {
    if (!names.includes(member)) problem(path, 'is no member of the genesis file; it may have been admitted since');
  }
  if (own === undefined) {
    problem('member', 'is no member of the genesis file; it may have been admitted since');
    return;
  }
  const expected = { batch: own.batchKey, origin: own.originKey, cosigner: own.cosignerKey };
  for (const kind of ['batch', 'origin', 'cosigner'] as const) {
    const signer = attempt(() => parseSignerKey(keys[kind].reveal()));
    if (signer === undefined) problem(`ledger.keys.${kind}`, 'is no signer key (PRIVATE+KEY+…)');
    else if (signer.key.text !== expected[kind].text)
      problem(
        `ledger.keys.${kind}`,
        'is not the key that the genesis file has for this member; it may have been rotated since',
      );
  }
  const agreement = attempt(() => agreementPublicKey(keys.agreement.reveal()));
  if (agreement === undefined) problem('ledger.keys.agreement', 'is no X25519 key (32 bytes in base64)');
  else if (agreement !== encodeBase64(own.agreementKey))
    problem(
      'ledger.keys.agreement',
      'is not the key that the genesis file has for this member; it may have been rotated since',
    );
}

/** Each ended log must be the one that the next goes on from. Whether its members agreed to that, the gateway checks when it starts. */
function checkPrevious({ ledger }: Config, genesis: Genesis, problem: Report): void {
  const ended = ledger.previous.map(({ genesis: file }) =>
    attempt(() => parseGenesis(new Uint8Array(readFileSync(file)))),
  );
  for (const [index, log] of ended.entries()) {
    const next = index + 1 < ended.length ? ended[index + 1] : genesis;
    const place = `ledger.previous[${index}].genesis`;
    if (log === undefined) problem(place, 'is no genesis file');
    else if (next !== undefined && next.previous?.origin !== log.origin)
      problem(place, 'is not of the log that the next one goes on from');
  }
}

/** PKCS #8 around the 32 bytes of an X25519 key (RFC 8410). */
const X25519_PREFIX = Buffer.from('302e020100300506032b656e04220420', 'hex');

function agreementPublicKey(secret: string): string {
  const key = createPrivateKey({
    key: Buffer.concat([X25519_PREFIX, decodeBase64(secret)]),
    format: 'der',
    type: 'pkcs8',
  });
  const { x = '' } = createPublicKey(key).export({ format: 'jwk' });
  return Buffer.from(x, 'base64url').toString('base64');
}

function checkPackages({ validation }: Config, problem: Report): void {
  const files = attempt(() => readdirSync(validation.packagesDir)) ?? [];
  validation.packages.forEach((name, index) => {
    const [id = '', version = ''] = name.split('#');
    const found = files.some((file) => file === name || file === `${id}-${version}.tgz` || file === `${name}.tgz`);
    if (!found) problem(`validation.packages[${index}]`, `${id}-${version}.tgz is not in packagesDir`);
  });
}

function checkIssuers({ auth }: Config, problem: Report): void {
  if (auth.mode !== 'jwt') return;
  auth.issuers.forEach((issuer, index) => {
    const { jwksFile } = issuer;
    if (jwksFile === undefined) return;
    const set = attempt(() => JSON.parse(readFileSync(jwksFile, 'utf8')) as { keys?: unknown[] } | null);
    if (!Array.isArray(set?.keys) || set.keys.length === 0)
      problem(`auth.issuers[${index}].jwksFile`, 'is no JSON Web Key Set with a key');
  });
}

/** Whether a folder is there and can be written, or could be made. */
function isWritable(folder: string): boolean {
  const nearest = existsSync(folder) ? folder : dirname(folder);
  if (!existsSync(nearest)) return nearest !== dirname(nearest) && isWritable(nearest);
  return attempt(() => accessSync(nearest, constants.W_OK) ?? statSync(nearest).isDirectory()) === true;
}

function isKeyBytes(text: string): boolean {
  return attempt(() => decodeBase64(text).length === 32) === true;
}

function attempt<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}
