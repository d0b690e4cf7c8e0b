import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { buildBatch, MAXIMUM_BATCH_EVENTS, NO_PREVIOUS_HEADER } from '../src/ledger/batch.ts';
import { encodeEvent } from '../src/ledger/event.ts';
import { FileTopic } from '../src/ledger/file-topic.ts';
import { buildGenesis, DEFAULT_LOG_PARAMETERS, genesisFrame, TWO_THIRDS } from '../src/ledger/genesis.ts';
import { KafkaTopic } from '../src/ledger/kafka-topic.ts';
import { openLedgerNode, type LedgerNode } from '../src/ledger/ledger-node.ts';
import type { LedgerView } from '../src/ledger/ledger-view.ts';
import { generateSigningKey, parseSignerKey, parseVerifierKey, type NoteSigner } from '../src/ledger/note-key.ts';
import type { PeerClient } from '../src/ledger/peer.ts';
import type { Topic } from '../src/ledger/transport.ts';
import { verifyReceipt } from '../src/ledger/verifier.ts';
import { BenchSealStore } from './bench-seal-store.ts';

/** Measures the ledger in one process: see docs/performance.md. `--events N`, `--json FILE`, `--brokers HOST:PORT,…` for a Kafka topic. */
interface Row {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  readonly baseline?: { readonly name: string; readonly value: number };
  readonly ratio?: number;
}

const ORIGIN = 'ledger.example/bench';
const log = { info: () => {}, warn: () => {}, error: () => {} };
const { values } = parseArgs({
  options: {
    events: { type: 'string', default: '1000000' },
    json: { type: 'string' },
    brokers: { type: 'string' },
  },
});
const eventCount = Number(values.events);
if (!Number.isSafeInteger(eventCount) || eventCount < 1) throw new Error('--events takes a number');
const folder = mkdtempSync(join(tmpdir(), 'concordat-bench-'));

interface BenchMember {
  readonly name: string;
  readonly keys: { readonly batch: string; readonly origin: string; readonly cosigner: string };
}

function makeConsortium(count: number): { genesis: Uint8Array; members: BenchMember[] } {
  const made = ['hospital', 'clinics', 'payer'].slice(0, count).map((name) => ({
    name,
    batch: generateSigningKey({ name, type: 0x01, seed: randomBytes(32) }),
    origin: generateSigningKey({ name: ORIGIN, type: 0x01, seed: randomBytes(32) }),
    cosigner: generateSigningKey({ name: `${name}/cosigner`, type: 0x04, seed: randomBytes(32) }),
  }));
  const genesis = buildGenesis({
    origin: ORIGIN,
    members: made.map((member) => ({
      name: member.name,
      batchKey: parseVerifierKey(member.batch.verifierKey),
      originKey: parseVerifierKey(member.origin.verifierKey),
      cosignerKey: parseVerifierKey(member.cosigner.verifierKey),
      agreementKey: randomBytes(32),
    })),
    quorum: TWO_THIRDS,
    parameters: DEFAULT_LOG_PARAMETERS,
    ruleSet: '0'.repeat(64),
  });
  const members = made.map(({ name, batch, origin, cosigner }) => ({
    name,
    keys: { batch: batch.signerKey, origin: origin.signerKey, cosigner: cosigner.signerKey },
  }));
  return { genesis, members };
}

function randomEvent(): { id: string; bytes: Uint8Array } {
  const id = randomBytes(16).toString('base64url');
  const commit = randomBytes(32).toString('base64url');
  return { id, bytes: encodeEvent({ id, kind: 'received', alg: 'c1', commit, rules: 0, links: [] }) };
}

async function openTopic(name: string): Promise<Topic> {
  const brokers = values.brokers?.split(',');
  const create = {
    replicationFactor: Math.min(3, brokers?.length ?? 1),
    minimumInsyncReplicas: Math.min(2, brokers?.length ?? 1),
  };
  const topic: Topic =
    brokers === undefined
      ? new FileTopic({ path: join(folder, `${name}.db`) })
      : new KafkaTopic({ brokers, topic: `bench-${String(process.pid)}-${name}`, create });
  await topic.connect();
  return topic;
}

function perSecond(count: number, startedMs: number): number {
  return Math.round((count * 1000) / (performance.now() - startedMs));
}

function chain(signer: NoteSigner, member: string): (events: readonly Uint8Array[]) => Uint8Array {
  let [batch, prev, firstEvent] = [1, NO_PREVIOUS_HEADER, 0];
  return (events) => {
    const built = buildBatch({ log: ORIGIN, member, writer: 'bench', batch, prev, firstEvent, events, signer });
    [batch, prev, firstEvent] = [batch + 1, built.headerHash, firstEvent + events.length];
    return built.frame;
  };
}

