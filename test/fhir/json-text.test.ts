import { describe, test } from 'node:test';
import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  lineColumn,
  lineLocator,
  memberValue,
  parseJsonText,
  toValue,
  type JsonNode,
} from '../../src/fhir/json-text.ts';
import { FhirParseError } from '../../src/fhir/parse-error.ts';

function refusal(text: string, options?: { maximumDepth: number }): FhirParseError {
  try {
    parseJsonText(text, options);
  } catch (error) {
    assert(error instanceof FhirParseError);
    return error;
  }
  throw new assert.AssertionError({ message: `accepted: ${text}` });
}

function checkOffsets(text: string, node: JsonNode): void {
  assert.deepEqual(JSON.stringify(JSON.parse(text.slice(node.start, node.end))), JSON.stringify(toValue(node)));
  if (node.kind === 'array') for (const item of node.items) checkOffsets(text, item);
  if (node.kind === 'object') {
    for (const { key, keyStart, value } of node.members) {
      assert(text.startsWith(JSON.stringify(key), keyStart));
      checkOffsets(text, value);
    }
  }
}

describe('parseJsonText', () => {
  test('reads what JSON.parse reads, with every offset right', () => {
    fc.assert(
      fc.property(fc.json(), fc.constantFrom(undefined, 1, 3), (json, indent) => {
        const text = JSON.stringify(JSON.parse(json), undefined, indent);
        checkOffsets(text, parseJsonText(text).root);
      }),
      { numRuns: 500 },
    );
  });

  test('accepts and refuses exactly as JSON.parse does, whatever is damaged', () => {
    const fragment = fc.constantFrom(
      '{',
      '}',
      '[',
      ']',
      ',',
      ':',
      '"',
      '\\',
      'a',
      '0',
      '1',
      '.',
      'e',
      '-',
      '+',
      ' ',
      'true',
      'null',
      '\\u00e',
      '\t',
      '\n',
      '\u0001',
      '\ufeff',
      'é',
    );
    fc.assert(
      fc.property(fc.json(), fc.nat(), fc.nat(3), fc.array(fragment, { maxLength: 3 }), (json, at, drop, inserted) => {
        const position = at % (json.length + 1);
        const text = json.slice(0, position) + inserted.join('') + json.slice(position + drop);
        let expected: string | undefined;
        try {
          expected = JSON.stringify(JSON.parse(text));
        } catch {
          expected = undefined;
        }
        if (expected === undefined) assert.equal(refusal(text).code, 'json-syntax');
        else assert.equal(JSON.stringify(toValue(parseJsonText(text).root)), expected);
      }),
      { numRuns: 5000 },
    );
  });

  test('keeps number lexemes', () => {
    const { root } = parseJsonText('[1.00, -0, 1e2, 0.10E+3, 12345678901234567890]');
    assert(root.kind === 'array');
    assert.deepEqual(
      root.items.map((item) => item.kind === 'number' && item.lexeme),
      ['1.00', '-0', '1e2', '0.10E+3', '12345678901234567890'],
    );
  });

  test('keeps duplicate keys and names the place of the later one', () => {
    const text = '{"a":1,"b":{"c":1,"\\u0063":2},"a":2}';
    const { root, findings } = parseJsonText(text);
    assert(root.kind === 'object');
    assert.deepEqual(
      root.members.map((member) => member.key),
      ['a', 'b', 'a'],
    );
    assert.deepEqual(findings, [
      { code: 'duplicate-key', offset: text.indexOf('"\\u0063"') },
      { code: 'duplicate-key', offset: text.lastIndexOf('"a"') },
    ]);
    assert.deepEqual(toValue(root), { a: 2, b: { c: 2 } });
    assert.deepEqual(memberValue(root, 'a'), root.members[2]?.value);
  });

  test('finds duplicates among many keys without quadratic time', () => {
    const keys = Array.from({ length: 100_000 }, (_, i) => `"k${i}":0`);
    const text = `{${keys.join(',')},"k7":1}`;
    const started = performance.now();
    assert.deepEqual(parseJsonText(text).findings, [{ code: 'duplicate-key', offset: text.lastIndexOf('"k7"') }]);
    assert(performance.now() - started < 2000);
  });

  test('does not take one key for another because a cached one has the same length', () => {
    const text = '{"a\\\\":1,"b":2,"a\\"":3,"axb":4,"ayb":5,"axb":6}';
    const { root } = parseJsonText(text);
    assert(root.kind === 'object');
    assert.deepEqual(
      root.members.map((member) => member.key),
      ['a\\', 'b', 'a"', 'axb', 'ayb', 'axb'],
    );
  });

  test('flags lone surrogates, raw and escaped, and no pairs', () => {
    const text = '["\\ud83d\\ude00","\\ud83d","\ud83d","😀",{"\\udc00":1}]';
    const codes = parseJsonText(text).findings;
    assert.deepEqual(
      codes.map((finding) => finding.code),
      ['lone-surrogate', 'lone-surrogate', 'lone-surrogate'],
    );
    assert.equal(codes[0]?.offset, text.indexOf('"\\ud83d"'));
  });

  test('flags a number that no double can hold', () => {
    assert.deepEqual(parseJsonText('[1e308,1e309]').findings, [{ code: 'number-overflow', offset: 7 }]);
  });

  test('makes own properties of prototype-named keys', () => {
    const value = toValue(parseJsonText('{"__proto__":{"polluted":true},"constructor":1}').root) as object;
    assert.deepEqual(Object.keys(value), ['__proto__', 'constructor']);
    assert.equal(Object.getPrototypeOf(value), Object.prototype);
    assert.equal(({} as { polluted?: boolean }).polluted, undefined);
  });

  test('refuses deeper nesting than allowed and accepts the limit itself', () => {
    const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth);
    parseJsonText(nested(512));
    assert.equal(refusal(nested(513)).code, 'too-deep');
    assert.equal(refusal(nested(513)).column, 513);
    parseJsonText(nested(2000), { maximumDepth: 5000 });
    assert.equal(refusal('{"a":'.repeat(1_000_000), { maximumDepth: 1e9 }).code, 'too-deep');
  });

  test('names line and column of a syntax error and quotes nothing', () => {
    const error = refusal('{\n  "a": 1,\r\n  "b": secret\n}');
    assert.deepEqual([error.code, error.line, error.column, error.offset], ['json-syntax', 3, 8, 20]);
    assert(!error.message.includes('secret'));
    assert.equal(refusal('').code, 'json-syntax');
    assert.equal(refusal('{"a":1').offset, 6);
  });
});

describe('lineColumn', () => {
  test('counts LF, CR and CRLF as one line end each, and agrees with the locator', () => {
    const text = 'a\nb\r\nc\rd';
    assert.deepEqual(lineColumn(text, text.indexOf('d')), { line: 4, column: 1 });
    fc.assert(
      fc.property(fc.array(fc.constantFrom('\n', '\r', 'x')), (units) => {
        const whole = units.join('');
        const locate = lineLocator(whole);
        for (let i = 0; i <= whole.length; i++) assert.deepEqual(locate(i), lineColumn(whole, i));
      }),
    );
  });
});
