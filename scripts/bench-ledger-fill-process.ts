import { MAXIMUM_BATCH_EVENTS } from '../src/ledger/batch.ts';
import { genesisFrame } from '../src/ledger/genesis.ts';
import { parseSignerKey } from '../src/ledger/note-key.ts';
import { randomEvent, startChain, type BenchMember } from './bench-ledger-consortium.ts';
import { serveTask } from './bench-ledger-process.ts';
import { openBenchTopic, type TopicPlace } from './bench-ledger-topic.ts';

/** Fills a topic with a genesis and batches of random events, in a process of its own: making them would be memory of whoever is measured. */
export interface FillTask {
  readonly place: TopicPlace;
  readonly name: string;
  readonly events: number;
  /** Base64. */
  readonly genesis: string;
  readonly member: BenchMember;
}

export interface FillAnswer {
  /** Bytes of all batches as they went to the topic. */
  readonly bytes: number;
  /** Ids of some of the events, from all over the log. */
  readonly ids: readonly string[];
}

const KEPT_IDS = 2000;

async function fill({ place, name, events, genesis, member }: FillTask): Promise<FillAnswer> {
  const topic = await openBenchTopic(place, name);
  const seal = startChain(parseSignerKey(member.keys.batch), member.name);
  const keepEvery = Math.max(1, Math.floor(events / KEPT_IDS));
  const ids: string[] = [];
  let bytes = 0;
  await topic.append(genesisFrame(Buffer.from(genesis, 'base64')));
  for (let done = 0; done < events;) {
    const made = Array.from({ length: Math.min(MAXIMUM_BATCH_EVENTS, events - done) }, randomEvent);
    made.forEach(({ id }, i) => (done + i) % keepEvery === 0 && ids.push(id));
    const frame = seal(made.map((event) => event.bytes));
    bytes += frame.length;
    done += made.length;
    await topic.append(frame);
  }
  await topic.close();
  return { bytes, ids };
}

serveTask<FillTask>(fill);
