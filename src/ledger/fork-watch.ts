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
  /** What the member signed, as a note: the pool may push it out. */
  side: Uint8Array;
  /** How often its first leaf that differs was looked for; undefined once it is known. */
  searches: number | undefined;
  proven: boolean;
}

/** A member that signs without end takes only its own places. */
const TREES_PER_MEMBER = 16;
const MAXIMUM_SEARCHES = 8;
const SEARCHES_AT_ONCE = 4;

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
      const side = sideOf(signed, member);
      const own = this.#foreign.filter((tree) => tree.member === member);
      const known = own.find((tree) => tree.signed === signed);
      if (known !== undefined) known.side = side;
      else if (own.length < TREES_PER_MEMBER || this.#drop(own.find((tree) => !isSought(tree))))
        this.#foreign.push({ signed, member, side, searches: 0, proven: false });
    }
  }

  #drop(tree: ForeignTree | undefined): boolean {
    this.#foreign = this.#foreign.filter((other) => other !== tree);
    return tree !== undefined;
  }

  /** Keeps an evidence file where a member contradicts itself. Asks nobody. */
  prove(): void {
    for (const tree of this.#foreign) if (!tree.proven) this.#prove(tree);
  }

  /**
   * Raises an incident for foreign trees, and looks among the peers for where they part; again, where nobody could show it before. A few at a time: their
   * signers may be among those who are asked, and slow.
   */
  async locate(): Promise<void> {
    const sought = this.#foreign.filter(isSought).toSorted((a, b) => (a.searches ?? 0) - (b.searches ?? 0));
    await Promise.all(sought.slice(0, SEARCHES_AT_ONCE).map((tree) => this.#locate(tree)));
  }

  /**
   * Compares the own tree with larger ones that peers signed and that the own replica has not reached since the last call: in a fork that leaves nobody a
   * quorum, whoever got the shorter log would else wait for their leaves without end.
   */
  async compareWaiting(): Promise<void> {
    const { replica, finality, peers } = this.#options;
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
    const { replica, log } = this.#options;
    const { signed, member } = tree;
    const { size } = signed.checkpoint;
    const incident = { kind: 'conflicting-cosignatures', leafIndex: size - 1, member } as const;
    tree.proven = !replica.isNewIncident(incident);
    const evidence = tree.proven ? undefined : this.#contradiction(tree);
    if (evidence === undefined) return;
    tree.proven = true;
    const name = saveEvidence(replica, evidence);
    log.error({ member, size, evidence: name }, 'a member cosigned two trees');
    const detail = 'a member signed two trees of which neither begins with the other';
    replica.addIncident({ ...incident, writer: undefined, detail, evidence: name });
  }

  /** Two notes by the member: the foreign one, and one over the own tree that is not smaller, or another foreign one of the same size. */
  #contradiction({ signed, member, side: first }: ForeignTree): Uint8Array | undefined {
    const { replica, finality } = this.#options;
    const { size, root } = signed.checkpoint;
    for (const other of finality().pool.trees()) {
      const tree = other.checkpoint;
      if (other === signed || !other.signatures.has(member) || tree.size < size) continue;
      const second = sideOf(other, member);
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
}

/** Whether it is still to be found where the tree parts from the own one. */
function isSought({ searches }: ForeignTree): boolean {
  return searches !== undefined && searches < MAXIMUM_SEARCHES;
}

function sideOf(signed: SignedCheckpoint, member: string): Uint8Array {
  const found = signed.signatures.get(member);
  return formatNote(
    signed.text,
    [found?.origin, found?.cosignature].filter((line) => line !== undefined),
  );
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
