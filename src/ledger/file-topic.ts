import { statSync } from 'node:fs';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { sha256 } from '../hash.ts';
import { sameHash } from './merkle/tree-hash.ts';
import {
  TransportError,
  type Topic,
  type TopicAnchor,
  type TopicDescription,
  type TopicRead,
  type TopicRecord,
} from './transport.ts';
import { delay } from './wait.ts';

export interface FileTopicOptions {
  /** Path of the SQLite file; its folder must exist. Processes of one machine share it (no network file systems). */
  readonly path: string;
  /** How often a waiting reader looks for new records. */
  readonly pollMs?: number;
  /** How long an append waits for other processes' write locks. */
  readonly appendTimeoutMs?: number;
  /** Only about this many of the last records are kept. Left out: all of them. */
  readonly keepRecords?: number;
}

/** Old records are removed once in so many appends. */
const TRIM_INTERVAL = 256;
/** Kafka's default record limit, so that what fits here fits there. */
const MAXIMUM_RECORD_BYTES = 1_000_000;
const TRANSIENT = new Set([5 /* SQLITE_BUSY */, 6 /* SQLITE_LOCKED */]);
const CORRUPT = new Set([11 /* SQLITE_CORRUPT */, 26 /* SQLITE_NOTADB */]);

interface Statements {
  readonly insert: StatementSync;
  readonly trim: StatementSync;
  readonly range: StatementSync;
  readonly ends: StatementSync;
}

/**
 * A ledger topic in one SQLite file (WAL, synchronous=full) that several processes share: the embedded default.
 * Row ids are assigned once and for ever (AUTOINCREMENT); the transport offset is the row id minus one.
 */
export class FileTopic implements Topic {
  readonly #path: string;
  readonly #pollMs: number;
  readonly #appendTimeoutMs: number;
  readonly #keepRecords: number | undefined;
  #database: DatabaseSync | undefined;
  #statements: Statements | undefined;
  #inode = -1n;
  #closed = false;
  #appends: Promise<unknown> = Promise.resolve();

  constructor(options: FileTopicOptions) {
    this.#path = options.path;
    this.#pollMs = options.pollMs ?? 10;
    this.#appendTimeoutMs = options.appendTimeoutMs ?? 10_000;
    this.#keepRecords = options.keepRecords;
  }

  async connect(): Promise<void> {
    if (this.#closed) throw new TransportError('closed', 'topic is closed');
    if (this.#database !== undefined) return;
    try {
      await this.#whileBusy(() => this.#open());
    } catch (error) {
      this.#drop();
      throw translate(error);
    }
  }

  #open(): void {
    // A lock is waited for by timers in `#whileBusy`, never inside SQLite: that would stop the whole process.
    const database = (this.#database ??= new DatabaseSync(this.#path, { timeout: 0 }));
    database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;');
    database.exec('CREATE TABLE IF NOT EXISTS records (id INTEGER PRIMARY KEY AUTOINCREMENT, value BLOB NOT NULL)');
    this.#statements = {
      insert: database.prepare('INSERT INTO records (value) VALUES (?)'),
      trim: database.prepare('DELETE FROM records WHERE id <= ?'),
      range: database.prepare('SELECT id, value FROM records WHERE id >= ? ORDER BY id LIMIT ?'),
      ends: database.prepare(`SELECT (SELECT min(id) FROM records) AS first, (SELECT max(id) FROM records) AS last,
        (SELECT seq FROM sqlite_sequence WHERE name = 'records') AS issued`),
    };
    this.#statements.range.setReadBigInts(true);
    this.#statements.ends.setReadBigInts(true);
    this.#inode = inodeOf(this.#path);
  }

  append(value: Uint8Array): Promise<bigint> {
    const result = this.#appends.then(() => this.#append(value));
    this.#appends = result.catch(() => undefined);
    return result;
  }

  async #append(value: Uint8Array): Promise<bigint> {
    if (value.length > MAXIMUM_RECORD_BYTES)
      throw new TransportError('too-large', `record of ${String(value.length)} bytes`);
    const { insert } = this.#opened();
    this.#assertSameFile();
    try {
      // One statement, one transaction: a crash leaves the whole record or none of it.
      const result = await this.#whileBusy(() => insert.run(value));
      this.#trim(Number(result.lastInsertRowid));
      return BigInt(result.lastInsertRowid) - 1n;
    } catch (error) {
      const failure = translate(error);
      // A full disk or a failed sync may strike after the record reached the WAL.
      if (failure.code === 'unavailable' && !isTransient(error))
        throw new TransportError('outcome-unknown', 'the append failed half-way', { cause: error });
      throw failure;
    }
  }

  #trim(lastId: number): void {
    if (this.#keepRecords === undefined || lastId % TRIM_INTERVAL !== 0) return;
    try {
      this.#opened().trim.run(lastId - this.#keepRecords);
    } catch {
      // The append stands; what could not be removed now goes the next time.
    }
  }

