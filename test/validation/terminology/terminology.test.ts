import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import type { PackageScope } from '../../../src/validation/packages/definitions.ts';
import { loadPackages } from '../../../src/validation/packages/load-packages.ts';
import type { Terminology } from '../../../src/validation/terminology/answers.ts';
import { createTerminology } from '../../../src/validation/terminology/terminology.ts';

const r4 = 'http://hl7.org/fhir/ValueSet/';

/** A small code system of our own, with a hierarchy, properties and a supplement. */
const colours = {
  resourceType: 'CodeSystem',
  url: 'http://test.example/cs',
  version: '2.1.0',
  status: 'active',
  content: 'complete',
  caseSensitive: true,
  property: [{ code: 'warm', type: 'boolean' }],
  concept: [
    {
      code: 'red',
      display: 'Red',
      property: [{ code: 'warm', valueBoolean: true }],
      concept: [
        { code: 'crimson', display: 'Crimson', designation: [{ language: 'de', value: 'Karmesin' }] },
        { code: 'scarlet' },
      ],
    },
    { code: 'blue', display: 'Blue', property: [{ code: 'status', valueCode: 'retired' }] },
    { code: 'colour', display: 'Colour', property: [{ code: 'notSelectable', valueBoolean: true }] },
  ],
};
const supplement = {
  resourceType: 'CodeSystem',
  url: 'http://test.example/supplement',
  status: 'active',
  content: 'supplement',
  supplements: 'http://test.example/cs',
  concept: [{ code: 'blue', designation: [{ language: 'fr', value: 'Bleu' }] }],
};
const valueSet = (
  name: string,
  compose: object,
): { resourceType: string; url: string; status: string; compose: object } => ({
  resourceType: 'ValueSet',
  url: `http://test.example/vs/${name}`,
  status: 'active',
  compose,
});
const filter = (op: string, value: string, property = 'concept'): object => ({
  include: [{ system: 'http://test.example/cs', filter: [{ property, op, value }] }],
});
const sets = [
  valueSet('all', { include: [{ system: 'http://test.example/cs' }] }),
  valueSet('is-a', filter('is-a', 'red')),
  valueSet('descendent-of', filter('descendent-of', 'red')),
  valueSet('is-not-a', filter('is-not-a', 'red')),
  valueSet('in', filter('in', 'red, blue')),
  valueSet('not-in', filter('not-in', 'red,blue')),
  valueSet('generalizes', filter('generalizes', 'crimson')),
  valueSet('child-of', filter('child-of', 'red')),
  valueSet('regex', filter('regex', '.*r.*', 'code')),
  valueSet('exists', filter('exists', 'true', 'warm')),
  valueSet('equals', filter('=', 'true', 'warm')),
  valueSet('odd', filter('sounds-like', 'red')),
  valueSet('without', {
    include: [{ system: 'http://test.example/cs' }],
    exclude: [{ system: 'http://test.example/cs', concept: [{ code: 'blue' }] }],
  }),
  valueSet('active', { inactive: false, include: [{ system: 'http://test.example/cs' }] }),
  valueSet('nested', { include: [{ valueSet: ['http://test.example/vs/is-a'] }] }),
  valueSet('both', { include: [{ valueSet: ['http://test.example/vs/is-a', 'http://test.example/vs/regex'] }] }),
  valueSet('missing', {
    include: [
      { valueSet: ['http://test.example/vs/none'] },
      { system: 'http://test.example/cs', concept: [{ code: 'red' }] },
    ],
  }),
  valueSet('external', { include: [{ system: 'http://snomed.info/sct' }] }),
  valueSet('circle', { include: [{ valueSet: ['http://test.example/vs/circle'] }] }),
  valueSet('old', { include: [{ system: 'http://test.example/cs', version: '1.0', concept: [{ code: 'red' }] }] }),
];

