import type { Checkpoint } from './checkpoint.ts';
import { subtreeLevels } from './merkle/compact-range.ts';
import { planConsistencyProof } from './merkle/proof.ts';
import { foldSubtrees, nodeHash } from './merkle/tree-hash.ts';
import { verifyConsistency } from './merkle/verify.ts';
import type { PeerClient } from './peer.ts';
import { TILE_WIDTH, tileOfNode } from './tile.ts';

const HASH_BYTES = 32;

/** A peer's tree of a given size, read tile by tile. Nothing in it is believed until it leads to a root that is. */
export class PeerTree {
  readonly #peer: PeerClient;
  readonly #size: number;
  readonly #tiles = new Map<string, Uint8Array>();

  constructor(peer: PeerClient, size: number) {
    this.#peer = peer;
    this.#size = size;
  }

  /** @throws {Error} whatever the client throws, or a RangeError when the peer has no such tile */
  async node(level: number, index: number): Promise<Uint8Array> {
    const place = tileOfNode(level, index);
    const tile = await this.#tile(place.level, place.index);
    const hashes = Array.from({ length: place.count }, (_, i) => {
      const at = (place.first + i) * HASH_BYTES;
      return tile.subarray(at, at + HASH_BYTES);
    });
    if (hashes.some((hash) => hash.length !== HASH_BYTES)) throw new RangeError('the tile is too short');
    while (hashes.length > 1) {
      const pairs = hashes.splice(0);
      for (let i = 0; i < pairs.length; i += 2)
        hashes.push(nodeHash(pairs[i] as Uint8Array, pairs[i + 1] as Uint8Array));
    }
    return hashes[0] as Uint8Array;
  }

  async root(size: number): Promise<Uint8Array> {
    const nodes = subtreeLevels(0, size).map(({ level, index }) => this.node(level, index));
    return foldSubtrees(await Promise.all(nodes));
  }

  /**
   * Root that the tree of `checkpoint` has at an earlier size, proved from the peer's tiles.
   * @throws {VerificationError} when the tiles do not lead to the checkpoint's root
   */
  async provenRoot(size: number, checkpoint: Checkpoint): Promise<Uint8Array> {
    const root1 = await this.root(size);
    const plan = planConsistencyProof(size, checkpoint.size);
    const proof = await Promise.all(
      plan.map(async (nodes) =>
        foldSubtrees(await Promise.all(nodes.map(({ level, index }) => this.node(level, index)))),
      ),
    );
    verifyConsistency({ size1: size, size2: checkpoint.size, root1, root2: checkpoint.root, proof });
    return root1;
  }

  async #tile(level: number, index: number): Promise<Uint8Array> {
    const key = `${String(level)}/${String(index)}`;
    const known = this.#tiles.get(key);
    if (known !== undefined) return known;
    const complete = Math.floor(this.#size / TILE_WIDTH ** level);
    const width = Math.min(TILE_WIDTH, complete - index * TILE_WIDTH);
    const tile = await this.#peer.tile(level, index, width === TILE_WIDTH ? undefined : width);
    if (tile === undefined) throw new RangeError('the peer has no such tile');
    this.#tiles.set(key, tile);
    return tile;
  }
}
