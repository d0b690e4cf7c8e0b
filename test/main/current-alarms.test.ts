import assert from 'node:assert/strict';
import { test } from 'node:test';
import { outboxAlarms } from '../../src/main/current-alarms.ts';

test('an outbox raises outbox beyond half of its limit, and recording, by which the gateway is not ready, at the limit', () => {
  const kinds = (waiting: number): string[] => outboxAlarms(waiting, 100).map(({ kind }) => kind);
  assert.deepEqual(kinds(50), []);
  assert.deepEqual(kinds(51), ['outbox']);
  assert.deepEqual(kinds(99), ['outbox']);
  assert.deepEqual(kinds(100), ['recording', 'outbox']);
});
