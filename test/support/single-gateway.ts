import { fork, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { createWriteStream, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { foundConsortium } from '../../src/cli/consortium.ts';
import { parseYaml } from '../../src/config/parse-yaml.ts';
import { findFreePorts } from '../../src/demo/free-ports.ts';
import { DEMO_AUDIENCE, DEMO_ISSUER, TokenIssuer } from '../../src/demo/token-issuer.ts';
import { parseRules } from '../../src/validation/rules-parse.ts';
import { ruleSetDigest } from '../../src/validation/rules.ts';
import { readFileSync } from 'node:fs';
import { root } from './source-files.ts';

export interface SingleGatewayOptions {
  /** Longest call to the upstream; the reconciler waits 10 s more. */
  readonly upstreamTotalMs?: number;
  readonly packages?: readonly string[];
  readonly rules?: string;
  /** Kafka instead of files. */
  readonly brokers?: readonly string[];
  readonly outboxLimit?: number;
  /** Other members' ledgers. */
  readonly peers?: readonly { readonly member: string; readonly url: string }[];
}

/** One gateway process with one demo upstream process, a member alone in its consortium: what a test kills and starts again. */
export class SingleGateway {
  readonly dir = mkdtempSync(join(tmpdir(), 'concordat-single-'));
  readonly logFile = join(this.dir, 'gateway.log');
  readonly dataDir = join(this.dir, 'data');
  readonly genesisFile = join(this.dir, 'consortium', 'genesis.json');
  readonly topicFile = join(this.dir, 'topic.db');
  readonly configFile = join(this.dir, 'gateway.json');
  readonly #options: SingleGatewayOptions;
  #gateway: ChildProcess | undefined;
  #upstream: ChildProcess | undefined;
  #issuer: TokenIssuer | undefined;
  url = '';
  upstreamUrl = '';

  constructor(options: SingleGatewayOptions = {}) {
    this.#options = options;
  }

  async start(): Promise<void> {
    const rules = this.#options.rules ?? join(root, 'profiles', 'rules', 'base.yaml');
    foundConsortium({
      origin: 'test.example/single',
      members: ['alone'],
      ruleSet: ruleSetDigest(parseRules(parseYaml(readFileSync(rules, 'utf8')))),
      outDir: join(this.dir, 'consortium'),
      random: (length) => new Uint8Array(randomBytes(length)),
    });
    const jwksFile = join(this.dir, 'jwks.json');
    this.#issuer = TokenIssuer.open({ keyFile: join(this.dir, 'issuer', 'key.pem'), jwksFile, clock: Date.now });
    const [port = 0, upstreamPort = 0] = await findFreePorts(30_000 + (process.pid % 500) * 50, 2);
    this.url = `http://127.0.0.1:${port}`;
    const upstreamArgs = [
      '--name',
      'ehr',
      '--port',
      String(upstreamPort),
      '--data',
      join(this.dir, 'upstreams', 'ehr'),
    ];
    this.#upstream = await this.#fork('src/demo/upstream-process.ts', upstreamArgs, 'upstream.log');
    this.upstreamUrl = `http://127.0.0.1:${upstreamPort}/fhir`;
    const key = (kind: string) => ({ file: join(this.dir, 'consortium', 'alone', `${kind}.key`) });
    const config = {
      member: 'alone',
      writer: 'alone-1',
      listen: { host: '127.0.0.1', port },
      dataDir: this.dataDir,
      upstreams: {
        ehr: {
          url: this.upstreamUrl,
          timeouts: {
            connectMs: 500,
            headersMs: this.#options.upstreamTotalMs ?? 2_000,
            totalMs: this.#options.upstreamTotalMs ?? 2_000,
          },
        },
      },
      auth: {
        mode: 'jwt',
        issuers: [{ issuer: DEMO_ISSUER, audience: DEMO_AUDIENCE, jwksFile, algorithms: ['ES256'] }],
      },
      validation: {
        packagesDir: join(root, 'profiles'),
        packages: this.#options.packages ?? ['hl7.fhir.r4.core#4.0.1'],
        rules,
      },
      provenance: {
        masterKey: key('master'),
        ...(this.#options.outboxLimit !== undefined && { outboxLimit: this.#options.outboxLimit }),
      },
      ledger: {
        genesis: this.genesisFile,
        keys: { batch: key('batch'), origin: key('origin'), cosigner: key('cosigner'), agreement: key('agreement') },
        topic: this.#topic('ledger', this.topicFile),
        cosignatureTopic: this.#topic('cosignatures', join(this.dir, 'cosignatures.db')),
        peers: this.#options.peers ?? [],
      },
    };
    writeFileSync(this.configFile, JSON.stringify(config));
    await this.startGateway();
  }

  async startGateway(): Promise<void> {
    this.#gateway = await this.#fork('src/cli/main.ts', ['start', '--config', this.configFile], 'gateway.log');
  }

  token(scope = 'system/*.*', claims: Partial<Parameters<TokenIssuer['issue']>[0]> = {}): string {
    const defaults = {
      client: 'test-client',
      user: 'tester',
      organisation: 'Test',
      purpose: 'TREAT',
      lifetimeMs: 3_600_000,
    };
    return this.#issuer?.issue({ ...defaults, scope, ...claims }) ?? '';
  }

  /** `kill -9`: nothing gets a chance to tidy up. */
  async killGateway(): Promise<void> {
    await ended(this.#gateway, 'SIGKILL');
  }

  async stopGateway(): Promise<void> {
    await ended(this.#gateway, 'SIGTERM');
  }

  async killUpstream(): Promise<void> {
    await ended(this.#upstream, 'SIGKILL');
  }

  async close(): Promise<void> {
    await Promise.all([ended(this.#gateway, 'SIGTERM'), ended(this.#upstream, 'SIGTERM')]);
    rmSync(this.dir, { recursive: true, force: true });
  }

  #topic(name: string, path: string): object {
    const { brokers } = this.#options;
    return brokers === undefined
      ? { kind: 'file', path }
      : { kind: 'kafka', brokers, topic: `${basename(this.dir)}-${name}` };
  }

  async #fork(file: string, args: readonly string[], logFile: string): Promise<ChildProcess> {
    const path = fileURLToPath(new URL(`../../${file}`, import.meta.url));
    const child = fork(path, [...args], {
      execArgv: ['--disable-warning=ExperimentalWarning'],
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    const log = createWriteStream(join(this.dir, logFile), { flags: 'a' });
    child.stdout?.pipe(log, { end: false });
    child.stderr?.pipe(log, { end: false });
    await new Promise<void>((resolve, reject) => {
      child.once('message', () => resolve());
      child.once('exit', (code) =>
        reject(new Error(`${file} ended with ${code}: ${readFileSync(join(this.dir, logFile), 'utf8').slice(-2_000)}`)),
      );
    });
    return child;
  }
}

async function ended(child: ChildProcess | undefined, signal: NodeJS.Signals): Promise<void> {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const force = setTimeout(() => child.kill('SIGKILL'), 20_000);
  child.kill(signal);
  await exited;
  clearTimeout(force);
}
