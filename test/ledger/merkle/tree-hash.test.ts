import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { decodeHex, encodeHex } from '../../../src/ledger/encoding.ts';
import { CompactRange } from '../../../src/ledger/merkle/compact-range.ts';
import { EMPTY_ROOT, leafHash, treeRoot } from '../../../src/ledger/merkle/tree-hash.ts';
import { readVectorJson } from '../../support/vectors.ts';

interface RootFile {
  readonly leavesHex: readonly string[];
  readonly leafHashes: readonly string[];
  readonly roots: readonly string[];
}

const file = readVectorJson<Record<string, RootFile | string>>('rfc6962-roots', 'roots.json');

describe('treeRoot', () => {
  for (const [name, set] of Object.entries(file)) {
    if (typeof set === 'string') continue;
    const { leavesHex, leafHashes, roots } = set;
    test(`gives every root of ${name}`, () => {
      const hashes = leavesHex.map((leaf) => leafHash(decodeHex(leaf)));
      assert.deepEqual(hashes.map(encodeHex), leafHashes);
      assert.equal(roots.length, hashes.length + 1);
      roots.forEach((root, size) => assert.equal(encodeHex(treeRoot(hashes.slice(0, size))), root));
    });

    test(`is what a compact range gives for ${name}`, () => {
      const range = new CompactRange();
      assert.deepEqual(range.root(), EMPTY_ROOT);
      leavesHex.forEach((leaf, i) => {
        range.append(leafHash(decodeHex(leaf)));
        assert.equal(encodeHex(range.root()), roots[i + 1]);
      });
    });
  }
});
