import { sha256 } from '../hash.ts';
import { parseBatchHeader } from './batch.ts';
import { encodeHex } from './encoding.ts';
import { readOrUndefined } from './format-error.ts';
import { parseFrame } from './frame.ts';
import { batchKeysAt, type GovernanceState } from './governance-state.ts';
import { judgeSigner } from './judge.ts';
import { sameHash } from './merkle/tree-hash.ts';
import type { PeerClient } from './peer.ts';
import type { Replica } from './replica.ts';
import type { SealedBatch } from './seal-store.ts';

/** How far ahead of a chain's accepted end a relayed batch may be: its predecessors may be on their way as well. */
const MAXIMUM_AHEAD = 64;

/**
 * Whether another member's sealed batch may be appended for it. A batch proves by itself whose it is, so relaying needs no trust; what could not be
 * accepted is refused, so that nobody fills the topic through somebody else.
 */
export function mayRelay(frame: Uint8Array, context: { replica: Replica; governance: GovernanceState }): boolean {
  const { replica, governance } = context;
  const parsed = parseFrame(frame);
  const header = parsed === undefined ? undefined : readOrUndefined(() => parseBatchHeader(parsed.header));
  if (parsed?.kind !== 'batch' || header === undefined) return false;
  const accepted = replica.writer(`${header.member}/${header.writer}`)?.batch ?? 0;
  if (header.batch <= accepted || header.batch > accepted + MAXIMUM_AHEAD) return false;
  if (!sameHash(sha256(parsed.body), header.bodyHash)) return false;
  const leafIndex = replica.head.size;
  const member = (name: string) => batchKeysAt(governance, name, leafIndex);
  return judgeSigner(header, { origin: governance.origin, member }) === undefined;
}

/** A frame may be sent by whoever has it, and as often as they like, until it is read back. */
const MOST_REMEMBERED = 1024;

/** Which frames were appended for others lately, so that each is appended once in the time after which its author would send it again. */
export class RecentRelays {
  readonly #atMs = new Map<string, number>();

  /** @returns whether it was appended less than `withinMs` ago */
  has(frame: Uint8Array, nowMs: number, withinMs: number): boolean {
    const atMs = this.#atMs.get(encodeHex(sha256(frame)));
    return atMs !== undefined && nowMs >= atMs && nowMs - atMs < withinMs;
  }

  add(frame: Uint8Array, nowMs: number): void {
    const [oldest] = this.#atMs.keys();
    if (this.#atMs.size >= MOST_REMEMBERED && oldest !== undefined) this.#atMs.delete(oldest);
    this.#atMs.set(encodeHex(sha256(frame)), nowMs);
  }

  remove(frame: Uint8Array): void {
    this.#atMs.delete(encodeHex(sha256(frame)));
  }
}

/**
 * Asks peers to append what the own way to the topic does not take. In order, by the first peer that does.
 * @returns numbers of the batches that were taken, and before them of those that may have been: a peer that does not answer may have appended all the same
 */
export async function relayThrough(
  peers: readonly PeerClient[],
  batches: readonly SealedBatch[],
): Promise<readonly number[]> {
  const doubtful: number[] = [];
  for (const peer of peers) {
    if (peer.relay === undefined) continue;
    const taken: number[] = [];
    for (const { frame, batch } of batches) {
      const appended = await peer.relay(frame).catch(() => undefined);
      if (appended === undefined) doubtful.push(batch);
      if (appended !== true) break;
      taken.push(batch);
    }
    if (taken.length > 0) return [...doubtful, ...taken];
  }
  return doubtful;
}
