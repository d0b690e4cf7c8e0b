import { compareKeys, interpolate, KEY_BYTES, MemoryTable, readValue, ROW_BYTES } from './event-index-table.ts';
import type { LedgerStorage } from './storage.ts';

/** One immutable sorted file of (key, value) rows. */
export interface IndexRun {
  readonly id: number;
  readonly level: number;
  readonly rows: number;
}

export interface IndexManifest {
  readonly runs: readonly IndexRun[];
  readonly nextId: number;
}

export const EMPTY_MANIFEST: IndexManifest = { runs: [], nextId: 1 };

const FAN_IN = 4;
const READ_ROWS = 512;

interface Merge {
  readonly sources: readonly IndexRun[];
  readonly readers: RunReader[];
  readonly target: IndexRun;
}

/**
 * Keys of 16 bytes to numbers, in append-only sorted runs: a table in memory that is spilled when full, and merges of four runs of one level
 * into one of the next. Random keys cost the same at ten million rows as at ten thousand; a database row for each does not.
 *
 * The manifest is the caller's to save, in the transaction that also says how far the runs cover; a crash before that leaves files that the next open
 * removes, and rows of the memory table are added again by whoever reads the leaves beyond the covered ones.
 */
export class EventIndex {
  readonly #storage: LedgerStorage;
  readonly #name: string;
  #manifest: IndexManifest;
  #table: MemoryTable;
  #merge: Merge | undefined;
  #retired: IndexRun[] = [];

  /** @param options.tableRows rows in memory before a spill, a power of two */
  constructor(options: {
    storage: LedgerStorage;
    name: string;
    manifest: IndexManifest;
    seed: number;
    tableRows?: number;
  }) {
    this.#storage = options.storage;
    this.#name = options.name;
    this.#manifest = options.manifest;
    this.#table = new MemoryTable(options.tableRows ?? 1 << 15, options.seed);
    this.#removeOrphans();
  }

  get manifest(): IndexManifest {
    return this.#manifest;
  }

  get full(): boolean {
    return this.#table.full;
  }

  /** Adds a row; the table must not be full. Equal keys are all kept. */
  add(key: Uint8Array, value: number): void {
    this.#table.add(key, value);
  }