describe('the local terminology', () => {
  let scope: PackageScope;
  let terminology: Terminology;
  before(async () => {
    scope = (await loadPackages()).with([colours, supplement, ...sets]).root;
    terminology = createTerminology();
  });
  const has = (name: string, code: string, system: string | undefined = 'http://test.example/cs'): string =>
    terminology.valueSet(name.includes('/') ? name : `http://test.example/vs/${name}`, scope).has(system, code);

  const members: Readonly<Record<string, readonly string[]>> = {
    all: ['red', 'crimson', 'scarlet', 'blue', 'colour'],
    'is-a': ['red', 'crimson', 'scarlet'],
    'descendent-of': ['crimson', 'scarlet'],
    'is-not-a': ['blue', 'colour'],
    in: ['red', 'blue'],
    'not-in': ['crimson', 'scarlet', 'colour'],
    generalizes: ['red', 'crimson'],
    'child-of': ['crimson', 'scarlet'],
    regex: ['red', 'crimson', 'scarlet', 'colour'],
    exists: ['red'],
    equals: ['red'],
    without: ['red', 'crimson', 'scarlet', 'colour'],
    active: ['red', 'crimson', 'scarlet', 'colour'],
    nested: ['red', 'crimson', 'scarlet'],
    both: ['red', 'crimson', 'scarlet'],
  };
  for (const [name, expected] of Object.entries(members)) {
    test(`composes ${name}`, () => {
      const codes = ['red', 'crimson', 'scarlet', 'blue', 'colour', 'none'];
      assert.deepEqual(
        codes.filter((code) => has(name, code) === 'yes'),
        expected,
      );
      assert.equal(has(name, 'none'), 'no');
      assert.equal(has(name, 'red', 'http://elsewhere.example'), 'no');
    });
  }

  test('never says yes or no to what only others know', () => {
    assert.equal(has('external', '1', 'http://snomed.info/sct'), 'cannot-tell');
    assert.equal(has('http://test.example/vs/none', 'red'), 'cannot-tell');
    assert.equal(has('odd', 'red'), 'cannot-tell');
    assert.equal(has('missing', 'red'), 'yes');
    assert.equal(has('missing', 'blue'), 'cannot-tell');
    assert.deepEqual(terminology.valueSet('http://test.example/vs/missing', scope).unresolved, [
      'http://test.example/vs/none',
    ]);
  });

  test('ends where value sets include each other', () => {
    assert.equal(has('circle', 'red'), 'cannot-tell');
  });

  test('looks at versions only where both sides name one', () => {
    const old = terminology.valueSet('http://test.example/vs/old', scope);
    assert.equal(old.has('http://test.example/cs', 'red'), 'yes');
    assert.equal(old.has('http://test.example/cs', 'red', '1.0.3'), 'yes');
    assert.equal(old.has('http://test.example/cs', 'red', '2.1.0'), 'no');
  });

  test('takes a bare code of any system of the value set', () => {
    assert.equal(terminology.valueSet(`${r4}administrative-gender`, scope).has(undefined, 'male'), 'yes');
    assert.equal(terminology.valueSet(`${r4}administrative-gender`, scope).has(undefined, 'Male'), 'no');
  });

  test('judges displays by letters, designations and supplements', () => {
    const display = (code: string, text: string): string =>
      terminology.checkCoding({ scope, system: 'http://test.example/cs', code, display: text }).display;
    assert.equal(display('crimson', 'CRIMSON'), 'yes');
    assert.equal(display('crimson', 'Karmesin'), 'yes');
    assert.equal(display('blue', 'Bleu'), 'yes');
    assert.equal(display('crimson', 'Crimson '), 'no');
    assert.equal(display('scarlet', 'anything'), 'cannot-tell');
  });

  test('tells states of systems apart', () => {
    const state = (system: string | undefined, version?: string): string =>
      terminology.checkCoding({ scope, system, code: 'x', version }).system;
    assert.equal(state('http://test.example/cs'), 'complete');
    assert.equal(state('http://test.example/cs', '9'), 'unknown-version');
    assert.equal(state('http://test.example/supplement'), 'supplement');
    assert.equal(state(`${r4}administrative-gender`), 'value-set');
    assert.equal(state('http://loinc.org'), 'external');
    assert.equal(state('http://unknown.example'), 'unknown');
    assert.equal(state('urn:ietf:bcp:13'), 'grammar');
    assert.equal(state(undefined), 'absent');
  });

  test('knows what is inactive and what is abstract', () => {
    assert.equal(terminology.checkCoding({ scope, system: 'http://test.example/cs', code: 'blue' }).inactive, true);
    assert.equal(terminology.checkCoding({ scope, system: 'http://test.example/cs', code: 'colour' }).abstract, true);
  });

  test('knows media types, currencies, languages, countries and units by their grammars', () => {
    assert.equal(has(`${r4}mimetypes`, 'text/plain; charset=utf-8', 'urn:ietf:bcp:13'), 'yes');
    assert.equal(has(`${r4}mimetypes`, 'text', 'urn:ietf:bcp:13'), 'no');
    assert.equal(has(`${r4}currencies`, 'EUR', 'urn:iso:std:iso:4217'), 'yes');
    assert.equal(has(`${r4}currencies`, 'EUX', 'urn:iso:std:iso:4217'), 'no');
    for (const tag of ['en', 'de-CH', 'zh-Hans-CN', 'tlh']) assert.equal(terminology.checkLanguage(tag), 'yes', tag);
    for (const tag of ['en-us', 'EN', 'xx', 'x-foo', 'en-UK', 'i-klingon', 'en_US', 'english', ''])
      assert.equal(terminology.checkLanguage(tag), 'no', tag);
    for (const unit of ['mg/dL', '1', '{score}', 'mm[Hg]']) assert.equal(terminology.checkUnit(unit), 'yes', unit);
    for (const unit of ['mg//dL', 'foo', '']) assert.equal(terminology.checkUnit(unit), 'no', unit);
    const country = (code: string, display: string): string =>
      terminology.checkCoding({ scope, system: 'urn:iso:std:iso:3166', code, display }).display;
    assert.equal(country('BD', 'Bangladesh'), 'yes');
    assert.equal(country('BD', 'Australia'), 'no');
    assert.equal(country('BO', 'Bolivia (Plurinational State of)'), 'cannot-tell');
  });
});
