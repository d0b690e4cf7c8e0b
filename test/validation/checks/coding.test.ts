import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { FhirDefinition } from '../../../src/validation/packages/definitions.ts';
import { carriedPackages, engineOver, errorsOf } from '../../support/validation.ts';

const system = 'http://test.invalid/cs';
const codes: FhirDefinition = {
  resourceType: 'CodeSystem',
  id: 'cs',
  url: system,
  version: '1.0.0',
  status: 'active',
  content: 'complete',
  concept: [{ code: 'a', display: 'Apple' }],
};
const engine = engineOver(await carriedPackages(), { definitions: [codes] });
const status = (coding: object): object => ({ resourceType: 'Patient', maritalStatus: { coding: [coding] } });
const tag = (coding: object): object => ({ resourceType: 'Patient', meta: { tag: [coding] } });

describe('a coding', () => {
  test('has a code that its system has, and one of its displays, letter case apart', () => {
    assert.deepEqual(errorsOf(engine, status({ system, code: 'a', display: 'apple' })), []);
    assert.deepEqual(errorsOf(engine, status({ system, code: 'b' })), [
      'Patient.maritalStatus.coding[0].code code-unknown',
    ]);
    assert.deepEqual(errorsOf(engine, status({ system, code: 'a', display: 'Pear' })), [
      'Patient.maritalStatus.coding[0].display display-wrong',
    ]);
    assert.deepEqual(errorsOf(engine, tag({ system, code: 'b' })), ['Patient.meta.tag[0].code code-unknown']);
  });

  test('of a system that is not loaded is left alone', () => {
    for (const other of [
      'http://snomed.info/sct',
      'http://loinc.org',
      'http://elsewhere.invalid',
      'urn:oid:1.2.840.10008',
    ])
      assert.deepEqual(errorsOf(engine, status({ system: other, code: 'x', display: 'y' })), [], other);
  });

  test('by itself names a system by its right URI', () => {
    const wrong = {
      'http://loinc.org/': 'misspelt',
      'https://loinc.org': 'https',
      LOINC: 'relative',
      'http://hl7.org/fhir/ValueSet/administrative-gender': 'value-set',
    };
    for (const [uri, kind] of Object.entries(wrong)) {
      assert.ok(
        errorsOf(engine, tag({ system: uri, code: 'x' })).includes(`Patient.meta.tag[0] coding-system-${kind}`),
        uri,
      );
      assert.ok(
        !errorsOf(engine, status({ system: uri, code: 'x' })).some((text) => text.includes('coding-system')),
        uri,
      );
    }
  });

  test('system, identifier system and extension URL in HL7 space must exist', () => {
    for (const uri of [
      'http://hl7.org/fhir/nope',
      'http://terminology.hl7.org/CodeSystem/nope',
      'http://terminology.hl7.org/CodeSystem/v2-0203|2.0',
    ]) {
      assert.ok(
        errorsOf(engine, status({ system: uri, code: 'x' })).includes(
          'Patient.maritalStatus.coding[0].system url-unresolved',
        ),
        uri,
      );
      assert.deepEqual(errorsOf(engine, { resourceType: 'Patient', identifier: [{ system: uri, value: '1' }] }), [
        'Patient.identifier[0].system url-unresolved',
      ]);
    }
    for (const uri of [
      'http://hl7.org/fhir/sid/us-ssn',
      'http://terminology.hl7.org/CodeSystem/v2-0203',
      'http://www.hl7.org/any',
    ])
      assert.deepEqual(
        errorsOf(engine, { resourceType: 'Patient', identifier: [{ system: uri, value: '1' }] }),
        [],
        uri,
      );
  });
});

describe('an identifier', () => {
  test('has an absolute system, and a URI as value where the system says so', () => {
    const identifier = (content: object): string[] =>
      errorsOf(engine, { resourceType: 'Patient', identifier: [content] });
    assert.deepEqual(identifier({ system: 'http://x.invalid', value: '1' }), []);
    assert.deepEqual(identifier({ system: 'x', value: '1' }), ['Patient.identifier[0] identifier-system-relative']);
    assert.deepEqual(identifier({ system: 'urn:ietf:rfc:3986', value: 'x' }), [
      'Patient.identifier[0].value identifier-value-uri',
    ]);
    assert.deepEqual(
      identifier({ system: 'urn:ietf:rfc:3986', value: 'urn:uuid:2b90dd2b-2dab-4c75-9bb9-a355e07401e8' }),
      [],
    );
  });
});
