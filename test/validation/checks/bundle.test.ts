import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { carriedPackages, engineOver, errorsOf } from '../../support/validation.ts';

const engine = engineOver(await carriedPackages());
const urn = (last: number): string => `urn:uuid:2b90dd2b-2dab-4c75-9bb9-a355e074000${last}`;
const bundle = (type: string, entry: object[], more: object = {}): object => ({
  resourceType: 'Bundle',
  type,
  entry,
  ...more,
});
const patient = (content: object = {}): object => ({ resourceType: 'Patient', active: true, ...content });
const composition = (content: object = {}): object => ({
  resourceType: 'Composition',
  id: 'c',
  status: 'final',
  type: { text: 'x' },
  date: '2020-01-01',
  author: [{ display: 'x' }],
  title: 't',
  subject: { reference: urn(2) },
  ...content,
});
const document = (...entry: object[]): object =>
  bundle('document', entry, {
    identifier: { system: 'http://x.invalid', value: '1' },
    timestamp: '2020-01-01T00:00:00Z',
  });

describe('a bundle', () => {
  test('gives each entry a fullUrl that says what resource it is', () => {
    const entries: [object, string[]][] = [
      [{ fullUrl: urn(1), resource: patient() }, []],
      [{ fullUrl: 'http://x.invalid/Patient/1', resource: patient({ id: '1' }) }, []],
      [{ fullUrl: 'http://x.invalid/any', resource: patient() }, []],
      [{ resource: patient() }, ['Bundle.entry[0] bundle-full-url-missing']],
      [{ fullUrl: 'Patient/1', resource: patient({ id: '1' }) }, ['Bundle.entry[0] bundle-full-url-relative']],
      [
        { fullUrl: 'http://x.invalid/Patient/2', resource: patient({ id: '1' }) },
        ['Bundle.entry[0] bundle-full-url-id'],
      ],
      [
        { fullUrl: urn(1).toUpperCase().replace('URN:UUID', 'urn:uuid'), resource: patient() },
        ['Bundle.entry[0].fullUrl uri-uuid'],
      ],
    ];
    for (const [entry, errors] of entries) assert.deepEqual(errorsOf(engine, bundle('collection', [entry])), errors);
    const request = { method: 'POST', url: 'Patient' };
    assert.deepEqual(errorsOf(engine, bundle('transaction', [{ resource: patient(), request }])), []);
  });

  test('names each link relation once', () => {
    const link = [
      { relation: 'self', url: 'http://x.invalid' },
      { relation: 'self', url: 'http://x.invalid' },
    ];
    assert.deepEqual(errorsOf(engine, { resourceType: 'Bundle', type: 'searchset', link }), [
      'Bundle.link[1] bundle-link-twice',
    ]);
  });

  test('of type document begins with a Composition, holds what that refers to, and nothing it cannot reach', () => {
    const subject = { fullUrl: urn(2), resource: patient() };
    const first = { fullUrl: urn(1), resource: composition() };
    assert.deepEqual(errorsOf(engine, document(first, subject)), []);
    assert.deepEqual(errorsOf(engine, document(first)), ['Bundle.entry[0].resource.subject bundle-target-missing']);
    assert.deepEqual(errorsOf(engine, document(first, subject, { fullUrl: urn(3), resource: patient() })), [
      'Bundle.entry[2] bundle-entry-orphan',
    ]);
    const back = { resourceType: 'Account', status: 'active', subject: [{ reference: urn(2) }] };
    assert.deepEqual(errorsOf(engine, document(first, subject, { fullUrl: urn(3), resource: back })), []);
    assert.ok(errorsOf(engine, document(subject, first)).includes('Bundle.entry[0].resource bundle-first-entry'));
    const section = [{ title: 'x', section: [{ title: 'y', entry: [{ reference: urn(9) }] }] }];
    const errors = errorsOf(engine, document({ fullUrl: urn(1), resource: composition({ section }) }, subject));
    assert.deepEqual(errors, ['Bundle.entry[0].resource.section[0].section[0].entry[0] bundle-target-missing']);
  });

  test('of type document resolves relative references against the fullUrl of the entry', () => {
    const rest = (base: string): object =>
      document(
        { fullUrl: 'http://x.invalid/Composition/c', resource: composition({ subject: { reference: 'Patient/1' } }) },
        { fullUrl: `${base}/Patient/1`, resource: patient({ id: '1' }) },
      );
    assert.deepEqual(errorsOf(engine, rest('http://x.invalid')), []);
    assert.deepEqual(errorsOf(engine, rest('http://y.invalid')), [
      'Bundle.entry[0].resource.subject bundle-target-missing',
      'Bundle.entry[1] bundle-entry-orphan',
    ]);
  });

  test('of type message begins with a MessageHeader whose focus is there', () => {
    const header = (focus: object[]): object => ({
      resourceType: 'MessageHeader',
      eventUri: 'http://x.invalid/e',
      source: { endpoint: 'http://x.invalid' },
      ...(focus.length > 0 && { focus }),
    });
    const message = (...entry: object[]): object => bundle('message', entry);
    assert.deepEqual(
      errorsOf(
        engine,
        message(
          { fullUrl: urn(1), resource: header([{ reference: urn(2) }]) },
          { fullUrl: urn(2), resource: patient() },
        ),
      ),
      [],
    );
    assert.deepEqual(errorsOf(engine, message({ fullUrl: urn(1), resource: header([{ reference: urn(2) }]) })), [
      'Bundle.entry[0].resource.focus[0] bundle-target-missing',
    ]);
    assert.deepEqual(
      errorsOf(engine, message({ fullUrl: urn(1), resource: header([]) }, { fullUrl: urn(2), resource: patient() })),
      [],
    );
  });

  test('checks the type of what is referred to inside it', () => {
    const account = (reference: string): object => ({
      resourceType: 'Observation',
      status: 'final',
      code: { text: 'x' },
      encounter: { reference },
    });
    const entries = [
      { fullUrl: urn(1), resource: account(urn(2)) },
      { fullUrl: urn(2), resource: patient() },
    ];
    assert.deepEqual(errorsOf(engine, bundle('collection', entries)), [
      'Bundle.entry[0].resource.encounter reference-target-type',
    ]);
  });
});
