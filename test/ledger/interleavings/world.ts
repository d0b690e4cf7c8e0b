import { EngineView } from '../../../src/ledger/engine-view.ts';
import { MemoryCosignerStore } from '../../../src/ledger/cosigner-store.ts';
import { genesisFrame } from '../../../src/ledger/genesis.ts';
import { buildGovernance, type GovernanceAct } from '../../../src/ledger/governance-record.ts';
import { LedgerEngine } from '../../../src/ledger/ledger-engine.ts';
import { MemoryStorage } from '../../../src/ledger/memory-storage.ts';
import type { LedgerParameters, MemberKeys } from '../../../src/ledger/ledger-options.ts';
import { MemoryBroker, MemoryTopic } from '../../../src/ledger/memory-topic.ts';
import { parseSignerKey } from '../../../src/ledger/note-key.ts';
import type { LedgerView } from '../../../src/ledger/ledger-view.ts';
import type { PeerClient } from '../../../src/ledger/peer.ts';
import { TransportError, type TopicRead } from '../../../src/ledger/transport.ts';
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

/** A client whose process may be killed before or after an append, and whose way to the broker may be cut. */
class WatchedTopic extends MemoryTopic {
  reachable = true;
  onStep: (step: string) => void = () => {};

  override async append(value: Uint8Array): Promise<bigint> {
    this.#assertReachable();
    this.onStep('before append');
    const offset = await super.append(value);
    this.onStep('after append');
    return offset;
  }

  override async read(args: Parameters<MemoryTopic['read']>[0]): Promise<TopicRead> {
    this.#assertReachable();
    return super.read(args);
  }

  override async endOffset(): Promise<bigint> {
    this.#assertReachable();
    return super.endOffset();
  }

  #assertReachable(): void {
    if (!this.reachable) throw new TransportError('unavailable', 'the way to the broker is cut');
  }
}

/** One member's stores, which outlive its process, and its process. */
export class SimulatedMember {
  /** Its keys change when governance rotates them. */
  identity: TestMember;
  nextKeys: MemberKeys | undefined;
  cosigns = true;
  storage = new MemoryStorage();
  cosignerStore = new MemoryCosignerStore();
  sealStore: MemorySealStore;
  readonly topic: WatchedTopic;
  readonly cosignatureTopic: WatchedTopic;
  peers: PeerClient[] = [];
  engine: LedgerEngine | undefined;
  view: EngineView | undefined;
  /** Durable steps left until the process dies; undefined: it lives. */
  #stepsToDeath: number | undefined;
  dead = false;
  /** No peer reaches it. */
  isHidden = false;
  /** Nobody starts its process. */
  isAway = false;
  /** Ended logs that this one goes on from. */
  past: readonly LedgerView[] = [];
  /** Durable steps so far, and how often it was killed in one. */
  steps = 0;
  kills = 0;
  /** The step that it was last killed in. */
  killedAt: string | undefined;

  constructor(identity: TestMember, broker: MemoryBroker, cosignatures: MemoryBroker) {
    this.identity = identity;
    this.sealStore = new MemorySealStore(identity.writer);
    this.topic = new WatchedTopic(broker);
    this.cosignatureTopic = new WatchedTopic(cosignatures);
    this.topic.onStep = this.cosignatureTopic.onStep = (step) => this.#countDown(step);
    this.#watch();
    this.watchSealStore();
  }

  /** The replica is gone, the cosigner's memory and the outbox are elsewhere. */
  loseReplica(): void {
    this.stop(1);
    this.storage = new MemoryStorage();
    this.#watch();
  }

  /** The disk with the replica and the cosigner's memory is gone; the outbox is elsewhere. */
  loseDisk(): void {
    this.cosignerStore = new MemoryCosignerStore();
    this.loseReplica();
  }

  /** Takes its way to the brokers and to all peers, both directions, or gives it back. */
  cutOff(isCutOff: boolean): void {
    this.topic.reachable = this.cosignatureTopic.reachable = !isCutOff;
    this.hide(isCutOff);
  }

  /** The same for peers alone. */
  hide(isHidden: boolean): void {
    this.isHidden = isHidden;
    for (const peer of this.peers) if (peer instanceof LocalPeer) peer.reachable = !isHidden;
  }

  /** Goes on with the outbox and the cosigner's memory of a process that this member ran before. */
  takeOver({ sealStore, cosignerStore }: SimulatedMember): void {
    this.sealStore = sealStore;
    this.cosignerStore = cosignerStore;
    this.#watch();
    this.watchSealStore();
  }

