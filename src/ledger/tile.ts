import { FormatError } from './format-error.ts';

/** Where tiles and entry bundles are, by C2SP tlog-tiles. Arithmetic on paths only. */

/** Hashes in a full tile, and entries in a full bundle. */
export const TILE_WIDTH = 256;
/** Levels of the tree between one level of tiles and the next. */
export const TILE_HEIGHT = 8;

export interface TileId {
  /** 0–63, or `entries` for an entry bundle. */
  readonly level: number | 'entries';
  readonly index: number;
  /** 1–255 for a partial tile, undefined for a full one. */
  readonly width?: number | undefined;
}

/** `tile/<L>/<N>[.p/<W>]`. @throws {FormatError} malformed-tile-path */
export function formatTilePath({ level, index, width }: TileId): string {
  const goodLevel = level === 'entries' || (Number.isInteger(level) && level >= 0 && level <= 63);
  const goodWidth = width === undefined || (Number.isInteger(width) && width >= 1 && width < TILE_WIDTH);
  if (!goodLevel || !goodWidth || !Number.isSafeInteger(index) || index < 0) {
    throw new FormatError('malformed-tile-path', 'level, index or width out of range');
  }
  const digits = String(index).padStart(Math.ceil(String(index).length / 3) * 3, '0');
  const elements = (digits.match(/.{3}/g) ?? []).map((element, i, all) =>
    i < all.length - 1 ? `x${element}` : element,
  );
  return `tile/${level}/${elements.join('/')}${width === undefined ? '' : `.p/${width}`}`;
}

/** Reads a path that came in a request: the one canonical form only. @throws {FormatError} malformed-tile-path */
export function parseTilePath(path: string): TileId {
  const parts = /^tile\/(entries|0|[1-9]\d?)\/((?:x\d{3}\/)*\d{3})(?:\.p\/([1-9]\d{0,2}))?$/.exec(path);
  if (parts === null || path.length > 64) throw new FormatError('malformed-tile-path', 'not a tile path');
  const index = Number((parts[2] ?? '').replaceAll(/[x/]/g, ''));
  const id: TileId = {
    level: parts[1] === 'entries' ? 'entries' : Number(parts[1]),
    index,
    width: parts[3] === undefined ? undefined : Number(parts[3]),
  };
  // Formatting it again refuses leading zeroes (`x000/001`) and numbers out of range.
  if (formatTilePath(id) !== path) throw new FormatError('malformed-tile-path', 'not the shortest form');
  return id;
}

/** The tile that holds a node of the tree: nodes of levels 0, 8, 16, … stand in tiles, the others are hashed from them. */
export function tileOfNode(
  level: number,
  index: number,
): { readonly level: number; readonly index: number; readonly first: number; readonly count: number } {
  const tileLevel = Math.floor(level / TILE_HEIGHT);
  const count = 2 ** (level % TILE_HEIGHT);
  const start = index * count;
  return { level: tileLevel, index: Math.floor(start / TILE_WIDTH), first: start % TILE_WIDTH, count };
}

/** Width that the rightmost tile of a level has in a tree of `size` leaves: 0 (there is none) to 255. */
export function partialWidth(level: number, size: number): number {
  return Math.floor(size / TILE_WIDTH ** level) % TILE_WIDTH;
}

/** How many full tiles a level has in a tree of `size` leaves. */
export function fullTiles(level: number, size: number): number {
  return Math.floor(size / TILE_WIDTH ** (level + 1));
}
