import { describe, test } from 'node:test';
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { canonicalise, resourceForm } from '../../src/fhir/canonical-json.ts';
import { parseJsonText } from '../../src/fhir/json-text.ts';

const vectors = new URL('../vectors/jcs-rfc8785/', import.meta.url);

function form(text: string, side: 'sent' | 'stored' = 'stored'): string {
  return resourceForm(parseJsonText(text).root, { side });
}

describe('canonicalise', () => {
  const names = readdirSync(new URL('input/', vectors));
  assert(names.length > 0);
  for (const name of names) {
    test(`agrees with the RFC 8785 vector ${name}`, () => {
      const input = readFileSync(new URL(`input/${name}`, vectors), 'utf8');
      const output = readFileSync(new URL(`output/${name}`, vectors));
      assert.deepEqual(Buffer.from(canonicalise(JSON.parse(input))), output);
    });
  }

  test('writes the published ECMAScript numbers', () => {
    const lines = readFileSync(new URL('es6-numbers-10000.txt', vectors), 'utf8').trim().split('\n');
    assert(lines.length >= 10_000);
    for (const line of lines) {
      const [bits, expected] = line.split(',');
      const view = new DataView(new ArrayBuffer(8));
      view.setBigUint64(0, BigInt(`0x${bits}`));
      assert.equal(canonicalise(view.getFloat64(0)), expected);
    }
  });

  test('refuses what I-JSON cannot hold', () => {
    for (const value of [NaN, Infinity, '\ud800', { '\udfff': 1 }, undefined, [() => 0], 1n]) {
      assert.throws(() => canonicalise(value), TypeError);
    }
  });

  test('does not depend on the order of keys', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (value) => {
        const reversed = Object.fromEntries(Object.entries(value).reverse());
        assert.equal(canonicalise(reversed), canonicalise(value));
      }),
    );
  });
});

describe('resourceForm', () => {
  test('sorts keys and keeps number lexemes verbatim', () => {
    assert.equal(form('{"b":1.00,"a":[1e2,-0.0],"é":"\\u00e9\\/"}'), '{"a":[1e2,-0.0],"b":1.00,"é":"é/"}');
  });

  test('drops only what servers assign in meta', () => {
    const stored =
      '{"resourceType":"Patient","meta":{"versionId":"2","lastUpdated":"x","source":"y","profile":["p"],"tag":[]},"id":"1"}';
    assert.equal(form(stored), '{"id":"1","meta":{"profile":["p"],"tag":[]},"resourceType":"Patient"}');
    assert.equal(form(stored, 'sent'), '{"meta":{"profile":["p"],"tag":[]},"resourceType":"Patient"}');
  });

  test('drops no id, versionId or meta below the root', () => {
    const text = '{"contained":[{"id":"a","meta":{"versionId":"1"}}],"versionId":"3"}';
    assert.equal(form(text, 'sent'), text);
  });

  test('is the same for a resource without meta and for the one that the server stored', () => {
    const sent = form('{"resourceType":"Patient","active":true}', 'sent');
    const stored = form(
      '{"id":"7","meta":{"versionId":"1","lastUpdated":"now"},"resourceType":"Patient","active":true}',
      'sent',
    );
    assert.equal(sent, stored);
  });

  test('keeps both of two equal keys', () => {
    assert.equal(form('{"b":0,"a":2,"a":1}'), '{"a":2,"a":1,"b":0}');
  });

  test('changes with any change of content', () => {
    fc.assert(
      fc.property(fc.object(), fc.object(), (a, b) => {
        const [one, two] = [JSON.stringify({ value: a }), JSON.stringify({ value: b })];
        assert.equal(form(one) === form(two), canonicalise(JSON.parse(one)) === canonicalise(JSON.parse(two)));
      }),
    );
  });
});
