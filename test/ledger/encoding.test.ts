import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  decodeBase64,
  decodeBase64Url,
  decodeHex,
  decodeUtf8,
  encodeBase64,
  encodeBase64Url,
  encodeHex,
  encodeUtf8,
  parseDecimal,
} from '../../src/ledger/encoding.ts';
import { rejectsWith } from './support/trees.ts';

describe('encodings', () => {
  test('are those of the platform, and are read back', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        assert.equal(encodeBase64(bytes), Buffer.from(bytes).toString('base64'));
        assert.equal(encodeBase64Url(bytes), Buffer.from(bytes).toString('base64url'));
        assert.equal(encodeHex(bytes), Buffer.from(bytes).toString('hex'));
        assert.deepEqual(decodeBase64(encodeBase64(bytes)), bytes);
        assert.deepEqual(decodeBase64Url(encodeBase64Url(bytes)), bytes);
        assert.deepEqual(decodeHex(encodeHex(bytes)), bytes);
      }),
    );
  });

  test('accept no text but the one that they write', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 12, unit: fc.constantFrom(...'AQgwZz09+/-_= \n') }), (text) => {
        for (const [decode, encode] of [
          [decodeBase64, encodeBase64],
          [decodeBase64Url, encodeBase64Url],
        ] as const) {
          let bytes: Uint8Array;
          try {
            bytes = decode(text);
          } catch {
            continue;
          }
          assert.equal(encode(bytes), text);
        }
      }),
      { numRuns: 2000 },
    );
  });

  for (const text of [
    'A',
    'AA',
    'AAA',
    'AB==',
    'AAB=',
    'AA=A',
    'A===',
    '====',
    'AA==\n',
    'AA-_',
    'AAAA====',
    'ÿÿÿÿ',
    '\u0141AAA',
  ]) {
    test(`standard base64 refuses ${JSON.stringify(text)}`, () =>
      rejectsWith('malformed-encoding', () => decodeBase64(text)));
  }

  test('hex is lower case and whole', () => {
    for (const text of ['A0', '0', 'g0', '0x', ' 0']) rejectsWith('malformed-encoding', () => decodeHex(text));
  });

  test('text is UTF-8, byte order mark and all', () => {
    assert.equal(decodeUtf8(encodeUtf8('\ufeffé')), '\ufeffé');
    for (const bytes of [[0xc0, 0x80], [0xed, 0xa0, 0x80], [0xff], [0xe2, 0x82]]) {
      rejectsWith('malformed-encoding', () => decodeUtf8(Uint8Array.from(bytes)));
    }
  });

  test('numbers have one form and end at 2^53 - 1', () => {
    assert.equal(parseDecimal('0'), 0);
    assert.equal(parseDecimal('9007199254740991'), Number.MAX_SAFE_INTEGER);
    for (const text of [
      '',
      '00',
      '01',
      '+1',
      '-1',
      '1.0',
      '1e3',
      ' 1',
      '1 ',
      '9007199254740992',
      '99999999999999999999',
      '٣',
    ]) {
      assert.equal(parseDecimal(text), undefined, text);
    }
  });
});
