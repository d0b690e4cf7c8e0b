import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { SqliteCosignerStore, type CosignerStore } from './cosigner-store.ts';
import { DirectoryStorage } from './directory-storage.ts';
import { EngineView } from './engine-view.ts';
import type { PreviousLog } from './genesis-previous.ts';
import type { GovernanceState } from './governance-state.ts';
import { LedgerEngine } from './ledger-engine.ts';
import type { LedgerLog } from './ledger-options.ts';
import type { LedgerView, ProofState, ReceiptAnswer } from './ledger-view.ts';
import { sameHash } from './merkle/tree-hash.ts';
import type { LedgerStorage } from './storage.ts';
import { TransportError, type Topic } from './transport.ts';

/** What a log that the members have ended still answers: proofs of what was final in it, up to where it was ended, and nothing beyond. */
export interface PastLog {
  readonly view: LedgerView;
  /** At the end of the stored replica. */
  readonly governance: GovernanceState;
  /** Body of a leaf, where it is still kept. */
  body(leafIndex: number): Uint8Array | undefined;
  close(): void;
}

/**
 * Opens the stored replica of a log that has ended, read-only.
 * @param options.end what the next log's genesis says of it
 * @returns undefined where it is not here, or is not the tree that the members agreed on: proofs are then had from other members
 */
export function openPastLog(options: {
  readonly genesis: Uint8Array;
  readonly dataDir: string;
  readonly end: PreviousLog;
  readonly clock: () => number;
  readonly log: LedgerLog;
}): PastLog | undefined {
  const { genesis, dataDir, end, clock, log } = options;
  if (!existsSync(join(dataDir, 'replica.db'))) return undefined;
  const storage = new DirectoryStorage(dataDir, { readOnly: true });
  const cosignerStore = new SqliteCosignerStore(join(dataDir, 'cosigner.db'));
  const close = (): void => {
    cosignerStore.close();
    storage.close();
  };
  try {
    const past = readPastLog({ genesis, end, clock, log, storage, cosignerStore });
    if (past === undefined) close();
    return past === undefined ? undefined : { ...past, close };
  } catch (error) {
    close();
    throw error;
  }
}

/** The same over stores that are open; from here on nothing is signed in the ended log again. */
export function readPastLog(options: {
  readonly genesis: Uint8Array;
  readonly end: PreviousLog;
  readonly clock: () => number;
  readonly log: LedgerLog;
  readonly storage: LedgerStorage;
  readonly cosignerStore: CosignerStore;
}): Omit<PastLog, 'close'> | undefined {
  const { end, cosignerStore, log } = options;
  // Whatever this process signs in the next log, it never again signs in this one.
  cosignerStore.closeOrigin(end.origin);
  const topic = new EndedTopic();
  const engine = new LedgerEngine({ ...options, topic, cosignatureTopic: topic, peers: [], seed: 0 });
  const { replica } = engine;
  if (replica.head.size < end.size || !sameHash(replica.tree.root(end.size), end.root)) {
    log.warn({ origin: end.origin }, 'the own replica of the previous log is not the one that the members agreed on');
    return undefined;
  }
  return {
    view: new EndedView(engine, end.size),
    governance: engine.governance.state,
    body: (leafIndex) => (leafIndex < replica.head.size ? replica.leaf(leafIndex).body : undefined),
  };
}

/** Nothing that became final only after the agreed end counts. */
class EndedView extends EngineView {
  readonly #finality: LedgerEngine['finality'];
  readonly #size: number;

  constructor(engine: LedgerEngine, size: number) {
    super(engine);
    this.#finality = engine.finality;
    this.#size = size;
  }

  override checkpoint(): Uint8Array | undefined {
    return this.#finality.noteAt(this.#size);
  }

  override receipt(eventId: string): ReceiptAnswer {
    return this.proofState(eventId).state === 'final' ? super.receipt(eventId) : { state: 'unknown' };
  }

  override proofState(eventId: string): ProofState {
    const found = super.proofState(eventId);
    return found.state === 'final' && found.checkpointSize <= this.#size ? found : { state: 'unknown' };
  }
}

class EndedTopic implements Topic {
  #refuse(): never {
    throw new TransportError('closed', 'this log has ended');
  }

  connect = async (): Promise<void> => this.#refuse();
  append = async (): Promise<bigint> => this.#refuse();
  read = async (): Promise<never> => this.#refuse();
  endOffset = async (): Promise<bigint> => this.#refuse();
  describe = async (): Promise<never> => this.#refuse();
  close = async (): Promise<void> => {};
}
