import { sameHash } from './merkle/tree-hash.ts';
import type { PeerClient } from './peer.ts';
import type { WriterHead } from './seal-store.ts';
import { TransportError, type Topic } from './transport.ts';

/** What is known of a writer when it is asked whether it may seal. */
export interface WriterState {
  /** `<member>/<writer>` */
  readonly chain: string;
  readonly head: WriterHead;
  readonly quorum: number;
  /** How far the own replica has read the topic. */
  readonly readOffset: bigint;
  /** Greatest number by this writer that it has seen there. */
  readonly seen: number;
  /** The chain's last accepted batch in the own replica. */
  readonly seenHash: { readonly batch: number; readonly headerHash: Uint8Array } | undefined;
}

/**
 * Whether the sealing state is older than what its writer has published: then the next signature would give a number a second batch.
 * Judged by the topic up to its end and by a quorum of peers, never by the own replica alone, which may come from the same backup.
 */
export class RestoredBackupCheck {
  readonly #options: { readonly topic: Topic; readonly peers: readonly PeerClient[]; readonly firstStart: boolean };
  /**
   * Where the topic ended when it was first asked. What this writer ever published stands before it, because nothing is sealed until the check has passed; a
   * later end would run ahead of the replica for as long as others publish.
   */
  #endOffset: bigint | undefined;

  constructor(options: { topic: Topic; peers: readonly PeerClient[]; firstStart: boolean }) {
    this.#options = options;
  }

  /** @returns `unknown` while the topic is not read to that end or too few peers answer */
  async run({
    chain,
    head,
    quorum,
    readOffset,
    seen,
    seenHash,
  }: WriterState): Promise<'current' | 'restored' | 'unknown'> {
    const { topic, peers, firstStart } = this.#options;
    if (seen > head.batch) return 'restored';
    if (seenHash?.batch === head.batch && !sameHash(seenHash.headerHash, head.headerHash)) return 'restored';
    try {
      this.#endOffset ??= await topic.endOffset();
    } catch (error) {
      if (error instanceof TransportError) return 'unknown';
      throw error;
    }
    if (this.#endOffset > readOffset) return 'unknown';
    if (firstStart && head.batch === 0) return 'current';
    // The quorum counts this member itself. A consortium that runs without some peers configured can ask only those it has.
    const needed = Math.min(quorum - 1, peers.length);
    const heads = await Promise.allSettled(peers.map((peer) => peer.head(chain)));
    const answered = heads.filter((answer) => answer.status === 'fulfilled');
    if (answered.some(({ value }) => value !== undefined && value.batch > head.batch)) return 'restored';
    return answered.length >= needed ? 'current' : 'unknown';
  }
}
