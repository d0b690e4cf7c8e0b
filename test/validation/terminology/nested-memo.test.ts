import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { NestedMemo } from '../../../src/validation/terminology/nested-memo.ts';

describe('a nested memo', () => {
  test('keeps questions apart whatever their texts', () => {
    const memo = new NestedMemo<number>(10);
    memo.set('a', 'b\nc', undefined, undefined, 1);
    memo.set('a', 'b', undefined, 'c', 2);
    memo.set('a', 'b', 'c', undefined, 3);
    assert.equal(memo.get('a', 'b\nc', undefined, undefined), 1);
    assert.equal(memo.get('a', 'b', undefined, 'c'), 2);
    assert.equal(memo.get('a', 'b', 'c', undefined), 3);
    assert.equal(memo.get('a', 'b', undefined, undefined), undefined);
    assert.equal(memo.get('__proto__', 'constructor', undefined, undefined), undefined);
  });

  test('starts anew when it is full', () => {
    const memo = new NestedMemo<number>(2);
    for (let i = 0; i < 3; i++) memo.set(i, i, i, i, i);
    assert.equal(memo.get(0, 0, 0, 0), undefined);
    assert.equal(memo.get(2, 2, 2, 2), 2);
  });
});
