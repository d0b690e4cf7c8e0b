import { parseSignedCheckpoint, type Checkpoint } from './checkpoint.ts';
import type { SignedCheckpoint } from './cosignature-pool.ts';
import { encodeHex } from './encoding.ts';
import { formatEvidence } from './evidence-file.ts';
import type { Finality } from './finality.ts';
import type { LedgerLog } from './ledger-options.ts';
import type { Membership } from './membership.ts';
import { buildConsistencyProof } from './merkle/proof.ts';
import { sameHash } from './merkle/tree-hash.ts';
import { formatNote } from './note.ts';
import type { PeerClient } from './peer.ts';
import { PeerTree } from './peer-tree.ts';
import type { Replica } from './replica.ts';
import { sha256 } from '../hash.ts';
import { TILE_WIDTH } from './tree-store.ts';

export interface ForkWatchOptions {
  readonly replica: Replica;
  readonly finality: () => Finality;
  readonly membership: () => Membership;
  readonly peers: readonly PeerClient[];
  readonly log: LedgerLog;
}

interface ForeignTree {
  readonly signed: SignedCheckpoint;
  readonly member: string;
  /** How often its first leaf that differs was looked for; undefined once it is known. */
  searches: number | undefined;
  proven: boolean;
}

const KEPT_TREES = 64;
const MAXIMUM_SEARCHES = 8;

/**
 * What to do about trees that members signed and that are not the own one: find where they part, and keep as evidence what one member signed
 * in contradiction to itself. A broker that shows different logs makes honest members' trees part; only a liar signs both.
 */
export class ForkWatch {
  readonly #options: ForkWatchOptions;
  #foreign: ForeignTree[] = [];
  /** By peer: the largest tree that it had signed when it was last looked at, where the own replica did not reach it. */
  readonly #waiting = new Map<string, Checkpoint>();

  constructor(options: ForkWatchOptions) {
    this.#options = options;
  }

  get count(): number {
    return this.#foreign.length;
  }

  note(signed: SignedCheckpoint, members: readonly string[]): void {
    for (const member of members) {
      if (this.#foreign.some((tree) => tree.member === member && tree.signed === signed)) continue;
      this.#foreign.push({ signed, member, searches: 0, proven: false });
    }
    this.#foreign = this.#foreign.slice(-KEPT_TREES);
  }

  /** Raises an incident for each foreign tree, and an evidence file where the member contradicts itself. */
  async examine(): Promise<void> {
    for (const tree of this.#foreign) {
      if (!tree.proven) this.#prove(tree);
      if (tree.searches === 0) await this.#locate(tree);
    }
  }

  /**
   * Compares the own tree with larger ones that peers signed and that the own replica has not reached since the last call: in a fork that leaves nobody a
   * quorum, whoever got the shorter log would else wait for their leaves without end. Looks again where foreign trees part that nobody could show before.
   */
  async compareWaiting(): Promise<void> {
    const { replica, finality, peers } = this.#options;
    for (const tree of this.#foreign) {
      const { searches } = tree;
      if (searches !== undefined && searches > 0 && searches < MAXIMUM_SEARCHES) await this.#locate(tree);
    }
    for (const peer of peers) {
      const before = this.#waiting.get(peer.member);
      const ahead = finality().largestSignedBy(peer.member);
      if (ahead === undefined || ahead.size <= replica.durableSize) {
        this.#waiting.delete(peer.member);
        continue;
      }
      this.#waiting.set(peer.member, ahead);
      // Not at the first sight: to be a little behind is the ordinary case.
      if (before !== undefined && before.size > replica.durableSize) await this.compareAhead(peer, ahead);
    }
  }

  /** Compares the own tree with a larger one that a peer signed, or shows as final: an isolated member would else only seem to be behind. */
  async compareAhead(peer: PeerClient, ahead: Checkpoint): Promise<void> {
    const { replica, log } = this.#options;
    const size = replica.durableSize;
    if (size < 1 || ahead.size <= size) return;
    try {
      const theirs = await new PeerTree(peer, ahead.size).provenRoot(size, ahead);
      if (sameHash(theirs, replica.tree.root(size))) return;
    } catch (error) {
      // Tiles that do not lead to that root say nothing about the log, only about the peer.
      log.warn({ peer: peer.member, error: errorName(error) }, 'a peer’s tiles do not hold');
      return;
    }
    const leafIndex = (await firstDifference(replica, peer, size)) ?? size - 1;
    const detail = 'the larger tree of a peer parts from the own one at this leaf';
    replica.addIncident({
      kind: 'fork',
      leafIndex,
      member: peer.member,
      writer: undefined,
      detail,
      evidence: undefined,
    });
  }

  async #locate(tree: ForeignTree): Promise<void> {
    const { replica, finality } = this.#options;
    const { size } = tree.signed.checkpoint;
    const found = await this.#parting(tree);
    tree.searches = found === undefined ? (tree.searches ?? 0) + 1 : undefined;
    // Up to the last final checkpoint all honest members agree.
    const leafIndex = found ?? Math.min(finality().size, size);
    const detail =
      found === undefined
        ? `a member signed another tree of size ${String(size)}; it parts at this leaf or later`
        : `a member signed another tree of size ${String(size)}; it parts at this leaf`;
    replica.addIncident({
      kind: 'fork',
      leafIndex,
      member: tree.member,
      writer: undefined,
      detail,
      evidence: undefined,
    });
  }

