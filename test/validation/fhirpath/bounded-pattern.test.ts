import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { boundedPattern } from '../../../src/validation/fhirpath/bounded-pattern.ts';
import { FhirPathError } from '../../../src/validation/fhirpath/fhirpath-error.ts';
import { automaton } from '../../../src/validation/fhirpath/pattern-automaton.ts';

/** Patterns made of a few parts, so that most of them match something. */
const pattern = fc.letrec<{ node: string; atom: string }>((tie) => ({
  atom: fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom('a', 'b', '.', '[ab]', '[^a]', '\\d', '\\w', '\\.', '\\-', '^', '$') },
    { weight: 2, arbitrary: tie('node').map((inner) => `(${inner})`) },
    { weight: 1, arbitrary: tie('node').map((inner) => `(?:${inner})`) },
  ),
  node: fc
    .array(fc.tuple(tie('atom'), fc.constantFrom('', '', '*', '+', '?', '{2}', '{1,3}', '{1,}', '|')), {
      minLength: 1,
      maxLength: 4,
    })
    .map((parts) =>
      parts.map(([atom, repeat]) => (/^[$^]$/.test(atom) && repeat !== '|' ? atom : atom + repeat)).join(''),
    ),
})).node;

describe('patterns of untrusted origin', () => {
  test('match what the platform matches', () => {
    fc.assert(
      fc.property(
        pattern,
        fc.string({ unit: fc.constantFrom('a', 'b', '1', '.', '-', '\n'), maxLength: 8 }),
        (source, text) => {
          assert.equal(
            automaton(source)(text),
            new RegExp(source, 's').test(text),
            `${source} on ${JSON.stringify(text)}`,
          );
        },
      ),
      { numRuns: 2000 },
    );
  });

  const exploding = ['^(a+)+$', '^(a|a)*$', '^(a|aa)+$', '^(.*a){12}$', 'a*a*a*a*b', '(?:[a-z]+\\s?)+$'];
  for (const source of exploding) {
    test(`${source} ends soon on a long text`, () => {
      const start = performance.now();
      boundedPattern(source).test('a'.repeat(20_000) + '!');
      assert.ok(performance.now() - start < 3000);
    });
  }

  test('refuse what could take too long to replace', () => {
    assert.throws(() => boundedPattern('(a+)+').replace('aaa', 'b'), FhirPathError);
    assert.equal(boundedPattern('\\..*').replace('Patient.name', ''), 'Patient');
  });

  for (const broken of ['(', 'a{2', '[a', '*', '\\']) {
    test(`${broken} is refused or means the platform's reading of it`, () => {
      try {
        boundedPattern(broken).test('a{2');
      } catch (error) {
        assert.ok(error instanceof FhirPathError);
      }
    });
  }

  test('refuse repetitions of repetitions that would fill the memory', () => {
    assert.throws(() => boundedPattern('((a{1000}){1000}){1000}').test('a'), FhirPathError);
  });
});
