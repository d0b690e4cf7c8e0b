import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SoloLog } from './solo-log.ts';

async function readLog(): Promise<SoloLog> {
  const log = new SoloLog();
  await log.start();
  for (let i = 0; i < 4; i++) await log.addBatch(1);
  return log;
}

/** Time passes until the last accepted record is read again. */
async function lookAgain(log: SoloLog): Promise<unknown> {
  log.nowMs += 61_000;
  await log.engine.readStep(0);
  return log.engine.replica.incidents.map(({ kind, leafIndex }) => ({ kind, leafIndex }));
}

test('a hole behind what was read is told at the next leaf', async () => {
  const log = await readLog();
  log.broker.append(new Uint8Array(8));
  log.broker.compact(5);
  assert.deepEqual(await lookAgain(log), [{ kind: 'offset-gap', leafIndex: 5 }]);
});

test('records that were compacted away are told at the first of them', async () => {
  const log = await readLog();
  log.broker.compact(2);
  log.broker.compact(4);
  assert.deepEqual(await lookAgain(log), [{ kind: 'offset-gap', leafIndex: 2 }]);
});

test('a record that was removed with all after it moved up is told at its leaf', async () => {
  const log = await readLog();
  log.broker.alter(2, undefined);
  assert.deepEqual(await lookAgain(log), [{ kind: 'truncated', leafIndex: 2 }]);
});
