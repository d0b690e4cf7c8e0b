import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { foundConsortium } from '../src/cli/consortium.ts';
import { parseYaml } from '../src/config/parse-yaml.ts';
import { parseRules } from '../src/validation/rules-parse.ts';
import { ruleSetDigest } from '../src/validation/rules.ts';

/** The processes that a bench of the gateway needs, each alone: an upstream, a bare proxy, a gateway. */
export interface BenchProcess {
  /** FHIR base. */
  readonly url: string;
  stop(): Promise<void>;
}

const root = fileURLToPath(new URL('..', import.meta.url));

export function startUpstreamProcess(dir: string): Promise<BenchProcess> {
  return start('src/demo/upstream-process.ts', ['--name', 'ehr', '--port', '0', '--data', join(dir, 'upstream')]);
}

/** @param role `proxy`: Express and undici, nothing else. `pass`: the gateway without recording and rules. `gateway`: the whole of it. */
export function startServerProcess(
  role: 'proxy' | 'pass' | 'gateway',
  upstream: string,
  dir: string,
): Promise<BenchProcess> {
  const args = ['--role', role, '--upstream', upstream];
  if (role === 'gateway') args.push('--config', writeConfig(upstream, dir));
  return start('scripts/bench-server.ts', args);
}

async function start(file: string, args: readonly string[]): Promise<BenchProcess> {
  const child = fork(join(root, file), [...args], {
    execArgv: ['--disable-warning=ExperimentalWarning'],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const url = await new Promise<string>((resolve, reject) => {
    child.once('message', (message) => resolve((message as { url: string }).url));
    child.once('exit', (code) => reject(new Error(`${file} ended with ${code}`)));
  });
  return { url, stop: () => stop(child) };
}

async function stop(child: ChildProcess): Promise<void> {
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  const force = setTimeout(() => child.kill('SIGKILL'), 5_000);
  await ended;
  clearTimeout(force);
}

/** A member alone in its consortium, with the rules and packages of a real one. */
function writeConfig(upstream: string, dir: string): string {
  const rules = join(root, 'profiles', 'rules', 'us-core.yaml');
  foundConsortium({
    origin: 'bench.example/log',
    members: ['bench'],
    ruleSet: ruleSetDigest(parseRules(parseYaml(readFileSync(rules, 'utf8')))),
    outDir: join(dir, 'consortium'),
    random: (length) => new Uint8Array(randomBytes(length)),
  });
  const key = (kind: string) => ({ file: join(dir, 'consortium', 'bench', `${kind}.key`) });
  const config = {
    member: 'bench',
    writer: 'bench-1',
    listen: { host: '127.0.0.1', port: 0 },
    dataDir: join(dir, 'gateway'),
    upstreams: { ehr: { url: upstream } },
    auth: { mode: 'open' },
    validation: {
      packagesDir: join(root, 'profiles'),
      packages: ['hl7.fhir.r4.core#4.0.1', 'hl7.fhir.us.core#6.1.0'],
      rules,
    },
    provenance: { masterKey: key('master') },
    ledger: {
      genesis: join(dir, 'consortium', 'genesis.json'),
      keys: { batch: key('batch'), origin: key('origin'), cosigner: key('cosigner'), agreement: key('agreement') },
      topic: { kind: 'file', path: join(dir, 'topic.db') },
      cosignatureTopic: { kind: 'file', path: join(dir, 'cosignatures.db') },
    },
    limits: { requestsPerMinute: 10_000_000 },
    logging: { level: 'silent' },
  };
  const file = join(dir, 'gateway.json');
  writeFileSync(file, JSON.stringify(config));
  return file;
}
