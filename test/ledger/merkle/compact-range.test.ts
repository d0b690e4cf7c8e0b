import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { CompactRange } from '../../../src/ledger/merkle/compact-range.ts';
import { nodeHash, treeRoot } from '../../../src/ledger/merkle/tree-hash.ts';
import { leaves, rejectsWith } from '../support/trees.ts';

describe('CompactRange', () => {
  test('grows on from any saved state', () => {
    const hashes = leaves(70);
    for (let size = 0; size <= hashes.length; size++) {
      const before = new CompactRange();
      for (const hash of hashes.slice(0, size)) before.append(hash);
      const after = new CompactRange({ size: before.size, hashes: before.hashes });
      for (const hash of hashes.slice(size)) after.append(hash);
      assert.deepEqual(after.root(), treeRoot(hashes));
    }
  });

  test('tells of every complete subtree once', () => {
    const nodes = new Map<string, Uint8Array>();
    const range = new CompactRange();
    const hashes = leaves(37);
    hashes.forEach((hash, i) => {
      nodes.set(`0/${i}`, hash);
      range.append(hash, (level, index, node) => {
        assert.ok(!nodes.has(`${level}/${index}`));
        nodes.set(`${level}/${index}`, node);
        const [left, right] = [nodes.get(`${level - 1}/${2 * index}`), nodes.get(`${level - 1}/${2 * index + 1}`)];
        assert.deepEqual(node, nodeHash(left as Uint8Array, right as Uint8Array));
      });
    });
    assert.equal(nodes.size, 37 + 18 + 9 + 4 + 2 + 1);
  });

  test('refuses a state that no tree has', () => {
    const hash = leaves(1)[0] as Uint8Array;
    rejectsWith('proof-length', () => new CompactRange({ size: 3, hashes: [hash] }));
    rejectsWith('proof-length', () => new CompactRange({ size: 2, hashes: [hash, hash] }));
    rejectsWith('hash-length', () => new CompactRange({ size: 1, hashes: [hash.subarray(1)] }));
    rejectsWith('size-range', () => new CompactRange({ size: -1, hashes: [] }));
    rejectsWith('size-range', () => new CompactRange({ size: 2 ** 53, hashes: [hash] }));
  });
});
