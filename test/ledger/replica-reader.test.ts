import assert from 'node:assert/strict';
import { mkdtempSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, test } from 'node:test';
import { FileTopic } from '../../src/ledger/file-topic.ts';
import { OVERLAP_LEAVES } from '../../src/ledger/replica-reader.ts';
import { SoloLog } from './solo-log.ts';

const BATCHES = 100;
const MINUTE_MS = 60_000;

async function filledLog(): Promise<SoloLog> {
  const log = new SoloLog();
  await log.start();
  for (let i = 0; i < BATCHES; i++) await log.addBatch(1);
  assert.deepEqual(log.engine.replica.incidents, []);
  return log;
}

function alterRecord({ broker }: SoloLog, index: number): void {
  const value = broker.records[index]?.slice() ?? new Uint8Array();
  value[value.length - 1] = (value.at(-1) ?? 0) ^ 1;
  broker.alter(index, value);
}

const incidentsOf = ({ engine }: SoloLog): [string, number][] =>
  engine.replica.incidents.map(({ kind, leafIndex }) => [kind, leafIndex]);

describe('the overlap that is read again', () => {
  const reasons: [string, (log: SoloLog) => Promise<void> | void][] = [
    ['a minute', (log) => void (log.nowMs += MINUTE_MS)],
    ['an interruption of the way to the topic', (log) => void log.broker.interruptions++],
    [
      'an error',
      async (log) => {
        log.broker.stalled = true;
        await log.engine.readStep(0);
        log.broker.stalled = false;
      },
    ],
  ];
  for (const [name, happen] of reasons) {
    test(`shows an altered record that is not the last one after ${name}, and nothing new is taken`, async () => {
      const log = await filledLog();
      const { size } = log.engine.replica.head;
      alterRecord(log, size - 10);
      log.broker.append(log.broker.records[1] ?? new Uint8Array());
      await happen(log);
      await log.engine.readStep(0);
      await log.engine.readStep(0);
      assert.deepEqual(incidentsOf(log), [['anchor-mismatch', size - 10]]);
      assert.deepEqual([log.engine.reader.state.state, log.engine.replica.head.size], ['halted', size]);
    });
  }

  test('reaches back 64 leaves and no further', async () => {
    assert.equal(OVERLAP_LEAVES, 64);
    for (const [back, state] of [
      [64, 'halted'],
      [65, 'reading'],
    ] as const) {
      const log = await filledLog();
      alterRecord(log, log.engine.replica.head.size - back);
      log.nowMs += MINUTE_MS;
      await log.engine.readStep(0);
      assert.equal(log.engine.reader.state.state, state, `${String(back)} back`);
    }
  });

  test('names the first of several altered records, also one before the overlap', async () => {
    const log = await filledLog();
    const { size } = log.engine.replica.head;
    for (const index of [size - 1, size - 20, 7]) alterRecord(log, index);
    log.nowMs += MINUTE_MS;
    await log.engine.readStep(0);
    assert.deepEqual(incidentsOf(log), [['anchor-mismatch', 7]]);
  });

  test('reading goes on, and is told, once what was accepted stands there again', async () => {
    const log = await filledLog();
    const { size } = log.engine.replica.head;
    const honest = log.broker.records[size - 3];
    alterRecord(log, size - 3);
    log.nowMs += MINUTE_MS;
    await log.engine.readStep(0);
    assert.equal(log.engine.reader.state.state, 'halted');
    log.broker.alter(size - 3, honest);
    await log.addBatch(1);
    assert.equal(log.engine.reader.state.state, 'reading');
    assert.equal(log.engine.replica.head.size, size + 1);
  });

  test('a beginning that retention cut is no fault while the last accepted record stands', async () => {
    const log = await filledLog();
    const { size } = log.engine.replica.head;
    log.broker.trim(size - 5);
    log.nowMs += MINUTE_MS;
    await log.addBatch(1);
    assert.deepEqual(incidentsOf(log), []);
    assert.equal(log.engine.replica.head.size, size + 1);
    alterRecord(log, size - 4);
    log.nowMs += MINUTE_MS;
    await log.engine.readStep(0);
    assert.deepEqual(incidentsOf(log), [['anchor-mismatch', size - 4]]);
  });

  test('a topic whose last accepted record is cut too is trimmed from leaf 0', async () => {
    const log = await filledLog();
    log.broker.trim(log.engine.replica.head.size);
    log.nowMs += MINUTE_MS;
    await log.engine.readStep(0);
    assert.deepEqual(incidentsOf(log), [['trimmed', 0]]);
  });

  test('a tail that was lost and filled up with other records shows with the first of them', async () => {
    const log = await filledLog();
    const { size } = log.engine.replica.head;
    log.broker.truncate(size - 30);
    for (let i = 0; i < 40; i++) log.broker.append(new Uint8Array([i]));
    log.broker.interruptions++;
    await log.engine.readStep(0);
    await log.engine.readStep(0);
    assert.deepEqual(incidentsOf(log), [['anchor-mismatch', size - 30]]);
  });
});

describe('the overlap of a file topic', () => {
  async function onFile(tamper: (path: string, size: number) => void): Promise<{ log: SoloLog; size: number }> {
    const dir = mkdtempSync(join(tmpdir(), 'concordat-overlap-'));
    const path = join(dir, 'topic.db');
    const log = new SoloLog({ topic: new FileTopic({ path }) });
    try {
      await log.start();
      for (let i = 0; i < 30; i++) await log.addBatch(1);
      const { size } = log.engine.replica.head;
      tamper(path, size);
      log.nowMs += MINUTE_MS;
      await log.engine.readStep(0);
      return { log, size };
    } finally {
      await log.topic.close();
      rmSync(dir, { recursive: true, force: true });
    }
  }
  const sql = (path: string, statement: string, id: number): void => {
    const database = new DatabaseSync(path);
    database.prepare(statement).run(id);
    database.close();
  };

  test('shows an altered record with its leaf', async () => {
    const { log, size } = await onFile((path, at) =>
      sql(path, `UPDATE records SET value = x'00' WHERE id = ? - 4`, at),
    );
    assert.deepEqual(incidentsOf(log), [['anchor-mismatch', size - 5]]);
  });

  test('shows a removed record with its leaf', async () => {
    const { log, size } = await onFile((path, at) => sql(path, 'DELETE FROM records WHERE id = ? - 4', at));
    assert.deepEqual(incidentsOf(log), [['offset-gap', size - 5]]);
  });

  test('a replaced file is missing from leaf 0', async () => {
    const { log } = await onFile((path) => renameSync(path, `${path}.old`));
    assert.deepEqual(incidentsOf(log), [['topic-missing', 0]]);
  });
});
