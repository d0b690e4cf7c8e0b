import { makeSoloConsortium } from './bench-ledger-consortium.ts';
import type { FillAnswer, FillTask } from './bench-ledger-fill-process.ts';
import type { BenchProcesses } from './bench-ledger-process.ts';
import type { ReplicateAnswer, ReplicateTask } from './bench-ledger-replicate-process.ts';
import { round, type Row } from './bench-ledger-row.ts';
import type { TopicPlace } from './bench-ledger-topic.ts';

const MOST_WARM_UP_EVENTS = 100_000;

/** Fills a topic in one process and replicates it in another, which holds nothing else. */
export async function benchReplicate(options: {
  readonly processes: BenchProcesses;
  readonly place: TopicPlace;
  readonly folder: string;
  readonly events: number;
}): Promise<readonly Row[]> {
  const { processes, place, folder, events } = options;
  const { genesis, member } = makeSoloConsortium();
  const common = { place, genesis: Buffer.from(genesis).toString('base64'), member };
  const fill = async (name: string, count: number): Promise<FillAnswer> => {
    const task: FillTask = { ...common, name, events: count };
    return processes.run<FillAnswer>('bench-ledger-fill-process.ts', task);
  };
  const warmUp = { name: `warm-up-${String(events)}`, events: Math.min(MOST_WARM_UP_EVENTS, 10 * events) };
  const name = `replicate-${String(events)}`;
  const { ids: warmUpIds } = await fill(warmUp.name, warmUp.events);
  const { ids, bytes } = await fill(name, events);
  const task: ReplicateTask = { ...common, folder, name, events, ids, warmUp: { ...warmUp, ids: warmUpIds } };
  const { rows } = await processes.run<ReplicateAnswer>('bench-ledger-replicate-process.ts', task);
  return [...rows, { name: 'bytes on the wire', value: round(bytes / events), unit: 'B/event' }];
}
