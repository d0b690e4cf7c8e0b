import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { FhirPathError } from '../../../src/validation/fhirpath/fhirpath-error.ts';
import { parseExpression, typeNameOf } from '../../../src/validation/fhirpath/parser.ts';

const refuses = (expression: string): void => {
  assert.throws(
    () => parseExpression(expression),
    (error) => error instanceof FhirPathError && error.code === 'syntax',
    expression,
  );
};

describe('the parser of FHIRPath', () => {
  test('binds the union closer than membership and comparison', () => {
    const tree = parseExpression("code in 'a' | 'b'");
    assert.equal(tree.kind, 'binary');
    assert.equal(tree.kind === 'binary' && tree.operator, 'in');
    assert.equal(tree.kind === 'binary' && tree.right.kind === 'binary' && tree.right.operator, '|');
  });

  test('reads and before or before implies, from the left', () => {
    const tree = parseExpression('a implies b or c and d');
    assert.equal(tree.kind === 'binary' && tree.operator, 'implies');
    const sum = parseExpression('1 - 2 - 3');
    assert.equal(sum.kind === 'binary' && sum.left.kind, 'binary');
  });

  test('lets keywords be names where a name must stand', () => {
    const tree = parseExpression("name.contains('x')");
    assert.equal(tree.kind === 'call' && tree.name, 'contains');
    assert.deepEqual(parseExpression('`div`'), { kind: 'member', of: undefined, name: 'div' });
  });

  test('reads type names with their namespace', () => {
    const tree = parseExpression('value.ofType(FHIR.Quantity)');
    assert.equal(tree.kind === 'call' && typeNameOf(tree.parameters[0]), 'FHIR.Quantity');
    assert.deepEqual(parseExpression('a is System.String'), {
      kind: 'type',
      operator: 'is',
      of: { kind: 'member', of: undefined, name: 'a' },
      typeName: 'System.String',
    });
  });

  test('unescapes strings and skips comments', () => {
    assert.deepEqual(parseExpression("'it\\'s \\u0041' // end"), { kind: 'string', value: "it's A" });
    assert.deepEqual(parseExpression('/* before */ true'), { kind: 'boolean', value: true });
  });

  test('reads quantities by unit and by calendar word', () => {
    assert.deepEqual(parseExpression("4 'mg'"), { kind: 'quantity', text: '4', unit: 'mg', calendar: false });
    assert.deepEqual(parseExpression('4 days'), { kind: 'quantity', text: '4', unit: 'day', calendar: true });
  });

  for (const broken of [
    '',
    'a +',
    '(a',
    'a)',
    "'open",
    '`open',
    'a..b',
    '@',
    '%',
    '$that',
    'a[',
    '2 /* open',
    '#',
    'f(a,)',
    '\u0000',
  ]) {
    test(`refuses ${JSON.stringify(broken)}`, () => refuses(broken));
  }

  test('refuses what is nested or written beyond any sense', () => {
    refuses('('.repeat(10_000) + 'a' + ')'.repeat(10_000));
    refuses('a'.repeat(60_000));
  });

  test('throws nothing but its own error, whatever the text', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'ab.()[]{}\'`"\\@%$|&=~!<>+-*/1, \n') }), (text) => {
        try {
          parseExpression(text);
        } catch (error) {
          assert.ok(error instanceof FhirPathError);
        }
      }),
    );
  });
});
