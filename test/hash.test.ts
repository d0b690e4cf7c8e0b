import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { hmacSha256, portableHmacSha256, portableSha256, sha256 } from '../src/hash.ts';
import { decodeHex, encodeHex, encodeUtf8 } from '../src/ledger/encoding.ts';
import { readVectorJson } from './support/vectors.ts';

interface HmacFile {
  readonly testGroups: readonly {
    readonly tagSize: number;
    readonly tests: readonly { tcId: number; key: string; msg: string; tag: string; result: 'valid' | 'invalid' }[];
  }[];
}

describe('sha256', () => {
  test('gives the examples of FIPS 180-4', () => {
    const digest = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad';
    assert.equal(encodeHex(sha256(encodeUtf8('abc'))), digest);
    assert.equal(encodeHex(portableSha256(encodeUtf8('abc'))), digest);
  });

  test('is the same on the platform and in portable code, however the input is cut', () => {
    const part = fc.oneof(fc.uint8Array({ maxLength: 200 }), fc.uint8Array({ minLength: 4000, maxLength: 5000 }));
    fc.assert(
      fc.property(fc.array(part, { maxLength: 5 }), (parts) => {
        assert.deepEqual(sha256(...parts), portableSha256(...parts));
      }),
    );
  });

  test('returns an array of its own, not a view of a pool', () => {
    const digest = sha256(new Uint8Array(3), new Uint8Array(4));
    assert.equal(digest.constructor, Uint8Array);
    assert.equal(digest.buffer.byteLength, 32);
  });
});

describe('hmacSha256', () => {
  test('is the same on the platform and in portable code', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.array(fc.uint8Array(), { maxLength: 4 }), (key, parts) => {
        assert.deepEqual(hmacSha256(key, ...parts), portableHmacSha256(key, ...parts));
      }),
    );
  });

  for (const { tagSize, tests } of readVectorJson<HmacFile>('hmac-sha256-wycheproof', 'hmac_sha256_test.json')
    .testGroups) {
    test(`agrees with ${tests.length} cases of Wycheproof with tags of ${tagSize} bits`, () => {
      for (const { tcId, key, msg, tag, result } of tests) {
        for (const hmac of [hmacSha256, portableHmacSha256]) {
          const computed = encodeHex(hmac(decodeHex(key), decodeHex(msg))).slice(0, tagSize / 4);
          assert.equal(computed === tag, result === 'valid', `case ${tcId}`);
        }
      }
    });
  }
});