/** Committed events in memory to signed bytes; and one signature for each event, which batches save. */
function benchSeal(member: BenchMember): Row[] {
  const signer = parseSignerKey(member.keys.batch);
  const events = Array.from({ length: 100 * MAXIMUM_BATCH_EVENTS }, () => randomEvent().bytes);
  const seal = chain(signer, member.name);
  for (let i = 0; i < 10; i++) seal(events.slice(0, MAXIMUM_BATCH_EVENTS));
  let startedMs = performance.now();
  for (let i = 0; i < events.length; i += MAXIMUM_BATCH_EVENTS) seal(events.slice(i, i + MAXIMUM_BATCH_EVENTS));
  const sealed = perSecond(events.length, startedMs);
  const single = chain(signer, member.name);
  startedMs = performance.now();
  for (const event of events.slice(0, 2000)) single([event]);
  const baseline = { name: 'one signature per event', value: perSecond(2000, startedMs) };
  const store = new BenchSealStore('bench', join(folder, 'sealed.db'));
  for (const event of events) store.commit(event);
  startedMs = performance.now();
  for (;;) {
    const pending = store.pending(MAXIMUM_BATCH_EVENTS);
    if (pending.length === 0) break;
    const head = store.head();
    const built = buildBatch({
      log: ORIGIN,
      member: member.name,
      writer: 'bench',
      batch: head.batch + 1,
      prev: head.headerHash,
      firstEvent: head.nextEvent,
      events: pending.map((event) => event.bytes),
      signer,
    });
    store.saveSealed({ ...built, batch: head.batch + 1 });
  }
  const durable = perSecond(events.length, startedMs);
  return [
    { name: 'seal', value: sealed, unit: 'events/s', baseline, ratio: sealed / baseline.value },
    { name: 'seal durably', value: durable, unit: 'events/s' },
  ];
}

async function fillTopic(
  topic: Topic,
  genesis: Uint8Array,
  member: BenchMember,
): Promise<{ bytes: number; ids: string[] }> {
  const seal = chain(parseSignerKey(member.keys.batch), member.name);
  const ids: string[] = [];
  await topic.append(genesisFrame(genesis));
  let bytes = 0;
  for (let done = 0; done < eventCount;) {
    const made = Array.from({ length: Math.min(MAXIMUM_BATCH_EVENTS, eventCount - done) }, randomEvent);
    const frame = seal(made.map((event) => event.bytes));
    bytes += frame.length;
    done += made.length;
    if (done % 64 === 0 || ids.length === 0) ids.push(made[0]?.id ?? '');
    await topic.append(frame);
  }
  return { bytes, ids };
}

async function consume(topic: Topic): Promise<number> {
  const startedMs = performance.now();
  const endOffset = await topic.endOffset();
  let next = 0n;
  while (next < endOffset) {
    const { records } = await topic.read({ fromOffset: next, maximumBytes: 1 << 20, waitMs: 1000 });
    next = (records.at(-1)?.offset ?? next - 1n) + 1n;
  }
  return perSecond(eventCount, startedMs);
}

async function benchReplicate(): Promise<Row[]> {
  const { genesis, members } = makeConsortium(1);
  const [member] = members;
  if (member === undefined) throw new Error('no member');
  const topic = await openTopic('replicate');
  const cosignatureTopic = await openTopic('replicate-cosignatures');
  const { bytes, ids } = await fillTopic(topic, genesis, member);
  const baseline = { name: 'only consuming the topic', value: await consume(topic) };
  const dataDir = join(folder, 'replica');
  const common = { genesis, topic, cosignatureTopic, peers: [], dataDir, clock: Date.now, random: randomBytes, log };
  const sealStore = new BenchSealStore('signer');
  const node = openLedgerNode({
    ...common,
    member: member.name,
    writer: 'signer',
    keys: member.keys,
    sealStore,
    firstStart: true,
  });
  const startedMs = performance.now();
  const cpuBefore = process.cpuUsage();
  while (node.engine.replica.head.events < eventCount) await node.engine.readStep(1000);
  const replicated = perSecond(eventCount, startedMs);
  const cpu = process.cpuUsage(cpuBefore);
  await node.start();
  while (node.view.status().finalSize === 0) await new Promise((resolve) => setTimeout(resolve, 20));
  const proofs = await benchProofs(node.view, ids, genesis);
  await node.close();
  const onDisk = diskBytes(dataDir);
  await topic.close();
  await cosignatureTopic.close();
  return [
    {
      name: 'replicate + verify + store',
      value: replicated,
      unit: 'events/s',
      baseline,
      ratio: replicated / baseline.value,
    },
    { name: 'replicate CPU', value: round((cpu.user + cpu.system) / eventCount), unit: 'µs/event' },
    ...proofs,
    { name: 'bytes on the wire', value: round(bytes / eventCount), unit: 'B/event' },
    { name: 'bytes on disk', value: round(onDisk / eventCount), unit: 'B/event' },
    { name: 'resident memory', value: round(process.memoryUsage.rss() / 2 ** 20), unit: 'MiB' },
  ];
}

