import { randomBytes } from 'node:crypto';
import { readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { openLedgerNode, type LedgerNode } from '../src/ledger/ledger-node.ts';
import type { LedgerView } from '../src/ledger/ledger-view.ts';
import { verifyReceipt } from '../src/ledger/verifier.ts';
import { silentLog, type BenchMember } from './bench-ledger-consortium.ts';
import { serveTask } from './bench-ledger-process.ts';
import { compared, perSecond, round, type Row } from './bench-ledger-row.ts';
import { onlyConsume, openBenchTopic, type TopicPlace } from './bench-ledger-topic.ts';
import { BenchSealStore } from './bench-seal-store.ts';

/** Replicates a whole topic, proves some of its events and checks the proofs, in a process of its own, so that its memory is the replica's. */
export interface ReplicateTask {
  readonly place: TopicPlace;
  readonly name: string;
  readonly events: number;
  /** Ids to prove. */
  readonly ids: readonly string[];
  /** A small topic by the same member, replicated first: the compiler's warm-up is no part of any figure. */
  readonly warmUp: { readonly name: string; readonly events: number; readonly ids: readonly string[] };
  /** Base64. */
  readonly genesis: string;
  readonly member: BenchMember;
  readonly folder: string;
}

export interface ReplicateAnswer {
  readonly rows: readonly Row[];
}

const PROOFS = 1000;

async function replicate(task: ReplicateTask): Promise<ReplicateAnswer> {
  const warm = await openReplica(task, task.warmUp.name);
  await readAll(warm.node, task.warmUp.events);
  await proofs(warm.node, task.warmUp.ids, task.genesis);
  await warm.close();

  const { node, dataDir, close } = await openReplica(task, task.name);
  const read = await readAll(node, task.events);
  const peakBytes = process.resourceUsage().maxRSS * 1024;
  const proofRows = await proofs(node, task.ids, task.genesis);
  await node.engine.replica.flush();
  const onDisk = readdirSync(dataDir).reduce((sum, name) => sum + statSync(join(dataDir, name)).size, 0);
  await close();
  // Last: the client of the baseline is no part of a replica's memory.
  const baseline = await onlyConsume(task.place, task.name, task.events);
  return {
    rows: [
      compared({ name: 'replicate + verify + store', value: read.perSecond, unit: 'events/s', baseline }),
      { name: 'replicate, last tenth', value: read.lastTenthPerSecond, unit: 'events/s' },
      { name: 'replicate CPU', value: read.cpuPerEvent, unit: 'µs/event' },
      ...proofRows,
      { name: 'bytes on disk', value: round(onDisk / task.events), unit: 'B/event' },
      { name: 'resident memory', value: round(read.residentBytes / 2 ** 20), unit: 'MiB' },
      { name: 'resident memory peak', value: round(peakBytes / 2 ** 20), unit: 'MiB' },
    ],
  };
}

async function openReplica(
  { place, genesis, member, folder }: ReplicateTask,
  name: string,
): Promise<{ node: LedgerNode; dataDir: string; close: () => Promise<void> }> {
  const topic = await openBenchTopic(place, name);
  const cosignatureTopic = await openBenchTopic(place, `${name}-cosignatures`);
  const dataDir = join(folder, `replica-${name}`);
  const node = openLedgerNode({
    genesis: Buffer.from(genesis, 'base64'),
    topic,
    cosignatureTopic,
    peers: [],
    dataDir,
    clock: Date.now,
    random: randomBytes,
    log: silentLog,
    member: member.name,
    writer: 'signer',
    keys: member.keys,
    sealStore: new BenchSealStore('signer'),
    firstStart: true,
  });
  const close = async (): Promise<void> => {
    await node.close();
    await topic.close();
    await cosignatureTopic.close();
    rmSync(dataDir, { recursive: true, force: true });
  };
  return { node, dataDir, close };
}

interface ReadFigures {
  readonly perSecond: number;
  readonly lastTenthPerSecond: number;
  /** µs */
  readonly cpuPerEvent: number;
  /** Median over the second half: buffers that wait for the garbage collector make a single look differ by 20 MiB. */
  readonly residentBytes: number;
}

/** Reads, verifies and stores until all events are durable in the replica. */
async function readAll({ engine }: LedgerNode, events: number): Promise<ReadFigures> {
  const { replica } = engine;
  const startedMs = performance.now();
  const cpuBefore = process.cpuUsage();
  let tenth = { startedMs, eventsBefore: 0 };
  const residentBytes: number[] = [];
  while (replica.head.events < events) {
    if (replica.head.events < events * 0.9) tenth = { startedMs: performance.now(), eventsBefore: replica.head.events };
    await engine.readStep(1000);
    if (replica.head.events >= events / 2) residentBytes.push(process.memoryUsage.rss());
  }
  const cpu = process.cpuUsage(cpuBefore);
  return {
    perSecond: perSecond(events, startedMs),
    lastTenthPerSecond: perSecond(events - tenth.eventsBefore, tenth.startedMs),
    cpuPerEvent: round((cpu.user + cpu.system) / events),
    residentBytes: residentBytes.toSorted((a, b) => a - b)[residentBytes.length >> 1] ?? 0,
  };
}

/** Receipts of final events as a member gives them, and their check as an outsider makes it. */
async function proofs(node: LedgerNode, ids: readonly string[], genesis: string): Promise<Row[]> {
  await node.start();
  while (node.view.status().finalSize === 0) await new Promise((resolve) => setTimeout(resolve, 20));
  const texts: Uint8Array[] = [];
  const sample = Array.from({ length: PROOFS }, () => ids[Math.floor(Math.random() * ids.length)] ?? '');
  const prove = sample.map((id) => {
    const startedMs = performance.now();
    texts.push(new TextEncoder().encode(receipt(node.view, id)));
    return performance.now() - startedMs;
  });
  const check: number[] = [];
  for (const text of texts) {
    const startedMs = performance.now();
    await verifyReceipt({ receipt: text, genesis: Buffer.from(genesis, 'base64') });
    check.push(performance.now() - startedMs);
  }
  return [...timeRows('prove', prove), ...timeRows('check proof', check)];
}

/** Median and p95. */
function timeRows(name: string, timesMs: readonly number[]): Row[] {
  const sorted = timesMs.toSorted((a, b) => a - b);
  const at = (part: number): number => round(sorted[Math.floor(sorted.length * part)] ?? 0);
  return [
    { name, value: at(0.5), unit: 'ms' },
    { name: `${name} p95`, value: at(0.95), unit: 'ms' },
  ];
}

function receipt(view: LedgerView, id: string): string {
  const answer = view.receipt(id);
  if (answer.state !== 'final') throw new Error(`a receipt is ${answer.state}`);
  return answer.text;
}

serveTask<ReplicateTask>(replicate);
