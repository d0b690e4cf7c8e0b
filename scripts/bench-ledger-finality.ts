import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { genesisFrame } from '../src/ledger/genesis.ts';
import { openLedgerNode, type LedgerNode } from '../src/ledger/ledger-node.ts';
import type { LedgerView } from '../src/ledger/ledger-view.ts';
import type { PeerClient } from '../src/ledger/peer.ts';
import { makeConsortium, randomEvent, silentLog } from './bench-ledger-consortium.ts';
import type { Row } from './bench-ledger-row.ts';
import { openBenchTopic, type TopicPlace } from './bench-ledger-topic.ts';
import { BenchSealStore } from './bench-seal-store.ts';

const EVENTS = 10_000;
const EVENTS_PER_MS = 1;
const TICK_MS = 10;
const PATIENCE_MS = 60_000;

/** Three members in this process at 1,000 events a second: from the commit of an event to its final checkpoint at its author. */
export async function benchFinality(place: TopicPlace, folder: string): Promise<readonly Row[]> {
  const { genesis, members } = makeConsortium(['hospital', 'clinics', 'payer']);
  const nodes: LedgerNode[] = [];
  const stores: BenchSealStore[] = [];
  const closings: (() => Promise<void>)[] = [];
  const viewOf = (name: string): LedgerView => {
    const node = nodes[members.findIndex((member) => member.name === name)];
    if (node === undefined) throw new Error('not up yet');
    return node.view;
  };
  try {
    for (const [i, member] of members.entries()) {
      const topic = await openBenchTopic(place, 'final');
      closings.push(() => topic.close());
      const cosignatureTopic = await openBenchTopic(place, 'final-cosignatures');
      closings.push(() => cosignatureTopic.close());
      if (i === 0) await topic.append(genesisFrame(genesis));
      const writer = `${member.name}-1`;
      const sealStore = new BenchSealStore(writer, join(folder, `${member.name}.db`));
      const node = openLedgerNode({
        genesis,
        member: member.name,
        writer,
        keys: member.keys,
        sealStore,
        topic,
        cosignatureTopic,
        peers: members.filter((other) => other !== member).map((other) => localPeer(other.name, viewOf)),
        dataDir: join(folder, `member-${member.name}`),
        firstStart: true,
        clock: Date.now,
        random: randomBytes,
        log: silentLog,
      });
      closings.push(() => node.close());
      nodes.push(node);
      stores.push(sealStore);
    }
    for (const node of nodes) await node.start();
    const latencies = (await offerLoad(nodes, stores)).sort((a, b) => a - b);
    const percentile = (part: number): number => Math.round(latencies[Math.floor(latencies.length * part)] ?? 0);
    return [
      { name: 'ack to final p50', value: percentile(0.5), unit: 'ms' },
      { name: 'ack to final p95', value: percentile(0.95), unit: 'ms' },
    ];
  } finally {
    for (const close of closings.reverse()) await close();
  }
}

async function offerLoad(nodes: readonly LedgerNode[], stores: readonly BenchSealStore[]): Promise<number[]> {
  const open: { readonly id: string; readonly member: number; readonly atMs: number }[] = [];
  const latencies: number[] = [];
  const startedMs = performance.now();
  let committed = 0;
  while (committed < EVENTS || open.length > 0) {
    const due = Math.min(EVENTS, Math.floor((performance.now() - startedMs) * EVENTS_PER_MS));
    for (; committed < due; committed++) {
      const member = committed % nodes.length;
      const event = randomEvent();
      stores[member]?.commit(event.bytes);
      // Each tenth event is watched: asking for all would be the load.
      if (committed % 10 === 0) open.push({ id: event.id, member, atMs: performance.now() });
    }
    for (const node of nodes) node.notifyCommitted();
    await new Promise((resolve) => setTimeout(resolve, TICK_MS));
    const nowMs = performance.now();
    while (open[0] !== undefined && nodes[open[0].member]?.view.proofState(open[0].id).state === 'final')
      latencies.push(nowMs - (open.shift()?.atMs ?? nowMs));
    if (nowMs - startedMs > PATIENCE_MS) throw new Error('events did not become final');
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
