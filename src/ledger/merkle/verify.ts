import { HASH_LENGTH, nodeHash, sameHash } from './tree-hash.ts';
import { VerificationError } from './verification-error.ts';

export interface InclusionClaim {
  readonly index: number;
  readonly size: number;
  readonly leafHash: Uint8Array;
  readonly proof: readonly Uint8Array[];
}

/**
 * Checks that a leaf is in a tree. Pure; returns nothing, throws on any mismatch.
 * @param claim.index     zero-based, 0 <= index < size
 * @param claim.leafHash  32 bytes, SHA-256(0x00 || leaf)
 * @param claim.proof     sibling hashes, leaf to root, 32 bytes each
 * @param claim.root      32 bytes, from a checkpoint already verified
 * @throws {VerificationError} index-range | hash-length | proof-length | root-mismatch
 * @see RFC 6962 section 2.1.1, RFC 9162 section 2.1.3.2
 */
export function verifyInclusion(claim: InclusionClaim & { readonly root: Uint8Array }): void {
  const root = rootFromInclusion(claim);
  if (!sameHash(root, claim.root))
    throw new VerificationError('root-mismatch', 'the inclusion proof leads to another root');
}

/** The root that an inclusion proof leads to. @throws {VerificationError} index-range | hash-length | proof-length */
export function rootFromInclusion({ index, size, leafHash, proof }: InclusionClaim): Uint8Array {
  if (!Number.isSafeInteger(index) || !Number.isSafeInteger(size) || index < 0 || index >= size) {
    throw new VerificationError('index-range', 'the index must be below the size');
  }
  assertHashes([leafHash, ...proof]);
  let node = index;
  let last = size - 1;
  let hash = leafHash;
  for (const sibling of proof) {
    if (last === 0) throw new VerificationError('proof-length', 'the inclusion proof is too long');
    if (node % 2 === 1 || node === last) {
      hash = nodeHash(sibling, hash);
      // On the right edge a node without a sibling is carried up until it is a right child.
      while (node % 2 === 0 && node !== 0) {
        node = Math.floor(node / 2);
        last = Math.floor(last / 2);
      }
    } else {
      hash = nodeHash(hash, sibling);
    }
    node = Math.floor(node / 2);
    last = Math.floor(last / 2);
  }
  if (last !== 0) throw new VerificationError('proof-length', 'the inclusion proof is too short');
  return hash;
}

/**
 * Checks that the tree of `size2` leaves begins with the tree of `size1` leaves. Pure; throws on any mismatch.
 * @param claim.size1  1 <= size1 <= size2; nothing is proved from the empty tree, so callers treat size 0 themselves
 * @param claim.proof  32 bytes each; must be empty when the sizes are equal
 * @throws {VerificationError} size-range | hash-length | proof-length | root-mismatch
 * @see RFC 9162 section 2.1.4.2
 */
export function verifyConsistency(claim: {
  readonly size1: number;
  readonly size2: number;
  readonly root1: Uint8Array;
  readonly root2: Uint8Array;
  readonly proof: readonly Uint8Array[];
}): void {
  const { size1, size2, root1, root2, proof } = claim;
  if (!Number.isSafeInteger(size1) || !Number.isSafeInteger(size2) || size1 < 1 || size1 > size2) {
    throw new VerificationError('size-range', 'sizes must be 1 <= size1 <= size2');
  }
  if (size1 === size2) {
    if (proof.length !== 0) throw new VerificationError('proof-length', 'equal sizes need no proof');
    if (!sameHash(root1, root2)) throw new VerificationError('root-mismatch', 'two roots of one size');
    return;
  }
  assertHashes([root1, root2, ...proof]);
  // A tree of 2^k leaves is one complete subtree: its root is where the walk begins, and is left out of the proof.
  const path = isPowerOfTwo(size1) ? [root1, ...proof] : proof;
  const [seed, ...rest] = path;
  if (seed === undefined || proof.length === 0)
    throw new VerificationError('proof-length', 'the consistency proof is empty');
  const roots = walkConsistency(size1, size2, seed, rest);
  if (!sameHash(roots.first, root1))
    throw new VerificationError('root-mismatch', 'the proof leads to another first root');
  if (!sameHash(roots.second, root2))
    throw new VerificationError('root-mismatch', 'the proof leads to another second root');
}

function walkConsistency(size1: number, size2: number, seed: Uint8Array, path: readonly Uint8Array[]) {
  let node = size1 - 1;
  let last = size2 - 1;
  while (node % 2 === 1) {
    node = Math.floor(node / 2);
    last = Math.floor(last / 2);
  }
  let first = seed;
  let second = seed;
  for (const sibling of path) {
    if (last === 0) throw new VerificationError('proof-length', 'the consistency proof is too long');
    if (node % 2 === 1 || node === last) {
      first = nodeHash(sibling, first);
      second = nodeHash(sibling, second);
      while (node % 2 === 0 && node !== 0) {
        node = Math.floor(node / 2);
        last = Math.floor(last / 2);
      }
    } else {
      second = nodeHash(second, sibling);
    }
    node = Math.floor(node / 2);
    last = Math.floor(last / 2);
  }
  if (last !== 0) throw new VerificationError('proof-length', 'the consistency proof is too short');
  return { first, second };
}

function assertHashes(hashes: readonly Uint8Array[]): void {
  if (hashes.some((hash) => hash.length !== HASH_LENGTH))
    throw new VerificationError('hash-length', 'a hash is not 32 bytes');
}

function isPowerOfTwo(value: number): boolean {
  let rest = value;
  while (rest % 2 === 0) rest /= 2;
  return rest === 1;
}
