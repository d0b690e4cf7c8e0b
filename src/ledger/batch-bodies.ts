import { sha256 } from '../hash.ts';
import { encodeHex } from './encoding.ts';
import { LedgerError } from './ledger-error.ts';
import { sameHash } from './merkle/tree-hash.ts';
import type { PeerClient } from './peer.ts';

/** What came of asking for a body: `unreachable` are members that did not answer, so that they may have it. */
export type FoundBody =
  { readonly body: Uint8Array } | { readonly body: undefined; readonly unreachable: readonly string[] };

/** Anybody may ask for receipts: more at once than this are turned away, and what was fetched is kept for the next events of that batch. */
const MOST_AT_ONCE = 4;
const KEPT_BODIES = 16;

/** Bodies of batches that are no longer kept here, from members that still keep them. A member is not believed: a body has the hash that was asked for. */
export class BatchBodies {
  readonly #peers: readonly PeerClient[];
  readonly #kept = new Map<string, Uint8Array>();
  readonly #asked = new Map<string, Promise<FoundBody>>();

  constructor(peers: readonly PeerClient[]) {
    this.#peers = peers;
  }

  /** @param hash SHA-256, 32 bytes @throws {LedgerError} unavailable: too many are being fetched */
  async fetch(hash: Uint8Array): Promise<FoundBody> {
    const key = encodeHex(hash);
    const kept = this.#kept.get(key);
    if (kept !== undefined) return { body: kept };
    const asked = this.#asked.get(key);
    if (asked !== undefined) return asked;
    if (this.#asked.size >= MOST_AT_ONCE) throw new LedgerError('unavailable', 'too many bodies are being fetched');
    const asking = this.#ask(hash, key).finally(() => this.#asked.delete(key));
    this.#asked.set(key, asking);
    return asking;
  }

  async #ask(hash: Uint8Array, key: string): Promise<FoundBody> {
    const unreachable: string[] = [];
    for (const peer of this.#peers) {
      let body: Uint8Array | undefined;
      try {
        body = await peer.blob(hash);
      } catch {
        // Whatever a member's client throws, the others are asked.
        unreachable.push(peer.member);
        continue;
      }
      if (body === undefined || !sameHash(sha256(body), hash)) continue;
      const [oldest] = this.#kept.keys();
      if (this.#kept.size >= KEPT_BODIES && oldest !== undefined) this.#kept.delete(oldest);
      this.#kept.set(key, body);
      return { body };
    }
    return { body: undefined, unreachable };
  }
}
