import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { parseExact, stringifyExact } from '../../src/fhir/exact-json.ts';
import type { ExactValue } from '../../src/fhir/exact-json.ts';
import { applyFhirPathPatch } from '../../src/fhir/fhirpath-patch.ts';
import { PatchError } from '../../src/fhir/patch-error.ts';
import { applyJsonPatch } from '../../src/fhir/patch.ts';

const exact = (value: unknown): ExactValue => parseExact(JSON.stringify(value));
const plain = (value: ExactValue): unknown => JSON.parse(stringifyExact(value));

describe('exact JSON', () => {
  test('keeps number lexemes and hostile keys', () => {
    const text = '{"a":1.10,"b":[1e3,-0.0,12345678901234567890],"__proto__":{"x":1},"c":"\\u00e9"}';
    assert.equal(stringifyExact(parseExact(text)), text.replace('\\u00e9', 'é'));
  });

  test('gives back any JSON value', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        assert.deepEqual(plain(exact(value)), JSON.parse(JSON.stringify(value)));
      }),
    );
  });
});

describe('JSON Patch', () => {
  // RFC 6902, appendix A, and what it leaves to be refused.
  const table: readonly (readonly [name: string, document: unknown, patch: unknown, result: unknown])[] = [
    ['adds a member', { foo: 'bar' }, [{ op: 'add', path: '/baz', value: 'qux' }], { foo: 'bar', baz: 'qux' }],
    [
      'adds an item',
      { foo: ['bar', 'baz'] },
      [{ op: 'add', path: '/foo/1', value: 'qux' }],
      { foo: ['bar', 'qux', 'baz'] },
    ],
    ['appends', { foo: ['bar'] }, [{ op: 'add', path: '/foo/-', value: ['abc'] }], { foo: ['bar', ['abc']] }],
    ['removes a member', { baz: 'qux', foo: 'bar' }, [{ op: 'remove', path: '/baz' }], { foo: 'bar' }],
    ['removes an item', { foo: [1, 2, 3] }, [{ op: 'remove', path: '/foo/1' }], { foo: [1, 3] }],
    ['replaces', { baz: 'qux' }, [{ op: 'replace', path: '/baz', value: 'boo' }], { baz: 'boo' }],
    [
      'moves',
      { foo: { bar: 1 }, qux: {} },
      [{ op: 'move', from: '/foo/bar', path: '/qux/thud' }],
      { foo: {}, qux: { thud: 1 } },
    ],
    [
      'moves within an array',
      { foo: [1, 2, 3, 4] },
      [{ op: 'move', from: '/foo/1', path: '/foo/3' }],
      { foo: [1, 3, 4, 2] },
    ],
    ['copies', { a: [1] }, [{ op: 'copy', from: '/a', path: '/b' }], { a: [1], b: [1] }],
    ['tests numbers by value', { a: 1 }, [{ op: 'test', path: '/a', value: 1.0 }], { a: 1 }],
    ['unescapes ~01', { '~1': 10 }, [{ op: 'test', path: '/~01', value: 10 }], { '~1': 10 }],
    ['sets __proto__ as a member', {}, [{ op: 'add', path: '/__proto__', value: 1 }], JSON.parse('{"__proto__":1}')],
  ];
  for (const [name, document, patch, result] of table) {
    test(name, () => assert.deepEqual(plain(applyJsonPatch(exact(document), exact(patch))), result));
  }

  const refused: readonly (readonly [name: string, document: unknown, patch: unknown, code: string])[] = [
    ['a failing test', { a: 1 }, [{ op: 'test', path: '/a', value: 2 }], 'test-failed'],
    ['a missing target', { a: 1 }, [{ op: 'remove', path: '/b' }], 'not-applicable'],
    ['a missing parent', {}, [{ op: 'add', path: '/a/b', value: 1 }], 'not-applicable'],
    ['an index out of range', { a: [] }, [{ op: 'add', path: '/a/1', value: 1 }], 'not-applicable'],
    ['an index with a leading zero', { a: [1] }, [{ op: 'remove', path: '/a/00' }], 'malformed'],
    ['an inherited name', {}, [{ op: 'replace', path: '/constructor', value: 1 }], 'not-applicable'],
    ['a move into itself', { a: { b: 1 } }, [{ op: 'move', from: '/a', path: '/a/b' }], 'not-applicable'],
    ['no array', {}, {}, 'malformed'],
    ['an unknown operation', {}, [{ op: 'spam', path: '' }], 'malformed'],
    ['a path that is no pointer', {}, [{ op: 'add', path: 'a', value: 1 }], 'malformed'],
    ['an operation without a value', {}, [{ op: 'add', path: '/a' }], 'malformed'],
    ['removal of the whole', {}, [{ op: 'remove', path: '' }], 'not-applicable'],
  ];
  for (const [name, document, patch, code] of refused) {
    test(`refuses ${name}`, () => {
      const before = exact(document);
      assert.throws(
        () => applyJsonPatch(before, exact(patch)),
        (error) => error instanceof PatchError && error.code === code,
      );
      assert.deepEqual(plain(before), document);
    });
  }
});

