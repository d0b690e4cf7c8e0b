import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Application } from 'express';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { parseYaml } from '../../src/config/parse-yaml.ts';
import { createCompliance } from '../../src/compliance/queries.ts';
import { startUpstream } from '../../src/demo/upstream.ts';
import type { Upstream } from '../../src/demo/upstream.ts';
import { createApp } from '../../src/gateway/app.ts';
import { createOpenAuthenticator } from '../../src/gateway/auth/authenticator.ts';
import { createGatewayMetrics } from '../../src/gateway/metrics.ts';
import { DEFAULT_LIMITS } from '../../src/gateway/parts.ts';
import type { Alarm, GatewayParts } from '../../src/gateway/parts.ts';
import { ReceivedDisclosures } from '../../src/gateway/received-disclosures.ts';
import { UpstreamClient } from '../../src/gateway/upstream-client.ts';
import type { UpstreamOptions } from '../../src/gateway/upstream-client.ts';
import { createDeletionReader, createVersionReader } from '../../src/gateway/upstream-history.ts';
import type { LedgerStatus } from '../../src/ledger/ledger-view.ts';
import type { ReceivedDisclosure } from '../../src/provenance/exchange-record.ts';
import type { PeerTags } from '../../src/provenance/peer-tag.ts';
import { ProvenanceStore } from '../../src/provenance/provenance-store.ts';
import { RecordQueries } from '../../src/provenance/record-queries.ts';
import type { OpenedRecord } from '../../src/provenance/record-vault.ts';
import { ExchangeRecorder } from '../../src/provenance/recorder.ts';
import { loadPackages } from '../../src/validation/packages/load-packages.ts';
import { createRuleSet } from '../../src/validation/rules.ts';
import { parseRules } from '../../src/validation/rules-parse.ts';
import { createValidatorFor } from '../../src/validation/validator-factory.ts';
import { emptyLedgerView } from './ledger-view.ts';
import { root } from './source-files.ts';

export interface TestGateway {
  readonly app: Application;
  readonly parts: GatewayParts;
  readonly recorder: ExchangeRecorder;
  readonly queries: RecordQueries;
  readonly dataDir: string;
  /** What was logged, one JSON object a line. */
  readonly logLines: string[];
  readonly upstreams: readonly Upstream[];
  /** The record behind an event. */
  record(eventId: string): OpenedRecord | undefined;
  /** Listens on a free port of loopback. */
  listen(): Promise<string>;
  close(): Promise<void>;
}

export interface TestGatewayOptions {
  /** Names of demo upstreams to start; default one, `ehr`. */
  readonly upstreams?: readonly string[];
  /** Upstreams that run already, by name. */
  readonly urls?: Readonly<Record<string, string>>;
  readonly client?: Partial<UpstreamOptions>;
  /** YAML of the rule set. */
  readonly rules?: string;
  readonly parts?: Partial<GatewayParts>;
  readonly outboxLimit?: number;
  /** Every upstream is this member's gateway, and these are the tags shared with it. */
  readonly counterpart?: { readonly member: string; readonly tags: PeerTags };
  readonly clock?: () => number;
}

/** Writes are judged, reads are not. */
export const PUSH_RULES = 'name: test\npolicy: gateway\ndefault: {push: reject, pull: off}\n';

