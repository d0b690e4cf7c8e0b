import { sameHash } from './merkle/tree-hash.ts';
import type { PeerClient } from './peer.ts';
import type { WriterHead } from './seal-store.ts';
import { TransportError, type Topic } from './transport.ts';

/**
 * Whether the sealing state is older than what its writer has published: then the next signature would give a number a second batch.
 * Judged by the topic up to its present end and by a quorum of peers, never by the own replica alone, which may come from the same backup.
 * @returns `unknown` while the topic is not read to its end or too few peers answer
 */
export async function isWriterRestored(args: {
  /** `<member>/<writer>` */
  readonly chain: string;
  readonly head: WriterHead;
  readonly topic: Topic;
  readonly peers: readonly PeerClient[];
  readonly quorum: number;
  readonly firstStart: boolean;
  /** How far the own replica has read the topic. */
  readonly readOffset: bigint;
  /** Greatest number by this writer that it has seen there. */
  readonly seen: number;
  /** The chain's last accepted batch in the own replica. */
  readonly seenHash: { readonly batch: number; readonly headerHash: Uint8Array } | undefined;
}): Promise<'current' | 'restored' | 'unknown'> {
  const { head, seen, seenHash } = args;
  if (seen > head.batch) return 'restored';
  if (seenHash?.batch === head.batch && !sameHash(seenHash.headerHash, head.headerHash)) return 'restored';
  try {
    if ((await args.topic.endOffset()) > args.readOffset) return 'unknown';
  } catch (error) {
    if (error instanceof TransportError) return 'unknown';
    throw error;
  }
  if (args.firstStart && head.batch === 0) return 'current';
  // The quorum counts this member itself. A consortium that runs without some peers configured can ask only those it has.
  const needed = Math.min(args.quorum - 1, args.peers.length);
  const heads = await Promise.allSettled(args.peers.map((peer) => peer.head(args.chain)));
  const answered = heads.filter((answer) => answer.status === 'fulfilled');
  if (answered.some(({ value }) => value !== undefined && value.batch > head.batch)) return 'restored';
  return answered.length >= needed ? 'current' : 'unknown';
}
