import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { parseTilePath } from '../../src/ledger/tile.ts';
import type { LedgerView } from '../../src/ledger/ledger-view.ts';
import { FormatError } from '../../src/ledger/format-error.ts';
import { SoloLog } from './solo-log.ts';

const run = promisify(execFile);
const VERSION = 'v1.0.4';

/** Tessera's own checker, built once into a cache; undefined where Go or the module is not to be had. */
async function tesseraFsck(): Promise<string | undefined> {
  const cache = join(tmpdir(), `concordat-tessera-${VERSION}`);
  const binary = join(cache, 'fsck');
  if (existsSync(binary)) return binary;
  mkdirSync(cache, { recursive: true });
  const env = { ...process.env, GOBIN: cache, GOFLAGS: '-mod=mod' };
  try {
    await run('go', ['install', `github.com/transparency-dev/tessera/cmd/fsck@${VERSION}`], { env, timeout: 120_000 });
    return binary;
  } catch {
    return undefined;
  }
}

function answer(view: LedgerView, path: string): Uint8Array | undefined {
  if (path === 'checkpoint') return view.checkpoint();
  try {
    const { level, index, width } = parseTilePath(path);
    return level === 'entries' ? view.entryBundle(index, width) : view.tile(level, index, width);
  } catch (error) {
    if (error instanceof FormatError) return undefined;
    throw error;
  }
}

async function withServer(
  view: LedgerView,
  alter: (bytes: Uint8Array, path: string) => Uint8Array,
  body: (url: string) => Promise<void>,
) {
  const server = createServer((request, response) => {
    const path = (request.url ?? '').slice(1);
    const bytes = answer(view, path);
    if (bytes === undefined) response.writeHead(404).end();
    else response.writeHead(200).end(alter(bytes, path));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    await body(`http://127.0.0.1:${String((server.address() as AddressInfo).port)}/`);
  } finally {
    server.close();
    server.closeAllConnections();
  }
}

test('Tessera’s fsck finds the log whole, and not when one byte of a tile is altered', async (context) => {
  const fsck = await tesseraFsck();
  if (fsck === undefined) {
    context.skip(`Go or tessera/cmd/fsck@${VERSION} is not to be had`);
    return;
  }
  const log = new SoloLog();
  await log.start();
  for (let i = 0; i < 600; i++) await log.addBatch(1);
  await log.finalise();
  const dir = mkdtempSync(join(tmpdir(), 'concordat-fsck-'));
  try {
    const keyFile = join(dir, 'origin.key');
    writeFileSync(keyFile, log.view.originKey ?? '');
    const check = async (url: string, timeoutMs: number): Promise<string> => {
      const args = ['--ui=false', '--storage_url', url, '--public_key', keyFile];
      const { stdout, stderr } = await run(fsck, args, { timeout: timeoutMs }).catch((error: unknown) => {
        return error as { stdout: string; stderr: string };
      });
      return stdout + stderr;
    };
    await withServer(
      log.view,
      (bytes) => bytes,
      async (url) => {
        assert.match(
          await check(url, 30_000),
          new RegExp(`Successfully fsck'd log with size ${String(log.view.status().finalSize)}`),
        );
      },
    );
    const flip = (bytes: Uint8Array, path: string): Uint8Array => {
      if (!path.startsWith('tile/0/')) return bytes;
      const altered = bytes.slice();
      altered[7] = (altered[7] ?? 0) ^ 1;
      return altered;
    };
    await withServer(log.view, flip, async (url) => {
      // It tries again and again; its exit code says nothing, so it need not end by itself.
      assert.doesNotMatch(await check(url, 4000), /Successfully fsck'd/);
    });
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});
