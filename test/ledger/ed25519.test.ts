import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { isAdmissibleKey, signerFromSeed, verifyEd25519, verifyEd25519Portable } from '../../src/ledger/ed25519.ts';
import { decodeHex, encodeUtf8 } from '../../src/ledger/encoding.ts';
import { readVectorJson } from '../support/vectors.ts';
import { rejectsWith } from './support/trees.ts';

interface WycheproofFile {
  readonly testGroups: readonly {
    readonly publicKey: { readonly pk: string };
    readonly tests: readonly { tcId: number; msg: string; sig: string; result: 'valid' | 'invalid' }[];
  }[];
}

interface CctvCase {
  readonly number: number;
  readonly key: string;
  readonly sig: string;
  readonly msg: string;
  readonly flags: readonly string[] | null;
}

describe('Ed25519', () => {
  const { testGroups } = readVectorJson<WycheproofFile>('ed25519-wycheproof', 'ed25519_test.json');
  test('agrees with every case of Wycheproof, on both paths', async () => {
    let count = 0;
    for (const { publicKey, tests } of testGroups) {
      for (const { tcId, msg, sig, result } of tests) {
        const args = [decodeHex(publicKey.pk), decodeHex(msg), decodeHex(sig)] as const;
        assert.equal(verifyEd25519(...args), result === 'valid', `case ${tcId}`);
        assert.equal(await verifyEd25519Portable(...args), result === 'valid', `case ${tcId}, portable`);
        count++;
      }
    }
    assert.equal(count, 151);
  });

  const cctv = readVectorJson<readonly CctvCase[]>('ed25519-cctv', 'ed25519vectors.json');
  test('gives one answer on both paths for signatures on odd points', async () => {
    const accepted: CctvCase[] = [];
    for (const vector of cctv) {
      const args = [decodeHex(vector.key), encodeUtf8(vector.msg), decodeHex(vector.sig)] as const;
      const valid = verifyEd25519(...args);
      assert.equal(await verifyEd25519Portable(...args), valid, `case ${vector.number}`);
      if (valid) accepted.push(vector);
    }
    // The pinned rule, in the words of the vectors' own flags.
    for (const flag of ['low_order_A', 'low_order_R', 'non_canonical_A', 'non_canonical_R', 'low_order_residue']) {
      assert.ok(
        cctv.some(({ flags }) => flags?.includes(flag)),
        `${flag} is a flag of the vectors`,
      );
      assert.ok(!accepted.some(({ flags }) => flags?.includes(flag)), `${flag} is refused`);
    }
    assert.equal(accepted.length, cctv.filter(isAcceptedByRule).length);
  });

  function isAcceptedByRule({ flags }: CctvCase): boolean {
    const refused = ['low_order_A', 'low_order_R', 'non_canonical_A', 'non_canonical_R', 'low_order_residue'];
    return !refused.some((flag) => flags?.includes(flag));
  }

  test('admits no key of low order and none that is not canonical', () => {
    const odd = cctv.filter(({ flags }) => flags?.includes('low_order_A') || flags?.includes('non_canonical_A'));
    assert.ok(odd.length > 0);
    for (const { key } of odd) assert.equal(isAdmissibleKey(decodeHex(key)), false, key);
    assert.equal(isAdmissibleKey(new Uint8Array(31)), false);
    assert.equal(isAdmissibleKey(signerFromSeed(new Uint8Array(32).fill(7)).publicKey), true);
  });

  test('signs as RFC 8032 section 7.1 does', () => {
    const signer = signerFromSeed(decodeHex('9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60'));
    assert.deepEqual(signer.publicKey, decodeHex('d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a'));
    const signature = decodeHex(
      'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b',
    );
    assert.deepEqual(signer.sign(new Uint8Array(0)), signature);
    rejectsWith('malformed-key', () => signerFromSeed(new Uint8Array(31)));
  });
});
