import assert from 'node:assert/strict';
import { AppError } from '../../../src/errors.ts';
import { encodeUtf8 } from '../../../src/ledger/encoding.ts';
import { leafHash, treeRoot } from '../../../src/ledger/merkle/tree-hash.ts';
import type { ReadNode } from '../../../src/ledger/merkle/proof.ts';

/** Leaf hashes of `leaf 0`, `leaf 1`, … */
export function leaves(count: number): Uint8Array[] {
  return Array.from({ length: count }, (_, i) => leafHash(encodeUtf8(`leaf ${i}`)));
}

/** Reads complete subtrees of a list of leaf hashes, and refuses any that is not complete. */
export function nodeReader(hashes: readonly Uint8Array[]): ReadNode {
  const known = new Map<string, Uint8Array>();
  return (level, index) => {
    const width = 2 ** level;
    assert.ok((index + 1) * width <= hashes.length, 'a complete subtree');
    const name = `${level}/${index}`;
    const hash = known.get(name) ?? treeRoot(hashes.slice(index * width, (index + 1) * width));
    known.set(name, hash);
    return hash;
  };
}

/** Asserts that a call throws one of our errors with this code. */
export function rejectsWith(code: string, call: () => unknown): void {
  assert.throws(call, (error) => {
    assert.ok(error instanceof AppError, String(error));
    assert.equal(error.code, code);
    return true;
  });
}

/** As `rejectsWith`, for promises; any of several codes. */
export async function refuses(codes: string | readonly string[], promise: Promise<unknown>): Promise<void> {
  await assert.rejects(promise, (error) => {
    assert.ok(error instanceof AppError, String(error));
    assert.ok([codes].flat().includes(error.code), `${error.code}: ${error.message}`);
    return true;
  });
}
