import { describe, test } from 'node:test';
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { ComplianceError } from '../../src/compliance/compliance-error.ts';
import { parseSearch } from '../../src/compliance/audit-search.ts';
import { parseDateRange } from '../../src/compliance/date-range.ts';

const NOW = Date.parse('2026-03-01T00:00:00Z');

function refusal(search: string): [string, string | undefined] {
  try {
    parseSearch('AuditEvent', search, NOW);
  } catch (error) {
    assert(error instanceof ComplianceError);
    return [error.code, error.parameter];
  }
  throw new assert.AssertionError({ message: `accepted: ${search}` });
}

describe('parseDateRange', () => {
  const at = (text: string): number => Date.parse(text);
  const cases: readonly (readonly [string, object | undefined])[] = [
    ['2026', { fromMs: at('2026-01-01T00:00:00Z'), beforeMs: at('2027-01-01T00:00:00Z') }],
    ['2026-02', { fromMs: at('2026-02-01T00:00:00Z'), beforeMs: at('2026-03-01T00:00:00Z') }],
    ['2026-02-03', { fromMs: at('2026-02-03T00:00:00Z'), beforeMs: at('2026-02-04T00:00:00Z') }],
    ['2026-02-03T04:05', { fromMs: at('2026-02-03T04:05:00Z'), beforeMs: at('2026-02-03T04:06:00Z') }],
    ['2026-02-03T04:05:06+02:00', { fromMs: at('2026-02-03T02:05:06Z'), beforeMs: at('2026-02-03T02:05:07Z') }],
    ['2026-02-03T04:05:06 02:00', { fromMs: at('2026-02-03T02:05:06Z'), beforeMs: at('2026-02-03T02:05:07Z') }],
    ['2026-02-03T04:05:06.5Z', { fromMs: at('2026-02-03T04:05:06.500Z'), beforeMs: at('2026-02-03T04:05:06.600Z') }],
    [
      '2026-02-03T04:05:06.123456Z',
      { fromMs: at('2026-02-03T04:05:06.123Z'), beforeMs: at('2026-02-03T04:05:06.124Z') },
    ],
    ['ge2026', { fromMs: at('2026-01-01T00:00:00Z') }],
    ['gt2026', { fromMs: at('2027-01-01T00:00:00Z') }],
    ['lt2026', { beforeMs: at('2026-01-01T00:00:00Z') }],
    ['le2026-12', { beforeMs: at('2027-01-01T00:00:00Z') }],
    ['ne2026-02-03', { fromMs: at('2026-02-03T00:00:00Z'), beforeMs: at('2026-02-04T00:00:00Z'), not: true }],
    ['2026-13', undefined],
    ['2026-02-30', undefined],
    ['yesterday', undefined],
    ['ge', undefined],
  ];
  for (const [value, expected] of cases) {
    test(`reads ${value}`, () => assert.deepEqual(parseDateRange(value, NOW), expected));
  }
});

describe('parseSearch', () => {
  test('refuses what it does not know, by name', () => {
    assert.deepEqual(refusal('colour=red'), ['unknown-parameter', 'colour']);
    assert.deepEqual(refusal('target=Patient/a.b'), ['unknown-parameter', 'target']);
  });

  test('refuses values that it cannot read', () => {
    const bad = [
      'date=soon',
      'patient=1',
      'entity=x',
      'outcome=5',
      '_count=-1',
      '_sort=agent',
      'kind=hidden',
      '_total=maybe',
      'patient=',
    ];
    for (const search of bad) assert.deepEqual(refusal(search), ['bad-value', search.split('=')[0]]);
    assert.deepEqual(refusal('patient:missing=true'), ['bad-value', 'patient:missing']);
    assert.deepEqual(refusal('_page=abc'), ['bad-page', '_page']);
  });

  test('takes a Patient with and without its type, and as a URL', () => {
    for (const value of ['ehr.p1', 'Patient/ehr.p1', 'http://gateway.example/fhir/Patient/ehr.p1']) {
      const { filter } = parseSearch('AuditEvent', `patient=${encodeURIComponent(value)}`, NOW);
      assert.deepEqual(filter.index, [[{ field: 'patient', upstream: 'ehr', id: 'p1' }]]);
    }
  });

  test('keeps dots in ids and reads versions', () => {
    const { filter } = parseSearch('Provenance', 'target=Observation/ehr.a.b/_history/3', NOW);
    assert.deepEqual(filter.index, [
      [{ field: 'resource', upstream: 'ehr', type: 'Observation', id: 'a.b', versionId: '3' }],
    ]);
    assert.equal(filter.writesOnly, true);
  });

  test('never dies of what it is sent', () => {
    const names = fc.constantFrom(
      'patient',
      'date',
      'entity',
      'agent',
      '_page',
      '_count',
      'type',
      'subtype',
      '_id',
      'action',
      'x',
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(names, fc.string({ unit: 'grapheme' }))), (pairs) => {
        try {
          parseSearch('AuditEvent', new URLSearchParams(pairs).toString(), NOW);
        } catch (error) {
          assert(error instanceof ComplianceError);
        }
      }),
    );
  });
});
