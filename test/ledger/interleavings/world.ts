import { EngineView } from '../../../src/ledger/engine-view.ts';
import { MemoryCosignerStore } from '../../../src/ledger/cosigner-store.ts';
import { genesisFrame } from '../../../src/ledger/genesis.ts';
import { LedgerEngine } from '../../../src/ledger/ledger-engine.ts';
import { MemoryStorage } from '../../../src/ledger/memory-storage.ts';
import type { LedgerParameters, MemberKeys } from '../../../src/ledger/ledger-options.ts';
import { MemoryBroker, MemoryTopic } from '../../../src/ledger/memory-topic.ts';
import { LocalPeer, makeConsortium, SILENT, testEvent, type TestConsortium, type TestMember } from '../consortium.ts';
import { MemorySealStore } from '../memory-seal-store.ts';
import type { Random } from './random.ts';

const PARAMETERS = {
  cutIntervalMs: 1000,
  idleCutIntervalMs: 5000,
  lingerMs: 50,
  resendAfterMs: 3000,
  freezeAfterMs: 30_000,
  peerIntervalMs: 500,
};

export class Killed extends Error {}

/** One member's stores, which outlive its process, and its process. */
export class SimulatedMember {
  readonly identity: TestMember;
  nextKeys: MemberKeys | undefined;
  cosigns = true;
  storage = new MemoryStorage();
  cosignerStore = new MemoryCosignerStore();
  sealStore: MemorySealStore;
  readonly topic: MemoryTopic;
  readonly cosignatureTopic: MemoryTopic;
  peers: LocalPeer[] = [];
  engine: LedgerEngine | undefined;
  view: EngineView | undefined;
  /** Durable steps left until the process dies; undefined: it lives. */
  #stepsToDeath: number | undefined;
  dead = false;

  constructor(identity: TestMember, broker: MemoryBroker, cosignatures: MemoryBroker) {
    this.identity = identity;
    this.sealStore = new MemorySealStore(identity.writer);
    this.topic = new MemoryTopic(broker);
    this.cosignatureTopic = new MemoryTopic(cosignatures);
    this.#watch();
    this.watchSealStore();
  }

  /** The disk with the replica and the cosigner's memory is gone; the outbox is elsewhere. */
  loseDisk(): void {
    this.stop(1);
    this.storage = new MemoryStorage();
    this.cosignerStore = new MemoryCosignerStore();
    this.#watch();
  }

  #watch(): void {
    this.storage.onStep = () => this.#countDown();
    this.cosignerStore.onStep = () => this.#countDown();
  }

  watchSealStore(): void {
    this.sealStore.onStep = () => this.#countDown();
  }

  /** Dies in the middle of a later step, before or after the `steps`-th durable operation from now. */
  killAfter(steps: number): void {
    this.#stepsToDeath = steps;
  }

  stop(fraction: number): void {
    this.engine = undefined;
    this.view = undefined;
    this.dead = false;
    this.#stepsToDeath = undefined;
    this.storage.crash(fraction);
  }

  #countDown(): void {
    if (this.dead) throw new Killed();
    if (this.#stepsToDeath === undefined) return;
    if (--this.#stepsToDeath > 0) return;
    this.dead = true;
    throw new Killed();
  }
}

const consortia = new Map<number, TestConsortium>();

function consortiumOf(members: number): TestConsortium {
  const known = consortia.get(members);
  if (known !== undefined) return known;
  const made = makeConsortium({ members });
  consortia.set(members, made);
  return made;
}

/** All members, both topics and one clock, in memory: nothing happens but by a call. */
export class World {
  readonly random: Random;
  readonly consortium: TestConsortium;
  readonly broker = new MemoryBroker();
  readonly cosignatures = new MemoryBroker();
  readonly members: SimulatedMember[];
  nowMs = 1_700_000_000_000;
  /** What each process is told over the log's own timers. */
  parameters: Partial<LedgerParameters> = PARAMETERS;
  /** Ids of all events that were committed, by author. */
  readonly events: { readonly id: string; readonly author: SimulatedMember }[] = [];
  readonly trace: string[] = [];
  #commits = 0;

