import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { parseCheckpoint } from '../../src/ledger/checkpoint.ts';
import { decodeUtf8 } from '../../src/ledger/encoding.ts';
import { encodeEntryBundle, parseEntryBundle } from '../../src/ledger/entry-bundle.ts';
import { leafHash, treeRoot } from '../../src/ledger/merkle/tree-hash.ts';
import { openNote } from '../../src/ledger/note.ts';
import { parseVerifierKey } from '../../src/ledger/note-key.ts';
import { formatTilePath, fullTiles, parseTilePath, partialWidth, tileOfNode } from '../../src/ledger/tile.ts';
import { readVector, vectorNames } from '../support/vectors.ts';
import { rejectsWith } from './support/trees.ts';

describe('tile paths', () => {
  test('are the examples of C2SP tlog-tiles', () => {
    assert.equal(formatTilePath({ level: 0, index: 1234067 }), 'tile/0/x001/x234/067');
    assert.equal(formatTilePath({ level: 'entries', index: 0, width: 44 }), 'tile/entries/000.p/44');
    assert.equal(formatTilePath({ level: 63, index: 1000 }), 'tile/63/x001/000');
  });

  test('are read back as what was written', () => {
    const id = fc.record({
      level: fc.oneof(fc.integer({ min: 0, max: 63 }), fc.constant('entries' as const)),
      index: fc.maxSafeNat(),
      width: fc.option(fc.integer({ min: 1, max: 255 }), { nil: undefined }),
    });
    fc.assert(fc.property(id, (tile) => assert.deepEqual(parseTilePath(formatTilePath(tile)), { ...tile })));
  });

  for (const path of [
    'tile/64/000',
    'tile/00/000',
    'tile/0/0',
    'tile/0/x000/001',
    'tile/0/001/002',
    'tile/0/x001',
    'tile/0/000.p/0',
    'tile/0/000.p/256',
    'tile/0/000.p/01',
    'tile/-1/000',
    'tile/entries/000/',
    'tile/0/../000',
    '/tile/0/000',
    'tile/0/x999/x999/x999/x999/x999/x999/999',
    '',
    `tile/0/${'x001/'.repeat(1000)}001`,
  ]) {
    test(`refuses ${path.slice(0, 60) || 'the empty path'}`, () =>
      rejectsWith('malformed-tile-path', () => parseTilePath(path)));
  }

  test('widths are those of the example of 70,000 leaves', () => {
    assert.deepEqual(
      [0, 1, 2, 3].map((level) => fullTiles(level, 70_000)),
      [273, 1, 0, 0],
    );
    assert.deepEqual(
      [0, 1, 2, 3].map((level) => partialWidth(level, 70_000)),
      [112, 17, 1, 0],
    );
  });

  test('every node stands in one tile', () => {
    assert.deepEqual(tileOfNode(0, 300), { level: 0, index: 1, first: 44, count: 1 });
    assert.deepEqual(tileOfNode(7, 3), { level: 0, index: 1, first: 128, count: 128 });
    assert.deepEqual(tileOfNode(8, 1), { level: 1, index: 0, first: 1, count: 1 });
    assert.deepEqual(tileOfNode(10, 64), { level: 1, index: 1, first: 0, count: 4 });
  });
});

describe('the log of Tessera', () => {
  const key = parseVerifierKey(decodeUtf8(readVector('tlog-tiles-tessera', 'vkey.txt')).trim());
  const names = vectorNames('tlog-tiles-tessera', 'log').filter((name) => name.startsWith('checkpoint'));
  assert.equal(names.length, 17);
  for (const name of names) {
    test(`${name}: signature, entries, tile and root agree`, () => {
      const { origin, size, root } = parseCheckpoint(
        openNote(readVector('tlog-tiles-tessera', 'log', name), [key]).text,
      );
      assert.equal(origin, key.name);
      if (size === 0) return assert.deepEqual(root, treeRoot([]));
      const bundle = readVector(
        'tlog-tiles-tessera',
        'log',
        formatTilePath({ level: 'entries', index: 0, width: size }),
      );
      const entries = parseEntryBundle(bundle, 256);
      assert.equal(entries.length, size);
      assert.deepEqual(encodeEntryBundle(entries), bundle);
      const hashes = entries.map((entry) => leafHash(entry));
      const tile = readVector('tlog-tiles-tessera', 'log', formatTilePath({ level: 0, index: 0, width: size }));
      assert.deepEqual(new Uint8Array(hashes.flatMap((hash) => [...hash])), tile);
      assert.deepEqual(treeRoot(hashes), root);
    });
  }
});

describe('entry bundles', () => {
  test('are read back as what was written', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 700 }), { maxLength: 20 }), (entries) => {
        assert.deepEqual(parseEntryBundle(encodeEntryBundle(entries), 20), entries);
      }),
    );
  });

  test('are refused when they end early or hold too many', () => {
    const bundle = encodeEntryBundle([new Uint8Array(3), new Uint8Array(300)]);
    for (let length = 1; length < bundle.length; length++) {
      if (length === 5) continue; // the end of the first entry
      rejectsWith('malformed-entry-bundle', () => parseEntryBundle(bundle.subarray(0, length), 9));
    }
    rejectsWith('too-large', () => parseEntryBundle(bundle, 1));
    rejectsWith('too-large', () => encodeEntryBundle([new Uint8Array(0x10000)]));
  });
});
