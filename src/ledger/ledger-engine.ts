import { bootstrapFrom, dropUnverified } from './bootstrap.ts';
import { CosignatureFeed } from './cosignature-feed.ts';
import { learnSigned } from './cosigner-memory.ts';
import type { CosignerStore } from './cosigner-store.ts';
import type { CutState } from './cutter.ts';
import { Finality } from './finality.ts';
import { fetchHistory } from './history-exchange.ts';
import { ForkWatch } from './fork-watch.ts';
import { genesisFrame, parseGenesis, type Genesis } from './genesis.ts';
import { Intake } from './intake.ts';
import { LedgerError } from './ledger-error.ts';
import { errorCode } from './error-code.ts';
import { effectiveParameters, type LedgerNodeOptions, type LedgerParameters } from './ledger-options.ts';
import { GovernanceLog } from './governance-log.ts';
import { latestVersion } from './governance-state.ts';
import type { Membership } from './membership.ts';
import { PeerExchange } from './peer-exchange.ts';
import { Replica } from './replica.ts';
import { ReplicaReader } from './replica-reader.ts';
import { isCutSize } from './replica-state.ts';
import type { LedgerStorage } from './storage.ts';
import { RestoredBackupCheck } from './restored-backup.ts';
import { relayThrough } from './relay.ts';
import { makeSigning, type Signing } from './signing.ts';
import { steadyClock } from './steady-clock.ts';

export interface EngineOptions extends Omit<LedgerNodeOptions, 'dataDir' | 'random'> {
  readonly storage: LedgerStorage;
  readonly cosignerStore: CosignerStore;
  /** Random 32-bit number. */
  readonly seed: number;
}

/** After this many times the resend interval without a read-back, peers are asked to append. */
const RELAY_ROUNDS = 2;
const RELAY_BATCHES = 16;

/**
 * The ledger of one process as steps without timers: read → seal → send → cut → sign → exchange → final. `LedgerNode` calls them in loops; a simulation
 * calls them in any order. No two steps of the same name may run at once.
 */
export class LedgerEngine {
  readonly genesis: Genesis;
  readonly replica: Replica;
  readonly governance: GovernanceLog;
  readonly reader: ReplicaReader;
  readonly intake: Intake;
  readonly finality: Finality;
  readonly exchange: PeerExchange;
  readonly cosignatures: CosignatureFeed;
  readonly forks: ForkWatch;
  readonly signing: Signing | undefined;
  readonly options: EngineOptions;
  readonly #restoredBackup: RestoredBackupCheck;
  #finalMs: number;
  #latestSigned: Uint8Array | undefined;
  #publishedMs = 0;
  #markedFinal = 0;
  /** Set by who runs the steps, while one of them fails for want of storage. */
  storageFault: { readonly sinceMs: number; readonly detail: string } | undefined;
  #restoredBackupMs: number | undefined;
  #behindSinceMs: number | undefined;
  #drift: { readonly settings: readonly string[]; readonly sinceMs: number };
  readonly startedMs: number;

