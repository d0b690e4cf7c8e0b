import { createHash, randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { encodeEvent } from '../src/ledger/event.ts';
import { genesisFrame } from '../src/ledger/genesis.ts';
import { openLedgerNode } from '../src/ledger/ledger-node.ts';
import { makeSoloConsortium, randomEvent, silentLog, WRITER } from './bench-ledger-consortium.ts';
import { serveTask } from './bench-ledger-process.ts';
import { openBenchTopic, type TopicPlace } from './bench-ledger-topic.ts';
import { BenchSealStore } from './bench-seal-store.ts';

/**
 * A member that writes. First for itself: so many events in flight, each followed by another once it is *sequenced*: sealed on disk, acknowledged by the topic, read
 * back and durable in the own replica. Then for others: `POST /add` commits an event over the body's hash and answers with the event's number once it is sequenced.
 */
export interface WriterTask {
  readonly place: TopicPlace;
  readonly folder: string;
  readonly inFlight: number;
  readonly seconds: number;
}

export interface WriterAnswer {
  /** Events/s of the first part. */
  readonly sequencedPerSecond: number;
  /** Where the second part listens; `GET /sequenced` tells how many events are. */
  readonly url: string;
}

async function write({ place, folder, inFlight, seconds }: WriterTask): Promise<WriterAnswer> {
  const { genesis, member } = makeSoloConsortium();
  const topic = await openBenchTopic(place, 'writer');
  await topic.append(genesisFrame(genesis));
  const waiting: (() => void)[] = [];
  const store = new BenchSealStore(WRITER, join(folder, 'writer.db'), (count) => {
    for (const settle of waiting.splice(0, count)) settle();
  });
  const node = openLedgerNode({
    genesis,
    member: member.name,
    writer: WRITER,
    keys: member.keys,
    sealStore: store,
    topic,
    cosignatureTopic: await openBenchTopic(place, 'writer-cosignatures'),
    peers: [],
    dataDir: join(folder, 'writer'),
    firstStart: true,
    clock: Date.now,
    random: randomBytes,
    log: silentLog,
  });
  await node.start();
  /** Events become sequenced in the order of their commits. */
  const commit = (event: Uint8Array): Promise<void> =>
    new Promise((resolve) => {
      store.commit(event);
      waiting.push(resolve);
      node.notifyCommitted();
    });
  await keepInFlight(inFlight, 2, commit);
  const sequencedPerSecond = await keepInFlight(inFlight, seconds, commit);
  const server = createServer((request, response) => void answer(request, response, store, commit));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { sequencedPerSecond, url: `http://127.0.0.1:${String((server.address() as AddressInfo).port)}/` };
}

/** @returns events/s that became sequenced */
async function keepInFlight(
  inFlight: number,
  seconds: number,
  commit: (event: Uint8Array) => Promise<void>,
): Promise<number> {
  const startedMs = performance.now();
  let sequenced = 0;
  const work = async (): Promise<void> => {
    while (performance.now() - startedMs < seconds * 1000) {
      await commit(randomEvent().bytes);
      sequenced++;
    }
  };
  await Promise.all(Array.from({ length: inFlight }, work));
  return Math.round((sequenced * 1000) / (performance.now() - startedMs));
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  store: BenchSealStore,
  commit: (event: Uint8Array) => Promise<void>,
): Promise<void> {
  if (request.method !== 'POST') return void response.end(String(store.sequenced));
  const hash = createHash('sha256');
  for await (const chunk of request) hash.update(chunk as Buffer);
  const id = randomBytes(16).toString('base64url');
  const event = { id, kind: 'received', alg: 'c1', commit: hash.digest('base64url'), rules: 0, links: [] } as const;
  const number = store.committed;
  await commit(encodeEvent(event));
  response.end(String(number));
}

serveTask<WriterTask>(write);
