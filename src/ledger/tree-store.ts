import { LedgerError } from './ledger-error.ts';
import { buildRoot } from './merkle/proof.ts';
import { leafHash, rowRoot } from './merkle/tree-hash.ts';
import type { AppendFile, LedgerStorage } from './storage.ts';

const HASH_BYTES = 32;
const TILE_HEIGHT = 8;
export const TILE_WIDTH = 256;
/** u16 length and the leaf bytes, which always have the same length (design/ledger "Leaf"). */
const ENTRY_BYTES = 65;

/**
 * The tree and the entries, in one append-only file for each tile level: level L holds the hashes of all complete subtrees of 256^L leaves, so that every
 * C2SP tile, full or partial, is a slice of it. Deterministic in the leaves: files that lost their tail are written again from the level below.
 */
export class TreeStore {
  readonly #storage: LedgerStorage;
  readonly #entries: AppendFile;
  readonly #levels: AppendFile[] = [];
  #size: number;

  /** @param size leaves that were committed; what files hold beyond is a crash's leftover and is cut off */
  constructor(storage: LedgerStorage, size: number) {
    this.#storage = storage;
    this.#size = size;
    this.#entries = storage.file('entries');
    cut(this.#entries, size * ENTRY_BYTES);
    for (let level = 0; level === 0 || size >= TILE_WIDTH ** level; level++) {
      this.#levels.push(storage.file(`hashes-${String(level)}`));
      cut(this.#level(level), Math.floor(size / TILE_WIDTH ** level) * HASH_BYTES);
    }
  }

  get size(): number {
    return this.#size;
  }

  /** Appends a leaf and returns its index. Durable only after `sync`. */
  append(leafBytes: Uint8Array): number {
    const index = this.#size;
    const entry = new Uint8Array(2 + leafBytes.length);
    entry[0] = leafBytes.length >>> 8;
    entry[1] = leafBytes.length;
    entry.set(leafBytes, 2);
    if (entry.length !== ENTRY_BYTES) throw new RangeError('leaf bytes have a fixed length');
    this.#entries.append(entry);
    this.#level(0).append(leafHash(leafBytes));
    this.#size = index + 1;
    for (let level = 1; this.#size % TILE_WIDTH ** level === 0; level++) {
      const tile = this.#size / TILE_WIDTH ** level - 1;
      this.#level(level).append(
        rowRoot(this.#level(level - 1).read(tile * TILE_WIDTH * HASH_BYTES, TILE_WIDTH * HASH_BYTES)),
      );
    }
    return index;
  }

  /** RFC 6962 root of the first `size` leaves. */
  root(size = this.#size): Uint8Array {
    if (size > this.#size) throw new RangeError('the tree is smaller');
    return buildRoot(size, (level, index) => this.node(level, index));
  }

  /** Hash of the complete subtree of 2^level leaves that begins at leaf index × 2^level. */
  node(level: number, index: number): Uint8Array {
    const inTile = level % TILE_HEIGHT;
    const bytes = this.#level((level - inTile) / TILE_HEIGHT).read(
      index * 2 ** inTile * HASH_BYTES,
      2 ** inTile * HASH_BYTES,
    );
    if (bytes.length !== 2 ** inTile * HASH_BYTES) throw new LedgerError('damaged', 'a tile file is too short');
    return rowRoot(bytes);
  }

  /** C2SP tile; undefined where it is not complete to that width. */
  tile(level: number, index: number, width = TILE_WIDTH): Uint8Array | undefined {
    if (level >= this.#levels.length) return undefined;
    return slice(this.#level(level), index, width, HASH_BYTES);
  }

  /** C2SP entry bundle; undefined where it is not complete to that width. */
  entryBundle(index: number, width = TILE_WIDTH): Uint8Array | undefined {
    return slice(this.#entries, index, width, ENTRY_BYTES);
  }

  leafBytes(index: number): Uint8Array {
    return this.#entries.read(index * ENTRY_BYTES + 2, ENTRY_BYTES - 2);
  }

  async sync(): Promise<void> {
    await Promise.all([this.#entries, ...this.#levels].map((file) => file.sync()));
  }

  #level(level: number): AppendFile {
    return (this.#levels[level] ??= this.#newLevel(level));
  }

  /** A level that the committed tree does not reach has no hash: what its file holds all the same was left by a crash. */
  #newLevel(level: number): AppendFile {
    const file = this.#storage.file(`hashes-${String(level)}`);
    file.truncate(0);
    return file;
  }
}

function slice(file: AppendFile, index: number, width: number, rowBytes: number): Uint8Array | undefined {
  if (!Number.isSafeInteger(index) || index < 0 || width < 1 || width > TILE_WIDTH) return undefined;
  const position = index * TILE_WIDTH * rowBytes;
  if (position + width * rowBytes > file.length) return undefined;
  return file.read(position, width * rowBytes);
}

function cut(file: AppendFile, length: number): void {
  if (file.length < length) throw new LedgerError('damaged', 'a tile file is shorter than what was committed');
  file.truncate(length);
}
