import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { foundConsortium } from '../cli/consortium.ts';
import { stopSignal } from '../cli/stop-signal.ts';
import { parseYaml } from '../config/parse-yaml.ts';
import { parseGenesis } from '../ledger/genesis.ts';
import { parseRules } from '../validation/rules-parse.ts';
import { ruleSetDigest } from '../validation/rules.ts';
import {
  DEMO_FIRST_PORT,
  DEMO_LAYOUT,
  DEMO_ORIGIN,
  composeLayout,
  planConsortium,
  processCount,
} from './consortium-plan.ts';
import type { ConsortiumPlan, PlannedServer } from './consortium-plan.ts';
import { ChildError } from './child-process.ts';
import { DataLock } from './data-lock.ts';
import { DemoProcesses } from './demo-processes.ts';
import { fetchReceipt, proveAgreement, verifyOffline } from './demo-proof.ts';
import { summaryJson, summaryText } from './demo-summary.ts';
import type { DemoSummary, MemberSummary } from './demo-summary.ts';
import { findFreePorts } from './free-ports.ts';
import { RULES_FILE, serverUrl, writeGatewayConfig } from './gateway-config.ts';
import { startBrokers } from './kafka-brokers.ts';
import { hapiClasses } from './hapi-server.ts';
import { kafkaJars, missingForKafka } from './kafka-jars.ts';
import { Progress } from './progress.ts';
import { tellStory } from './story.ts';
import type { StoryResult } from './story.ts';
import { TokenIssuer } from './token-issuer.ts';

export interface DemoOptions {
  /** End after the summary. */
  readonly exit: boolean;
  /** Gets the summary for programs. */
  readonly jsonFile: string | undefined;
  readonly dataDir: string | undefined;
  readonly firstPort: number | undefined;
  /** The topology of docker-compose.yml without Docker: three Kafka brokers and two HAPI FHIR servers. Needs Java and Maven. */
  readonly isOnKafka: boolean;
}

const DATA_ROOT = fileURLToPath(new URL('../../.concordat', import.meta.url));
const DAY_MS = 86_400_000;
const AGREEMENT_TIMEOUT_MS = 60_000;
/** Gateways whose brokers were killed with the demo take up to 27 s to stop. */
const LOCK_WAIT_MS = 40_000;
const MOST_STARTS = 4;

/**
 * Brings up the demo consortium in a folder, tells its story, prints the summary, and runs until it is stopped. Started again on the same folder it goes on
 * with what is there.
 * @returns the exit code: 0 when everything in the summary held
 */
export async function runDemo(options: DemoOptions): Promise<number> {
  const startedMs = Date.now();
  const missing = options.isOnKafka ? missingForKafka() : undefined;
  if (missing !== undefined) throw new ChildError('not-ready', `Kafka and HAPI FHIR need Java and Maven: ${missing}`);
  const dataDir = resolve(options.dataDir ?? join(DATA_ROOT, options.isOnKafka ? 'consortium' : 'demo'));
  const stop = stopSignal();
  const lock = await DataLock.take(dataDir, LOCK_WAIT_MS);
  const layout = options.isOnKafka ? composeLayout(await fetchServers()) : DEMO_LAYOUT;
  const cluster = options.isOnKafka ? await startBrokers(join(dataDir, 'kafka')) : undefined;
  const started: { processes?: DemoProcesses } = {};
  const brokers = cluster?.brokers();
  const start = async (): Promise<DemoSummary> => {
    const plan = planConsortium({
      dataDir,
      ports: await findFreePorts(options.firstPort ?? DEMO_FIRST_PORT, processCount(layout)),
      layout,
      ...(brokers !== undefined && { brokers }),
    });
    prepareConsortium(plan);
    const issuer = TokenIssuer.open({ keyFile: plan.issuerKeyFile, jwksFile: plan.jwksFile, clock: Date.now });
    for (const member of plan.members) writeGatewayConfig(plan, member);
    const processes = new DemoProcesses(plan, (title) => {
      lock.note([process.pid, ...processes.pids()]);
      process.stderr.write(`${title} died and is started again\n`);
    });
    started.processes = processes;
    return runStory({ plan, issuer, processes, lock, startedMs });
  };
  try {
    const summary = await Promise.race([
      onFreePorts(start, async () => started.processes?.stop()),
      stop.then(() => undefined),
    ]);
    if (summary === undefined) return 1;
    if (options.jsonFile !== undefined)
      writeWhole(options.jsonFile, `${JSON.stringify(summaryJson(summary), null, 2)}\n`);
    process.stdout.write(summaryText(summary));
    if (!options.exit) {
      process.stdout.write('Running until Ctrl-C.\n');
      await stop;
      process.stdout.write('\nStopping…\n');
    }
    return summary.faults.length === 0 ? 0 : 1;
  } finally {
    await started.processes?.stop();
    await cluster?.close();
    lock.release();
  }
}

/** A port that was free a moment ago may be another's now, such as that of a second demo: then all is stopped and tried on the ports that are free by then. */
async function onFreePorts<T>(start: () => Promise<T>, stop: () => Promise<void>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await start();
    } catch (error) {
      const isTaken = error instanceof ChildError && error.message.includes('EADDRINUSE');
      if (!isTaken || attempt === MOST_STARTS) throw error;
      await stop();
      await delay(attempt * 1000);
    }
  }
}

