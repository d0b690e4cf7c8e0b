import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { checkCodeSystem, checkPublication } from '../../../src/validation/checks/code-system.ts';
import { checkConceptMap } from '../../../src/validation/checks/concept-map.ts';
import { checkMeasureReport } from '../../../src/validation/checks/measure-report.ts';
import { checkValueSet } from '../../../src/validation/checks/value-set.ts';
import type { PackageScope, PackageSet } from '../../../src/validation/packages/definitions.ts';
import { loadPackages } from '../../../src/validation/packages/load-packages.ts';
import { findingsOf } from '../../support/checks.ts';

type Json = Record<string, unknown>;
const gender = 'http://hl7.org/fhir/administrative-gender';
const actCode = 'http://terminology.hl7.org/CodeSystem/v3-ActCode';

describe('resources of terminology', () => {
  let packages: PackageSet;
  let scope: PackageScope;
  before(async () => {
    packages = await loadPackages();
    scope = packages.root;
  });

  const standard = (code: string, type: string): Json => ({
    code,
    type,
    uri: `http://hl7.org/fhir/concept-properties#${code}`,
  });
  const systems: readonly (readonly [string, Json, readonly string[]])[] = [
    ['counts right', { content: 'complete', count: 2, concept: [{ code: 'a', concept: [{ code: 'b' }] }] }, []],
    ['counts wrong', { content: 'complete', count: 3, concept: [{ code: 'a' }] }, ['code-system-count@.count']],
    ['may list a part', { content: 'fragment', count: 3, concept: [{ code: 'a' }] }, []],
    [
      'lists what is not present',
      { content: 'not-present', concept: [{ code: 'a' }] },
      ['code-system-not-present@.concept[0]'],
    ],
    [
      'defines a code twice',
      { content: 'complete', concept: [{ code: 'a' }, { code: 'b', concept: [{ code: 'a' }] }] },
      ['code-system-duplicate-code@.concept[1].concept[0]'],
    ],
    [
      'defines a code twice but for its case',
      { content: 'complete', caseSensitive: false, concept: [{ code: 'a' }, { code: 'A' }] },
      ['code-system-duplicate-code@.concept[1]'],
    ],
    ['supplements nothing', { content: 'supplement' }, ['code-system-supplements-missing@.content']],
    [
      'supplements in disguise',
      { content: 'complete', supplements: gender },
      ['code-system-supplements-content@.content'],
    ],
    [
      'supplements a code that is not there',
      { content: 'supplement', supplements: gender, concept: [{ code: 'none' }] },
      ['code-system-supplement-code@.concept[0]'],
    ],
    [
      'gives a property another type',
      {
        content: 'complete',
        property: [{ code: 'x', type: 'string', uri: 'http://a.org/x' }],
        concept: [{ code: 'a', property: [{ code: 'x', valueInteger: 1 }] }],
      },
      ['concept-property-type@.concept[0].property[0]'],
    ],
    [
      'names a parent that is not there',
      {
        content: 'complete',
        property: [standard('parent', 'code')],
        concept: [{ code: 'a', property: [{ code: 'parent', valueCode: 'z' }] }],
      },
      ['concept-property-code@.concept[0].property[0]'],
    ],
    [
      'redefines a standard property',
      { property: [standard('status', 'integer')] },
      ['concept-property-standard-type@.property[0]'],
    ],
    [
      'invents a standard property',
      { property: [standard('nonsense', 'code')] },
      ['concept-property-unknown@.property[0]'],
    ],
    [
      'declares a property twice',
      { property: [{ code: 'x' }, { code: 'x' }] },
      ['concept-property-duplicate@.property[1]'],
    ],
    ['has a relative property', { property: [{ code: 'x', uri: 'x' }] }, ['concept-property-uri@.property[0]']],
  ];
  for (const [name, more, expected] of systems) {
    test(`a code system that ${name}`, () => {
      assert.deepEqual(findingsOf(checkCodeSystem, { resourceType: 'CodeSystem', ...more }, { scope }), expected);
    });
  }

  const filtered = (property: string, op: string, value: string, system = actCode): Json => ({
    system,
    filter: [{ property, op, value }],
  });
  const includes: readonly (readonly [string, Json, string | undefined])[] = [
    ['all of a system', { system: gender }, undefined],
    ['a relative system', { system: 'gender' }, 'value-set-system-relative@.compose.include[0]'],
    ['a system with its version behind', { system: `${gender}|4.0.1` }, 'value-set-system-version@.compose.include[0]'],
    [
      'a value set as system',
      { system: 'http://hl7.org/fhir/ValueSet/administrative-gender' },
      'value-set-system-value-set@.compose.include[0]',
    ],
    [
      'a code that is not there',
      { system: gender, concept: [{ code: 'male' }, { code: 'm' }] },
      'value-set-code-unknown@.compose.include[0].concept[1]',
    ],
    ['a code system as value set', { valueSet: [gender] }, 'value-set-import-type@.compose.include[0].valueSet[0]'],
    ['what is below a code', filtered('concept', 'is-a', '_ActAccountCode'), undefined],
    [
      'what is below nothing',
      filtered('concept', 'is-a', 'none'),
      'value-set-filter-code@.compose.include[0].filter[0]',
    ],
    [
      'one code of two that is not there',
      filtered('concept', 'in', '_ActAccountCode,none'),
      'value-set-filter-code@.compose.include[0].filter[0]',
    ],
    [
      'a pattern of concepts',
      filtered('concept', 'regex', 'a.*'),
      'value-set-filter-operator@.compose.include[0].filter[0]',
    ],
    ['a broken pattern', filtered('code', 'regex', 'a(.*'), 'value-set-filter-regex@.compose.include[0].filter[0]'],
    [
      'a boolean that is none',
      filtered('notSelectable', '=', 'maybe'),
      'value-set-filter-boolean@.compose.include[0].filter[0]',
    ],
    [
      'a broken expression constraint',
      filtered('constraint', '=', '404684003 << 234', 'http://snomed.info/sct'),
      'value-set-filter-ecl@.compose.include[0].filter[0]',
    ],
    [
      'an expression constraint',
      filtered('constraint', '=', '<< 404684003 |Finding| : 363698007 = (<< 39057004 OR 1)', 'http://snomed.info/sct'),
      undefined,
    ],
    [
      'an operator that LOINC does not have',
      filtered('COMPONENT', 'is-a', 'x', 'http://loinc.org'),
      'value-set-filter-operator@.compose.include[0].filter[0]',
    ],
  ];
  for (const [name, include, expected] of includes) {
    test(`a value set that includes ${name}`, () => {
      const found = findingsOf(checkValueSet, { resourceType: 'ValueSet', compose: { include: [include] } }, { scope });
      assert.deepEqual(found, expected === undefined ? [] : [expected]);
    });
  }

  test('a filter on a property of type Coding names system and code', () => {
    const system = {
      resourceType: 'CodeSystem',
      url: 'http://test.example/cs',
      status: 'active',
      content: 'complete',
      property: [
        { code: 'p', type: 'Coding' },
        { code: 'n', type: 'integer' },
      ],
      concept: [{ code: 'a' }],
    };
    const root = packages.with([system]).root;
    const found = (property: string, value: string): string[] =>
      findingsOf(
        checkValueSet,
        { compose: { include: [filtered(property, '=', value, 'http://test.example/cs')] } },
        { scope: root },
      );
    assert.deepEqual(found('p', `${gender}#male`), []);
    assert.deepEqual(found('p', `${gender}#m`), ['value-set-filter-coding-code@.compose.include[0].filter[0]']);
    assert.deepEqual(found('p', 'male'), ['value-set-filter-coding@.compose.include[0].filter[0]']);
    assert.deepEqual(found('p', `${gender}|male`), ['value-set-filter-coding-form@.compose.include[0].filter[0]']);
    assert.deepEqual(found('n', 'lt2'), []);
    assert.deepEqual(found('n', 'two'), ['value-set-filter-number@.compose.include[0].filter[0]']);
  });

  test('a concept map has codes of its systems and value sets', () => {
    const target = 'http://terminology.hl7.org/CodeSystem/v3-AdministrativeGender';
    const found = (code: string, to: string, more: Json = {}): string[] =>
      findingsOf(
        checkConceptMap,
        { group: [{ source: gender, target, element: [{ code, target: [{ code: to }] }] }], ...more },
        { scope },
      );
    assert.deepEqual(found('male', 'M'), []);
    assert.deepEqual(found('m', 'M'), ['concept-map-source-code@.group[0].element[0].code']);
    assert.deepEqual(found('male', 'm'), ['concept-map-target-code@.group[0].element[0].target[0].code']);
    assert.deepEqual(found('male', 'M', { sourceCanonical: 'http://hl7.org/fhir/ValueSet/marital-status' }), [
      'concept-map-source-value-set@.group[0].element[0].code',
    ]);
    assert.deepEqual(found('male', 'M', { sourceCanonical: 'http://hl7.org/fhir/StructureDefinition/Patient' }), [
      'concept-map-scope-type@.source',
    ]);
  });

  test('a report on a cohort has no score', () => {
    const measure = {
      resourceType: 'Measure',
      url: 'http://test.example/m',
      status: 'active',
      scoring: { coding: [{ code: 'cohort' }] },
    };
    const report = { measure: 'http://test.example/m', type: 'summary', group: [{ measureScore: { value: 1 } }] };
    const root = packages.with([measure]).root;
    assert.deepEqual(findingsOf(checkMeasureReport, report, { scope: root }), [
      'measure-report-cohort-score@.group[0].measureScore',
    ]);
    assert.deepEqual(findingsOf(checkMeasureReport, report, { scope }), []);
    assert.deepEqual(findingsOf(checkMeasureReport, { ...report, type: 'data-collection' }, { scope }), [
      'measure-report-collection-score@.group[0].measureScore',
    ]);
  });

  test('what HL7 publishes names its work group, when it is about to be published', () => {
    const resource = { resourceType: 'CodeSystem', url: 'http://hl7.org/fhir/x' };
    const settings = { forPublication: true };
    const wg = [{ url: 'http://hl7.org/fhir/StructureDefinition/structuredefinition-wg', valueCode: 'fhir' }];
    assert.deepEqual(findingsOf(checkPublication, resource, { settings }), ['publication-work-group']);
    assert.deepEqual(findingsOf(checkPublication, { ...resource, extension: wg }, { settings }), []);
    assert.deepEqual(findingsOf(checkPublication, { ...resource, url: 'http://a.org/x' }, { settings }), []);
    assert.deepEqual(findingsOf(checkPublication, resource), []);
  });
});