/** A gateway on real parts: demo upstreams, recorder and compliance on disk, the validator with R4 core; only the ledger replica is empty. */
export async function openGateway(options: TestGatewayOptions = {}): Promise<TestGateway> {
  const dataDir = mkdtempSync(join(tmpdir(), 'concordat-gateway-'));
  const clock = options.clock ?? Date.now;
  const random = (length: number): Uint8Array => new Uint8Array(randomBytes(length));
  const names = options.upstreams ?? (options.urls === undefined ? ['ehr'] : []);
  const started = await Promise.all(
    names.map((name) => startUpstream({ name, port: 0, dataDir: join(dataDir, 'upstreams', name) })),
  );
  const urls = [
    ...names.map((name, i) => [name, started[i]?.url ?? ''] as const),
    ...Object.entries(options.urls ?? {}),
  ];
  const { counterpart } = options;
  const disclosures = new ReceivedDisclosures((received) => {
    void recorder.acknowledge(received, { ruleSet: ruleSet.digest, packages: [], engine: 'test' });
  });
  const client = {
    ...options.client,
    ...(counterpart !== undefined && { member: counterpart.member }),
    onDisclosed: (received: ReceivedDisclosure) => disclosures.note(received),
  };
  const upstreams = new Map(urls.map(([name, url]) => [name, openClient(name, url, clock, client)]));
  const store = new ProvenanceStore({ dataDir: join(dataDir, 'provenance'), masterKey: random(32) });
  const recorder = new ExchangeRecorder({
    store,
    writer: 'gateway-1',
    outboxLimit: options.outboxLimit ?? 100_000,
    rules: () => 0,
    clock,
    random,
    onCommitted: () => undefined,
    peerTags: (member) => (member === counterpart?.member ? counterpart.tags : undefined),
  });
  const queries = new RecordQueries(store, recorder.vault);
  const ruleSet = createRuleSet(parseRules(parseYaml(options.rules ?? PUSH_RULES)));
  const validator = await testValidator();
  const ledger = { ...emptyLedgerView(), status: emptyStatus };
  const logLines: string[] = [];
  const alarms: Alarm[] = [];
  const parts: GatewayParts = {
    member: 'hospital',
    publicUrl: undefined,
    upstreams,
    authenticator: createOpenAuthenticator('127.0.0.1'),
    smart: undefined,
    recorder,
    disclosures,
    validator,
    ruleSet,
    adoptedRuleSets: () => [],
    ledger,
    compliance: createCompliance({
      member: 'hospital',
      store,
      recorder,
      queries,
      ledger,
      readVersion: createVersionReader(upstreams),
      isDeleted: createDeletionReader(upstreams),
      peerTags: () => undefined,
      context: () => ({
        ruleSet: ruleSet.digest,
        packages: validator.context.packages,
        engine: validator.context.engine,
      }),
      clock,
      random,
    }),
    logger: pino({ level: 'debug' }, { write: (line: string) => logLines.push(line) }),
    metrics: createGatewayMetrics(new Registry(), options.parts?.alarms ?? (() => alarms)),
    alarms: () => alarms,
    clock,
    random,
    cursorKey: random(32),
    operations: ['everything'],
    partialSearch: 'annotate',
    allowedOrigins: [],
    limits: DEFAULT_LIMITS,
    ...options.parts,
  };
  const app = createApp(parts);
  const closers: (() => Promise<void>)[] = [];
  return {
    app,
    parts,
    recorder,
    queries,
    dataDir,
    logLines,
    upstreams: started,
    record(eventId) {
      const sequence = queries.sequenceOf(new Uint8Array(Buffer.from(eventId, 'base64url')));
      return sequence === undefined ? undefined : queries.open(sequence);
    },
    async listen() {
      const server = createServer(app);
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      closers.push(
        () =>
          new Promise((resolve) => {
            server.close(() => resolve());
            server.closeAllConnections();
          }),
      );
      return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    },
    async close() {
      for (const close of closers) await close();
      await Promise.all([...upstreams.values()].map((upstream) => upstream.close()));
      await Promise.all(started.map((upstream) => upstream.close()));
      recorder.close();
      store.close();
      rmSync(dataDir, { recursive: true });
    },
  };
}

function openClient(
  name: string,
  url: string,
  clock: () => number,
  changes: Partial<UpstreamOptions> = {},
): UpstreamClient {
  return new UpstreamClient({
    name,
    url,
    auth: { kind: 'none' },
    connectTimeoutMs: 1_000,
    headersTimeoutMs: 5_000,
    totalTimeoutMs: 5_000,
    concurrency: 32,
    answerBodyBytes: 16 * 1024 * 1024,
    clock,
    jitter: () => 0.5,
    ...changes,
  });
}

async function testValidator(): Promise<GatewayParts['validator']> {
  const packages = await loadPackages({
    packages: ['hl7.fhir.r4.core#4.0.1'],
    packagesDirectory: join(root, 'profiles'),
  });
  return createValidatorFor({ packages, policy: 'gateway' });
}

function emptyStatus(): LedgerStatus {
  return {
    origin: 'ledger.example/test',
    member: 'hospital',
    writer: 'gateway-1',
    size: 0,
    root: new Uint8Array(32),
    finalSize: 0,
    finalRoot: new Uint8Array(32),
    events: 0,
    cuts: 0,
    signedSize: 0,
    lagRecords: 0,
    incidents: [],
    alarms: [],
    members: [],
    quorum: 0,
  };
}