/** A program that waits for the file finds it whole. */
function writeWhole(file: string, text: string): void {
  writeFileSync(`${file}.partial`, text);
  renameSync(`${file}.partial`, file);
}

/**
 * Once for all that start: two builds of the same cache would be in each other's way.
 * @returns which FHIR servers there are: the demo's own where HAPI FHIR cannot be had
 */
async function fetchServers(): Promise<PlannedServer['kind']> {
  process.stdout.write('Fetching Kafka and HAPI FHIR, unless they are here from an earlier start (210 MB)\n');
  try {
    await kafkaJars();
  } catch (error) {
    throw new ChildError('not-ready', 'Kafka cannot be had from the Maven repository', { cause: error });
  }
  try {
    await hapiClasses();
    return 'hapi';
  } catch {
    process.stdout.write("HAPI FHIR cannot be had from the Maven repository: the demo's own FHIR servers stand in\n");
    return 'demo';
  }
}

/** Genesis and keys, at the first start. A folder of keys without a genesis is what a crash in the middle of founding left: nothing was done with them. */
function prepareConsortium(plan: ConsortiumPlan): void {
  if (existsSync(plan.genesisFile)) return;
  rmSync(plan.consortiumDir, { recursive: true, force: true });
  mkdirSync(plan.consortiumDir, { recursive: true, mode: 0o700 });
  foundConsortium({
    origin: DEMO_ORIGIN,
    members: plan.members.map((member) => member.name),
    ruleSet: ruleSetDigest(parseRules(parseYaml(readFileSync(RULES_FILE, 'utf8')))),
    outDir: plan.consortiumDir,
    random: (length) => new Uint8Array(randomBytes(length)),
  });
}

interface StoryRun {
  readonly plan: ConsortiumPlan;
  readonly issuer: TokenIssuer;
  readonly processes: DemoProcesses;
  readonly lock: DataLock;
  readonly startedMs: number;
}

async function runStory({ plan, issuer, processes, lock, startedMs }: StoryRun): Promise<DemoSummary> {
  const starting = new Progress('Starting', plan.members.length + plan.servers.length, process.stdout);
  await processes.start((title) => {
    lock.note([process.pid, ...processes.pids()]);
    starting.advance(1, title);
  });
  starting.end();
  const members = plan.members.map((member) => ({
    name: member.name,
    gatewayUrl: `${member.url}/fhir`,
    upstreams: member.upstreams,
  }));
  const progress: { bar?: Progress } = {};
  const story = await tellStory({
    members,
    issuer,
    onPlan: (steps) => (progress.bar = new Progress('Exchanging', steps, process.stdout)),
    onStep: (steps, note) => progress.bar?.advance(steps, note),
  });
  progress.bar?.end();
  return summarise(plan, story, issuer, startedMs);
}

async function summarise(
  plan: ConsortiumPlan,
  story: StoryResult,
  issuer: TokenIssuer,
  startedMs: number,
): Promise<DemoSummary> {
  const ledgerUrls = plan.members.map((member) => `${member.url}/ledger`);
  const events = [
    ...new Set([...story.lastEvents.values(), ...(story.receiptEvent === undefined ? [] : [story.receiptEvent])]),
  ];
  const proof = await proveAgreement({ ledgerUrls, events, timeoutMs: AGREEMENT_TIMEOUT_MS });
  const policy = join(plan.dataDir, 'policy.txt');
  const receipt = join(plan.dataDir, 'receipt.txt');
  writeFileSync(policy, proof.policyText);
  writeFileSync(receipt, await fetchReceipt(ledgerUrls[0] ?? '', story.receiptEvent ?? events[0] ?? ''));
  const verdict = await verifyOffline(receipt, plan.genesisFile);
  const differing = proof.replicas.some((replica) => replica.root !== proof.final.root);
  const originKeys = new Map(
    parseGenesis(new Uint8Array(readFileSync(plan.genesisFile))).members.map((member) => [
      member.name,
      member.originKey.text,
    ]),
  );
  return {
    members: plan.members.map((member, index): MemberSummary => ({
      name: member.name,
      gatewayUrl: `${member.url}/fhir`,
      auditUrl: `${member.url}/audit`,
      ledgerUrl: `${member.url}/ledger`,
      upstreams: member.upstreams.map(({ name, server }) => ({ name, url: serverUrl(server) })),
      replica: proof.replicas[index] ?? { size: 0, root: '' },
      originKey: originKeys.get(member.name) ?? '',
    })),
    origin: DEMO_ORIGIN,
    genesis: plan.genesisFile,
    policy,
    receipt,
    final: proof.final,
    accepted: story.accepted,
    refusals: story.refusals,
    dataDir: plan.dataDir,
    token: issuer.issue({
      client: 'demo-client',
      user: 'demo-user',
      organisation: dirname(DEMO_ORIGIN),
      purpose: 'TREAT',
      scope: 'system/*.cruds',
      lifetimeMs: DAY_MS,
    }),
    patients: story.patients,
    resources: story.resources,
    verdict: verdict.text,
    faults: [
      ...story.faults,
      ...(differing ? ["the members' trees differ"] : []),
      ...(verdict.held ? [] : ['the receipt does not verify']),
    ],
    seconds: Math.round((Date.now() - startedMs) / 1000),
  };
}
