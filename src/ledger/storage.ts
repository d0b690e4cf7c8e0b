/**
 * What the replica needs of a disk: append-only files and one small transactional store. `directory-storage.ts` is the real one,
 * `memory-storage.ts` the one that simulations crash.
 */
export interface AppendFile {
  /** Bytes appended so far, synced or not. */
  readonly length: number;
  /** Appends and returns the position of the first byte. Durable only after `sync`, which fails where there is no room; this does not. */
  append(bytes: Uint8Array): number;
  /** A copy of `length` bytes from `position`; fewer where the file ends before. */
  read(position: number, length: number): Uint8Array;
  /** Drops what lies beyond `length`: the leftovers of a crash. */
  truncate(length: number): void;
  sync(): Promise<void>;
}

export interface StateStore {
  get(key: string): Uint8Array | undefined;
  /** Keys that start with `prefix` and are not below `from`, in order. */
  scan(
    prefix: string,
    options?: { from?: string; limit?: number; reverse?: boolean },
  ): { key: string; value: Uint8Array }[];
  /** Writes all changes in one durable transaction; `undefined` removes. */
  commit(changes: ReadonlyMap<string, Uint8Array | undefined>): void;
}

export interface LedgerStorage {
  readonly state: StateStore;
  /** Opens or makes a file; the same object for the same name. */
  file(name: string): AppendFile;
  /** Whether a file is there, without making it. */
  hasFile(name: string): boolean;
  fileNames(): string[];
  remove(name: string): void;
  close(): void;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export function jsonBytes(value: unknown): Uint8Array {
  return encoder.encode(JSON.stringify(value));
}

/** Reads what `jsonBytes` wrote; only for bytes that this process's own store returned. */
export function fromJsonBytes<T>(bytes: Uint8Array): T {
  return JSON.parse(decoder.decode(bytes)) as T;
}

/** Decimal text that sorts as the numbers do, for keys. */
export function sortable(value: number): string {
  return String(value).padStart(16, '0');
}
