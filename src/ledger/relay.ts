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

/** A frame may be sent by whoever has it, and as often as they like, while no batch of its number is accepted. */
const MOST_REMEMBERED = 1024;
/** What is not accepted after so many tries will not be: its predecessor is missing for good. */
const MOST_TIMES = 16;

/** Which frames were appended for others, so that each is appended once in the time after which its author would send it again, and not without end. */
export class RecentRelays {
  readonly #frames = new Map<string, { readonly atMs: number; readonly times: number }>();

  /** Notes a frame that is to be appended now. @returns `done` when it was less than `withinMs` ago, `refused` when it was too often; then nothing is noted */
  take(frame: Uint8Array, nowMs: number, withinMs: number): 'append' | 'done' | 'refused' {
    const key = encodeHex(sha256(frame));
    const { atMs, times } = this.#frames.get(key) ?? { atMs: -Infinity, times: 0 };
    if (nowMs >= atMs && nowMs - atMs < withinMs) return 'done';
    if (times >= MOST_TIMES) return 'refused';
    const [oldest] = this.#frames.keys();
    if (this.#frames.size >= MOST_REMEMBERED && oldest !== undefined) this.#frames.delete(oldest);
    this.#frames.set(key, { atMs: nowMs, times: times + 1 });
    return 'append';
  }

  /** Nothing was stored. */
  remove(frame: Uint8Array): void {
    this.#frames.delete(encodeHex(sha256(frame)));
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