async function benchProofs(view: LedgerView, ids: readonly string[], genesis: Uint8Array): Promise<Row[]> {
  const sample = Array.from({ length: 500 }, () => ids[Math.floor(Math.random() * ids.length)] ?? '');
  const texts: Uint8Array[] = [];
  let startedMs = performance.now();
  for (const id of sample) {
    const answer = view.receipt(id);
    if (answer.state !== 'final') throw new Error(`a receipt is ${answer.state}`);
    texts.push(new TextEncoder().encode(answer.text));
  }
  const prove = (performance.now() - startedMs) / sample.length;
  startedMs = performance.now();
  for (const receipt of texts) await verifyReceipt({ receipt, genesis });
  const check = (performance.now() - startedMs) / sample.length;
  return [
    { name: 'prove', value: round(prove), unit: 'ms' },
    { name: 'check proof', value: round(check), unit: 'ms' },
  ];
}

/** Three members in this process at 1,000 events a second: from the commit of an event to its final checkpoint at its author. */
async function benchFinality(): Promise<Row[]> {
  const { genesis, members } = makeConsortium(3);
  const nodes: LedgerNode[] = [];
  const stores = members.map((member) => new BenchSealStore(`${member.name}-1`, join(folder, `${member.name}.db`)));
  const topics: Topic[] = [];
  const views = (name: string): LedgerView => {
    const node = nodes[members.findIndex((member) => member.name === name)];
    if (node === undefined) throw new Error('not up yet');
    return node.view;
  };
  for (const [i, member] of members.entries()) {
    const [topic, cosignatureTopic] = [await openTopic('final'), await openTopic('final-cosignatures')];
    if (i === 0) await topic.append(genesisFrame(genesis));
    topics.push(topic, cosignatureTopic);
    const peers = members.filter((other) => other !== member).map((other) => localPeer(other.name, views));
    const dataDir = join(folder, `member-${member.name}`);
    const sealStore = stores[i] as BenchSealStore;
    const writer = `${member.name}-1`;
    nodes.push(
      openLedgerNode({
        genesis,
        member: member.name,
        writer,
        keys: member.keys,
        sealStore,
        topic,
        cosignatureTopic,
        peers,
        dataDir,
        firstStart: true,
        clock: Date.now,
        random: randomBytes,
        log,
      }),
    );
  }
  for (const node of nodes) await node.start();
  const latencies = await offerLoad(nodes, stores);
  for (const node of nodes) await node.close();
  for (const topic of topics) await topic.close();
  latencies.sort((a, b) => a - b);
  const percentile = (part: number): number => Math.round(latencies[Math.floor(latencies.length * part)] ?? 0);
  return [
    { name: 'ack to final p50', value: percentile(0.5), unit: 'ms' },
    { name: 'ack to final p95', value: percentile(0.95), unit: 'ms' },
  ];
}

async function offerLoad(nodes: readonly LedgerNode[], stores: readonly BenchSealStore[]): Promise<number[]> {
  const open: { readonly id: string; readonly member: number; readonly atMs: number }[] = [];
  const latencies: number[] = [];
  const tickMs = 10;
  const startedMs = performance.now();
  let committed = 0;
  while (committed < 10_000 || open.length > 0) {
    const due = Math.min(10_000, Math.floor(performance.now() - startedMs));
    for (; committed < due; committed++) {
      const member = committed % nodes.length;
      const event = randomEvent();
      stores[member]?.commit(event.bytes);
      // Each tenth event is watched: asking for all would be the load.
      if (committed % 10 === 0) open.push({ id: event.id, member, atMs: performance.now() });
    }
    for (const node of nodes) node.notifyCommitted();
    await new Promise((resolve) => setTimeout(resolve, tickMs));
    const nowMs = performance.now();
    while (open[0] !== undefined && nodes[open[0].member]?.view.proofState(open[0].id).state === 'final')
      latencies.push(nowMs - (open.shift()?.atMs ?? nowMs));
    if (nowMs - startedMs > 60_000) throw new Error('events did not become final');
  }
  return latencies;
}

function localPeer(member: string, view: (name: string) => LedgerView): PeerClient {
  return {
    member,
    addCheckpoint: async (body) => view(member).addCheckpoint(body),
    checkpoint: async () => view(member).checkpoint(),
    head: async (writer) => view(member).head(writer),
    blob: async (hash) => view(member).blob(hash),
    tile: async (level, index, width) => view(member).tile(level, index, width),
    entryBundle: async (index, width) => view(member).entryBundle(index, width),
  };
}

function diskBytes(path: string): number {
  return readdirSync(path).reduce((sum, name) => sum + statSync(join(path, name)).size, 0);
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}

try {
  const [member] = makeConsortium(1).members;
  if (member === undefined) throw new Error('no member');
  const rows = [...benchSeal(member), ...(await benchReplicate()), ...(await benchFinality())];
  for (const { name, value, unit, baseline, ratio } of rows) {
    const beside =
      baseline === undefined ? '' : `  (${baseline.name}: ${String(baseline.value)}; ratio ${(ratio ?? 0).toFixed(2)})`;
    console.log(`${name.padEnd(28)} ${String(value).padStart(10)} ${unit}${beside}`);
  }
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(rows, null, 2)}\n`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
