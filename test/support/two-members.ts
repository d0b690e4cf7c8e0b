import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { foundConsortium } from '../../src/cli/consortium.ts';
import { loadConfig } from '../../src/config/config.ts';
import { parseYaml } from '../../src/config/parse-yaml.ts';
import { findFreePorts } from '../../src/demo/free-ports.ts';
import { DEMO_AUDIENCE, DEMO_ISSUER, TokenIssuer } from '../../src/demo/token-issuer.ts';
import { startUpstream } from '../../src/demo/upstream.ts';
import { startGateway } from '../../src/main.ts';
import { parseRules } from '../../src/validation/rules-parse.ts';
import { ruleSetDigest } from '../../src/validation/rules.ts';
import { root } from './source-files.ts';

const RULES = join(root, 'profiles', 'rules', 'base.yaml');

/**
 * A consortium of two over file topics, with real HTTP: the hospital has a server, `ehr`; the clinics have one too, `ehr`, and the hospital's gateway as their upstream
 * `hospital`. Clients `clinics-gateway` and `clinics-app` are the clinics' by the hospital's configuration.
 */
export class TwoMembers {
  readonly dir = mkdtempSync(join(tmpdir(), 'concordat-two-'));
  readonly #closers: (() => Promise<void>)[] = [];
  #issuer: TokenIssuer | undefined;
  readonly urls = { hospital: '', clinics: '' };

  async start(): Promise<void> {
    foundConsortium({
      origin: 'test.example/two',
      members: ['hospital', 'clinics'],
      ruleSet: ruleSetDigest(parseRules(parseYaml(readFileSync(RULES, 'utf8')))),
      outDir: join(this.dir, 'consortium'),
      random: (length) => new Uint8Array(randomBytes(length)),
    });
    const jwksFile = join(this.dir, 'jwks.json');
    const issuer = TokenIssuer.open({ keyFile: join(this.dir, 'issuer', 'key.pem'), jwksFile, clock: Date.now });
    this.#issuer = issuer;
    const [first = 0, second = 0] = await findFreePorts(20_000 + (process.pid % 500) * 20, 2);
    this.urls.hospital = `http://127.0.0.1:${first}`;
    this.urls.clinics = `http://127.0.0.1:${second}`;
    const servers = await Promise.all(
      ['hospital', 'clinics'].map((name) => startUpstream({ name, port: 0, dataDir: join(this.dir, 'servers', name) })),
    );
    for (const server of servers) this.#closers.push(() => server.close());
    const tokenFile = join(this.dir, 'clinics-token');
    writeFileSync(tokenFile, this.token('clinics-gateway'));
    const through = {
      hospital: {
        url: `${this.urls.hospital}/fhir/ehr`,
        member: 'hospital',
        auth: { kind: 'bearer', token: { file: tokenFile } },
      },
    };
    const files = [
      this.#config('hospital', first, { ehr: { url: servers[0]?.url } }, [
        { member: 'clinics', clients: ['clinics-gateway', 'clinics-app'] },
      ]),
      this.#config('clinics', second, { ehr: { url: servers[1]?.url }, ...through }, []),
    ];
    const gateways = await Promise.all(files.map((file) => startGateway(loadConfig(file))));
    for (const gateway of gateways) this.#closers.push(() => gateway.close());
  }

  token(client: string, scope = 'system/*.*'): string {
    const claims = { client, user: 'tester', organisation: 'Test', purpose: 'TREAT', lifetimeMs: 3_600_000, scope };
    return this.#issuer?.issue(claims) ?? '';
  }

  async close(): Promise<void> {
    // The gateways first: they still read and seal.
    for (const close of this.#closers.reverse()) await close();
    rmSync(this.dir, { recursive: true, force: true });
  }

  #config(member: 'hospital' | 'clinics', port: number, upstreams: object, members: readonly object[]): string {
    const key = (kind: string) => ({ file: join(this.dir, 'consortium', member, `${kind}.key`) });
    const other = member === 'hospital' ? 'clinics' : 'hospital';
    const config = {
      member,
      writer: `${member}-1`,
      listen: { host: '127.0.0.1', port },
      dataDir: join(this.dir, member),
      upstreams,
      auth: {
        mode: 'jwt',
        issuers: [
          {
            issuer: DEMO_ISSUER,
            audience: DEMO_AUDIENCE,
            jwksFile: join(this.dir, 'jwks.json'),
            algorithms: ['ES256'],
            members,
          },
        ],
      },
      validation: { packagesDir: join(root, 'profiles'), packages: ['hl7.fhir.r4.core#4.0.1'], rules: RULES },
      provenance: { masterKey: key('master') },
      ledger: {
        genesis: join(this.dir, 'consortium', 'genesis.json'),
        keys: { batch: key('batch'), origin: key('origin'), cosigner: key('cosigner'), agreement: key('agreement') },
        topic: { kind: 'file', path: join(this.dir, 'topic.db') },
        cosignatureTopic: { kind: 'file', path: join(this.dir, 'cosignatures.db') },
        peers: [{ member: other, url: `${this.urls[other]}/ledger` }],
        parameters: { cutIntervalMs: 200, peerIntervalMs: 200, lingerMs: 20 },
      },
      logging: { level: 'silent' },
    };
    const file = join(this.dir, `${member}.json`);
    mkdirSync(this.dir, { recursive: true });
    writeFileSync(file, JSON.stringify(config));
    return file;
  }
}
