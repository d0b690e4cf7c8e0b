import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { DemoChild } from '../../src/demo/child-process.ts';
import { DataLock } from '../../src/demo/data-lock.ts';
import { findFreePorts } from '../../src/demo/free-ports.ts';

const folder = mkdtempSync(join(tmpdir(), 'concordat-processes-'));
after(() => rmSync(folder, { recursive: true, force: true }));
const upstreamFile = fileURLToPath(new URL('../../src/demo/upstream-process.ts', import.meta.url));

function child(port: number, onRestart: (title: string) => void = () => undefined): DemoChild {
  const args = ['--name', 'x', '--port', String(port), '--data', join(folder, 'data')];
  return new DemoChild({
    title: 'x',
    file: upstreamFile,
    args,
    logFile: join(folder, 'x.log'),
    readyTimeoutMs: 20_000,
    onRestart,
  });
}

const metadataStatus = (port: number) =>
  fetch(`http://127.0.0.1:${port}/fhir/metadata`).then(
    (response) => response.status,
    () => 0,
  );

async function until(condition: () => Promise<boolean>): Promise<void> {
  const untilMs = Date.now() + 20_000;
  while (!(await condition())) {
    if (Date.now() > untilMs) assert.fail('it did not happen in time');
    await delay(50);
  }
}

describe('findFreePorts', () => {
  test('passes over a port that is taken', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const found = await findFreePorts(port, 2);
    assert.equal(found.length, 2);
    assert.ok(!found.includes(port) && found.every((one) => one > port));
    server.close();
  });
});

describe('DemoChild', () => {
  test('starts a killed process again on its port, and stops it in order', async () => {
    const [port = 0] = await findFreePorts(21_000, 1);
    const restarts: string[] = [];
    const one = child(port, (title) => restarts.push(title));
    await one.start();
    assert.equal(await metadataStatus(port), 200);
    process.kill(one.pid ?? 0, 'SIGKILL');
    await until(async () => restarts.length === 1 && (await metadataStatus(port)) === 200);
    await one.stop();
    assert.equal(await metadataStatus(port), 0);
    assert.deepEqual(restarts, ['x']);
  });

  test('says that a process ended while starting', async () => {
    const broken = new DemoChild({
      title: 'y',
      file: upstreamFile,
      args: [],
      logFile: join(folder, 'y.log'),
      readyTimeoutMs: 20_000,
      onRestart: () => undefined,
    });
    await assert.rejects(broken.start(), { code: 'ended-early' });
  });
});

describe('DataLock', () => {
  test('refuses a folder whose processes are alive, and takes it when they are gone', async () => {
    const dataDir = join(folder, 'locked');
    const [port = 0] = await findFreePorts(21_100, 1);
    const other = child(port);
    await other.start();
    const lock = await DataLock.take(dataDir, 0);
    lock.note([other.pid ?? 0]);
    await assert.rejects(DataLock.take(dataDir, 100), { code: 'in-use' });
    await other.stop();
    (await DataLock.take(dataDir, 5_000)).release();
  });

  test('takes a folder whose file is damaged or names others', async () => {
    const dataDir = join(folder, 'odd');
    (await DataLock.take(dataDir, 0)).release();
    for (const text of ['{', '[1]', '["x"]']) {
      writeFileSync(join(dataDir, 'processes.json'), text);
      (await DataLock.take(dataDir, 0)).release();
    }
  });
});
