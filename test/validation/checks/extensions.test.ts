import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { carriedPackages, element, engineOver, errorsOf, profile, testBase } from '../../support/validation.ts';

const extension = (
  id: string,
  context: object[],
  elements: object[] = [],
  root: object = {},
): ReturnType<typeof profile> => {
  const made = profile({
    id,
    type: 'Extension',
    kind: 'complex-type',
    context: context as Record<string, unknown>[],
    elements: [element('Extension.url', { fixedUri: testBase + id }), ...(elements as Record<string, unknown>[])],
  });
  const differential = made['differential'] as { element: object[] };
  return {
    ...made,
    differential: { element: [{ id: 'Extension', path: 'Extension', ...root }, ...differential.element.slice(1)] },
  };
};
const value = (code: string): object => element('Extension.value[x]', { min: 1, type: [{ code }] });
const definitions = [
  extension('anywhere', [{ type: 'element', expression: 'Element' }], [value('string')]),
  extension('on-name', [{ type: 'element', expression: 'HumanName' }], [value('string')]),
  extension('on-birth-date', [{ type: 'element', expression: 'Patient.birthDate' }], [value('string')]),
  extension('on-patient-name', [{ type: 'element', expression: 'Patient.name.family' }], [value('string')]),
  extension('modifying', [{ type: 'element', expression: 'Patient' }], [value('boolean')], {
    isModifier: true,
    isModifierReason: 'x',
  }),
  extension(
    'parts',
    [{ type: 'element', expression: 'Patient' }],
    [
      element('Extension.extension', { slicing: { discriminator: [{ type: 'value', path: 'url' }], rules: 'open' } }),
      element('Extension.extension:one', { min: 1, max: '1' }),
      element('Extension.extension:one.url', { fixedUri: 'one' }),
      element('Extension.extension:one.value[x]', { min: 1, type: [{ code: 'code' }] }),
      element('Extension.value[x]', { max: '0' }),
    ],
  ),
];
const packages = await carriedPackages();
const engine = engineOver(packages, { definitions });
const patient = (content: object): object => ({ resourceType: 'Patient', ...content });
const on = (id: string, valueString = 'x'): object => ({ extension: [{ url: testBase + id, valueString }] });

describe('an extension', () => {
  test('must be defined, unless its domain is allowed or the URL is an example', () => {
    const unknown = (url: string): object => patient({ extension: [{ url, valueString: 'x' }] });
    assert.deepEqual(errorsOf(engine, unknown('http://nowhere.invalid/x')), ['Patient.extension[0] extension-unknown']);
    assert.deepEqual(errorsOf(engine, unknown('http://example.org/x')), []);
    const allowing = engineOver(packages, { settings: { allowedExtensionDomains: ['http://nowhere.invalid/'] } });
    assert.deepEqual(errorsOf(allowing, unknown('http://nowhere.invalid/x')), []);
    assert.deepEqual(errorsOf(engine, unknown('x')), ['Patient.extension[0].url extension-url-relative']);
  });

  test('has a URL, and either a value or parts', () => {
    assert.deepEqual(errorsOf(engine, patient({ extension: [{ valueString: 'x' }] })), [
      'Patient.extension[0] cardinality-minimum',
    ]);
    assert.deepEqual(errorsOf(engine, patient({ extension: [{ url: testBase + 'anywhere' }] })), [
      'Patient.extension[0] invariant:ext-1',
      'Patient.extension[0] cardinality-minimum',
    ]);
    const both = { url: 'http://example.org/x', valueString: 'x', extension: [{ url: 'y', valueString: 'x' }] };
    assert.deepEqual(errorsOf(engine, patient({ extension: [both] })), ['Patient.extension[0] invariant:ext-1']);
  });

  test('has a value of the type its definition allows', () => {
    assert.deepEqual(errorsOf(engine, patient(on('anywhere'))), []);
    assert.equal(
      errorsOf(engine, patient({ extension: [{ url: testBase + 'anywhere', valueBoolean: true }] })).length,
      1,
    );
  });

  test('stands where its definition lets it', () => {
    assert.deepEqual(errorsOf(engine, patient({ name: [{ text: 'x', ...on('on-name') }] })), []);
    assert.deepEqual(errorsOf(engine, patient(on('on-name'))), ['Patient.extension[0] extension-context']);
    assert.deepEqual(errorsOf(engine, patient({ birthDate: '2020-01-01', _birthDate: on('on-birth-date') })), []);
    assert.deepEqual(errorsOf(engine, patient({ name: [{ family: 'x', _family: on('on-patient-name') }] })), []);
    assert.deepEqual(
      errorsOf(engine, patient({ contact: [{ name: { family: 'x', _family: on('on-patient-name') } }] })),
      ['Patient.contact[0].name.family.extension[0] extension-context'],
    );
  });

  test('modifies only where modifiers stand', () => {
    const modifying = { url: testBase + 'modifying', valueBoolean: true };
    assert.deepEqual(errorsOf(engine, patient({ modifierExtension: [modifying] })), []);
    assert.deepEqual(errorsOf(engine, patient({ extension: [modifying] })), [
      'Patient.extension[0] extension-modifier',
    ]);
    assert.deepEqual(
      errorsOf(engine, patient({ modifierExtension: [{ url: testBase + 'anywhere', valueString: 'x' }] })),
      ['Patient.modifierExtension[0] extension-not-modifier'],
    );
  });

  test('of parts has those that are defined', () => {
    const parts = (...extension: object[]): object => patient({ extension: [{ url: testBase + 'parts', extension }] });
    assert.deepEqual(errorsOf(engine, parts({ url: 'one', valueCode: 'x' })), []);
    assert.deepEqual(errorsOf(engine, parts({ url: 'one', valueCode: 'x' }, { url: 'two', valueCode: 'x' })), [
      'Patient.extension[0].extension[1] extension-part-unknown',
    ]);
    assert.deepEqual(errorsOf(engine, parts({ url: 'http://example.org/x', valueCode: 'x' })), [
      'Patient.extension[0] slice-minimum',
    ]);
  });
});