  async read(args: Parameters<Topic['read']>[0]): Promise<TopicRead> {
    const deadlineMs = performance.now() + args.waitMs;
    if (args.anchor !== undefined) await this.#checkAnchor(args.anchor);
    for (;;) {
      const found = await this.#guarded(() => this.#readOnce(args.fromOffset, args.maximumBytes));
      if (found.records.length > 0) return found;
      const leftMs = deadlineMs - performance.now();
      if (leftMs <= 0 || args.signal?.aborted === true) return found;
      await delay(Math.min(this.#pollMs, leftMs), args.signal);
    }
  }

  #readOnce(fromOffset: bigint, maximumBytes: number): TopicRead {
    const { startOffset, endOffset } = this.#ends();
    if (fromOffset < startOffset)
      throw new TransportError('trimmed', 'records before the first one left are gone', { offset: startOffset });
    if (fromOffset > endOffset)
      throw new TransportError('truncated', 'the topic ends before a record that was there', { offset: endOffset });
    const records: TopicRecord[] = [];
    let bytes = 0;
    for (const row of this.#opened().range.iterate(fromOffset + 1n, 4096)) {
      const offset = (row['id'] as bigint) - 1n;
      const value = row['value'];
      const wanted: bigint = fromOffset + BigInt(records.length);
      if (offset !== wanted) throw new TransportError('gap', 'a record is missing', { offset: wanted });
      if (!(value instanceof Uint8Array)) throw new TransportError('corrupt', 'a record is not bytes', { offset });
      if (records.length > 0 && bytes + value.length > maximumBytes) break;
      bytes += value.length;
      records.push({ offset, value });
    }
    return { records, startOffset, endOffset, interruptions: 0 };
  }

  #ends(): { startOffset: bigint; endOffset: bigint } {
    const row = this.#opened().ends.get() as { first: bigint | null; last: bigint | null; issued: bigint | null };
    const last = row.last ?? 0n;
    const first = row.first ?? (row.issued ?? 0n) + 1n;
    return { startOffset: first - 1n, endOffset: row.last === null ? first - 1n : last };
  }

  async #checkAnchor(anchor: TopicAnchor): Promise<void> {
    this.#assertSameFile();
    await this.#guarded(() => {
      const { startOffset, endOffset } = this.#ends();
      if (anchor.offset < startOffset)
        throw new TransportError('trimmed', 'the last accepted record is gone', { offset: startOffset });
      if (anchor.offset >= endOffset)
        throw new TransportError('truncated', 'the last accepted record is gone', { offset: endOffset });
      const row = this.#opened().range.get(anchor.offset + 1n, 1);
      if (row === undefined || row['id'] !== anchor.offset + 1n)
        throw new TransportError('gap', 'the last accepted record is missing', { offset: anchor.offset });
      const value = row['value'];
      if (!(value instanceof Uint8Array) || !sameHash(sha256(value), anchor.hash))
        throw new TransportError('anchor-mismatch', 'another record stands there', { offset: anchor.offset });
    });
  }

  async endOffset(): Promise<bigint> {
    return this.#guarded(() => this.#ends().endOffset);
  }

  async describe(): Promise<TopicDescription> {
    const mode = await this.#guarded(() => this.#database?.prepare('PRAGMA journal_mode').get()?.['journal_mode']);
    return { kind: 'file', name: this.#path, drift: mode === 'wal' ? [] : [`journal_mode: ${String(mode)}, wal`] };
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#appends;
    this.#drop();
  }

  #drop(): void {
    this.#statements = undefined;
    this.#database?.close();
    this.#database = undefined;
  }

  #opened(): Statements {
    if (this.#statements === undefined) throw new TransportError('closed', 'topic is not connected');
    return this.#statements;
  }

  /** A deleted or replaced file would go on being read through the open handle, by this process alone. */
  #assertSameFile(): void {
    if (inodeOf(this.#path) !== this.#inode) throw new TransportError('topic-missing', 'the topic file was replaced');
  }

  async #guarded<T>(action: () => T): Promise<T> {
    try {
      return await this.#whileBusy(action);
    } catch (error) {
      throw translate(error);
    }
  }

  async #whileBusy<T>(action: () => T): Promise<T> {
    const untilMs = performance.now() + this.#appendTimeoutMs;
    for (let waitMs = 1; ; waitMs = Math.min(waitMs * 2, 20)) {
      try {
        return action();
      } catch (error) {
        if (!isTransient(error) || performance.now() > untilMs) throw error;
        await delay(waitMs * (0.5 + Math.random()));
      }
    }
  }
}

function isTransient(error: unknown): boolean {
  return error instanceof Error && TRANSIENT.has(primaryCode(error));
}

/** SQLite's primary result code; extended codes carry it in the low byte. */
function primaryCode(error: Error): number {
  return 'errcode' in error && typeof error.errcode === 'number' ? error.errcode & 0xff : -1;
}

function translate(error: unknown): TransportError {
  if (error instanceof TransportError) return error;
  if (error instanceof Error && CORRUPT.has(primaryCode(error)))
    return new TransportError('corrupt', 'the topic file is damaged', { cause: error });
  return new TransportError('unavailable', 'the topic file cannot be used', { cause: error });
}

function inodeOf(path: string): bigint {
  return statSync(path, { bigint: true, throwIfNoEntry: false })?.ino ?? -1n;
}