  #watch(): void {
    this.storage.onStep = this.cosignerStore.onStep = (step) => this.#countDown(step);
  }

  watchSealStore(): void {
    this.sealStore.onStep = (step) => this.#countDown(step);
  }

  /** Dies in the middle of a later step, before or after the `steps`-th durable operation from now. */
  killAfter(steps: number): void {
    this.#stepsToDeath = steps;
  }

  /** Takes back what `killAfter` has begun. */
  spare(): void {
    this.#stepsToDeath = undefined;
  }

  stop(fraction: number): void {
    this.engine = undefined;
    this.view = undefined;
    this.dead = false;
    this.#stepsToDeath = undefined;
    this.storage.crash(fraction);
  }

  #countDown(step: string): void {
    if (this.dead) throw new Killed();
    this.steps++;
    if (this.#stepsToDeath === undefined || --this.#stepsToDeath > 0) return;
    this.dead = true;
    this.kills++;
    this.killedAt = step;
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

/** The steps that make an event final when everybody takes them, in this order. */
export const ROUND = ['read', 'seal', 'read', 'cut', 'read', 'sign', 'cosignatures', 'peers'] as const;
export type StepName = (typeof ROUND)[number] | 'relay';

/** All members, both topics and one clock, in memory: nothing happens but by a call. */
export class World {
  readonly random: Random;
  readonly consortium: TestConsortium;
  readonly broker = new MemoryBroker();
  readonly cosignatures = new MemoryBroker();
  readonly members: SimulatedMember[];
  /** Second processes that liars run with their own keys; not judged. */
  readonly shadows: SimulatedMember[] = [];
  nowMs = 1_700_000_000_000;
  /** What each process is told over the log's own timers. */
  parameters: Partial<LedgerParameters> = PARAMETERS;
  /** Ids of all events that were committed, by author. */
  readonly events: { readonly id: string; readonly author: SimulatedMember }[] = [];
  readonly trace: string[] = [];
  /** Governance records that were signed: changes take their numbers from it, because one that changes nothing is refused. */
  governanceRecords = 0;
  /** Keys that members have made for a rotation, by the new batch key: kept until it is in force. */
  readonly preparedKeys = new Map<string, TestMember>();
  /** Names of members that were suspended or removed and did nothing wrong. */
  readonly excluded = new Set<string>();
  /** Processes that had a batch appended by a peer, or perhaps so. */
  readonly relayed = new Set<LedgerEngine>();
  /** Looks at a member after each of its steps. */
  afterStep: (member: SimulatedMember) => void = () => {};
  #commits = 0;

  constructor(members: number, random: Random, consortium: TestConsortium = consortiumOf(members)) {
    this.random = random;
    this.consortium = consortium;
    this.broker.append(genesisFrame(this.consortium.genesis));
    this.members = this.consortium.members.map(
      (identity) => new SimulatedMember(identity, this.broker, this.cosignatures),
    );
    for (const member of this.members) member.peers = this.peersOf(member.identity.name);
  }

  /** Everybody who steps. */
  get crew(): readonly SimulatedMember[] {
    return [...this.members, ...this.shadows];
  }

  /** All members but the named one, as it reaches them. */
  peersOf(name: string): LocalPeer[] {
    return this.members.filter(({ identity }) => identity.name !== name).map((other) => this.peer(other));
  }

  peer(other: SimulatedMember): LocalPeer {
    return new LocalPeer(other.identity.name, () => (other.dead || other.isHidden ? undefined : other.view));
  }

  async start(member: SimulatedMember, firstStart = false): Promise<void> {
    if (member.isAway) return;
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
    member.view = new EngineView(member.engine, member.past);
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
    for (const other of this.crew) if (other.dead) other.stop(this.random.next());
  }

  commit(member: SimulatedMember): void {
    const event = testEvent(`${this.consortium.origin} ${String(this.#commits++)}`);
    member.sealStore.commit(event.bytes, this.nowMs);
    this.events.push({ id: event.id, author: member });
  }

  /** Signs a governance record by this member and puts it on the topic that it sees. @returns the id that votes name */
  act(member: SimulatedMember, act: GovernanceAct): string {
    const { name, keys } = member.identity;
    const signer = parseSignerKey(keys.batch);
    this.governanceRecords++;
    const { frame, id } = buildGovernance({ log: this.consortium.origin, member: name, act, signer });
    member.topic.broker.append(frame);
    return id;
  }

  readonly steps: Readonly<Record<StepName, (engine: LedgerEngine) => Promise<unknown>>> = {
    read: async (engine) => {
      await engine.readStep(0);
      if (engine.reader.state.state === 'halted') await engine.bootstrapStep();
    },
    seal: (engine) => engine.sealStep(),
    cut: (engine) => engine.cutStep(),
    sign: (engine) => engine.signStep(),
    cosignatures: (engine) => engine.cosignatureStep(0),
    peers: (engine) => engine.peerStep(),
    relay: async (engine) => {
      if ((await engine.relayStep()) > 0) this.relayed.add(engine);
    },
  };

  async step(name: StepName, member: SimulatedMember): Promise<void> {
    this.trace.push(`${String(this.nowMs)} ${member.identity.name} ${name}`);
    await this.guard(member, this.steps[name]);
    this.afterStep(member);
    this.#takeNewKeys(member);
  }

  /** A member whose new keys are in force, by a checkpoint that is final, is started again with them. */
  #takeNewKeys(member: SimulatedMember): void {
    const { engine, identity } = member;
    if (engine === undefined || this.preparedKeys.size === 0) return;
    const inForce = engine.governance.state.versions.findLast(({ from }) => from <= engine.finality.size);
    const current = inForce?.members.find(({ name }) => name === identity.name);
    const renewed = this.preparedKeys.get(current?.batchKey.text ?? '');
    if (renewed === undefined || renewed.keys === identity.keys) return;
    member.identity = renewed;
    member.stop(this.random.next());
  }

  /** Everybody takes each step in turn. */
  async round(elapsedMs: number, names: readonly StepName[] = ROUND): Promise<void> {
    this.nowMs += elapsedMs;
    for (const name of names) for (const member of this.crew) await this.step(name, member);
  }

  /** Whoever is down starts again. */
  async startAll(): Promise<void> {
    for (const member of this.crew) if (member.engine === undefined) await this.start(member);
  }

  /** Nothing is refused, and nobody is hindered any more. */
  calm(): void {
    this.cosignatures.stalled = false;
    for (const member of this.members) {
      member.topic.broker.stalled = false;
      member.topic.broker.landHeld();
      member.cutOff(false);
    }
  }

  /** Everybody up, nothing refused any more, and time for all timers: what can become final does. Ends early when `done` says so. */
  async settle(rounds: number, done: () => boolean, roundMs = 700): Promise<void> {
    this.calm();
    for (let round = 0; round < rounds && !(round > 1 && done()); round++) {
      await this.startAll();
      await this.round(roundMs);
    }
  }
}