describe('FHIRPath Patch', () => {
  const patient = {
    resourceType: 'Patient',
    id: '1',
    active: true,
    name: [
      { use: 'official', family: 'A', given: ['x', 'y'] },
      { use: 'usual', family: 'B' },
    ],
    deceasedBoolean: false,
    extension: [{ url: 'urn:e', valueString: 'v' }],
  };
  const operation = (parts: Record<string, unknown>): unknown => ({
    name: 'operation',
    part: Object.entries(parts).map(([name, value]) => {
      if (name === 'value') return { name, ...(value as object) };
      if (name === 'type') return { name, valueCode: value };
      return { name, [typeof value === 'number' ? 'valueInteger' : 'valueString']: value };
    }),
  });
  const apply = (...operations: unknown[]): Record<string, unknown> =>
    plain(applyFhirPathPatch(exact(patient), exact({ resourceType: 'Parameters', parameter: operations }))) as Record<
      string,
      unknown
    >;
  const names = (result: Record<string, unknown>): { family?: string; given?: string[]; use?: string }[] =>
    result['name'] as never;

  test('adds to a list, and makes one where there is none', () => {
    const result = apply(
      operation({
        type: 'add',
        path: 'Patient',
        name: 'telecom',
        value: { valueContactPoint: { system: 'phone', value: '1' } },
      }),
      operation({ type: 'add', path: 'Patient.name[0]', name: 'given', value: { valueString: 'z' } }),
      operation({ type: 'add', path: 'Patient', name: 'birthDate', value: { valueDate: '1990-01-01' } }),
    );
    assert.deepEqual(result['telecom'], [{ system: 'phone', value: '1' }]);
    assert.deepEqual(names(result)[0]?.given, ['x', 'y', 'z']);
    assert.equal(result['birthDate'], '1990-01-01');
  });

  test('adds an element of an anonymous type from its parts', () => {
    const parts = [
      { name: 'relationship', valueCodeableConcept: { text: 'mother' } },
      { name: 'gender', valueCode: 'female' },
    ];
    const result = apply(operation({ type: 'add', path: 'Patient', name: 'contact', value: { part: parts } }));
    assert.deepEqual(result['contact'], [{ relationship: [{ text: 'mother' }], gender: 'female' }]);
  });

  test('replaces by condition, also a choice by another type', () => {
    const result = apply(
      operation({ type: 'replace', path: "Patient.name.where(use = 'usual').family", value: { valueString: 'C' } }),
      operation({ type: 'replace', path: 'Patient.deceased', value: { valueDateTime: '2020-01-01' } }),
      operation({ type: 'replace', path: "Patient.extension('urn:e').value", value: { valueCode: 'w' } }),
    );
    assert.equal(names(result)[1]?.family, 'C');
    assert.equal(result['deceasedDateTime'], '2020-01-01');
    assert.ok(!('deceasedBoolean' in result));
    assert.deepEqual(result['extension'], [{ url: 'urn:e', valueCode: 'w' }]);
  });

  test('inserts, moves and deletes', () => {
    const inserted = apply(
      operation({ type: 'insert', path: 'Patient.name', index: 1, value: { valueHumanName: { family: 'M' } } }),
    );
    assert.deepEqual(
      names(inserted).map(({ family }) => family),
      ['A', 'M', 'B'],
    );
    const moved = apply(operation({ type: 'move', path: 'Patient.name', source: 1, destination: 0 }));
    assert.deepEqual(
      names(moved).map(({ family }) => family),
      ['B', 'A'],
    );
    const deleted = apply(
      operation({ type: 'delete', path: 'Patient.name[0].given[1]' }),
      operation({ type: 'delete', path: 'Patient.birthDate' }),
      operation({ type: 'delete', path: 'Patient.name.last()' }),
    );
    assert.deepEqual(names(deleted), [{ use: 'official', family: 'A', given: ['x'] }]);
  });

  const refused: readonly (readonly [name: string, parts: Record<string, unknown>, code: string])[] = [
    [
      'an ambiguous path',
      { type: 'replace', path: 'Patient.name.family', value: { valueString: 'x' } },
      'not-applicable',
    ],
    [
      'an element that the type does not have',
      { type: 'add', path: 'Patient', name: 'nonsense', value: { valueString: 'x' } },
      'not-applicable',
    ],
    [
      'a second value of what does not repeat',
      { type: 'add', path: 'Patient', name: 'active', value: { valueBoolean: true } },
      'not-applicable',
    ],
    ['a path outside the subset', { type: 'delete', path: 'Patient.name.select(family)' }, 'malformed'],
    [
      'an index outside its list',
      { type: 'insert', path: 'Patient.name', index: 9, value: { valueHumanName: {} } },
      'not-applicable',
    ],
    ['an unknown type', { type: 'spam', path: 'Patient.name' }, 'malformed'],
    ['an operation without a path', { type: 'delete' }, 'malformed'],
  ];
  for (const [name, parts, code] of refused) {
    test(`refuses ${name}`, () => {
      assert.throws(
        () => apply(operation(parts)),
        (error) => error instanceof PatchError && error.code === code,
      );
    });
  }

  test('never hangs on a hostile path', () => {
    for (const path of [
      '(((((((((',
      `Patient${'.name'.repeat(900)}`,
      `Patient.name.where(${"a='b' and ".repeat(300)}`,
      "'".repeat(3000),
    ]) {
      const startedMs = performance.now();
      try {
        apply(operation({ type: 'delete', path }));
      } catch (error) {
        assert.ok(error instanceof PatchError);
      }
      assert.ok(performance.now() - startedMs < 500);
    }
  });
});