  constructor(options: EngineOptions) {
    const { storage, seed, log, peers } = options;
    // Incidents and cosignatures tell the time that it is; all else measures how much has passed.
    const clock = steadyClock(options.clock);
    this.options = { ...options, clock };
    this.genesis = parseGenesis(options.genesis);
    this.startedMs = clock();
    this.#finalMs = this.startedMs;
    this.#drift = { settings: [], sinceMs: this.startedMs };
    dropUnverified(storage);
    this.#restoredBackup = new RestoredBackupCheck({
      topic: options.topic,
      peers,
      firstStart: options.firstStart === true,
    });
    this.replica = new Replica({ storage, clock: options.clock, seed });
    this.governance = new GovernanceLog(this.genesis, this.replica, storage);
    this.signing = makeSigning(options, {
      genesis: this.genesis,
      replica: this.replica,
      governance: this.governance,
      parameters: () => this.parameters,
      shown: (member) => this.finality.largestSignedBy(member),
      timer: clock,
    });
    const cosigner = this.signing?.cosigner;
    this.finality = new Finality({
      origin: this.genesis.origin,
      member: options.member,
      storage,
      replica: this.replica,
      membershipAt: (size) => this.governance.membershipAt(size),
      signOrigin: cosigner === undefined ? undefined : (checkpoint) => cosigner.signOrigin(checkpoint),
      onForeignTree: (signed, members) => this.forks.note(signed, members),
      onFinal: () => (this.#finalMs = clock()),
    });
    this.forks = new ForkWatch({
      replica: this.replica,
      finality: () => this.finality,
      membership: () => this.membership(),
      peers,
      log,
    });
    this.intake = new Intake({
      context: {
        origin: this.genesis.origin,
        genesisFrame: genesisFrame(options.genesis),
        replica: this.replica,
        governance: () => this.governance.state,
        chainStarts: this.genesis.previous?.chains,
      },
      governance: this.governance,
      peers,
      clock,
      own: this.signing === undefined ? undefined : { ...this.signing, exactSends: options.topic },
    });
    this.reader = new ReplicaReader({
      topic: options.topic,
      replica: this.replica,
      parameters: this.parameters,
      clock,
      log,
      take: (record, valueHash) => this.intake.take(record, valueHash),
    });
    this.exchange = new PeerExchange({
      peers,
      witnesses: options.witnesses ?? [],
      replica: this.replica,
      finality: this.finality,
      clock,
      log,
    });
    this.cosignatures = new CosignatureFeed({
      topic: options.cosignatureTopic,
      maximumReadBytes: this.parameters.maximumReadBytes,
      clock,
      log,
      absorb: (note) => this.finality.absorb(note),
    });
    this.finality.review();
  }

  membership(): Membership {
    return this.governance.membership;
  }

  /** Timers as they are in force now. */
  get parameters(): LedgerParameters {
    return effectiveParameters(latestVersion(this.governance.state).parameters, this.options.parameters);
  }

  /** Whether members sign a tree of this size: it ends in an accepted cut, and no change of membership waits before it. */
  maySign(size: number): boolean {
    const gate = this.governance.gate(this.finality.size);
    return (
      this.reader.state.state === 'reading' &&
      isCutSize(this.options.storage, size) &&
      (gate === undefined || size <= gate)
    );
  }

  /** Epoch ms since when nothing has become final. */
  get finalMs(): number {
    return this.#finalMs;
  }

  /** Since when this writer is known to have published what the own outbox has not; sealing stays off until an operator acts. */
  get restoredBackupMs(): number | undefined {
    return this.#restoredBackupMs;
  }

  /** Since when a peer has shown a final tree that the own replica does not reach. */
  get behindSinceMs(): number | undefined {
    return this.#behindSinceMs;
  }

  /** Settings of the topic that are not as they must be. */
  get drift(): { readonly settings: readonly string[]; readonly sinceMs: number } {
    return this.#drift;
  }

  get latestSigned(): Uint8Array | undefined {
    return this.#latestSigned;
  }

  /** Reads the topic once; waits at most `waitMs` for records. @returns records taken */
  async readStep(waitMs: number, signal?: AbortSignal): Promise<number> {
    const taken = await this.reader.poll(waitMs, signal);
    await this.settle();
    return taken;
  }

  /** What follows from what is durable now: read-back, finality, forks. */
  async settle(): Promise<void> {
    if (this.intake.settleOwn(this.replica.durableSize) === 'foreign-signer') this.#forbidSealing();
    if (this.governance.state.closed !== undefined) this.#closeOrigin();
    this.finality.review();
    this.forks.prove();
    await this.replica.flush();
    // After the final note is durable: the outbox drops what it will never need again.
    if (this.finality.size > this.#markedFinal)
      this.options.sealStore?.markFinal((this.#markedFinal = this.finality.size));
  }

  /** Where the topic no longer holds what comes next: goes on from the first peer that can give it. @returns true when one could */
  async bootstrapStep(): Promise<boolean> {
    if (this.reader.state.code !== 'trimmed') return false;
    for (const peer of this.options.peers) {
      try {
        await bootstrapFrom(this, peer);
        return true;
      } catch (error) {
        this.options.log.warn(
          { peer: peer.member, error: errorCode(error) },
          'the replica cannot be filled from a peer',
        );
        // Leaves that no quorum vouches for are in the replica now: it has to be removed by hand.
        if (error instanceof LedgerError && error.code !== 'unavailable') throw error;
      }
    }
    return false;
  }

  /** Seals and sends what is due. @returns true if a batch was sealed */
  async sealStep(): Promise<boolean> {
    const { signing } = this;
    if (signing === undefined) return false;
    if (!signing.sealer.allowed && this.#restoredBackupMs === undefined && this.governance.state.closed === undefined)
      await this.#checkWriter(signing);
    const sealed = signing.sealer.seal();
    // Sent by a member that does not count, it is refused each time, and is one more leaf and incident for everybody.
    if (signing.batchSigner() !== undefined) await signing.sealer.send();
    return sealed;
  }

  /** Ms until `cutStep` has something to do; undefined while this member appends no cuts. */
  cutDueInMs(): number | undefined {
    const cutter = this.#mayCut ? this.signing?.cutter : undefined;
    return cutter?.dueInMs(this.#cutState);
  }

  /** Appends a cut if one is due. */
  async cutStep(): Promise<void> {
    if (this.#mayCut) await this.signing?.cutter.step(this.#cutState);
  }

  get #mayCut(): boolean {
    const isOpen = this.reader.state.state === 'reading' && this.governance.state.closed === undefined;
    return isOpen && this.signing?.batchSigner() !== undefined;
  }

  get #cutState(): CutState {
    const { intake, replica } = this;
    return { firstOtherMs: intake.firstOtherMs, lastCutMs: intake.lastCutMs, cuts: replica.head.cuts };
  }

  /** Signs the latest cut's tree and publishes it. @returns the note, if one was signed now */
  async signStep(): Promise<Uint8Array | undefined> {
    const { signing, replica } = this;
    if (signing !== undefined && !signing.cosigner.allowed) await learnSigned(this, signing);
    if (signing === undefined || !signing.cosigner.allowed || this.reader.state.state !== 'reading') return undefined;
    const gate = this.governance.gate(this.finality.size);
    // A change of membership comes into force by a checkpoint that the old one made final: nothing greater is signed before.
    const size = gate ?? replica.head.lastCut + 1;
    const republish =
      this.finality.size < size && this.options.clock() - this.#publishedMs >= this.parameters.peerIntervalMs;
    if (size > replica.durableSize || size < 1) return undefined;
    if (signing.cosigner.lastSize >= size && this.#latestSigned !== undefined && !republish) return undefined;
    const result = signing.cosigner.sign(size);
    if (result.state === 'contradiction') {
      const detail = 'the own replica does not contain the tree that this member signed before';
      const incident = { member: signing.member, writer: undefined, evidence: undefined, detail };
      replica.addIncident({ ...incident, kind: 'replica-altered', leafIndex: result.signedSize - 1 });
      await replica.flush();
      return undefined;
    }
    if (result.state !== 'signed') return undefined;
    await this.publish(result.note);
    return result.note;
  }

  /** Takes a note that this member signed and sends it to the second topic; peers get it by `exchange.push`. */
  async publish(note: Uint8Array): Promise<void> {
    this.#latestSigned = note;
    this.#publishedMs = this.options.clock();
    this.finality.absorb(note);
    await this.replica.flush();
    await this.cosignatures.publish(note);
  }

  /** Reads other members' signatures from the second topic. @returns how many records came */
  async cosignatureStep(waitMs: number, signal?: AbortSignal): Promise<number> {
    const count = await this.cosignatures.read(waitMs, signal);
    if (count > 0) await this.settle();
    return count;
  }

  /** Exchanges checkpoints with peers and submits the final one to outside witnesses. */
  async peerStep(): Promise<void> {
    await this.exchange.pull();
    if (this.#latestSigned !== undefined) await this.exchange.push(this.#latestSigned);
    const final = this.finality.note;
    if (final !== undefined) await this.exchange.submitOutside(final);
    const { governance, finality } = this;
    await fetchHistory({ governance, finality, peers: this.options.peers, log: this.options.log });
    await this.settle();
    await this.forks.locate();
    await this.forks.compareWaiting();
    const behind = this.exchange.peerSize > this.replica.head.size;
    const { ahead } = this.exchange;
    // Not at the first sight: to be a little behind is the ordinary case.
    if (behind && this.#behindSinceMs !== undefined && ahead !== undefined) {
      await this.forks.compareAhead(ahead.peer, ahead.final);
    }
    await this.replica.flush();
    this.#behindSinceMs = behind ? (this.#behindSinceMs ?? this.options.clock()) : undefined;
  }

  /** Sends sealed batches by way of peers while the own way to the topic does not take them. @returns how many were taken */
  async relayStep(): Promise<number> {
    const { sealStore, peers, clock } = this.options;
    const sealer = this.signing?.sealer;
    const waitingMs = sealer?.waitingSinceMs;
    if (sealStore === undefined || sealer?.allowed !== true || waitingMs === undefined) return 0;
    if (clock() - waitingMs < RELAY_ROUNDS * this.parameters.resendAfterMs) return 0;
    const taken = await relayThrough(peers, sealStore.unsequenced(RELAY_BATCHES));
    for (const batch of taken) sealer.sends.relayed(batch);
    return taken.length;
  }

  /** Asks the transport for its settings. */
  async driftStep(): Promise<void> {
    try {
      const { drift } = await this.options.topic.describe();
      const same = drift.join() === this.#drift.settings.join();
      if (!same) this.#drift = { settings: drift, sinceMs: this.options.clock() };
      await this.intake.learnTransport();
    } catch (error) {
      this.options.log.warn({ error: errorCode(error) }, 'the topic cannot be described');
    }
  }

  /** Drops bodies of batches that are final and old enough. @returns segments removed */
  pruneStep(): number {
    const { keepBodiesLeaves } = this.parameters;
    if (keepBodiesLeaves === undefined) return 0;
    return this.replica.leaves.prune(Math.max(0, this.finality.size - keepBodiesLeaves));
  }

  /** Members have opened another epoch: nothing is signed in this log again, not even after a restart. */
  #closeOrigin(): void {
    const { cosignerStore } = this.options;
    if (!cosignerStore.isClosed(this.genesis.origin)) cosignerStore.closeOrigin(this.genesis.origin);
    this.signing?.sealer.forbid();
  }

  #forbidSealing(): void {
    this.#restoredBackupMs ??= this.options.clock();
    this.signing?.sealer.forbid();
    this.options.log.error(
      { writer: this.signing?.writer },
      'this writer has published batches that are not in the own outbox: sealing stops',
    );
  }

  async #checkWriter({ member, writer, sealer }: Signing): Promise<void> {
    const { sealStore } = this.options;
    if (sealStore === undefined) return;
    const accepted = this.replica.writer(`${member}/${writer}`);
    // Batches that are in the way of others by the same writer: to sign on behind them would add to the contradiction.
    const isParted = sealer
      .unsequenced()
      .some(
        ({ batch, headerHash }) =>
          batch <= (accepted?.batch ?? 0) && this.replica.acceptedLeaf(headerHash) === undefined,
      );
    const result = await this.#restoredBackup.run({
      chain: `${member}/${writer}`,
      head: sealStore.head(),
      quorum: this.membership().quorum,
      readOffset: this.replica.head.nextOffset,
      seen: this.intake.seenOwnBatch,
      seenHash: accepted,
    });
    if (result === 'restored' || isParted) this.#forbidSealing();
    // While peers were asked, another signer may have shown itself, or the log may have ended.
    else if (result === 'current' && this.#restoredBackupMs === undefined && this.governance.state.closed === undefined)
      sealer.allow();
  }
}