  constructor(members: number, random: Random, consortium: TestConsortium = consortiumOf(members)) {
    this.random = random;
    this.consortium = consortium;
    this.broker.append(genesisFrame(this.consortium.genesis));
    this.members = this.consortium.members.map(
      (identity) => new SimulatedMember(identity, this.broker, this.cosignatures),
    );
    for (const member of this.members) {
      member.peers = this.members
        .filter((other) => other !== member)
        .map((other) => new LocalPeer(other.identity.name, () => (other.dead ? undefined : other.view)));
    }
  }

  async start(member: SimulatedMember, firstStart = false): Promise<void> {
    await member.topic.connect();
    await member.cosignatureTopic.connect();
    member.dead = false;
    member.engine = new LedgerEngine({
      genesis: this.consortium.genesis,
      member: member.identity.name,
      writer: member.identity.writer,
      keys: member.identity.keys,
      sealStore: member.sealStore,
      topic: member.topic,
      cosignatureTopic: member.cosignatureTopic,
      peers: member.peers,
      parameters: this.parameters,
      cosigns: member.cosigns,
      ...(member.nextKeys === undefined ? {} : { nextKeys: member.nextKeys }),
      firstStart,
      clock: () => this.nowMs,
      log: SILENT,
      storage: member.storage,
      cosignerStore: member.cosignerStore,
      seed: 1,
    });
    member.view = new EngineView(member.engine);
    await this.guard(member, (engine) => engine.driftStep());
  }

  /** Runs one step of a member's process; a kill on the way leaves only its stores. */
  async guard(member: SimulatedMember, step: (engine: LedgerEngine) => Promise<unknown>): Promise<void> {
    const { engine } = member;
    if (engine === undefined) return;
    try {
      await step(engine);
    } catch (error) {
      if (!(error instanceof Killed)) throw error;
    }
    // A step of one member may have killed another, which it asked for something.
    for (const other of this.members) if (other.dead) other.stop(this.random.next());
  }

  commit(member: SimulatedMember): void {
    const event = testEvent(`${this.consortium.origin} ${String(this.#commits++)}`);
    member.sealStore.commit(event.bytes, this.nowMs);
    this.events.push({ id: event.id, author: member });
  }

  readonly steps: Record<string, (member: SimulatedMember) => Promise<void>> = {
    read: (member) =>
      this.guard(member, async (engine) => {
        await engine.readStep(0);
        if (engine.reader.state.state === 'halted') await engine.bootstrapStep();
      }),
    seal: (member) => this.guard(member, (engine) => engine.sealStep()),
    cut: (member) => this.guard(member, (engine) => engine.cutStep()),
    sign: (member) => this.guard(member, (engine) => engine.signStep()),
    cosignatures: (member) => this.guard(member, (engine) => engine.cosignatureStep(0)),
    peers: (member) => this.guard(member, (engine) => engine.peerStep()),
    relay: (member) => this.guard(member, (engine) => engine.relayStep()),
  };

  async step(name: string, member: SimulatedMember): Promise<void> {
    this.trace.push(`${String(this.nowMs)} ${member.identity.name} ${name}`);
    await this.steps[name]?.(member);
  }

  /** Everybody up, nothing refused any more, and time for all timers: what can become final does. Ends early when `done` says so. */
  async settle(rounds: number, done: () => boolean, roundMs = 700): Promise<void> {
    this.broker.stalled = false;
    this.cosignatures.stalled = false;
    this.broker.landHeld();
    for (const member of this.members) {
      member.topic.broker.stalled = false;
      for (const peer of member.peers) peer.reachable = true;
      if (member.engine === undefined) await this.start(member);
    }
    for (let round = 0; round < rounds && !(round > 1 && done()); round++) {
      this.nowMs += roundMs;
      for (const name of ['read', 'seal', 'read', 'cut', 'read', 'sign', 'cosignatures', 'peers'])
        for (const member of this.members) await this.step(name, member);
    }
  }
}
