import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { DirectoryStorage } from '../../src/ledger/directory-storage.ts';
import { MemoryTopic } from '../../src/ledger/memory-topic.ts';
import { SoloLog } from './solo-log.ts';

const BATCHES = 12;
const noLimits = spawnSync('prlimit', ['--version']).status === 0 ? false : 'needs prlimit of util-linux';

/** As a full disk: no file of this process grows beyond so many bytes. */
function limitFiles(bytes: string): void {
  execFileSync('prlimit', ['--pid', String(process.pid), `--fsize=${bytes}:unlimited`]);
}

async function filledLog(): Promise<SoloLog> {
  const log = new SoloLog();
  await log.start();
  for (let i = 0; i < BATCHES; i++) await log.addBatch(256);
  await log.finalise();
  return log;
}

for (const limit of [100_000, 250_000, 300_000]) {
  test(
    `a disk that fills up at ${String(limit)} bytes while records are taken leaves the same tree once there is room`,
    { skip: noLimits },
    async (t) => {
      const log = await filledLog();
      const folder = mkdtempSync(join(tmpdir(), 'ledger-'));
      const storage = new DirectoryStorage(folder);
      const onLimit = (): void => {};
      process.on('SIGXFSZ', onLimit);
      t.after(() => {
        limitFiles('unlimited');
        process.off('SIGXFSZ', onLimit);
        storage.close();
        rmSync(folder, { recursive: true });
      });
      const reader = new SoloLog({ storage, topic: new MemoryTopic(log.broker) });
      limitFiles(String(limit));
      await assert.rejects(async () => {
        await reader.start();
        for (let i = 0; i < 4; i++) await reader.engine.readStep(0);
      });
      for (let i = 0; i < 3; i++) await assert.rejects(reader.engine.readStep(0));
      assert.ok(reader.engine.replica.durableSize < log.engine.replica.head.size);
      limitFiles('unlimited');
      for (let i = 0; i < 4; i++) await reader.engine.readStep(0);

      const { replica } = reader.engine;
      assert.equal(replica.durableSize, log.engine.replica.head.size);
      assert.deepEqual(replica.tree.root(), log.engine.replica.tree.root());
      for (let index = 0; index < replica.durableSize; index++) {
        assert.deepEqual(replica.tree.leafBytes(index), log.engine.replica.tree.leafBytes(index));
        assert.deepEqual(replica.leaf(index).body, log.engine.replica.leaf(index).body);
      }
    },
  );
}
