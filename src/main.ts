import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { join } from 'node:path';
import { pino, type Logger } from 'pino';
import { createCompliance } from './compliance/queries.ts';
import type { Config } from './config/config.ts';
import { parseYaml } from './config/parse-yaml.ts';
import { createApp } from './gateway/app.ts';
import { createOpenAuthenticator, type Authenticator } from './gateway/auth/authenticator.ts';
import { createJwtAuthenticator } from './gateway/auth/jwt-authenticator.ts';
import type { Alarm, GatewayParts } from './gateway/parts.ts';
import { createDeletionReader, createUpstreamHistory, createVersionReader } from './gateway/upstream-history.ts';
import { createTerminologySender } from './gateway/terminology-client.ts';
import { hmacSha256 } from './hash.ts';
import { parseGenesis } from './ledger/genesis.ts';
import type { LedgerNodeHandle } from './ledger/ledger-options.ts';
import { currentAlarms } from './main/current-alarms.ts';
import { openAgreedKeys, openReceivedDisclosures } from './main/counterparts.ts';
import { LedgerStart, openLedger, openPeers } from './main/open-ledger.ts';
import { openLogs } from './main/open-logs.ts';
import { openMetrics } from './main/open-metrics.ts';
import { openTopic } from './main/open-topic.ts';
import { openUpstreams } from './main/open-upstreams.ts';
import { enterLog } from './provenance/enter-log.ts';
import { ProvenanceStore } from './provenance/provenance-store.ts';
import { Reconciler } from './provenance/reconciler.ts';
import { RecordQueries } from './provenance/record-queries.ts';
import { ExchangeRecorder } from './provenance/recorder.ts';
import { loadPackages } from './validation/packages/load-packages.ts';
import { createRuleSet, requiredProfiles, severityOverrides } from './validation/rules.ts';
import { parseRules, type RuleSetModel } from './validation/rules-parse.ts';
import { RemoteTerminology } from './validation/terminology/remote.ts';
import { assertProfilesUsable, createValidatorFor, type ValidatorOptions } from './validation/validator-factory.ts';
import type { RuleSet, Validator } from './validation/validator.ts';
import { warmUp } from './validation/warm-up.ts';

/** A gateway that listens. */
export interface RunningGateway {
  /** Scheme, host and port that it listens on. */
  readonly url: string;
  /** Drains requests, then closes the parts in the order of their dependence. Safe to call once. */
  close(): Promise<void>;
}

const random = (length: number): Uint8Array => new Uint8Array(randomBytes(length));
const clock = (): number => Date.now();

/**
 * Composes one gateway from its configuration and starts it: parts that others need come first, then the port opens, and the ledger starts last.
 * @throws {AppError} the part's own error; nothing is left running then
 */
export async function startGateway(config: Config): Promise<RunningGateway> {
  const logger = pino({ level: config.logging.level, base: { member: config.member, gateway: config.writer } });
  const closers: (() => Promise<void> | void)[] = [];
  const closeAll = async (): Promise<void> => {
    for (const close of closers.splice(0).reverse()) await close();
  };
  try {
    return await compose(config, logger, closers, closeAll);
  } catch (error) {
    await closeAll();
    throw error;
  }
}

async function compose(
  config: Config,
  logger: Logger,
  closers: (() => Promise<void> | void)[],
  closeAll: () => Promise<void>,
): Promise<RunningGateway> {
  mkdirSync(config.dataDir, { recursive: true, mode: 0o700 });
  const masterKey = decodeMasterKey(config.provenance.masterKey.reveal());
  const { ruleSet, validator } = await loadValidation(config);
  const logs = await openLogs(config, logger, closers);
  const genesis = parseGenesis(logs.genesis);

  const store = new ProvenanceStore({
    dataDir: join(config.dataDir, 'provenance'),
    ...(config.provenance.keyDir !== undefined && { keyDir: config.provenance.keyDir }),
    masterKey,
  });
  closers.push(() => store.close());
  // Before anything is sealed or recorded: what an ended log does not have waits for the one that goes on from it.
  const { requeued } = enterLog(store, {
    member: config.member,
    logs: logs.geneses.map((bytes) => ({ genesis: bytes })),
    bodyOf: (origin, leafIndex) => logs.past.find(({ view }) => view.origin === origin)?.body(leafIndex),
  });
  if (requeued > 0)
    logger.info({ events: requeued, origin: genesis.origin }, 'events wait to be sealed anew in this log');
  const node: { current: LedgerNodeHandle | undefined } = { current: undefined };
  const agreedKeys = openAgreedKeys(config, () => node.current?.view.members() ?? []);
  const recorder = new ExchangeRecorder({
    store,
    writer: config.writer,
    chainStart: genesis.previous?.chains.get(`${config.member}/${config.writer}`),
    outboxLimit: config.provenance.outboxLimit,
    // A gateway that lacks the adopted rule set still reads; during the grace its events name the one that it has.
    rules: () => ruleSetIndex(node.current, ruleSet.digest),
    clock,
    random,
    onCommitted: () => node.current?.notifyCommitted(),
    dataDir: config.dataDir,
    peerTags: (member) => agreedKeys.tagsWith(member),
  });
  closers.push(() => recorder.close());

  const topic = openTopic(config.ledger.topic, logger);
  closers.push(() => topic.close());
  const ledger = openLedger(config, logger, { recorder, topic, logs }, closers);
  node.current = ledger;
  const ledgerStart = new LedgerStart({ ledger, topic, logger });

  const context = () => ({
    ruleSet: ruleSet.digest,
    packages: validator.context.packages,
    engine: validator.context.engine,
  });
  const disclosures = openReceivedDisclosures(recorder, context, logger);
  const upstreams = openUpstreams(config, closers, (received) => disclosures.note(received));
  const queries = new RecordQueries(store, recorder.vault);
  const reconciler = new Reconciler({
    recorder,
    queries,
    history: createUpstreamHistory(upstreams),
    totalTimeoutMs: (name) => upstreams.get(name)?.totalTimeoutMs ?? 0,
    context,
    clock,
    onError: (error) => logger.warn({ code: codeOf(error) }, 'open exchanges could not be settled now'),
    onSettled: ({ eventId, how }) => logger.info({ event: eventId, how }, 'an exchange that was cut off is settled'),
  });
  const alarms = (): Alarm[] =>
    currentAlarms(config, { ledger, ledgerStart, recorder, upstreams, ruleSet: ruleSet.digest });
  const parts: GatewayParts = {
    member: config.member,
    publicUrl: config.publicUrl,
    upstreams,
    authenticator: createAuthenticator(config, logger),
    smart: smartConfiguration(config),
    recorder,
    disclosures,
    validator,
    ruleSet,
    adoptedRuleSets: () => [ledger.view.ruleSet().digest],
    ledger: ledger.view,
    compliance: createCompliance({
      member: config.member,
      store,
      recorder,
      queries,
      ledger: ledger.view,
      readVersion: createVersionReader(upstreams),
      isDeleted: createDeletionReader(upstreams),
      peerTags: (member) => agreedKeys.tagsWith(member),
      context,
      clock,
      random,
    }),
    peers: openPeers(config),
    logger,
    metrics: openMetrics(config, { alarms, ledger: ledger.view, recorder }),
    alarms,
    clock,
    random,
    cursorKey: hmacSha256(masterKey, new TextEncoder().encode('concordat/cursor/v1')),
    ...config.federation,
    limits: config.limits,
  };
  const server = createServer(createApp(parts));
  await listen(server, config.listen);
  closers.push(() => drain(server));
  closers.push(() => reconciler.stop());
  // The port is open before the ledger starts, because members that start together ask each other for what they know.
  await ledgerStart.run(closers);
  reconciler.start();
  const url = urlOf(server, config.listen.host);
  logger.info({ url, origin: ledger.view.origin }, 'listening');
  return { url, close: closeAll };
}

