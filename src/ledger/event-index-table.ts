/** Rows of the event index: 16 key bytes, then the value as u64 big-endian. */
export const KEY_BYTES = 16;
export const ROW_BYTES = 24;

export function compareKeys(a: Uint8Array, atA: number, b: Uint8Array, atB: number): number {
  for (let i = 0; i < KEY_BYTES; i++) {
    const difference = (a[atA + i] as number) - (b[atB + i] as number);
    if (difference !== 0) return difference;
  }
  return 0;
}

export function readValue(bytes: Uint8Array, at: number): number {
  return readWord(bytes, at + KEY_BYTES) * 2 ** 32 + readWord(bytes, at + KEY_BYTES + 4);
}

/** Four bytes, big-endian. */
export function readWord(bytes: Uint8Array, at: number): number {
  const high = ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
  const low = ((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number);
  return ((high << 16) | low) >>> 0;
}

/** Byte by byte: for so few a view and `set` cost twice as much. */
export function copyRow(from: Uint8Array, fromAt: number, to: Uint8Array, toAt: number): void {
  for (let i = 0; i < ROW_BYTES; i++) to[toAt + i] = from[fromAt + i] as number;
}

function writeWord(bytes: Uint8Array, at: number, word: number): void {
  bytes[at] = word >>> 24;
  bytes[at + 1] = word >>> 16;
  bytes[at + 2] = word >>> 8;
  bytes[at + 3] = word;
}

/** How many of a run's rows are to be expected from one key up to another, if keys are random; negative where it is the smaller. @param from undefined: the start */
export function rowsBetween(from: Uint8Array | undefined, to: Uint8Array, rows: number): number {
  const start = from === undefined ? 0 : readWord(from, 0);
  return Math.round(((readWord(to, 0) - start) / 2 ** 32) * rows);
}

/** Unsorted rows with an open-addressed hash over them. */
export class MemoryTable {
  readonly #capacity: number;
  readonly #seed: number;
  readonly #rows: Uint8Array;
  /** Row number + 1; 0 is free. Twice as many slots as rows. */
  readonly #slots: Int32Array;
  #count = 0;

  /** @param seed secret to this process, so that chosen ids cannot be made to collide */
  constructor(capacity: number, seed: number) {
    this.#capacity = capacity;
    this.#seed = seed;
    this.#rows = new Uint8Array(capacity * ROW_BYTES);
    this.#slots = new Int32Array(2 * capacity);
  }

  get full(): boolean {
    return this.#count === this.#capacity;
  }

  add(key: Uint8Array, value: number): void {
    const at = this.#count * ROW_BYTES;
    this.#rows.set(key.subarray(0, KEY_BYTES), at);
    writeWord(this.#rows, at + KEY_BYTES, Math.floor(value / 2 ** 32));
    writeWord(this.#rows, at + KEY_BYTES + 4, value >>> 0);
    let slot = this.#slotOf(key, 0);
    while (this.#slots[slot] !== 0) slot = (slot + 1) & (this.#slots.length - 1);
    this.#slots[slot] = ++this.#count;
  }

  /** In the order they were added, at most `limit`. */
  lookup(key: Uint8Array, limit = Infinity): number[] {
    const values: number[] = [];
    for (let slot = this.#slotOf(key, 0); ; slot = (slot + 1) & (this.#slots.length - 1)) {
      const row = (this.#slots[slot] as number) - 1;
      if (row < 0 || values.length >= limit) return values;
      if (compareKeys(this.#rows, row * ROW_BYTES, key, 0) === 0) values.push(readValue(this.#rows, row * ROW_BYTES));
    }
  }

  /** A copy of all rows, sorted by key. */
  sortedRows(): Uint8Array {
    const order = this.#orderByLeadingWord();
    this.#settleTies(order);
    const sorted = new Uint8Array(this.#count * ROW_BYTES);
    for (let i = 0; i < this.#count; i++) {
      copyRow(this.#rows, (order[i] as number) * ROW_BYTES, sorted, i * ROW_BYTES);
    }
    return sorted;
  }

  clear(): void {
    this.#count = 0;
    this.#slots.fill(0);
  }

  /** Two passes of counting sort over the key's first 32 bits: 3 ms for 65,536 rows, where a comparing sort takes 60. */
  #orderByLeadingWord(): Uint32Array {
    let order = new Uint32Array(this.#count).map((_, i) => i);
    for (const offset of [2, 0]) {
      const starts = new Uint32Array(65_537);
      const digits = new Uint16Array(this.#count);
      for (let row = 0; row < this.#count; row++) {
        const at = row * ROW_BYTES + offset;
        const digit = ((this.#rows[at] as number) << 8) | (this.#rows[at + 1] as number);
        digits[row] = digit;
        starts[digit + 1] = (starts[digit + 1] as number) + 1;
      }
      for (let i = 1; i < starts.length; i++) starts[i] = (starts[i] as number) + (starts[i - 1] as number);
      const next = new Uint32Array(this.#count);
      for (const row of order) {
        const digit = digits[row] as number;
        const place = starts[digit] as number;
        starts[digit] = place + 1;
        next[place] = row;
      }
      order = next;
    }
    return order;
  }

  #settleTies(order: Uint32Array): void {
    const rows = this.#rows;
    const word = (i: number): number => readWord(rows, (order[i] as number) * ROW_BYTES);
    for (let first = 0; first < order.length;) {
      let end = first + 1;
      while (end < order.length && word(end) === word(first)) end++;
      if (end - first > 1)
        order.subarray(first, end).sort((a, b) => compareKeys(rows, a * ROW_BYTES, rows, b * ROW_BYTES) || a - b);
      first = end;
    }
  }

  #slotOf(key: Uint8Array, at: number): number {
    let hash = this.#seed;
    for (let i = 0; i < KEY_BYTES; i += 4) {
      hash = Math.imul(hash ^ readWord(key, at + i), 0x9e3779b1);
      hash ^= hash >>> 15;
    }
    return (hash >>> 0) & (this.#slots.length - 1);
  }
}
