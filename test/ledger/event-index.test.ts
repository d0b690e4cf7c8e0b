import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { findInRun } from '../../src/ledger/event-index-run.ts';
import { MemoryTable } from '../../src/ledger/event-index-table.ts';
import { EMPTY_MANIFEST, EventIndex, type IndexManifest } from '../../src/ledger/event-index.ts';
import { MemoryStorage } from '../../src/ledger/memory-storage.ts';
import type { AppendFile } from '../../src/ledger/storage.ts';

const TABLE_ROWS = 8;

function openIndex(storage: MemoryStorage, manifest: IndexManifest): EventIndex {
  return new EventIndex({ storage, name: 'events', manifest, seed: 7, tableRows: TABLE_ROWS });
}

/** A key of few possible first bytes, so that neighbours, ties and duplicates occur. */
const keyArbitrary = fc
  .tuple(fc.constantFrom(0, 1, 127, 255), fc.constantFrom(0, 9, 255), fc.integer({ min: 0, max: 3 }))
  .map(([first, fifth, last]) => {
    const key = new Uint8Array(16);
    key[0] = first;
    key[4] = fifth;
    key[15] = last;
    return key;
  });

describe('event index', () => {
  test('finds every value of every key, through spills, merges and crashes', async () => {
    const property = fc.asyncProperty(
      fc.array(fc.tuple(keyArbitrary, fc.nat({ max: 2 ** 50 })), { maxLength: 300 }),
      fc.array(fc.nat({ max: 300 }), { maxLength: 4 }),
      fc.integer({ min: 1, max: 40 }),
      async (rows, crashes, mergeRows) => {
        const storage = new MemoryStorage();
        let saved: { manifest: IndexManifest; covered: number } = { manifest: EMPTY_MANIFEST, covered: 0 };
        let index = openIndex(storage, saved.manifest);
        const save = async (covered: number): Promise<void> => {
          await index.sync();
          saved = { manifest: index.manifest, covered };
        };
        const crashAt = new Set(crashes);
        for (let i = 0; i < rows.length; i++) {
          if (crashAt.delete(i)) {
            storage.crash(0.5);
            index = openIndex(storage, saved.manifest);
            i = saved.covered;
            if (i >= rows.length) break;
          }
          const [key, value] = rows[i] as [Uint8Array, number];
          index.add(key, value);
          if (!index.full) continue;
          index.spill();
          await save(i + 1);
          if (index.mergeSome(mergeRows)) {
            await save(i + 1);
            index.removeMerged();
          }
        }
        const expected = new Map<string, number[]>();
        for (const [key, value] of rows) {
          const name = key.join();
          expected.set(name, [...(expected.get(name) ?? []), value]);
        }
        for (const [key] of rows) {
          assert.deepEqual(
            index.lookup(key),
            expected.get(key.join())?.sort((a, b) => a - b),
          );
        }
        assert.deepEqual(index.lookup(new Uint8Array(16).fill(3)), []);
      },
    );
    await fc.assert(property, { numRuns: 200 });
  });

  test('runs stay few: four of a level become one of the next', async () => {
    const storage = new MemoryStorage();
    const index = openIndex(storage, EMPTY_MANIFEST);
    for (let i = 0; i < 64 * TABLE_ROWS; i++) {
      index.add(randomBytes(16), i);
      if (!index.full) continue;
      index.spill();
      if (index.mergeSome(1000)) index.removeMerged();
    }
    for (let i = 0; i < 30; i++) if (index.mergeSome(1000)) index.removeMerged();
    assert.deepEqual(
      index.manifest.runs.map((run) => [run.level, run.rows]),
      [[3, 64 * TABLE_ROWS]],
    );
    assert.equal(storage.fileNames().length, 1);
  });

  test('no level waits for another: two rows merged at each level for each that came keep all runs few', () => {
    const storage = new MemoryStorage();
    const index = openIndex(storage, EMPTY_MANIFEST);
    let most = 0;
    for (let i = 0; i < 1024 * TABLE_ROWS; i++) {
      index.add(randomBytes(16), i);
      if (!index.full) continue;
      index.spill();
      if (index.mergeSome(2 * TABLE_ROWS)) index.removeMerged();
      const levels = Map.groupBy(index.manifest.runs, (run) => run.level);
      most = Math.max(most, ...[...levels.values()].map((runs) => runs.length));
    }
    assert.ok(most <= 6, `${most} runs of one level`);
  });
});

describe('a run of the index', () => {
  const ROWS = 100_000;

  /** Rows of these keys in order, each with its place as its value, in a file that counts how often it is read. */
  function makeRun(keys: readonly Uint8Array[]): { file: AppendFile; reads: () => number } {
    const table = new MemoryTable(1 << 17, 7);
    keys.forEach((key, i) => table.add(key, i));
    const file = new MemoryStorage().file('run');
    file.append(table.sortedRows());
    let count = 0;
    const read = (position: number, length: number): Uint8Array => {
      count++;
      return file.read(position, length);
    };
    const counted = { length: file.length, append: () => 0, read, truncate: () => {}, sync: async () => {} };
    return { file: counted, reads: () => count };
  }

  test('random keys are found in two to three reads', () => {
    const keys = Array.from({ length: ROWS }, () => randomBytes(16));
    const { file, reads } = makeRun(keys);
    for (let i = 0; i < ROWS; i += 50) assert.deepEqual(findInRun(file, ROWS, keys[i] as Uint8Array), [i]);
    assert.ok(reads() / (ROWS / 50) < 3, `${reads() / (ROWS / 50)} reads for a key`);
    assert.deepEqual(findInRun(file, ROWS, randomBytes(16)), []);
  });

  test('chosen keys that make every guess miss are found by halving', () => {
    const keys = Array.from({ length: ROWS }, (_, i) => {
      const key = Buffer.alloc(16, i < ROWS / 2 ? 0 : 255);
      key.writeUInt32BE(i, 12);
      return key;
    });
    const { file, reads } = makeRun(keys);
    for (let i = 0; i < ROWS; i += 499) assert.deepEqual(findInRun(file, ROWS, keys[i] as Uint8Array), [i]);
    assert.ok(reads() / (ROWS / 499) < 3 + Math.log2(ROWS), `${reads() / (ROWS / 499)} reads for a key`);
  });

  test('a key that is repeated more often than a call has room for arguments is found, and its first values quickly', () => {
    const index = new EventIndex({
      storage: new MemoryStorage(),
      name: 'events',
      manifest: EMPTY_MANIFEST,
      seed: 7,
      tableRows: 1 << 11,
    });
    const key = new Uint8Array(16).fill(5);
    const rows = 150_000;
    for (let value = 0; value < rows; value++) {
      if (index.full) index.spill();
      index.add(key, value);
      index.mergeSome(4);
    }
    assert.equal(index.lookup(key).length, rows);
    const first = index.lookup(key, 1);
    assert.equal(first[0], 0);
    assert.ok(first.length <= index.manifest.runs.length + 1);
  });

  test('all values of a key are found where they fill more than a block', () => {
    const key = randomBytes(16);
    const keys = Array.from({ length: 3000 }, (_, i) => (i % 3 === 0 ? key : randomBytes(16)));
    const { file } = makeRun(keys);
    assert.deepEqual(
      findInRun(file, 3000, key),
      Array.from({ length: 1000 }, (_, i) => 3 * i),
    );
  });
});
