import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { SendLog } from '../../src/ledger/send-log.ts';

describe('send log', () => {
  test('a record at its acknowledged offset is explained, a second copy is not', () => {
    const log = new SendLog();
    log.begin(1);
    log.sending(1);
    log.acknowledged(1, 7n);
    assert.equal(log.seen(1, 7n), true);
    assert.equal(log.seen(1, 8n), false);
  });

  test('a copy that nothing explains does not use up a later doubt', () => {
    const log = new SendLog();
    log.begin(1);
    assert.equal(log.seen(1, 3n), false);
    log.relayed(1);
    assert.equal(log.seen(1, 4n), true);
  });

  test('a record that is read before its acknowledgement comes is explained', () => {
    const log = new SendLog();
    log.begin(1);
    log.sending(1);
    assert.equal(log.seen(1, 7n), true);
    log.acknowledged(1, 7n);
    assert.deepEqual(log.takeLost(100n), []);
    assert.equal(log.seen(1, 9n), false);
  });

  test('a doubtful send explains one copy wherever it lands, a refused one none', () => {
    const log = new SendLog();
    log.begin(1);
    log.sending(1);
    log.failed(1, 'maybe');
    assert.equal(log.seen(1, 3n), true);
    log.sending(1);
    log.failed(1, 'no');
    assert.equal(log.seen(1, 4n), false);
  });

  test('an acknowledged offset that was passed without the record is lost, and told once', () => {
    const log = new SendLog();
    log.begin(1);
    log.sending(1);
    log.acknowledged(1, 7n);
    assert.deepEqual(log.takeLost(7n), []);
    assert.deepEqual(log.takeLost(8n), [{ batch: 1, offset: 7n }]);
    assert.deepEqual(log.takeLost(8n), []);
  });

  test('batches of an earlier process are never judged', () => {
    const log = new SendLog();
    assert.equal(log.seen(5, 1n), true);
    log.begin(6);
    log.forgetBelow(7);
    assert.equal(log.seen(6, 1n), true);
  });
});
