import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { buildConsistencyProof, buildInclusionProof, buildRoot } from '../../../src/ledger/merkle/proof.ts';
import { nodeHash, treeRoot } from '../../../src/ledger/merkle/tree-hash.ts';
import { verifyConsistency, verifyInclusion } from '../../../src/ledger/merkle/verify.ts';
import { leaves, nodeReader, rejectsWith } from '../support/trees.ts';

/** The recursions of RFC 6962 sections 2.1, 2.1.1 and 2.1.2, word for word: slow, and only to compare with. */
const reference = {
  split(n: number): number {
    let k = 1;
    while (k * 2 < n) k *= 2;
    return k;
  },
  root(d: readonly Uint8Array[]): Uint8Array {
    if (d.length === 1) return d[0] as Uint8Array;
    const k = this.split(d.length);
    return nodeHash(this.root(d.slice(0, k)), this.root(d.slice(k)));
  },
  path(m: number, d: readonly Uint8Array[]): Uint8Array[] {
    if (d.length === 1) return [];
    const k = this.split(d.length);
    if (m < k) return [...this.path(m, d.slice(0, k)), this.root(d.slice(k))];
    return [...this.path(m - k, d.slice(k)), this.root(d.slice(0, k))];
  },
  subproof(m: number, d: readonly Uint8Array[], known: boolean): Uint8Array[] {
    if (m === d.length) return known ? [] : [this.root(d)];
    const k = this.split(d.length);
    if (m <= k) return [...this.subproof(m, d.slice(0, k), known), this.root(d.slice(k))];
    return [...this.subproof(m - k, d.slice(k), false), this.root(d.slice(0, k))];
  },
};

const MOST = 70;
const hashes = leaves(MOST);
const readNode = nodeReader(hashes);
const roots = Array.from({ length: MOST + 1 }, (_, size) => treeRoot(hashes.slice(0, size)));

describe('buildInclusionProof', () => {
  test(`is the recursion of RFC 6962 for every leaf of every tree up to ${MOST}`, () => {
    for (let size = 1; size <= MOST; size++) {
      for (let index = 0; index < size; index++) {
        const proof = buildInclusionProof(index, size, readNode);
        assert.deepEqual(proof, reference.path(index, hashes.slice(0, size)));
        const leaf = hashes[index] as Uint8Array;
        verifyInclusion({ index, size, leafHash: leaf, proof, root: roots[size] as Uint8Array });
      }
    }
  });

  test('refuses an index that the tree does not have', () => {
    for (const [index, size] of [
      [0, 0],
      [1, 1],
      [-1, 5],
      [5, 5],
      [0.5, 5],
      [0, 2 ** 53],
    ] as const) {
      rejectsWith('index-range', () => buildInclusionProof(index, size, readNode));
    }
  });

  test('asks for few nodes in a tree of 2^53 - 1 leaves', () => {
    const asked: string[] = [];
    const hash = hashes[0] as Uint8Array;
    buildInclusionProof(2 ** 52 + 12345, 2 ** 53 - 1, (level, index) => {
      asked.push(`${level}/${index}`);
      assert.ok((index + 1) * 2 ** level <= 2 ** 53 - 1);
      return hash;
    });
    assert.ok(asked.length < 110);
  });
});

describe('buildConsistencyProof', () => {
  test(`is the recursion of RFC 6962 for every pair of sizes up to ${MOST}`, () => {
    for (let size2 = 1; size2 <= MOST; size2++) {
      for (let size1 = 1; size1 <= size2; size1++) {
        const proof = buildConsistencyProof(size1, size2, readNode);
        assert.deepEqual(proof, reference.subproof(size1, hashes.slice(0, size2), true));
        verifyConsistency({
          size1,
          size2,
          root1: roots[size1] as Uint8Array,
          root2: roots[size2] as Uint8Array,
          proof,
        });
      }
    }
  });

  test('refuses sizes that prove nothing', () => {
    for (const [size1, size2] of [
      [0, 0],
      [0, 5],
      [6, 5],
      [-1, 5],
      [1.5, 5],
    ] as const) {
      rejectsWith('size-range', () => buildConsistencyProof(size1, size2, readNode));
    }
  });
});

describe('any proof', () => {
  test('does not verify for another leaf, size, root or path', () => {
    const sizes = fc
      .integer({ min: 2, max: MOST })
      .chain((size) => fc.tuple(fc.constant(size), fc.integer({ min: 0, max: size - 1 })));
    fc.assert(
      fc.property(sizes, fc.nat(), fc.nat(255), ([size, index], where, flip) => {
        const proof = buildInclusionProof(index, size, readNode);
        const claim = { index, size, leafHash: hashes[index] as Uint8Array, proof, root: roots[size] as Uint8Array };
        const broken = proof.map((hash) => hash.slice());
        const target = broken[where % broken.length] as Uint8Array;
        target[where % 32] = (target[where % 32] as number) ^ (flip || 1);
        for (const change of [
          { proof: broken },
          { proof: proof.slice(1) },
          { proof: [...proof, proof[0] as Uint8Array] },
          { root: roots[size - 1] as Uint8Array },
          { leafHash: hashes[(index + 1) % size] as Uint8Array },
          { index: (index + 1) % size },
        ]) {
          assert.throws(() => verifyInclusion({ ...claim, ...change }));
        }
      }),
    );
  });

  test('is what a root read from nodes agrees with', () => {
    for (let size = 0; size <= MOST; size++) assert.deepEqual(buildRoot(size, readNode), roots[size]);
  });
});