  /** First leaf at which a foreign tree differs, by the tiles of any peer that has that tree: who signed two shows only one of them. */
  async #parting({ signed, member }: ForeignTree): Promise<number | undefined> {
    const { replica, peers } = this.#options;
    const { size, root } = signed.checkpoint;
    for (const peer of peers.toSorted((a, b) => Number(b.member === member) - Number(a.member === member))) {
      try {
        if (!sameHash(await new PeerTree(peer, size).root(size), root)) continue;
        const found = await firstDifference(replica, peer, size);
        if (found !== undefined) return found;
      } catch (error) {
        // Whatever a peer's client throws, the next one may have the tree.
        this.#options.log.warn({ peer: peer.member, error: errorName(error) }, 'a peer does not show a foreign tree');
      }
    }
    return undefined;
  }

  #prove(tree: ForeignTree): void {
    const evidence = this.#contradiction(tree);
    if (evidence === undefined) return;
    tree.proven = true;
    const { replica, log } = this.#options;
    const { size } = tree.signed.checkpoint;
    const name = saveEvidence(replica, evidence);
    log.error({ member: tree.member, size, evidence: name }, 'a member cosigned two trees');
    const detail = 'a member signed two trees of which neither begins with the other';
    replica.addIncident({
      kind: 'conflicting-cosignatures',
      leafIndex: size - 1,
      member: tree.member,
      writer: undefined,
      detail,
      evidence: name,
    });
  }

  /** Two notes by the member: the foreign one, and one over the own tree that is not smaller, or another foreign one of the same size. */
  #contradiction({ signed, member }: ForeignTree): Uint8Array | undefined {
    const { replica, finality } = this.#options;
    const { size, root } = signed.checkpoint;
    const first = this.#sideOf(signed, member);
    for (const other of finality().pool.trees()) {
      const tree = other.checkpoint;
      if (other === signed || !other.signatures.has(member) || tree.size < size) continue;
      const second = this.#sideOf(other, member);
      if (tree.size === size) {
        if (sameHash(tree.root, root)) continue;
        return formatEvidence({ kind: 'two-trees', member, first, second, connection: undefined });
      }
      if (tree.size > replica.durableSize || !sameHash(replica.tree.root(tree.size), tree.root)) continue;
      const path = buildConsistencyProof(size, tree.size, (level, index) => replica.tree.node(level, index));
      const connection = { root: replica.tree.root(size), path };
      return formatEvidence({ kind: 'two-trees', member, first, second, connection });
    }
    return this.#contradictionWithFinal(signed, member, first);
  }

  #contradictionWithFinal(signed: SignedCheckpoint, member: string, first: Uint8Array): Uint8Array | undefined {
    const { replica, finality, membership } = this.#options;
    const { size } = signed.checkpoint;
    const note = finality().covering(size - 1);
    const keys = membership().members.find((candidate) => candidate.name === member);
    if (note === undefined || keys === undefined) return undefined;
    const { note: parsed, checkpoint } = parseSignedCheckpoint(note);
    const own = parsed.signatures.filter(
      ({ keyId }) => keyId === keys.cosignerKey.keyId || keyId === keys.originKey.keyId,
    );
    if (own.length === 0) return undefined;
    const second = formatNote(parsed.text, own);
    if (checkpoint.size === size)
      return formatEvidence({ kind: 'two-trees', member, first, second, connection: undefined });
    const path = buildConsistencyProof(size, checkpoint.size, (level, index) => replica.tree.node(level, index));
    const connection = { root: replica.tree.root(size), path };
    return formatEvidence({ kind: 'two-trees', member, first, second, connection });
  }

  #sideOf(signed: SignedCheckpoint, member: string): Uint8Array {
    const found = signed.signatures.get(member);
    return formatNote(
      signed.text,
      [found?.origin, found?.cosignature].filter((line) => line !== undefined),
    );
  }
}

function errorName(error: unknown): string {
  return error instanceof Error ? error.name : 'unknown';
}

/** Keeps an evidence file under a name that its content gives. */
export function saveEvidence(replica: Replica, evidence: Uint8Array): string {
  const name = `${encodeHex(sha256(evidence)).slice(0, 16)}.json`;
  replica.put(`evidence/${name}`, evidence);
  return name;
}

/** First leaf below `size` at which a peer's tiles differ from the own tree; undefined when it does not answer with such tiles. */
export async function firstDifference(replica: Replica, peer: PeerClient, size: number): Promise<number | undefined> {
  let level = 0;
  while (TILE_WIDTH ** (level + 1) <= size) level++;
  let index = 0;
  for (; ; level--) {
    const nodes = Math.floor(size / TILE_WIDTH ** level) - index * TILE_WIDTH;
    const width = Math.min(TILE_WIDTH, nodes);
    let first = width;
    if (width > 0) {
      const own = replica.tree.tile(level, index, width);
      const theirs = await peer.tile(level, index, width === TILE_WIDTH ? undefined : width).catch(() => undefined);
      if (own === undefined || theirs === undefined || theirs.length !== own.length) return undefined;
      first = own.findIndex((byte, i) => byte !== theirs[i]);
      first = first < 0 ? width : Math.floor(first / 32);
    }
    if (level === 0) return first < width ? index * TILE_WIDTH + first : undefined;
    index = index * TILE_WIDTH + Math.max(0, first);
  }
}
