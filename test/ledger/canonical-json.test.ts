import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { canonicalJson, canonicalJsonBytes, parseCanonicalJson } from '../../src/ledger/canonical-json.ts';
import type { LedgerJson } from '../../src/ledger/canonical-json.ts';
import { decodeHex, decodeUtf8, encodeUtf8 } from '../../src/ledger/encoding.ts';
import { readVector, vectorNames } from '../support/vectors.ts';
import { rejectsWith } from './support/trees.ts';

const folder = 'jcs-rfc8785';

describe('canonicalJson', () => {
  for (const name of vectorNames(folder, 'input')) {
    test(`gives the published form of ${name}`, () => {
      const text = canonicalJson(JSON.parse(decodeUtf8(readVector(folder, 'input', name))));
      assert.equal(text, decodeUtf8(readVector(folder, 'output', name)));
      const hex = decodeUtf8(readVector(folder, 'outhex', name.replace('.json', '.txt'))).replaceAll(/\s/g, '');
      assert.deepEqual(encodeUtf8(text), decodeHex(hex));
    });
  }

  test('writes the 10,000 published numbers', () => {
    const lines = decodeUtf8(readVector(folder, 'es6-numbers-10000.txt')).trim().split('\n');
    assert.equal(lines.length, 10_000);
    const view = new DataView(new ArrayBuffer(8));
    for (const line of lines) {
      const [bits = '', expected] = line.split(',');
      view.setBigUint64(0, BigInt(`0x${bits}`));
      assert.equal(canonicalJson(view.getFloat64(0)), expected);
    }
  });

  test('refuses what JSON has no form for', () => {
    for (const value of [undefined, Number.NaN, Infinity, 1n, () => 0, '\ud800', { '\udfff': 1 }, [undefined]]) {
      rejectsWith('malformed-json', () => canonicalJson(value));
    }
  });
});

describe('parseCanonicalJson', () => {
  const scalar = fc.oneof(fc.string({ unit: 'grapheme' }), fc.maxSafeInteger(), fc.boolean());
  const { value } = fc.letrec<{ value: LedgerJson }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 4 },
      scalar,
      fc.array(tie('value'), { maxLength: 4 }),
      fc.dictionary(fc.string(), tie('value'), { maxKeys: 4 }),
    ),
  }));

  test('reads back what was written', () => {
    fc.assert(
      fc.property(value, (json) => {
        const bytes = canonicalJsonBytes(json);
        assert.deepEqual(canonicalJsonBytes(parseCanonicalJson(bytes, 1 << 20)), bytes);
      }),
    );
  });

  for (const text of [
    '',
    ' 1',
    '1 ',
    '{"b":1,"a":2}',
    '{"a":1,"a":1}',
    '{"a" :1}',
    '[1,]',
    '"\\u0061"',
    '"\\/"',
    '1.0',
    '1e3',
    '-0',
    '0.5',
    'null',
    '[null]',
    '9007199254740992',
    '-9007199254740992',
    '"\\ud800"',
    '{"__proto__":null}',
    '[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]',
    '\ufeff1',
    'NaN',
  ]) {
    test(`refuses ${JSON.stringify(text)}`, () =>
      rejectsWith('malformed-json', () => parseCanonicalJson(encodeUtf8(text), 1000)));
  }

  test('refuses bytes that are no UTF-8, and too many', () => {
    rejectsWith('malformed-encoding', () => parseCanonicalJson(Uint8Array.of(0x22, 0xff, 0x22), 10));
    rejectsWith('malformed-encoding', () => parseCanonicalJson(Uint8Array.of(0x22, 0xed, 0xa0, 0x80, 0x22), 10));
    rejectsWith('too-large', () => parseCanonicalJson(encodeUtf8('[1,2,3]'), 6));
  });

  test('bounds its stack on nesting', () => {
    rejectsWith('malformed-json', () =>
      parseCanonicalJson(encodeUtf8('['.repeat(100_000) + ']'.repeat(100_000)), 1 << 20),
    );
  });
});
