import { accessSync, constants, existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { X509Certificate } from 'node:crypto';
import { dirname } from 'node:path';
import type { ConfigProblem } from '../config/config-error.ts';
import type { Config } from '../config/config.ts';
import { parseYaml } from '../config/parse-yaml.ts';
import { decodeBase64 } from '../ledger/encoding.ts';
import { parseGenesis } from '../ledger/genesis.ts';
import type { Genesis } from '../ledger/genesis.ts';
import { parseRules } from '../validation/rules-parse.ts';
import { ruleSetDigest } from '../validation/rules.ts';
import { checkMembership, knownLog, type KnownLog } from './config-membership.ts';

export interface Consistency {
  /** A gateway with these does not start, or does not take part. */
  readonly problems: readonly ConfigProblem[];
  /** What an operator should know. */
  readonly warnings: readonly ConfigProblem[];
}

/** What the schema cannot see: whether the files that a configuration names are what they are taken for, and fit together. Reads files, the stored replica among them; makes and changes nothing. */
export function checkConsistency(config: Config): Consistency {
  const problems: ConfigProblem[] = [];
  const warnings: ConfigProblem[] = [];
  const problem = (path: string, message: string) => problems.push({ path, line: undefined, message });
  const warning = (path: string, message: string) => warnings.push({ path, line: undefined, message });
  const genesis = attempt(() => parseGenesis(new Uint8Array(readFileSync(config.ledger.genesis))));
  if (genesis === undefined) problem('ledger.genesis', 'is no genesis file');
  else {
    checkPrevious(config, genesis, problem);
    const log = attempt(() => knownLog(config, genesis));
    if (log === undefined) problem('dataDir', 'holds a replica that cannot be read: `concordat fsck` says more');
    else {
      checkMembership(config, { origin: genesis.origin, log, problem, warning });
      checkRuleSet(config, log, warning);
      checkTimes(config, log, warning);
    }
  }
  if (ruleSetOf(config) === undefined) problem('validation.rules', 'is no rule set');
  if (!isKeyBytes(config.provenance.masterKey.reveal())) problem('provenance.masterKey', 'is not 32 bytes in base64');
  const { localRules } = config.validation;
  if (
    localRules !== undefined &&
    attempt(() => parseRules(parseYaml(readFileSync(localRules, 'utf8')))) === undefined
  ) {
    problem('validation.localRules', 'is no rule set');
  }
  checkPackages(config, problem);
  checkIssuers(config, problem);
  checkCertificates(config, problem);
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

function ruleSetOf({ validation }: Config): string | undefined {
  return attempt(() => ruleSetDigest(parseRules(parseYaml(readFileSync(validation.rules, 'utf8')))));
}

function checkRuleSet(config: Config, { version, isOfReplica }: KnownLog, warning: Report): void {
  const digest = ruleSetOf(config);
  const adopted = version.ruleSets.at(-1)?.digest;
  if (digest === undefined || digest === adopted) return;
  const message = isOfReplica
    ? `is not the rule set in force, ${adopted}: FHIR writes are refused`
    : 'is not the rule set that the consortium began with; it must be the one adopted since';
  warning('validation.rules', message);
}

/** A log that rests makes a checkpoint each `idleCutIntervalMs` only. */
function checkTimes({ ledger }: Config, { version }: KnownLog, warning: Report): void {
  const freezeAfterMs = ledger.parameters.freezeAfterMs ?? version.parameters.freezeAfterMs;
  const idleCutIntervalMs = ledger.parameters.idleCutIntervalMs ?? version.parameters.idleCutIntervalMs;
  if (freezeAfterMs <= idleCutIntervalMs)
    warning(
      'ledger.parameters.freezeAfterMs',
      `is not longer than idleCutIntervalMs (${idleCutIntervalMs}): a log that rests will raise \`freeze\``,
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

function checkCertificates({ ledger }: Config, problem: Report): void {
  for (const name of ['topic', 'cosignatureTopic'] as const) {
    const { [name]: topic } = ledger;
    if (topic.kind !== 'kafka') continue;
    for (const setting of ['caFile', 'certificateFile'] as const) {
      const file = topic.tls?.[setting];
      if (file !== undefined && attempt(() => new X509Certificate(readFileSync(file))) === undefined)
        problem(`ledger.${name}.tls.${setting}`, 'is no certificate in PEM');
    }
  }
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
