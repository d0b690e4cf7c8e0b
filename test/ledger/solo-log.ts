import { MemoryCosignerStore } from '../../src/ledger/cosigner-store.ts';
import { EngineView } from '../../src/ledger/engine-view.ts';
import { genesisFrame } from '../../src/ledger/genesis.ts';
import { LedgerEngine } from '../../src/ledger/ledger-engine.ts';
import { MemoryStorage } from '../../src/ledger/memory-storage.ts';
import { MemoryBroker, MemoryTopic } from '../../src/ledger/memory-topic.ts';
import type { PeerClient, WitnessClient } from '../../src/ledger/peer.ts';
import type { LedgerStorage } from '../../src/ledger/storage.ts';
import type { Topic } from '../../src/ledger/transport.ts';
import { makeConsortium, SILENT, testEvent, type TestConsortium } from './consortium.ts';
import { MemorySealStore } from './memory-seal-store.ts';

/** A log of one member, driven step by step: the smallest thing that has final checkpoints. */
export class SoloLog {
  readonly consortium: TestConsortium;
  readonly broker = new MemoryBroker();
  readonly storage: LedgerStorage;
  readonly sealStore: MemorySealStore;
  readonly topic: Topic;
  readonly engine: LedgerEngine;
  readonly view: EngineView;
  nowMs = 1_700_000_000_000;
  #events = 0;

  constructor(
    options: {
      storage?: LedgerStorage;
      topic?: Topic;
      peers?: PeerClient[];
      witnesses?: WitnessClient[];
      keepBodiesLeaves?: number;
      origin?: string;
    } = {},
  ) {
    this.consortium = makeConsortium({
      members: 1,
      ...(options.origin === undefined ? {} : { origin: options.origin }),
    });
    const [member] = this.consortium.members;
    if (member === undefined) throw new Error('no member');
    this.storage = options.storage ?? new MemoryStorage();
    this.topic = options.topic ?? new MemoryTopic(this.broker);
    this.sealStore = new MemorySealStore(member.writer);
    this.engine = new LedgerEngine({
      genesis: this.consortium.genesis,
      member: member.name,
      writer: member.writer,
      keys: member.keys,
      sealStore: this.sealStore,
      topic: this.topic,
      cosignatureTopic: new MemoryTopic(new MemoryBroker()),
      peers: options.peers ?? [],
      witnesses: options.witnesses ?? [],
      parameters: { cutIntervalMs: 1000, lingerMs: 10, keepBodiesLeaves: options.keepBodiesLeaves },
      firstStart: true,
      clock: () => this.nowMs,
      log: SILENT,
      storage: this.storage,
      cosignerStore: new MemoryCosignerStore(),
      seed: 1,
    });
    this.view = new EngineView(this.engine);
  }

  async start(): Promise<void> {
    await this.topic.connect();
    await this.engine.options.cosignatureTopic.connect();
    if ((await this.topic.endOffset()) === 0n) await this.topic.append(genesisFrame(this.consortium.genesis));
    await this.engine.driftStep();
    await this.engine.readStep(0);
  }

  /** Seals one batch of so many new events, and reads it back. @returns their ids */
  async addBatch(count: number): Promise<string[]> {
    const ids = Array.from({ length: count }, () => {
      const event = testEvent(`solo ${String(this.#events++)}`);
      this.sealStore.commit(event.bytes, this.nowMs);
      return event.id;
    });
    this.nowMs += 20;
    await this.engine.sealStep();
    await this.engine.readStep(0);
    return ids;
  }

  /** Cuts and signs, so that all that was added is final. */
  async finalise(): Promise<void> {
    this.nowMs += 40_000;
    await this.engine.cutStep();
    await this.engine.readStep(0);
    await this.engine.signStep();
    await this.engine.settle();
  }
}
