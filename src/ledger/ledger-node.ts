import { join } from 'node:path';
import { SqliteCosignerStore } from './cosigner-store.ts';
import { DirectoryStorage } from './directory-storage.ts';
import { EngineView } from './engine-view.ts';
import { errorCode } from './error-code.ts';
import { genesisFrame } from './genesis.ts';
import { LedgerEngine } from './ledger-engine.ts';
import { LedgerError } from './ledger-error.ts';
import type { LedgerNodeHandle, LedgerNodeOptions } from './ledger-options.ts';
import type { LedgerView } from './ledger-view.ts';
import type { Topic } from './transport.ts';
import { delay, waitAtMost } from './wait.ts';

/** Longest sleep of a loop that also wakes by itself. */
const IDLE_TICK_MS = 250;
const RETRY_MS = 500;
const HALTED_RETRY_MS = 2000;
const DRIFT_INTERVAL_MS = 60_000;
const CONNECT_RETRY_MS = 1000;
/** How long appends that are on their way may still take when the node stops. */
const STOP_GRACE_MS = 3000;

/** Opens the stores of a ledger; nothing is read or signed before `start`. @throws {LedgerError} configuration | damaged */
export function openLedgerNode(options: LedgerNodeOptions): LedgerNode {
  return new LedgerNode(options);
}

/** Appends the genesis as record 0 if the topic is empty. Whoever else holds the same file may do so too: a second copy is a harmless duplicate. */
export async function publishGenesis(topic: Topic, genesis: Uint8Array): Promise<void> {
  if ((await topic.endOffset()) === 0n) await topic.append(genesisFrame(genesis));
}

/** Runs the steps of a `LedgerEngine` in loops until it is closed. */
export class LedgerNode implements LedgerNodeHandle {
  readonly #options: LedgerNodeOptions;
  readonly #storage: DirectoryStorage;
  readonly #cosignerStore: SqliteCosignerStore;
  readonly engine: LedgerEngine;
  readonly view: LedgerView;
  readonly #stop = new AbortController();
  /** Ends the sealing and cutting loops first, so that nothing new is signed while the rest winds down. */
  readonly #stopSigning = new AbortController();
  readonly #loops: Promise<void>[] = [];
  readonly #signingLoops: Promise<void>[] = [];
  #wakeSealer = (): void => {};
  #wakePeers = (): void => {};
  #wakeSigner = (): void => {};

