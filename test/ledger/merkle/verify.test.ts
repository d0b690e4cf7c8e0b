import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { decodeBase64 } from '../../../src/ledger/encoding.ts';
import { VerificationError } from '../../../src/ledger/merkle/verification-error.ts';
import { verifyConsistency, verifyInclusion } from '../../../src/ledger/merkle/verify.ts';
import { readVectorJson } from '../../support/vectors.ts';

interface InclusionCase {
  readonly file: string;
  readonly leafIdx: number;
  readonly treeSize: number;
  readonly root: string;
  readonly leafHash: string;
  readonly proof: readonly string[] | null;
  readonly wantErr: boolean;
}

interface ConsistencyCase {
  readonly file: string;
  readonly size1: number;
  readonly size2: number;
  readonly root1: string;
  readonly root2: string;
  readonly proof: readonly string[] | null;
  readonly wantErr: boolean;
}

function holds(check: () => void): boolean {
  try {
    check();
    return true;
  } catch (error) {
    if (error instanceof VerificationError) return false;
    throw error;
  }
}

const hashesOf = (proof: readonly string[] | null) => (proof ?? []).map(decodeBase64);

describe('verifyInclusion', () => {
  const cases = readVectorJson<readonly InclusionCase[]>('merkle-proofs', 'inclusion.json');
  test(`agrees with ${cases.length} cases of transparency-dev/merkle`, () => {
    assert.equal(new Set(cases.map(({ wantErr }) => wantErr)).size, 2);
    for (const { file, leafIdx, treeSize, root, leafHash, proof, wantErr } of cases) {
      const claim = { index: leafIdx, size: treeSize, leafHash: decodeBase64(leafHash), root: decodeBase64(root) };
      assert.equal(
        holds(() => verifyInclusion({ ...claim, proof: hashesOf(proof) })),
        !wantErr,
        file,
      );
    }
  });
});

describe('verifyConsistency', () => {
  const cases = readVectorJson<readonly ConsistencyCase[]>('merkle-proofs', 'consistency.json');
  test(`agrees with ${cases.length} cases of transparency-dev/merkle`, () => {
    assert.equal(new Set(cases.map(({ wantErr }) => wantErr)).size, 2);
    for (const { file, size1, size2, root1, root2, proof, wantErr } of cases) {
      const claim = { size1, size2, root1: decodeBase64(root1), root2: decodeBase64(root2) };
      assert.equal(
        holds(() => verifyConsistency({ ...claim, proof: hashesOf(proof) })),
        !wantErr,
        file,
      );
    }
  });
});
