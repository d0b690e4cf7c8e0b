import { findInRun, RunReader, smallestReader } from './event-index-run.ts';
import { MemoryTable, ROW_BYTES } from './event-index-table.ts';
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
/** Rows that a merge writes at a time. */
const WRITE_ROWS = 4096;

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
  /** By the level of the run that they make; one for each level. */
  readonly #merges = new Map<number, Merge>();
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

  /** All values of a key, smallest first. @param limit of those added first in each run: whoever chooses keys can repeat one without end */
  lookup(key: Uint8Array, limit = Infinity): number[] {
    const found = [this.#table.lookup(key, limit)];
    for (const run of this.#manifest.runs) found.push(findInRun(this.#file(run), run.rows, key, limit));
    return found.flat().sort((a, b) => a - b);
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
   * Moves at most `rows` rows of each level's merge that is due. With two rows for each that was added, no level waits: four runs are merged before two more have
   * come. True when the manifest changed: it must be saved (after `sync`), then `removeMerged` called.
   */
  mergeSome(rows: number): boolean {
    this.#startMerges();
    let changed = false;
    for (const merge of this.#merges.values()) {
      this.#moveRows(merge, rows);
      if (merge.readers.some((reader) => !reader.done)) continue;
      const { sources, target } = merge;
      this.#manifest = {
        ...this.#manifest,
        runs: [...this.#manifest.runs.filter((run) => !sources.includes(run)), target],
      };
      this.#retired.push(...sources);
      this.#merges.delete(target.level);
      changed = true;
    }
    return changed;
  }

  #moveRows({ readers, target }: Merge, rows: number): void {
    const file = this.#file(target);
    for (let left = rows; left > 0; left -= WRITE_ROWS) {
      const output = new Uint8Array(Math.min(left, WRITE_ROWS, target.rows) * ROW_BYTES);
      let length = 0;
      for (; length < output.length; length += ROW_BYTES) {
        const reader = smallestReader(readers);
        if (reader === undefined) break;
        reader.take(output, length);
      }
      file.append(output.subarray(0, length));
      if (length < output.length) return;
    }
  }

  /** To be called once the manifest without them is saved: a crash before would miss rows. */
  removeMerged(): void {
    for (const run of this.#retired) this.#storage.remove(this.#fileName(run));
    this.#retired = [];
  }

  #startMerges(): void {
    for (const [level, runs] of Map.groupBy(this.#manifest.runs, (run) => run.level)) {
      if (runs.length < FAN_IN || this.#merges.has(level + 1)) continue;
      const sources = runs.slice(0, FAN_IN);
      const rows = sources.reduce((sum, run) => sum + run.rows, 0);
      const target = { id: this.#manifest.nextId, level: level + 1, rows };
      // The number is used up at once, so that a spill during the merge does not take it.
      this.#manifest = { ...this.#manifest, nextId: target.id + 1 };
      this.#file(target).truncate(0);
      const readers = sources.map((run) => new RunReader(this.#file(run), run.rows));
      this.#merges.set(target.level, { sources, target, readers });
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
