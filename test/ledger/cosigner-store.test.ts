import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { MemoryCosignerStore, SqliteCosignerStore, type CosignerStore } from '../../src/ledger/cosigner-store.ts';

const ORIGIN = 'ledger.example/test';
const tree = (size: number, fill = size) => ({ size, root: new Uint8Array(32).fill(fill), timeMs: 5 });

function contract(name: string, withStore: (body: (open: () => CosignerStore) => void) => void): void {
  describe(`${name}: what was signed`, () => {
    test('grows by compare-and-swap only', () => {
      withStore((open) => {
        const store = open();
        assert.equal(store.last(ORIGIN), undefined);
        assert.equal(store.advance(ORIGIN, undefined, tree(5)), true);
        assert.equal(store.advance(ORIGIN, undefined, tree(9)), false, 'somebody else was first');
        assert.equal(store.advance(ORIGIN, tree(4), tree(9)), false, 'the last one is another size');
        assert.equal(store.advance(ORIGIN, tree(5, 1), tree(9)), false, 'the last one is another root');
        assert.equal(store.advance(ORIGIN, tree(5), tree(9)), true);
        assert.equal(store.last(ORIGIN)?.size, 9);
        store.close();
      });
    });

    test('never shrinks and never changes its root', () => {
      withStore((open) => {
        const store = open();
        store.advance(ORIGIN, undefined, tree(5));
        assert.equal(store.advance(ORIGIN, tree(5), tree(4)), false);
        assert.equal(store.advance(ORIGIN, tree(5), tree(5, 6)), false);
        assert.equal(
          store.advance(ORIGIN, tree(5), { ...tree(5), timeMs: 6 }),
          true,
          'the same tree may be signed again',
        );
        store.close();
      });
    });

    test('a closed origin is closed for good, and no other is', () => {
      withStore((open) => {
        const store = open();
        store.advance(ORIGIN, undefined, tree(5));
        store.closeOrigin(ORIGIN);
        assert.equal(store.advance(ORIGIN, tree(5), tree(6)), false);
        assert.equal(store.advance('another.example/log', undefined, tree(1)), true);
        store.close();
        const again = open();
        assert.equal(again.isClosed(ORIGIN), true);
        assert.equal(again.last(ORIGIN)?.size, 5);
        again.close();
      });
    });
  });
}

contract('SqliteCosignerStore', (body) => {
  const dir = mkdtempSync(join(tmpdir(), 'concordat-cosigner-'));
  try {
    body(() => new SqliteCosignerStore(join(dir, 'cosigner.db')));
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});

contract('MemoryCosignerStore', (body) => {
  const store = new MemoryCosignerStore();
  body(() => store);
});
