import assert from 'node:assert/strict';
import { test } from 'node:test';
import { leafBytes } from '../../src/ledger/leaf.ts';
import { MemoryStorage } from '../../src/ledger/memory-storage.ts';
import { TreeStore } from '../../src/ledger/tree-store.ts';

const leaf = (index: number): Uint8Array => leafBytes(new TextEncoder().encode(`record ${String(index)}`));

function fill(tree: TreeStore, size: number): TreeStore {
  while (tree.size < size) tree.append(leaf(tree.size));
  return tree;
}

for (const committed of [0, 255]) {
  test(`a crash after the first hash of a level was written, at ${String(committed)} committed leaves, leaves no second one`, async () => {
    const storage = new MemoryStorage();
    await fill(new TreeStore(storage, 0), 256).sync();
    storage.crash(1);
    const again = fill(new TreeStore(storage, committed), 600);
    const whole = fill(new TreeStore(new MemoryStorage(), 0), 600);
    for (const size of [256, 511, 512, 600]) assert.deepEqual(again.root(size), whole.root(size));
    assert.deepEqual(again.tile(1, 0, 2), whole.tile(1, 0, 2));
  });
}
