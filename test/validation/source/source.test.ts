import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { readSource } from '../../../src/validation/source/source.ts';
import { createPolicy } from '../../../src/validation/policy.ts';
import { createValidator } from '../../../src/validation/engine.ts';
import { createTerminology } from '../../../src/validation/terminology/terminology.ts';
import type { ValidationReport } from '../../../src/validation/validator.ts';
import { carriedPackages } from '../../support/validation.ts';

const validator = createValidator({
  packages: await carriedPackages(),
  terminology: createTerminology(),
  policy: createPolicy('hl7'),
});
const issuesOf = (text: string): string[] =>
  (validator.validate({ text }) as ValidationReport).issues.map(
    ({ id, expression, line, column }) => `${line}:${column} ${expression ?? ''} ${id}`,
  );

describe('the source text', () => {
  test('says on which line and in which column an element stands', () => {
    const source = readSource(
      '{\n  "resourceType": "Patient",\n  "name": [\n    {"given": ["a", "b"]}\n  ],\n  "valueQuantity": {"value": 1}\n}',
    );
    assert.deepEqual(source.placeOf('Patient.name[0].given[1]'), { line: 4, column: 21 });
    assert.deepEqual(source.placeOf('Patient.value.ofType(Quantity).value'), { line: 6, column: 30 });
    assert.deepEqual(source.placeOf('Patient'), { line: 1, column: 1 });
    assert.deepEqual(source.placeOf('Patient.name[0].family'), { line: 4, column: 5 });
  });

  test('finds extensions of primitive values in the `_` sibling', () => {
    const source = readSource(
      '{"resourceType":"Patient","birthDate":"2020",\n"_birthDate":{"extension":[\n{"url":"x"}]}}',
    );
    assert.deepEqual(source.placeOf('Patient.birthDate.extension[0].url'), { line: 3, column: 8 });
  });

  test('that is no JSON is one fatal finding with its place', () => {
    for (const text of ['', '{', '{"a":1,}', '{"a":01}', '[1', 'x', '{"a" 1}', '{"resourceType":"Patient"} x']) {
      const source = readSource(text);
      assert.deepEqual(
        source.findings.map(({ rule }) => `${rule.id} ${rule.severity}`),
        ['json-syntax fatal'],
        text,
      );
      assert.ok(source.placeOf('')?.line === 1);
    }
  });

  test('with a key twice, half a surrogate or a number past all readers is an error at its place', () => {
    assert.deepEqual(issuesOf('{"resourceType":"Patient",\n"active":true,"active":false}'), [
      '2:15 Patient json-duplicate-key',
    ]);
    assert.deepEqual(issuesOf('{"resourceType":"Patient","name":[{"text":"\\ud800x"}]}'), [
      '1:43 Patient.name[0].text json-lone-surrogate',
    ]);
  });

  test('shows whole numbers that are not written as such', () => {
    const patient = (number: string): string =>
      `{"resourceType":"Patient","telecom":[{"system":"phone","value":"1","rank":${number}}]}`;
    assert.deepEqual(issuesOf(patient('1')), []);
    assert.deepEqual(issuesOf(patient('1.0')), ['1:75 Patient.telecom[0].rank integer-text']);
    assert.deepEqual(issuesOf(patient('1e0')), ['1:75 Patient.telecom[0].rank integer-text']);
    assert.equal(
      issuesOf('{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueQuantity":{"value":1.0}}')
        .length,
      0,
    );
  });

  test('gives the verdict that the parsed resource gets, and begins after a byte order mark', () => {
    const text = '{"resourceType":"Patient","gender":"x"}';
    const parsed = validator.validate({ resource: JSON.parse(text) }) as ValidationReport;
    for (const sent of [text, `\ufeff${text}`]) {
      const report = validator.validate({ text: sent }) as ValidationReport;
      assert.deepEqual(
        report.issues.map(({ id }) => id),
        parsed.issues.map(({ id }) => id),
      );
    }
  });

  test('never throws', () => {
    fc.assert(fc.property(fc.string({ maxLength: 40 }), (text) => void validator.validate({ text })));
    fc.assert(
      fc.property(fc.json(), (text) => void validator.validate({ text })),
      { numRuns: 200 },
    );
    assert.ok(issuesOf('['.repeat(100_000)).length === 1);
    assert.ok(issuesOf(`{"resourceType":"Patient","x":${'['.repeat(20_000)}${']'.repeat(20_000)}}`).length === 1);
  });
});
