import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { parseJsonText } from '../../src/fhir/json-text.ts';
import { bodyToClient, bodyToUpstream } from '../../src/gateway/rewrite-body.ts';
import {
  referenceToClient,
  referenceToUpstream,
  scrubbed,
  urlToClient,
  urlToUpstream,
} from '../../src/gateway/rewrite.ts';
import type { Side } from '../../src/gateway/rewrite.ts';

const side: Side = {
  gatewayBase: 'https://gw.example/fhir',
  upstreams: [
    { name: 'ehr', base: 'http://10.1.1.1:8080/fhir' },
    { name: 'lab', base: 'http://lab.internal/r4' },
  ],
  upstream: 'ehr',
  isFederated: false,
};
const federated: Side = { ...side, isFederated: true };
const slice = (text: string) => ({ text, node: parseJsonText(text).root });

describe('addresses on both sides', () => {
  const table: readonly (readonly [upstream: string, single: string, federated: string])[] = [
    ['Patient/1', 'Patient/1', 'Patient/ehr.1'],
    ['Patient/1/_history/2', 'Patient/1/_history/2', 'Patient/ehr.1/_history/2'],
    [
      'http://10.1.1.1:8080/fhir/Patient/1',
      'https://gw.example/fhir/ehr/Patient/1',
      'https://gw.example/fhir/Patient/ehr.1',
    ],
    [
      'http://lab.internal/r4/Group/a#b',
      'https://gw.example/fhir/lab/Group/a#b',
      'https://gw.example/fhir/Group/lab.a#b',
    ],
    ['http://10.1.1.1:8080/fhir?x=1', 'https://gw.example/fhir/ehr?x=1', 'https://gw.example/fhir/ehr?x=1'],
    [
      'http://10.1.1.1:8080/fhirx/Patient/1',
      'http://10.1.1.1:8080/fhirx/Patient/1',
      'http://10.1.1.1:8080/fhirx/Patient/1',
    ],
    [
      'https://elsewhere.example/Patient/1',
      'https://elsewhere.example/Patient/1',
      'https://elsewhere.example/Patient/1',
    ],
    [
      'urn:uuid:0a8e4d2e-53a1-4a3c-9f0e-1d7b1f3c0001',
      'urn:uuid:0a8e4d2e-53a1-4a3c-9f0e-1d7b1f3c0001',
      'urn:uuid:0a8e4d2e-53a1-4a3c-9f0e-1d7b1f3c0001',
    ],
    ['#contained', '#contained', '#contained'],
  ];
  for (const [upstream, single, both] of table) {
    test(`${upstream} and back`, () => {
      assert.equal(referenceToClient(upstream, side), single);
      assert.equal(referenceToClient(upstream, federated), both);
      assert.equal(referenceToUpstream(single, side), upstream);
      assert.equal(referenceToUpstream(both, federated), upstream);
    });
  }

  test('a federated reference to another upstream becomes that one’s address', () => {
    assert.equal(referenceToUpstream('Patient/lab.7', federated), 'http://lab.internal/r4/Patient/7');
    assert.equal(referenceToUpstream('Patient/nobody.7', federated), 'Patient/nobody.7');
  });

  test('URLs of any path below a base go there and back', () => {
    const path = fc.stringMatching(/^[A-Za-z0-9/._~%-]{1,40}$/);
    fc.assert(
      fc.property(path, fc.constantFrom(...side.upstreams), (rest, { base }) => {
        const url = `${base}/${rest}`;
        assert.equal(urlToUpstream(urlToClient(url, side), side), url);
      }),
    );
  });

  test('prose loses every trace of an upstream', () => {
    const text = 'see http://10.1.1.1:8080/fhir/Patient/1 on 10.1.1.1:8080 or 10.1.1.1, or lab.internal';
    const clean = scrubbed(text, side);
    assert.ok(!clean.includes('10.1.1.1') && !clean.includes('lab.internal'), clean);
  });
});

describe('bodies', () => {
  test('nothing but addresses changes: not a lexeme, not a space, not an unknown member', () => {
    const text =
      '{ "resourceType" : "Observation","id":"7", "valueQuantity":{"value":1.10e0} ,"x-unknown":{"reference":"http://10.1.1.1:8080/fhir/Patient/1"},\n"url":"http://10.1.1.1:8080/fhir/canonical"}';
    assert.equal(
      bodyToClient(slice(text), side),
      text.replace('http://10.1.1.1:8080/fhir/Patient/1', 'https://gw.example/fhir/ehr/Patient/1'),
    );
  });

  test('a federated body carries its upstream in every id but contained ones, and says where it is from', () => {
    const text =
      '{"resourceType":"Patient","id":"1","contained":[{"resourceType":"Organization","id":"o"}],"managingOrganization":{"reference":"#o"},"link":[{"other":{"reference":"Patient/2"}}]}';
    const seen = JSON.parse(bodyToClient(slice(text), federated)) as {
      id: string;
      contained: { id: string }[];
      link: { other: { reference: string } }[];
      meta: { source: string };
    };
    assert.equal(seen.id, 'ehr.1');
    assert.equal(seen.contained[0]?.id, 'o');
    assert.equal(seen.link[0]?.other.reference, 'Patient/ehr.2');
    assert.equal(seen.meta.source, 'https://gw.example/fhir/ehr');
  });

  test('what goes out and comes back is what it was, but for the stamp', () => {
    const id = fc.stringMatching(/^[A-Za-z0-9-]{1,20}$/);
    const reference = fc.oneof(
      id.map((one) => `Patient/${one}`),
      id.map((one) => `http://10.1.1.1:8080/fhir/Group/${one}`),
      id.map((one) => `http://lab.internal/r4/Device/${one}/_history/3`),
      id.map((one) => `#${one}`),
    );
    const resource = fc.record({
      resourceType: fc.constant('Observation'),
      id,
      meta: fc.record({ source: fc.constant('urn:x') }),
      subject: fc.record({ reference, display: fc.string() }),
      note: fc.array(fc.record({ text: fc.string() }), { maxLength: 3 }),
    });
    fc.assert(
      fc.property(resource, fc.boolean(), (value, isFederated) => {
        const there = { ...side, isFederated };
        const text = JSON.stringify(value);
        assert.equal(bodyToUpstream(slice(bodyToClient(slice(text), there)), there), text);
      }),
    );
  });
});
