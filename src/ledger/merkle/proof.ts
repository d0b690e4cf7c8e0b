import { subtreeLevels } from './compact-range.ts';
import type { NodeId } from './compact-range.ts';
import { foldSubtrees } from './tree-hash.ts';
import { VerificationError } from './verification-error.ts';

/** Gives the hash of a complete subtree. */
export type ReadNode = (level: number, index: number) => Uint8Array;

/** What a proof is made of: one hash for each element, folded from the complete subtrees named there, left to right. */
export type ProofPlan = readonly (readonly NodeId[])[];

/**
 * The nodes of an inclusion proof, leaf's sibling first (RFC 6962 section 2.1.1).
 * @throws {VerificationError} index-range unless 0 <= index < size
 */
export function planInclusionProof(index: number, size: number): ProofPlan {
  if (!Number.isSafeInteger(index) || !Number.isSafeInteger(size) || index < 0 || index >= size) {
    throw new VerificationError('index-range', 'the index must be below the size');
  }
  const plan: (readonly NodeId[])[] = [];
  let begin = 0;
  let end = size;
  while (end - begin > 1) {
    const middle = begin + splitPoint(end - begin);
    if (index < middle) {
      plan.push(subtreeLevels(middle, end));
      end = middle;
    } else {
      plan.push(subtreeLevels(begin, middle));
      begin = middle;
    }
  }
  return plan.reverse();
}

/**
 * The nodes of a consistency proof (RFC 6962 section 2.1.2); empty when the sizes are equal.
 * @throws {VerificationError} size-range unless 1 <= size1 <= size2; a proof from the empty tree is no proof, so callers treat 0 themselves
 */
export function planConsistencyProof(size1: number, size2: number): ProofPlan {
  if (!Number.isSafeInteger(size1) || !Number.isSafeInteger(size2) || size1 < 1 || size1 > size2) {
    throw new VerificationError('size-range', 'sizes must be 1 <= size1 <= size2');
  }
  const plan: (readonly NodeId[])[] = [];
  let begin = 0;
  let end = size2;
  // Once the walk leaves the left edge, the subtree that ends at size1 is no longer known to the verifier and is part of the proof.
  let known = true;
  while (end > size1) {
    const middle = begin + splitPoint(end - begin);
    if (size1 <= middle) {
      plan.push(subtreeLevels(middle, end));
      end = middle;
    } else {
      plan.push(subtreeLevels(begin, middle));
      begin = middle;
      known = false;
    }
  }
  if (!known) plan.push(subtreeLevels(begin, end));
  return plan.reverse();
}

/** Inclusion proof of leaf `index` in the tree of `size` leaves: sibling hashes, leaf to root. */
export function buildInclusionProof(index: number, size: number, readNode: ReadNode): Uint8Array[] {
  return followPlan(planInclusionProof(index, size), readNode);
}

/** Consistency proof from the tree of `size1` leaves to that of `size2`. */
export function buildConsistencyProof(size1: number, size2: number, readNode: ReadNode): Uint8Array[] {
  return followPlan(planConsistencyProof(size1, size2), readNode);
}

/** Root of the tree of `size` leaves. */
export function buildRoot(size: number, readNode: ReadNode): Uint8Array {
  return foldSubtrees(subtreeLevels(0, size).map(({ level, index }) => readNode(level, index)));
}

function followPlan(plan: ProofPlan, readNode: ReadNode): Uint8Array[] {
  return plan.map((nodes) => foldSubtrees(nodes.map(({ level, index }) => readNode(level, index))));
}

/** Largest power of two smaller than `width`, for width > 1. */
function splitPoint(width: number): number {
  let split = 1;
  while (split * 2 < width) split *= 2;
  return split;
}
