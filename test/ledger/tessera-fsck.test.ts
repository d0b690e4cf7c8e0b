import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { promisify } from 'node:util';
import { encodeBase64 } from '../../src/ledger/encoding.ts';
import { parseTilePath } from '../../src/ledger/tile.ts';
import type { LedgerView } from '../../src/ledger/ledger-view.ts';
import { FormatError } from '../../src/ledger/format-error.ts';
import { buildGovernance, proposalNonce } from '../../src/ledger/governance-record.ts';
import { parseSignerKey } from '../../src/ledger/note-key.ts';
import { installedTool } from '../support/go-tool.ts';
import { Random } from './interleavings/random.ts';
import { World } from './interleavings/world.ts';
import { SoloLog } from './solo-log.ts';

const run = promisify(execFile);
const TESSERA_FSCK = 'github.com/transparency-dev/tessera/cmd/fsck@v1.0.4';
const fsck = await installedTool({ module: TESSERA_FSCK });
const skip = 'missing' in fsck ? `${TESSERA_FSCK}: ${fsck.missing}` : false;

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

/** What it says; its exit code says nothing. */
async function check(url: string, originKey: string, timeoutMs: number): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'concordat-fsck-'));
  try {
    const keyFile = join(folder, 'origin.key');
    writeFileSync(keyFile, originKey);
    const args = ['--ui=false', '--storage_url', url, '--public_key', keyFile];
    const { stdout, stderr } = await run('path' in fsck ? fsck.path : '', args, { timeout: timeoutMs }).catch(
      (error: unknown) => error as { stdout: string; stderr: string },
    );
    return stdout + stderr;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const unaltered = (bytes: Uint8Array): Uint8Array => bytes;

async function assertWhole(view: LedgerView): Promise<void> {
  const { finalSize, finalRoot } = view.status();
  const whole = `Successfully fsck'd log with size ${String(finalSize)} and root ${encodeBase64(finalRoot)}`;
  await withServer(view, unaltered, async (url) => {
    const said = await check(url, view.originKey ?? '', 30_000);
    assert.ok(said.includes(whole), said.slice(-2000));
  });
}

/** Three members with governance records, a void leaf, a repeated batch and more than one tile, driven until all of it is final. */
async function consortium(): Promise<World> {
  const world = new World(3, new Random(1));
  for (const member of world.members) await world.start(member, true);
  const { origin, members } = world.consortium;
  const signers = members.map(({ name, keys }) => ({ member: name, signer: parseSignerKey(keys.batch) }));
  const [first, ...others] = signers as [(typeof signers)[0], ...typeof signers];
  const nonce = proposalNonce(new Uint8Array(16));
  const change = { kind: 'adopt-rule-set', digest: 'ab'.repeat(32) } as const;
  const proposal = buildGovernance({ log: origin, ...first, act: { act: 'propose', change, nonce } });
  world.broker.append(proposal.frame);
  for (const voter of others)
    world.broker.append(
      buildGovernance({ log: origin, ...voter, act: { act: 'vote', proposal: proposal.id, vote: 'yes' } }).frame,
    );
  world.broker.append(Uint8Array.of(9, 9, 9));
  for (let round = 0; round < 140; round++) {
    for (const member of world.members) world.commit(member);
    await world.settle(1, () => false);
  }
  await world.settle(40, () => world.members.every(({ view }) => isQuiet(view)));
  return world;
}

function isQuiet(view: LedgerView | undefined): boolean {
  const status = view?.status();
  return status !== undefined && status.finalSize > 290 && status.size - status.finalSize < 3;
}

describe('Tessera’s fsck', { skip }, () => {
  test('finds the log whole, and not when one byte of a tile, an entry or the checkpoint is altered', async () => {
    const log = new SoloLog();
    await log.start();
    for (let i = 0; i < 600; i++) await log.addBatch(1);
    await log.finalise();
    await assertWhole(log.view);
    const paths = ['tile/0/001', `tile/1/000.p/2`, 'tile/entries/000', 'checkpoint'];
    await Promise.all(
      paths.map(async (altered) => {
        let isAsked = false;
        const flip = (bytes: Uint8Array, path: string): Uint8Array => {
          if (path !== altered) return bytes;
          isAsked = true;
          return bytes.with(30, (bytes[30] as number) ^ 1);
        };
        await withServer(log.view, flip, async (url) => {
          // It tries again and again, so it need not end by itself.
          assert.doesNotMatch(await check(url, log.view.originKey ?? '', 5000), /Successfully fsck'd/, altered);
          assert.ok(isAsked, altered);
        });
      }),
    );
  });

  test('finds the log of each of three members whole, with governance, a void leaf and partial tiles, under each member’s own key', async () => {
    const world = await consortium();
    const views = world.members.map(({ view }) => view as LedgerView);
    assert.equal(new Set(views.map(({ originKey }) => originKey)).size, 3);
    for (const view of views) {
      const { finalSize } = view.status();
      assert.ok(finalSize > 256 && finalSize % 256 !== 0, String(finalSize));
      assert.deepEqual(
        view.status().incidents.map(({ kind }) => kind),
        ['void'],
      );
      assert.equal(view.ruleSet().digest, 'ab'.repeat(32));
      await assertWhole(view);
    }
  });
});
