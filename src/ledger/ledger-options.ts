import type { LogParameters } from './genesis.ts';
import type { LedgerView } from './ledger-view.ts';
import type { PeerClient, WitnessClient } from './peer.ts';
import type { SealStore } from './seal-store.ts';
import type { Topic } from './transport.ts';

/** Signing keys of a member as C2SP signer-key text (`PRIVATE+KEY+…`). */
export interface MemberKeys {
  readonly batch: string;
  readonly origin: string;
  readonly cosigner: string;
}

/** Timers and limits; every one has a default in `DEFAULT_PARAMETERS`. */
export interface LedgerParameters {
  /** A cut is due this long after the first leaf that is no cut. */
  readonly cutIntervalMs: number;
  /** A cut is due this long after the last one where nothing else came. */
  readonly idleCutIntervalMs: number;
  readonly freezeAfterMs: number;
  /** A batch is sealed at 256 events, or when its oldest event has waited this long. */
  readonly lingerMs: number;
  /** A sealed batch that is not read back within this time is sent again, with all that follow. */
  readonly resendAfterMs: number;
  readonly anchorIntervalMs: number;
  /** How often peers are asked for checkpoints. */
  readonly peerIntervalMs: number;
  readonly maximumReadBytes: number;
  /** How long one read of a topic waits for records. */
  readonly readWaitMs: number;
  /** Batch bodies are dropped this many leaves below the final size; undefined keeps all. Governance bodies are never dropped. */
  readonly keepBodiesLeaves: number | undefined;
}

export const DEFAULT_PARAMETERS: LedgerParameters = {
  cutIntervalMs: 1000,
  idleCutIntervalMs: 30_000,
  freezeAfterMs: 90_000,
  lingerMs: 100,
  resendAfterMs: 5000,
  anchorIntervalMs: 60_000,
  peerIntervalMs: 2000,
  maximumReadBytes: 1 << 20,
  readWaitMs: 1000,
  keepBodiesLeaves: undefined,
};

/** The log's own parameters, as governance has them in force, over the defaults, and what this process is told over both. */
export function effectiveParameters(
  { cutIntervalMs, idleCutIntervalMs, freezeAfterMs }: LogParameters,
  given: Partial<LedgerParameters> | undefined,
): LedgerParameters {
  const told = Object.fromEntries(Object.entries(given ?? {}).filter(([, value]) => value !== undefined));
  return { ...DEFAULT_PARAMETERS, cutIntervalMs, idleCutIntervalMs, freezeAfterMs, ...told };
}

/** The part of a structured logger that the ledger uses; pino's instances fit. Never given event bytes. */
export interface LedgerLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface LedgerNodeOptions {
  /** Bytes of the genesis file; every leaf 0 that is not this one is refused. */
  readonly genesis: Uint8Array;
  /** Undefined with `writer`, `keys` and `sealStore`: a reader that verifies and serves but neither seals nor cosigns. */
  readonly member?: string;
  readonly writer?: string;
  readonly keys?: MemberKeys;
  /** False at every gateway of a member but one: two that saw different logs would sign two trees with one key. Default true. */
  readonly cosigns?: boolean;
  /** Keys that a `rotate-key` or `admit` names: used from the moment that it is in force. */
  readonly nextKeys?: MemberKeys;
  readonly sealStore?: SealStore;
  readonly topic: Topic;
  readonly cosignatureTopic: Topic;
  readonly peers: readonly PeerClient[];
  readonly witnesses?: readonly WitnessClient[];
  /** Folder for tiles, blobs, indexes and the two small stores (`replica.db`, `cosigner.db`); made if missing. */
  readonly dataDir: string;
  readonly parameters?: Partial<LedgerParameters>;
  /** Logs that this one goes on from, oldest first. */
  readonly past?: readonly LedgerView[];
  /** True the first time a writer is started (`concordat init`): an empty outbox is then not taken for a restored backup. */
  readonly firstStart?: boolean;
  /** Epoch ms. */
  readonly clock: () => number;
  readonly random: (length: number) => Uint8Array;
  readonly log: LedgerLog;
}

/** The running ledger of one gateway process. Made by `openLedgerNode(options)` in ledger-node.ts. */
export interface LedgerNodeHandle {
  readonly view: LedgerView;
  /** Starts the loops; resolves once the topic is connected and the genesis is verified, or rejects. */
  start(): Promise<void>;
  /** The recorder committed events: wakes the sealer. Cheap, may be called at every commit. */
  notifyCommitted(): void;
  /** Stops sealing and cosigning, which appends on their way may delay by a few seconds; then reading. Closes both topics and the stores. */
  close(): Promise<void>;
}
