import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { base64Length, checkAttachment } from '../../../src/validation/checks/attachment.ts';
import { htmlTag } from '../../../src/validation/checks/markdown.ts';
import { findingsOf } from '../../support/checks.ts';

describe('attachments', () => {
  test('are as long as they say', () => {
    const data = Buffer.from('fourteen bytes').toString('base64');
    assert.deepEqual(findingsOf(checkAttachment, { data, size: 14 }), []);
    assert.deepEqual(findingsOf(checkAttachment, { data, size: 100 }), ['attachment-size']);
    assert.deepEqual(findingsOf(checkAttachment, { data: '%%%', size: 100 }), []);
    assert.deepEqual(findingsOf(checkAttachment, { hash: 'AAAA' }), ['attachment-hash@.hash']);
  });

  test('have the length that the platform decodes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 50 }), (bytes) => {
        assert.equal(base64Length(Buffer.from(bytes).toString('base64')), bytes.length);
      }),
    );
  });
});

describe('HTML in texts', () => {
  for (const text of ['<b>', 'a <foo bar="x"> b', '</b>', '<br/>', '<insert here>']) {
    test(`is seen in ${text}`, () => assert.notEqual(htmlTag(text), undefined));
  }
  for (const text of ['a < b', '<1>', 'a<b', 'x > y', '<a@b.org>', '<http://example.org>', '', '<']) {
    test(`is not seen in ${JSON.stringify(text)}`, () => assert.equal(htmlTag(text), undefined));
  }
});
