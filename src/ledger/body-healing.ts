import { sha256 } from '../hash.ts';
import { sameHash } from './merkle/tree-hash.ts';
import type { PeerClient } from './peer.ts';
import { delay } from './wait.ts';

const PATIENCE_MS = 3000;
/** Of each minute, no more than this is spent on asking in vain for bodies that one member's headers name. */
const IN_VAIN_MS = 5000;
const WINDOW_MS = 60_000;

/**
 * Asks peers for bodies that the topic did not give: a broker may have altered one on its way to this member alone, and whoever has the one that the header names
 * is as good. Reading waits meanwhile, so a member that signs headers without bodies, and lets nobody have an answer, must not be waited for without end.
 */
export class BodyHealing {
  readonly #peers: readonly PeerClient[];
  /** By member. */
  readonly #inVain = new Map<string, { readonly sinceMs: number; spentMs: number }>();

  constructor(peers: readonly PeerClient[]) {
    this.#peers = peers;
  }

  /** @param hash SHA-256, 32 bytes @param member who signed the header */
  async find(hash: Uint8Array, member: string): Promise<Uint8Array | undefined> {
    const startMs = performance.now();
    let inVain = this.#inVain.get(member);
    if (inVain === undefined || startMs - inVain.sinceMs > WINDOW_MS) {
      inVain = { sinceMs: startMs, spentMs: 0 };
      this.#inVain.set(member, inVain);
    }
    if (inVain.spentMs >= IN_VAIN_MS) return undefined;
    const patience = new AbortController();
    const body = await Promise.race([
      Promise.any(this.#peers.map((peer) => bodyOf(peer, hash))).catch(() => undefined),
      delay(PATIENCE_MS, patience.signal).then(() => undefined),
    ]);
    patience.abort();
    if (body === undefined) inVain.spentMs += performance.now() - startMs;
    return body;
  }
}

async function bodyOf(peer: PeerClient, hash: Uint8Array): Promise<Uint8Array> {
  const body = await peer.blob(hash);
  if (body === undefined || !sameHash(sha256(body), hash)) throw new Error('the peer does not have it');
  return body;
}