  /** All values of a key, smallest first. */
  lookup(key: Uint8Array): number[] {
    const found = this.#table.lookup(key);
    for (const run of this.#manifest.runs) found.push(...this.#lookupRun(run, key));
    return found.sort((a, b) => a - b);
  }

  /** Writes the table out as a new run and returns the file to sync before the manifest is saved. */
  spill(): void {
    const rows = this.#table.sortedRows();
    if (rows.length === 0) return;
    const run = { id: this.#manifest.nextId, level: 0, rows: rows.length / ROW_BYTES };
    this.#file(run).append(rows);
    this.#manifest = { runs: [...this.#manifest.runs, run], nextId: run.id + 1 };
    this.#table.clear();
  }

  /** Files whose content a manifest saved now would name. */
  async sync(): Promise<void> {
    for (const run of this.#manifest.runs) await this.#file(run).sync();
  }

  /**
   * Moves at most `rows` rows of a merge that is due. True when the manifest changed: it must be saved (after `sync`), then `removeMerged` called.
   */
  mergeSome(rows: number): boolean {
    this.#merge ??= this.#startMerge();
    if (this.#merge === undefined) return false;
    const { readers, target, sources } = this.#merge;
    const output = new Uint8Array(rows * ROW_BYTES);
    let length = 0;
    for (; length < output.length; length += ROW_BYTES) {
      const reader = smallest(readers);
      if (reader === undefined) break;
      output.set(reader.row(), length);
      reader.advance();
    }
    this.#file(target).append(output.subarray(0, length));
    if (readers.some((reader) => !reader.done)) return false;
    this.#manifest = {
      ...this.#manifest,
      runs: [...this.#manifest.runs.filter((run) => !sources.includes(run)), target],
    };
    this.#retired.push(...sources);
    this.#merge = undefined;
    return true;
  }

  /** To be called once the manifest without them is saved: a crash before would miss rows. */
  removeMerged(): void {
    for (const run of this.#retired) this.#storage.remove(this.#fileName(run));
    this.#retired = [];
  }

  #startMerge(): Merge | undefined {
    const levels = Map.groupBy(this.#manifest.runs, (run) => run.level);
    for (const [level, runs] of levels) {
      if (runs.length < FAN_IN) continue;
      const sources = runs.slice(0, FAN_IN);
      const rows = sources.reduce((sum, run) => sum + run.rows, 0);
      const target = { id: this.#manifest.nextId, level: level + 1, rows };
      // The number is used up at once, so that a spill during the merge does not take it.
      this.#manifest = { ...this.#manifest, nextId: target.id + 1 };
      this.#file(target).truncate(0);
      return { sources, target, readers: sources.map((run) => new RunReader(this.#file(run), run.rows)) };
    }
    return undefined;
  }

  #lookupRun(run: IndexRun, key: Uint8Array): number[] {
    const file = this.#file(run);
    let low = 0;
    let high = run.rows;
    // Invariant: rows below `low` are smaller than the key, rows from `high` on are not.
    for (let round = 0; high - low > READ_ROWS; round++) {
      const middle = interpolate({ low, high, rows: run.rows, key, round });
      if (compareKeys(file.read(middle * ROW_BYTES, KEY_BYTES), 0, key, 0) < 0) low = middle + 1;
      else high = middle;
    }
    const values = [];
    for (let first = low; ; first += READ_ROWS) {
      const block = file.read(first * ROW_BYTES, READ_ROWS * ROW_BYTES);
      for (let at = 0; at < block.length; at += ROW_BYTES) {
        const order = compareKeys(block, at, key, 0);
        if (order === 0) values.push(readValue(block, at));
        else if (order > 0) return values;
      }
      if (block.length < READ_ROWS * ROW_BYTES) return values;
    }
  }

  #removeOrphans(): void {
    const known = new Set(this.#manifest.runs.map((run) => this.#fileName(run)));
    for (const name of this.#storage.fileNames())
      if (name.startsWith(`${this.#name}-`) && !known.has(name)) this.#storage.remove(name);
  }

  #file(run: IndexRun): ReturnType<LedgerStorage['file']> {
    return this.#storage.file(this.#fileName(run));
  }

  #fileName(run: IndexRun): string {
    return `${this.#name}-${String(run.id)}`;
  }
}

class RunReader {
  readonly #file: ReturnType<LedgerStorage['file']>;
  readonly #rows: number;
  #next = 0;
  #block: Uint8Array = new Uint8Array();
  #at = 0;

  constructor(file: ReturnType<LedgerStorage['file']>, rows: number) {
    this.#file = file;
    this.#rows = rows;
    this.#fill();
  }

  get done(): boolean {
    return this.#at >= this.#block.length;
  }

  get block(): Uint8Array {
    return this.#block;
  }

  get at(): number {
    return this.#at;
  }

  row(): Uint8Array {
    return this.#block.subarray(this.#at, this.#at + ROW_BYTES);
  }

  advance(): void {
    this.#at += ROW_BYTES;
    if (this.done) this.#fill();
  }

  #fill(): void {
    const count = Math.min(READ_ROWS, this.#rows - this.#next);
    this.#block = this.#file.read(this.#next * ROW_BYTES, count * ROW_BYTES);
    this.#next += count;
    this.#at = 0;
  }
}

function smallest(readers: readonly RunReader[]): RunReader | undefined {
  let best: RunReader | undefined;
  for (const reader of readers) {
    if (reader.done) continue;
    if (best === undefined || compareKeys(reader.block, reader.at, best.block, best.at) < 0) best = reader;
  }
  return best;
}
