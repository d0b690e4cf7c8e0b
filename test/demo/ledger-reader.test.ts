import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { LedgerReader } from '../../src/demo/ledger-reader.ts';
import { leafHash, treeRoot } from '../../src/ledger/merkle/tree-hash.ts';
import { parseTilePath } from '../../src/ledger/tile.ts';

const SIZE = 600;
const hashes = Array.from({ length: SIZE }, (_, index) => leafHash(new TextEncoder().encode(`leaf ${index}`)));

/** Serves level-0 tiles of a log of SIZE leaves, by their one canonical path. */
const server = createServer((request, response) => {
  const { level, index, width } = parseTilePath((request.url ?? '').slice(1));
  const expected = Math.min(256, SIZE - index * 256);
  if (level !== 0 || (width ?? 256) !== expected) response.writeHead(404).end();
  else response.end(Buffer.concat(hashes.slice(index * 256, index * 256 + expected)));
});

describe('LedgerReader.rootAt', () => {
  before(() => new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve)));
  after(() => server.close());

  test('computes the root of any smaller size from the tiles of a larger log', async () => {
    const reader = new LedgerReader(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    for (const size of [1, 255, 256, 257, 512, SIZE]) {
      assert.deepEqual(await reader.rootAt(size, SIZE), treeRoot(hashes.slice(0, size)), String(size));
    }
  });

  test('refuses a tile of the wrong length', async () => {
    const reader = new LedgerReader(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    await assert.rejects(reader.rootAt(700, 700), RangeError);
  });
});
