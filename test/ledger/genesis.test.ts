import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { sha256 } from '../../src/hash.ts';
import { canonicalJsonBytes } from '../../src/ledger/canonical-json.ts';
import { decodeUtf8, encodeUtf8 } from '../../src/ledger/encoding.ts';
import { FormatError } from '../../src/ledger/format-error.ts';
import { parseFrame } from '../../src/ledger/frame.ts';
import {
  genesisFrame,
  genesisHash,
  parseGenesis,
  parseGenesisHeader,
  quorumSize,
  TWO_THIRDS,
} from '../../src/ledger/genesis.ts';
import { mutations } from './support/mutations.ts';
import { exampleGenesis, ORIGIN, signingMember } from './support/small-log.ts';

const members = ['clinics', 'hospital', 'payer'].map((name) => signingMember(name));
const bytes = exampleGenesis(members);

type Json = { [name: string]: Json } & Json[] & string & number;

/** The genesis with one thing changed, in canonical form again. */
function changed(change: (json: Json) => void): Uint8Array {
  const json = JSON.parse(decodeUtf8(bytes)) as Json;
  change(json);
  return canonicalJsonBytes(json);
}

describe('the genesis file', () => {
  test('is read back as what was written', () => {
    const genesis = parseGenesis(bytes);
    assert.equal(genesis.origin, ORIGIN);
    assert.deepEqual(
      genesis.members.map(({ name, batchKey }) => [name, batchKey.text]),
      members.map(({ name, batch }) => [name, batch.key.text]),
    );
    assert.deepEqual(genesis.quorum, TWO_THIRDS);
    const chains = new Map([['hospital/hospital-1', new Uint8Array(32).fill(2)]]);
    const previous = { origin: 'old.example/log', size: 17, root: new Uint8Array(32).fill(1), chains, rules: 3 };
    assert.deepEqual(parseGenesis(exampleGenesis(members, { previous })).previous, previous);
  });

  test('is named by its hash in the record that is leaf 0', () => {
    const frame = parseFrame(genesisFrame(bytes));
    assert.ok(frame?.kind === 'genesis');
    assert.deepEqual(frame.body, bytes);
    const header = parseGenesisHeader(decodeUtf8(frame.header));
    assert.deepEqual(header, { log: ORIGIN, bodyHash: sha256(bytes) });
    assert.deepEqual(genesisHash(bytes), sha256(bytes));
  });

  test('has one form: white space and other orders are refused', () => {
    assert.throws(() => parseGenesis(encodeUtf8(`${decodeUtf8(bytes)}\n`)), FormatError);
    assert.throws(() => parseGenesis(encodeUtf8(JSON.stringify(JSON.parse(decodeUtf8(bytes)), null, 2))), FormatError);
  });

  test('with one byte changed is refused or is another genesis', () => {
    for (let i = 0; i < bytes.length; i++) {
      for (const mutant of mutations(bytes, i)) {
        try {
          parseGenesis(mutant);
        } catch (error) {
          assert.ok(error instanceof FormatError, String(error));
          continue;
        }
        assert.notDeepEqual(genesisHash(mutant), genesisHash(bytes));
      }
    }
  });

  const first = (json: Json): Json => json['members']?.[0] as Json;
  for (const [name, change] of [
    ['an unknown member', (json: Json) => Object.assign(json, { extra: 1 })],
    ['a missing member', (json: Json) => delete json['ruleSet']],
    ['another format', (json: Json) => Object.assign(json, { format: 'concordat/genesis/v2' })],
    ['no members', (json: Json) => Object.assign(json, { members: [] })],
    ['a member twice', (json: Json) => (json['members'] as unknown as Json[]).push(first(json))],
    ['an origin with a space', (json: Json) => Object.assign(json, { origin: 'a b' })],
    ['another origin than its keys', (json: Json) => Object.assign(json, { origin: 'other' })],
    ['a member name with a slash', (json: Json) => Object.assign(first(json), { name: 'a/b' })],
    ['another name than its keys', (json: Json) => Object.assign(first(json), { name: 'other' })],
    ['a batch key as origin key', (json: Json) => Object.assign(first(json), { originKey: first(json)['batchKey'] })],
    ['a short agreement key', (json: Json) => Object.assign(first(json), { agreementKey: 'AAAA' })],
    ['a quorum below two thirds', (json: Json) => Object.assign(json, { quorum: { numerator: 1, denominator: 2 } })],
    ['a quorum above all', (json: Json) => Object.assign(json, { quorum: { numerator: 3, denominator: 3 } })],
    ['a rule-set digest that is none', (json: Json) => Object.assign(json, { ruleSet: 'ab' })],
    ['a parameter out of range', (json: Json) => Object.assign(json['parameters'] as Json, { cutIntervalMs: 1 })],
    [
      'itself as previous log',
      (json: Json) => Object.assign(json, { previous: { origin: ORIGIN, size: 1, root: `${'A'.repeat(43)}=` } }),
    ],
  ] as const) {
    test(`with ${name} is refused`, () => assert.throws(() => parseGenesis(changed(change)), FormatError));
  }
});

test('a quorum is all below four members, else floor(2n/3) + 1', () => {
  const sizes = [1, 2, 3, 4, 5, 6, 7, 9, 10, 12].map((members_) => quorumSize(members_, TWO_THIRDS));
  assert.deepEqual(sizes, [1, 2, 3, 3, 4, 5, 5, 7, 7, 9]);
  assert.equal(quorumSize(10, { numerator: 99, denominator: 100 }), 10);
});

test('any two quorums share more than a third of the members', () => {
  for (let count = 1; count <= 64; count++) {
    const quorum = quorumSize(count, TWO_THIRDS);
    assert.ok(quorum <= count && 3 * (2 * quorum - count) > count);
  }
});
