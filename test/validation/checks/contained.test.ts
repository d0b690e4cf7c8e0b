import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { carriedPackages, engineOver, errorsOf } from '../../support/validation.ts';

const engine = engineOver(await carriedPackages());
const patient = (contained: unknown, more: object = { managingOrganization: { reference: '#o' } }): object => ({
  resourceType: 'Patient',
  contained,
  ...more,
});
const organization = (content: object = {}): object => ({
  resourceType: 'Organization',
  id: 'o',
  name: 'x',
  ...content,
});

describe('contained resources', () => {
  test('are referred to, or refer to what contains them (dom-3)', () => {
    assert.deepEqual(errorsOf(engine, patient([organization()])), []);
    assert.deepEqual(errorsOf(engine, patient([organization()], {})), ['Patient.contained[0] invariant:dom-3']);
    const back = {
      resourceType: 'Observation',
      id: 'b',
      status: 'final',
      code: { text: 'x' },
      subject: { reference: '#' },
    };
    assert.deepEqual(errorsOf(engine, patient([back], {})), []);
    const chain = [{ resourceType: 'PractitionerRole', id: 'r', organization: { reference: '#o' } }, organization()];
    assert.deepEqual(errorsOf(engine, patient(chain, { generalPractitioner: [{ reference: '#r' }] })), []);
  });

  test('contain none themselves, and have no version and no security label (dom-2, dom-4, dom-5)', () => {
    const nested = organization({ contained: [{ resourceType: 'Patient', id: 'i', active: true }] });
    assert.ok(errorsOf(engine, patient([nested])).includes('Patient invariant:dom-2'));
    assert.deepEqual(errorsOf(engine, patient([organization({ meta: { versionId: '1' } })])), [
      'Patient invariant:dom-4',
    ]);
    assert.deepEqual(errorsOf(engine, patient([organization({ meta: { security: [{ code: 'x' }] } })])), [
      'Patient invariant:dom-5',
    ]);
  });

  test('have a type and an id of their own', () => {
    const unknown = errorsOf(engine, patient([organization({ resourceType: 'Nope' })]));
    assert.ok(unknown.includes('Patient.contained[0] resource-type-unknown'));
    assert.ok(
      errorsOf(engine, patient([organization(), organization()])).some((text) => text.endsWith('contained-id-twice')),
    );
    for (const wrong of [null, 'x', 1, [organization()]]) assert.ok(errorsOf(engine, patient([wrong], {})).length > 0);
  });

  test('are judged by the profiles they declare', () => {
    const declared = organization({
      meta: { profile: ['http://hl7.org/fhir/StructureDefinition/Organization'] },
      name: '',
    });
    assert.deepEqual(errorsOf(engine, patient([declared])), ['Patient.contained[0].name value-empty']);
  });

  test('ids of elements are unique in each resource', () => {
    const twice = {
      resourceType: 'Patient',
      name: [
        { id: 'x', text: 'a' },
        { id: 'x', text: 'b' },
      ],
    };
    assert.deepEqual(errorsOf(engine, twice), ['Patient.name[1] element-id-twice']);
  });
});
