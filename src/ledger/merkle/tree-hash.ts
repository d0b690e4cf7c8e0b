import { sha256, sha256Into } from '../../hash.ts';

/** RFC 6962 section 2.1: leaves and inner nodes are hashed under different first bytes, so that neither can pass for the other. */
const LEAF_PREFIX = Uint8Array.of(0x00);
const NODE_PREFIX = Uint8Array.of(0x01);

export const HASH_LENGTH = 32;

/** Root of the tree without leaves: SHA-256 of the empty string. */
export const EMPTY_ROOT: Uint8Array = sha256(new Uint8Array(0));

/** SHA-256(0x00 || data), 32 bytes. */
export function leafHash(data: Uint8Array): Uint8Array {
  return sha256(LEAF_PREFIX, data);
}

/** SHA-256(0x01 || left || right), 32 bytes. @param left 32 bytes @param right 32 bytes */
export function nodeHash(left: Uint8Array, right: Uint8Array): Uint8Array {
  return sha256(NODE_PREFIX, left, right);
}

/** Root over leaf hashes (not leaf data), 32 bytes; `EMPTY_ROOT` where there are none. */
export function treeRoot(leafHashes: readonly Uint8Array[]): Uint8Array {
  if (leafHashes.length === 0) return EMPTY_ROOT;
  const row = new Uint8Array(leafHashes.length * HASH_LENGTH);
  leafHashes.forEach((hash, i) => row.set(hash, i * HASH_LENGTH));
  return rowRoot(row);
}

/** Root over at least one leaf hash, where all lie in one array end to end. */
export function rowRoot(leafHashes: Uint8Array): Uint8Array {
  let row = leafHashes;
  while (row.length > HASH_LENGTH) row = rowAbove(row);
  return row;
}

/** Pairing neighbours and carrying an odd last one up gives RFC 6962's shape: the left part is the largest power of two. */
function rowAbove(row: Uint8Array): Uint8Array {
  const pairBytes = 2 * HASH_LENGTH;
  const oddBytes = row.length % pairBytes;
  const above = new Uint8Array((row.length - oddBytes) / 2 + oddBytes);
  const input = new Uint8Array(NODE_PREFIX.length + pairBytes);
  input.set(NODE_PREFIX);
  let at = 0;
  for (; at + pairBytes <= row.length; at += pairBytes) {
    input.set(row.subarray(at, at + pairBytes), NODE_PREFIX.length);
    sha256Into(input, above, at / 2);
  }
  if (oddBytes > 0) above.set(row.subarray(at), at / 2);
  return above;
}

/** Equality of two byte strings; of public values, so not constant-time. */
export function sameHash(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** Root of a run of complete subtrees, biggest first, as they stand left to right in one tree. */
export function foldSubtrees(hashes: readonly Uint8Array[]): Uint8Array {
  if (hashes.length === 0) return EMPTY_ROOT;
  let root = hashes[hashes.length - 1] as Uint8Array;
  for (let i = hashes.length - 2; i >= 0; i--) root = nodeHash(hashes[i] as Uint8Array, root);
  return root;
}
