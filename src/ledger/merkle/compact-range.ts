import { foldSubtrees, HASH_LENGTH, nodeHash } from './tree-hash.ts';
import { VerificationError } from './verification-error.ts';

/**
 * The right edge of a growing RFC 6962 tree: one hash for each complete subtree, biggest first. Appending costs amortised one hash and the
 * state is at most 53 hashes, so it may be saved and restored with every write.
 */
export class CompactRange {
  #size: number;
  readonly #hashes: Uint8Array[];

  /**
   * @param state a saved `size` and its `hashes`; an empty tree when left out
   * @throws {VerificationError} size-range | hash-length | proof-length
   */
  constructor(state?: { readonly size: number; readonly hashes: readonly Uint8Array[] }) {
    this.#size = state?.size ?? 0;
    this.#hashes = [...(state?.hashes ?? [])];
    if (!Number.isSafeInteger(this.#size) || this.#size < 0)
      throw new VerificationError('size-range', 'size out of range');
    if (this.#hashes.some((hash) => hash.length !== HASH_LENGTH)) {
      throw new VerificationError('hash-length', 'a subtree hash is not 32 bytes');
    }
    if (this.#hashes.length !== subtreeLevels(0, this.#size).length) {
      throw new VerificationError('proof-length', 'as many hashes as the size has one bits');
    }
  }

  /** Number of leaves. */
  get size(): number {
    return this.#size;
  }

  /** Hashes of the complete subtrees, biggest first. A copy. */
  get hashes(): readonly Uint8Array[] {
    return [...this.#hashes];
  }

  /**
   * Adds one leaf.
   * @param onNode told of each complete subtree of level 1 and up that this leaf completes, smallest first: what a tile writer stores
   */
  append(leaf: Uint8Array, onNode?: (level: number, index: number, hash: Uint8Array) => void): void {
    if (leaf.length !== HASH_LENGTH) throw new VerificationError('hash-length', 'a leaf hash is not 32 bytes');
    let hash = leaf;
    let level = 0;
    for (let rest = this.#size; rest % 2 === 1; rest = Math.floor(rest / 2)) {
      hash = nodeHash(this.#hashes.pop() as Uint8Array, hash);
      level++;
      onNode?.(level, Math.floor(rest / 2), hash);
    }
    this.#hashes.push(hash);
    this.#size++;
  }

  /** Root of the tree as it stands, 32 bytes. */
  root(): Uint8Array {
    return foldSubtrees(this.#hashes);
  }

  clone(): CompactRange {
    return new CompactRange({ size: this.#size, hashes: this.#hashes });
  }
}

/** One complete subtree: leaves `index * 2^level` up to `(index + 1) * 2^level`. */
export interface NodeId {
  readonly level: number;
  readonly index: number;
}

/**
 * The complete subtrees that leaves `begin` up to `end` fall into, left to right, where `begin` is 0 or a multiple of the largest power of
 * two not above `end - begin` (as every range in an RFC 6962 proof is).
 */
export function subtreeLevels(begin: number, end: number): readonly NodeId[] {
  const nodes: NodeId[] = [];
  let position = begin;
  while (position < end) {
    let level = 0;
    let width = 1;
    while (position % (width * 2) === 0 && position + width * 2 <= end) {
      width *= 2;
      level++;
    }
    nodes.push({ level, index: position / width });
    position += width;
  }
  return nodes;
}
