/**
 * Answer to a C2SP tlog-witness `add-checkpoint`, without HTTP: 200 text/plain with cosignature lines; 409 text/x.tlog.size with the size as decimal text
 * and a newline, or without a size where it is the checkpoint's own and the root another; the others have no body. 503: this member's own replica is not there yet, ask again.
 */
export type AddCheckpointResult =
  | { readonly status: 200; readonly cosignatures: string }
  | { readonly status: 409; readonly size: number | undefined }
  | { readonly status: 400 | 403 | 404 | 422 | 503 };

/** What a peer says of a writer's chain; believed only in the direction that makes us refuse. */
export interface HeadReport {
  readonly writer: string;
  readonly batch: number;
}

/** `known`: there, but without a receipt yet or any more. */
export type PeerReceipt =
  { readonly state: 'final'; readonly receipt: Uint8Array } | { readonly state: 'known' | 'unknown' };

/**
 * Another member's ledger routes. Nothing that comes back is believed without a check. Every method has a timeout of its own and rejects
 * when the peer cannot be reached; `undefined` means that the peer answered "not here" (404).
 */
export interface PeerClient {
  readonly member: string;
  /** @param body a tlog-witness `add-checkpoint` request body */
  addCheckpoint(body: Uint8Array): Promise<AddCheckpointResult>;
  checkpoint(): Promise<Uint8Array | undefined>;
  /** @param writer `<member>/<writer>`: to be percent-encoded in a path */
  head(writer: string): Promise<HeadReport | undefined>;
  /** @param hash SHA-256, 32 bytes */
  blob(hash: Uint8Array): Promise<Uint8Array | undefined>;
  tile(level: number, index: number, width?: number): Promise<Uint8Array | undefined>;
  entryBundle(index: number, width?: number): Promise<Uint8Array | undefined>;
  /** `LedgerView.badBodies` of the peer. Optional: without it the peer is not asked. */
  badBodies?(): Promise<readonly number[]>;
  /** How the membership came to be. Optional: without it the peer is not asked. */
  history?(): Promise<Uint8Array | undefined>;
  /** What the peer knows of an event, without asking others in turn. Optional: without it the peer is not asked. */
  receipt?(eventId: string): Promise<PeerReceipt>;
  /** Asks the peer to append a sealed batch of ours to the topic. Optional: without it nothing is relayed. @returns whether it did */
  relay?(frame: Uint8Array): Promise<boolean>;
}

/** Posts an `add-checkpoint` body to one outside witness and returns its cosignature lines. */
export interface WitnessClient {
  readonly name: string;
  /** C2SP verifier key, type 0x04. */
  readonly verifierKey: string;
  addCheckpoint(body: Uint8Array): Promise<AddCheckpointResult>;
}
