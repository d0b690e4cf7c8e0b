import { DatabaseSync } from 'node:sqlite';
import { sameHash } from './merkle/tree-hash.ts';

/** What a cosigner last signed for one log. */
export interface SignedTree {
  readonly size: number;
  readonly root: Uint8Array;
  /** Epoch ms. */
  readonly timeMs: number;
}

/**
 * The memory that keeps a cosigner from signing two trees. It MUST survive whatever the process does after `advance` returned, and it
 * MUST NOT be restored from a backup together with anything else: an older state would sign again what it has forgotten.
 */
export interface CosignerStore {
  last(origin: string): SignedTree | undefined;
  /** Compare-and-swap: saves `next` durably and returns true only if the last one is still `expected`, is not closed, and does not shrink. */
  advance(origin: string, expected: SignedTree | undefined, next: SignedTree): boolean;
  /** Nothing is ever signed for this origin again (epoch change). Durable when it returns. */
  closeOrigin(origin: string): void;
  isClosed(origin: string): boolean;
  close(): void;
}

export class SqliteCosignerStore implements CosignerStore {
  readonly #database: DatabaseSync;

  /** @param path of a file of its own */
  constructor(path: string) {
    this.#database = new DatabaseSync(path, { timeout: 5000 });
    this.#database.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
      CREATE TABLE IF NOT EXISTS signed (origin TEXT PRIMARY KEY, size INTEGER NOT NULL, root BLOB NOT NULL, time_ms INTEGER NOT NULL) STRICT;
      CREATE TABLE IF NOT EXISTS closed (origin TEXT PRIMARY KEY) STRICT`);
  }

  last(origin: string): SignedTree | undefined {
    const row = this.#database.prepare('SELECT size, root, time_ms FROM signed WHERE origin = ?').get(origin);
    if (row === undefined) return undefined;
    return { size: row['size'] as number, root: row['root'] as Uint8Array, timeMs: row['time_ms'] as number };
  }

  advance(origin: string, expected: SignedTree | undefined, next: SignedTree): boolean {
    this.#database.exec('BEGIN IMMEDIATE');
    try {
      const allowed = mayAdvance(this.last(origin), expected, next) && !this.isClosed(origin);
      if (allowed) {
        this.#database
          .prepare(
            'INSERT INTO signed VALUES (?, ?, ?, ?) ON CONFLICT (origin) DO UPDATE SET size = excluded.size, root = excluded.root, time_ms = excluded.time_ms',
          )
          .run(origin, next.size, next.root, next.timeMs);
      }
      // A crash after this leaves a size that was never signed in public: the next, larger one is signed instead.
      this.#database.exec('COMMIT');
      return allowed;
    } catch (error) {
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK');
      throw error;
    }
  }

  closeOrigin(origin: string): void {
    this.#database.prepare('INSERT OR IGNORE INTO closed VALUES (?)').run(origin);
  }

  isClosed(origin: string): boolean {
    return this.#database.prepare('SELECT 1 FROM closed WHERE origin = ?').get(origin) !== undefined;
  }

  close(): void {
    this.#database.close();
  }
}

/** In memory, for simulations: `onStep` may throw to kill the process there. */
export class MemoryCosignerStore implements CosignerStore {
  readonly #signed = new Map<string, SignedTree>();
  readonly #closed = new Set<string>();
  onStep: (step: string) => void = () => {};

  last(origin: string): SignedTree | undefined {
    return this.#signed.get(origin);
  }

  advance(origin: string, expected: SignedTree | undefined, next: SignedTree): boolean {
    this.onStep('before advance');
    if (!mayAdvance(this.last(origin), expected, next) || this.#closed.has(origin)) return false;
    this.#signed.set(origin, next);
    this.onStep('after advance');
    return true;
  }

  closeOrigin(origin: string): void {
    this.onStep('before closeOrigin');
    this.#closed.add(origin);
    this.onStep('after closeOrigin');
  }

  isClosed(origin: string): boolean {
    return this.#closed.has(origin);
  }

  close(): void {}
}

function mayAdvance(last: SignedTree | undefined, expected: SignedTree | undefined, next: SignedTree): boolean {
  if (last === undefined || expected === undefined) return last === expected;
  if (last.size !== expected.size || !sameHash(last.root, expected.root)) return false;
  return next.size > last.size || (next.size === last.size && sameHash(next.root, last.root));
}
