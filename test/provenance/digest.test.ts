import { describe, test } from 'node:test';
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { memberValue, parseJsonText } from '../../src/fhir/json-text.ts';
import {
  bundleEntries,
  digestResource,
  digestSlice,
  isAlteredByUpstream,
  matchDigest,
} from '../../src/provenance/digest.ts';

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
const nodeOf = (text: string) => parseJsonText(text).root;

describe('digests', () => {
  const sent = '{ "resourceType": "Observation", "valueQuantity": { "value": 1.00 }, "id": "x" }';

  test('b1 is over the exact octets and f1 over the form', () => {
    assert.deepEqual(digestResource(Buffer.from(sent), nodeOf(sent), 'sent'), {
      b1: sha256(sent),
      f1: sha256('{"resourceType":"Observation","valueQuantity":{"value":1.00}}'),
    });
  });

  test('a Bundle entry is digested over its lexical slice', () => {
    const text = `{"resourceType":"Bundle","entry":[{"fullUrl":"urn:uuid:1","resource":${sent}},{"request":{"method":"DELETE"}}]}`;
    const entries = bundleEntries(nodeOf(text));
    assert.equal(entries.length, 2);
    assert.equal(entries[0]?.fullUrl, 'urn:uuid:1');
    assert(entries[0].resource !== undefined);
    assert.equal(digestSlice(text, entries[0].resource, 'sent').b1, sha256(sent));
    assert.equal(entries[1]?.resource, undefined);
    assert(memberValue(entries[1]?.request, 'method'));
  });

  test('a stored version that only gained what servers assign is not altered, any other is', () => {
    const digests = digestResource(Buffer.from(sent), nodeOf(sent), 'sent');
    const same = '{"id":"other","meta":{"versionId":"1"},"resourceType":"Observation","valueQuantity":{"value":1.00}}';
    assert.equal(isAlteredByUpstream(digests, nodeOf(same)), false);
    assert.equal(isAlteredByUpstream(digests, nodeOf(same.replace('1.00', '1.0'))), true);
  });

  test('the match digest survives the resolution of references and nothing else', () => {
    const before = '{"resourceType":"Condition","subject":{"reference":"urn:uuid:1"},"code":{"text":"a"}}';
    const after =
      '{"resourceType":"Condition","id":"9","meta":{"versionId":"1"},"subject":{"reference":"Patient/4"},"code":{"text":"a"}}';
    assert.equal(matchDigest(nodeOf(before)), matchDigest(nodeOf(after)));
    assert.notEqual(matchDigest(nodeOf(before)), matchDigest(nodeOf(after.replace('"a"', '"b"'))));
  });
});