  constructor(options: LedgerNodeOptions) {
    this.#options = options;
    const { dataDir, random } = options;
    this.#storage = new DirectoryStorage(dataDir);
    this.#cosignerStore = new SqliteCosignerStore(join(dataDir, 'cosigner.db'));
    try {
      const seed = new DataView(random(4).slice().buffer).getUint32(0);
      this.engine = new LedgerEngine({ ...options, storage: this.#storage, cosignerStore: this.#cosignerStore, seed });
    } catch (error) {
      this.#cosignerStore.close();
      this.#storage.close();
      throw error;
    }
    this.view = new EngineView(this.engine, options.past);
  }

  async start(): Promise<void> {
    const { topic } = this.#options;
    const { engine } = this;
    await topic.connect();
    await engine.driftStep();
    // The first record is judged before anything is served or signed.
    await engine.readStep(0);
    this.#loops.push(this.#run('read', this.#stop.signal, () => this.#read()));
    this.#loops.push(this.#run('cosignatures', this.#stop.signal, () => this.#cosignatures()));
    this.#loops.push(this.#run('peers', this.#stop.signal, () => this.#peers()));
    this.#loops.push(this.#run('upkeep', this.#stop.signal, () => this.#upkeep()));
    if (engine.signing === undefined) return;
    this.#signingLoops.push(this.#run('seal', this.#stopSigning.signal, () => this.#seal()));
    this.#signingLoops.push(this.#run('sign', this.#stopSigning.signal, () => this.#sign()));
  }

  notifyCommitted(): void {
    this.#wakeSealer();
  }

  async close(): Promise<void> {
    const { topic, cosignatureTopic } = this.#options;
    this.#stopSigning.abort();
    const signing = Promise.all(this.#signingLoops);
    await waitAtMost(signing, STOP_GRACE_MS);
    this.#stop.abort();
    // Without brokers an append is tried for longer than anybody waits for a process to stop. What it carries is saved, and sent again after the next start.
    await Promise.all([topic.close(), cosignatureTopic.close()]);
    await Promise.all([signing, ...this.#loops]);
    try {
      await this.engine.replica.flush();
    } finally {
      this.#cosignerStore.close();
      this.#storage.close();
    }
  }

  async #read(): Promise<void> {
    const { engine } = this;
    const { signal } = this.#stop;
    await engine.readStep(engine.parameters.readWaitMs, signal);
    this.#wakeSigner();
    const { state } = engine.reader.state;
    if (state === 'halted' && !(await engine.bootstrapStep())) await delay(HALTED_RETRY_MS, signal);
    if (state === 'unavailable') await delay(RETRY_MS, signal);
  }

  async #seal(): Promise<void> {
    const { signing } = this.engine;
    const { signal } = this.#stopSigning;
    const woken = new Promise<void>((resolve) => (this.#wakeSealer = resolve));
    if (await this.engine.sealStep()) return;
    const waitMs = signing?.sealer.allowed === false ? RETRY_MS : (signing?.sealer.dueInMs() ?? IDLE_TICK_MS);
    if (waitMs > 0) await Promise.race([delay(Math.min(waitMs, IDLE_TICK_MS), signal), woken]);
    else await delay(RETRY_MS, signal);
  }

  async #sign(): Promise<void> {
    const { engine } = this;
    const woken = new Promise<void>((resolve) => (this.#wakeSigner = resolve));
    await engine.cutStep();
    if ((await engine.signStep()) !== undefined) this.#wakePeers();
    const dueMs = engine.cutDueInMs() ?? IDLE_TICK_MS;
    await Promise.race([delay(Math.min(Math.max(dueMs, 5), IDLE_TICK_MS), this.#stopSigning.signal), woken]);
  }

  async #cosignatures(): Promise<void> {
    const { engine } = this;
    if (
      (await engine.cosignatureStep(engine.parameters.readWaitMs, this.#stop.signal)) === 0 &&
      !engine.cosignatures.readToEnd
    )
      await delay(RETRY_MS, this.#stop.signal);
  }

  async #peers(): Promise<void> {
    const woken = new Promise<void>((resolve) => (this.#wakePeers = resolve));
    await this.engine.peerStep();
    await this.engine.relayStep();
    await Promise.race([delay(this.engine.parameters.peerIntervalMs, this.#stop.signal), woken]);
  }

  async #upkeep(): Promise<void> {
    await this.engine.driftStep();
    this.engine.pruneStep();
    await delay(DRIFT_INTERVAL_MS, this.#stop.signal);
  }

  /** Repeats a step until told to stop; a failing one waits and is tried again, so that a full disk or a lost broker ends by itself. */
  async #run(name: string, signal: AbortSignal, step: () => Promise<void>): Promise<void> {
    while (!signal.aborted) {
      try {
        await step();
        if (this.engine.storageFault?.detail.startsWith(`${name}:`) === true) this.engine.storageFault = undefined;
      } catch (error) {
        this.#failed(name, error);
        await delay(CONNECT_RETRY_MS, signal);
      }
    }
  }

  #failed(name: string, error: unknown): void {
    const { clock, log } = this.#options;
    const code = errorCode(error);
    log.error({ step: name, code }, 'a step of the ledger failed');
    const sinceMs = this.engine.storageFault?.sinceMs ?? clock();
    this.engine.storageFault = { sinceMs, detail: `${name}: ${error instanceof LedgerError ? error.message : code}` };
  }
}
