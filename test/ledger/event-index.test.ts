import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { EMPTY_MANIFEST, EventIndex, type IndexManifest } from '../../src/ledger/event-index.ts';
import { MemoryStorage } from '../../src/ledger/memory-storage.ts';

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
});
