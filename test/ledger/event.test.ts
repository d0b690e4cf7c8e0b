import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { canonicalJson } from '../../src/ledger/canonical-json.ts';
import { decodeUtf8, encodeBase64Url, encodeUtf8 } from '../../src/ledger/encoding.ts';
import { encodeEvent, EVENT_KINDS, MAXIMUM_EVENT_BYTES, parseEvent } from '../../src/ledger/event.ts';
import type { LedgerEvent } from '../../src/ledger/event.ts';
import { mutations } from './support/mutations.ts';
import { exampleEvent } from './support/small-log.ts';
import { rejectsWith } from './support/trees.ts';

const id = fc.uint8Array({ minLength: 16, maxLength: 16 }).map(encodeBase64Url);
const event: fc.Arbitrary<LedgerEvent> = fc
  .record(
    {
      id,
      kind: fc.constantFrom(...EVENT_KINDS),
      alg: fc.constantFrom('c1', 'c2.x-y'),
      commit: fc.uint8Array({ minLength: 32, maxLength: 32 }).map(encodeBase64Url),
      rules: fc.maxSafeNat(),
      links: fc.array(id, { maxLength: 5 }),
      peer: id,
    },
    { requiredKeys: ['id', 'kind', 'alg', 'commit', 'rules', 'links'] },
  )
  .map((drawn) => (drawn.kind === 'erased' ? { ...drawn, links: [] } : { ...drawn }));

describe('events', () => {
  test('are read back as what was written', () => {
    fc.assert(
      fc.property(event, (drawn) => assert.deepEqual({ ...parseEvent(encodeEvent(drawn)) }, withVersion(drawn))),
    );
  });

  test('are in the form that a general canonicaliser gives', () => {
    fc.assert(
      fc.property(event, (drawn) => {
        const text = decodeUtf8(encodeEvent(drawn));
        assert.equal(canonicalJson(JSON.parse(text)), text);
      }),
    );
  });

  test('changed in one byte are refused or are another canonical event', () => {
    const bytes = exampleEvent('a');
    for (let i = 0; i < bytes.length; i++) {
      for (const mutant of mutations(bytes, i)) {
        let parsed: LedgerEvent;
        try {
          parsed = parseEvent(mutant);
        } catch {
          continue;
        }
        assert.deepEqual(encodeEvent(parsed), mutant);
      }
    }
  });

  const text = decodeUtf8(exampleEvent('a'));
  for (const [name, bad] of [
    ['white space', text.replace(':', ': ')],
    ['another order', text.replace(/^\{("alg":"c1"),(.*)\}$/, '{$2,$1}')],
    ['a doubled member', text.replace('"v":1', '"v":1,"v":1')],
    ['an unknown member', text.replace('"v":1', '"v":1,"w":1')],
    ['a missing member', text.replace('"rules":0,', '')],
    ['no links', text.replace('"links":[],', '')],
    ['another version', text.replace('"v":1', '"v":2')],
    ['an unknown kind', text.replace('received', 'perceived')],
    ['a fraction', text.replace('"rules":0', '"rules":0.0')],
    ['a negative zero', text.replace('"rules":0', '"rules":-0')],
    ['a null peer', text.replace('"rules"', '"peer":null,"rules"')],
    ['an escape', text.replace('"c1"', '"c\\u0031"')],
    ['an array', '[]'],
    ['null', 'null'],
    ['nothing', ''],
    ['links on an erased event', text.replace('received', 'erased')],
  ] as const) {
    test(`with ${name} are refused`, () => {
      assert.notEqual(bad, text);
      rejectsWith('malformed-event', () => parseEvent(encodeUtf8(bad)));
    });
  }

  test('are at most 2 kB', () => {
    const parsed = parseEvent(exampleEvent('a'));
    const links = Array.from({ length: 100 }, () => parsed.id);
    rejectsWith('too-large', () => encodeEvent({ ...parsed, links }));
    rejectsWith('too-large', () => parseEvent(new Uint8Array(MAXIMUM_EVENT_BYTES + 1)));
  });

  test('with identifiers of other lengths, or with bits to spare, are not written', () => {
    const parsed = parseEvent(exampleEvent('a'));
    for (const change of [
      { id: 'A'.repeat(21) },
      { id: 'A'.repeat(23) },
      { id: `${'A'.repeat(21)}B` },
      { commit: 'A'.repeat(42) },
      { rules: -1 },
    ]) {
      rejectsWith('malformed-event', () => encodeEvent({ ...parsed, ...change }));
    }
  });

  function withVersion(drawn: LedgerEvent) {
    return { ...drawn, v: 1 };
  }
});