function ruleSetIndex(ledger: LedgerNodeHandle | undefined, digest: string): number {
  const acceptable = ledger?.view.acceptableRuleSets() ?? [];
  return (acceptable.find((candidate) => candidate.digest === digest) ?? acceptable.at(-1))?.index ?? 0;
}

async function loadValidation(config: Config): Promise<{ ruleSet: RuleSet; validator: Validator }> {
  const readRules = (file: string): RuleSetModel => parseRules(parseYaml(readFileSync(file, 'utf8')));
  const shared = readRules(config.validation.rules);
  const local = config.validation.localRules === undefined ? undefined : readRules(config.validation.localRules);
  const packages = await loadPackages({
    packages: config.validation.packages,
    packagesDirectory: config.validation.packagesDir,
  });
  assertProfilesUsable(packages, requiredProfiles(shared, local));
  const validator = createValidatorFor({
    packages,
    policy: shared.policy,
    overrides: severityOverrides(shared, local),
    cannotTell: shared.cannotTell,
    remote: remoteTerminology(config),
    today: new Date().toISOString().slice(0, 10),
  });
  await warmUp(validator, packages);
  return { ruleSet: createRuleSet(shared, local), validator };
}

function remoteTerminology({ validation }: Config): ValidatorOptions['remote'] {
  const { terminology } = validation;
  if (terminology === undefined) return undefined;
  return {
    terminology: new RemoteTerminology({
      send: createTerminologySender(terminology.url),
      timeoutMs: terminology.timeoutMs,
      now: () => performance.now(),
    }),
    whenDown: terminology.whenDown,
  };
}

function createAuthenticator(config: Config, logger: Logger): Authenticator {
  const { auth, listen: address } = config;
  if (auth.mode === 'open') {
    logger.warn(
      { host: address.host },
      'OPEN MODE: no token is asked for, everybody on this machine may read and write everything',
    );
    return createOpenAuthenticator(address.host);
  }
  const issuers = auth.issuers.map(({ issuer, audience, algorithms, claims, members, ...keys }) => ({
    issuer,
    audience,
    algorithms,
    claims,
    members,
    keys: keys.jwksFile === undefined ? { url: keys.jwksUrl ?? '' } : { file: keys.jwksFile },
  }));
  return createJwtAuthenticator({ issuers, clock });
}

/** What clients may learn of where tokens come from: the first issuer is the one named. */
function smartConfiguration({ auth }: Config): GatewayParts['smart'] {
  const first = auth.mode === 'jwt' ? auth.issuers[0] : undefined;
  if (first === undefined) return undefined;
  return {
    issuer: first.issuer,
    ...(first.jwksUrl !== undefined && { jwksUri: first.jwksUrl }),
    ...(first.tokenEndpoint !== undefined && { tokenEndpoint: first.tokenEndpoint }),
    ...(first.authorizationEndpoint !== undefined && { authorizationEndpoint: first.authorizationEndpoint }),
  };
}

function listen(server: Server, address: Config['listen']): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(address.port, address.host, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

/** Lets requests under way finish; connections that only wait are closed at once. */
function drain(server: Server): Promise<void> {
  return new Promise((resolve) => {
    const force = setTimeout(() => server.closeAllConnections(), 10_000);
    server.close(() => {
      clearTimeout(force);
      resolve();
    });
    server.closeIdleConnections();
  });
}

function urlOf(server: Server, host: string): string {
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

function decodeMasterKey(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'base64'));
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unexpected';
}
