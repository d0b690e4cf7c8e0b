import type { AppendFile, LedgerStorage, StateStore } from './storage.ts';

/** Called around every durable step; a simulation throws from it to kill the process there. */
export type StorageStep = (step: string) => void;

class MemoryFile implements AppendFile {
  #bytes = new Uint8Array(256);
  #length = 0;
  #synced = 0;
  readonly #step: StorageStep;

  constructor(step: StorageStep) {
    this.#step = step;
  }

  get length(): number {
    return this.#length;
  }

  append(bytes: Uint8Array): number {
    const position = this.#length;
    const needed = position + bytes.length;
    if (needed > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(needed, 2 * this.#bytes.length));
      grown.set(this.#bytes);
      this.#bytes = grown;
    }
    this.#bytes.set(bytes, position);
    this.#length = needed;
    return position;
  }

  read(position: number, length: number): Uint8Array {
    return this.#bytes.slice(position, Math.min(position + length, this.#length));
  }

  truncate(length: number): void {
    this.#length = Math.min(length, this.#length);
    this.#synced = Math.min(this.#synced, this.#length);
  }

  async sync(): Promise<void> {
    this.#step('before sync');
    this.#synced = this.#length;
    this.#step('after sync');
  }

  /** What a power cut leaves: all that was synced, and any part of the rest. */
  crash(fraction: number): void {
    this.#length = this.#synced + Math.floor((this.#length - this.#synced) * fraction);
    this.#synced = this.#length;
  }

  flip(position: number): void {
    this.#bytes[position] = (this.#bytes[position] ?? 0) ^ 1;
  }
}

class MemoryState implements StateStore {
  readonly #values = new Map<string, Uint8Array>();
  readonly #step: StorageStep;

  constructor(step: StorageStep) {
    this.#step = step;
  }

  get(key: string): Uint8Array | undefined {
    return this.#values.get(key);
  }

  scan(
    prefix: string,
    options: { from?: string; limit?: number; reverse?: boolean } = {},
  ): { key: string; value: Uint8Array }[] {
    const from = options.from ?? prefix;
    const keys = [...this.#values.keys()].filter((key) => key.startsWith(prefix) && key >= from).sort();
    if (options.reverse === true) keys.reverse();
    return keys.slice(0, options.limit).map((key) => ({ key, value: this.#values.get(key) as Uint8Array }));
  }

  commit(changes: ReadonlyMap<string, Uint8Array | undefined>): void {
    this.#step('before commit');
    for (const [key, value] of changes) {
      if (value === undefined) this.#values.delete(key);
      else this.#values.set(key, value.slice());
    }
    this.#step('after commit');
  }
}

/** Storage in memory that can be crashed: what was not synced is lost in part, what was committed stays. */
export class MemoryStorage implements LedgerStorage {
  readonly state: StateStore;
  readonly #files = new Map<string, MemoryFile>();
  /** Set by a simulation; see `StorageStep`. */
  onStep: StorageStep = () => {};

  constructor() {
    this.state = new MemoryState((step) => this.onStep(step));
  }

  file(name: string): MemoryFile {
    let file = this.#files.get(name);
    if (file === undefined) this.#files.set(name, (file = new MemoryFile((step) => this.onStep(step))));
    return file;
  }

  hasFile(name: string): boolean {
    return this.#files.has(name);
  }

  fileNames(): string[] {
    return [...this.#files.keys()];
  }

  remove(name: string): void {
    this.#files.delete(name);
  }

  /** @param fraction 0–1: how much of what was never synced survives */
  crash(fraction: number): void {
    for (const file of this.#files.values()) file.crash(fraction);
  }

  close(): void {}
}
