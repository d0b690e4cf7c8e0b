import { compareKeys, copyRow, KEY_BYTES, readValue, readWord, ROW_BYTES, rowsBetween } from './event-index-table.ts';
import type { AppendFile } from './storage.ts';

const BLOCK_ROWS = 256;
const GUESSES = 3;

/**
 * The values of a key in a sorted file of rows, at most `limit`, in the order they were added. Keys are random, so their place can be guessed: the first guess in millions of rows is a thousand rows off, the
 * second, from the rows found there, a few dozen, so that two reads of a block find a key at any size. After three guesses the search only halves, because a
 * member chooses its ids and could make every guess miss.
 */
export function findInRun(file: AppendFile, rows: number, key: Uint8Array, limit = Infinity): number[] {
  let low = 0;
  let high = rows;
  let guess = rowsBetween(undefined, key, rows);
  // Invariant: rows below `low` are smaller than the key, rows from `high` on are not.
  for (let round = 0; high - low > BLOCK_ROWS; round++) {
    if (round >= GUESSES) {
      const middle = Math.floor((low + high) / 2);
      const isBelow = compareKeys(file.read(middle * ROW_BYTES, KEY_BYTES), 0, key, 0) < 0;
      if (isBelow) low = middle + 1;
      else high = middle;
      continue;
    }
    const first = Math.max(low, Math.min(high - BLOCK_ROWS, guess - BLOCK_ROWS / 2));
    const block = readBlock(file, first);
    const lastRow = block.subarray(block.length - ROW_BYTES);
    if (compareKeys(block, 0, key, 0) >= 0) {
      high = first;
      guess = first + rowsBetween(block, key, rows);
    } else if (compareKeys(lastRow, 0, key, 0) < 0) {
      low = first + BLOCK_ROWS;
      guess = low + rowsBetween(lastRow, key, rows);
    } else return valuesFrom(file, first, block, key, limit);
  }
  return valuesFrom(file, low, readBlock(file, low), key, limit);
}

/** @param block rows from `first` on; no row before them has the key */
function valuesFrom(file: AppendFile, first: number, block: Uint8Array, key: Uint8Array, limit: number): number[] {
  const values: number[] = [];
  for (let row = firstNotBelow(block, key), next = first; ; row = 0) {
    for (let at = row * ROW_BYTES; at < block.length; at += ROW_BYTES) {
      if (values.length >= limit || compareKeys(block, at, key, 0) !== 0) return values;
      values.push(readValue(block, at));
    }
    if (block.length < BLOCK_ROWS * ROW_BYTES) return values;
    next += BLOCK_ROWS;
    block = readBlock(file, next);
  }
}

function firstNotBelow(block: Uint8Array, key: Uint8Array): number {
  let low = 0;
  let high = Math.floor(block.length / ROW_BYTES);
  while (low < high) {
    const middle = (low + high) >> 1;
    if (compareKeys(block, middle * ROW_BYTES, key, 0) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

function readBlock(file: AppendFile, first: number): Uint8Array {
  return file.read(first * ROW_BYTES, BLOCK_ROWS * ROW_BYTES);
}

/** The rows of a run one after the other. */
export class RunReader {
  readonly #file: AppendFile;
  readonly #rows: number;
  #next = 0;
  #block: Uint8Array = new Uint8Array();
  #at = 0;
  #word = 0;

  constructor(file: AppendFile, rows: number) {
    this.#file = file;
    this.#rows = rows;
    this.#fill();
  }

  get done(): boolean {
    return this.#at >= this.#block.length;
  }

  /** Whether this reader's row comes before the other's; of equal keys neither does. Neither is done. */
  isBefore(other: RunReader): boolean {
    // Nearly always the first 32 bits, read once for each row, decide.
    if (this.#word !== other.#word) return this.#word < other.#word;
    return compareKeys(this.#block, this.#at, other.#block, other.#at) < 0;
  }

  /** Copies the row to `output` and goes on to the next. */
  take(output: Uint8Array, at: number): void {
    copyRow(this.#block, this.#at, output, at);
    this.#at += ROW_BYTES;
    if (this.done) this.#fill();
    else this.#word = readWord(this.#block, this.#at);
  }

  #fill(): void {
    const count = Math.min(BLOCK_ROWS, this.#rows - this.#next);
    this.#block = this.#file.read(this.#next * ROW_BYTES, count * ROW_BYTES);
    this.#next += count;
    this.#at = 0;
    this.#word = readWord(this.#block, 0);
  }
}

/** The reader whose row is the smallest; undefined when all are done. */
export function smallestReader(readers: readonly RunReader[]): RunReader | undefined {
  let best: RunReader | undefined;
  for (const reader of readers) {
    if (reader.done) continue;
    if (best === undefined || reader.isBefore(best)) best = reader;
  }
  return best;
}
