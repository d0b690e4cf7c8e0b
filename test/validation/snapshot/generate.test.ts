import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type {
  Definition,
  ElementDefinition,
  FhirDefinition,
  PackageSet,
} from '../../../src/validation/packages/definitions.ts';
import { loadPackages } from '../../../src/validation/packages/load-packages.ts';
import { SnapshotError } from '../../../src/validation/snapshot/snapshot-error.ts';
import { snapshotOf } from '../../../src/validation/snapshot/snapshot.ts';
import { profile } from '../../support/fhir-package.ts';

const packages: PackageSet = await loadPackages();

function definitionOf(resources: readonly FhirDefinition[]): Definition {
  const definition = packages.with(resources).root.resolve(String(resources[0]?.url), 'StructureDefinition');
  assert.ok(definition !== undefined);
  return definition;
}

function snapshot(elements: readonly object[], more: object = {}): Map<string, ElementDefinition> {
  const made = snapshotOf(definitionOf([profile('p', elements, more)]));
  return new Map(made.map((element) => [element.id ?? '', element]));
}

const observation = { type: 'Observation', baseDefinition: 'http://hl7.org/fhir/StructureDefinition/Observation' };
const extensionType = {
  type: 'Extension',
  kind: 'complex-type',
  baseDefinition: 'http://hl7.org/fhir/StructureDefinition/Extension',
};

describe('generateSnapshot', () => {
  test('has every element of the base, with what the differential says of them', () => {
    const made = snapshot([{ path: 'Patient' }, { path: 'Patient.name', min: 1, mustSupport: true }]);
    assert.equal(made.size, 45);
    const name = made.get('Patient.name');
    assert.deepEqual([name?.min, name?.max, name?.mustSupport], [1, '*', true]);
    assert.equal(made.get('Patient.birthDate')?.min, 0);
  });

  test('unfolds a data type where the differential goes into it', () => {
    const made = snapshot([{ path: 'Patient.name.family', min: 1 }]);
    assert.deepEqual([made.get('Patient.name.family')?.min, made.get('Patient.name.given')?.max], [1, '*']);
    assert.deepEqual(made.get('Patient.name.family')?.base, { path: 'HumanName.family', min: 0, max: '1' });
  });

  test('a slice has the children of what it slices, and a minimum of its own', () => {
    const made = snapshot(
      [
        {
          id: 'Observation.component',
          path: 'Observation.component',
          min: 2,
          slicing: { discriminator: [{ type: 'pattern', path: 'code' }], rules: 'open' },
        },
        { id: 'Observation.component:a', path: 'Observation.component', sliceName: 'a', max: '1' },
        {
          id: 'Observation.component:a.code',
          path: 'Observation.component.code',
          patternCodeableConcept: { text: 'a' },
        },
      ],
      observation,
    );
    const slice = made.get('Observation.component:a');
    assert.deepEqual([slice?.min, slice?.max, slice?.slicing], [0, '1', undefined]);
    assert.deepEqual(made.get('Observation.component:a.code')?.patternCodeableConcept, { text: 'a' });
    assert.equal(made.get('Observation.component.code')?.patternCodeableConcept, undefined);
    assert.ok(made.has('Observation.component:a.value[x]'));
  });

  test('without ids a path means the slice that came last', () => {
    const made = snapshot([
      { path: 'Patient.identifier', slicing: { discriminator: [{ type: 'value', path: 'system' }], rules: 'open' } },
      { path: 'Patient.identifier', sliceName: 'a' },
      { path: 'Patient.identifier.system', fixedUri: 'urn:a' },
      { path: 'Patient.identifier', sliceName: 'b' },
      { path: 'Patient.identifier.system', fixedUri: 'urn:b' },
    ]);
    assert.equal(made.get('Patient.identifier:a.system')?.fixedUri, 'urn:a');
    assert.equal(made.get('Patient.identifier:b.system')?.fixedUri, 'urn:b');
  });

  test('a re-slice starts from its slice and stands after it', () => {
    const made = [
      ...snapshot([
        {
          id: 'Patient.identifier',
          path: 'Patient.identifier',
          slicing: { discriminator: [{ type: 'value', path: 'system' }], rules: 'open' },
        },
        { id: 'Patient.identifier:a', path: 'Patient.identifier', sliceName: 'a', short: 'first' },
        { id: 'Patient.identifier:b', path: 'Patient.identifier', sliceName: 'b' },
        { id: 'Patient.identifier:a/x', path: 'Patient.identifier', sliceName: 'a/x', min: 1 },
      ]).keys(),
    ].filter((id) => /identifier:[^.]*$/.test(id));
    assert.deepEqual(made, ['Patient.identifier:a', 'Patient.identifier:a/x', 'Patient.identifier:b']);
  });

  test('an element named by its type is required of that type only when it is required', () => {
    const asked = snapshot([{ path: 'Observation.valueQuantity', min: 1 }], observation);
    assert.deepEqual(
      asked.get('Observation.value[x]')?.type?.map(({ code }) => code),
      ['Quantity'],
    );
    assert.equal(asked.get('Observation.value[x]')?.min, 1);
    const open = snapshot([{ path: 'Observation.valueQuantity', mustSupport: true }], observation);
    assert.equal(open.get('Observation.value[x]')?.type?.length, 11);
    assert.equal(open.get('Observation.value[x]')?.slicing?.rules, 'open');
    assert.deepEqual(
      open.get('Observation.value[x]:valueQuantity')?.type?.map(({ code }) => code),
      ['Quantity'],
    );
  });

  test('a content reference unfolds to what the base has there', () => {
    const made = snapshot(
      [
        { id: 'Questionnaire.item', path: 'Questionnaire.item', min: 1 },
        { id: 'Questionnaire.item.item.linkId', path: 'Questionnaire.item.item.linkId', maxLength: 5 },
      ],
      { type: 'Questionnaire', baseDefinition: 'http://hl7.org/fhir/StructureDefinition/Questionnaire' },
    );
    assert.equal(made.get('Questionnaire.item.item.linkId')?.maxLength, 5);
    assert.equal(made.get('Questionnaire.item.linkId')?.maxLength, undefined);
    assert.equal(made.get('Questionnaire.item.item')?.contentReference, undefined);
  });

  test('an extension that is a slice is told by its URL, and keeps the rules of its definition', () => {
    const made = snapshot([
      {
        id: 'Patient.extension:a',
        path: 'Patient.extension',
        sliceName: 'a',
        type: [{ code: 'Extension', profile: ['http://hl7.org/fhir/StructureDefinition/patient-birthPlace'] }],
      },
    ]);
    assert.deepEqual(made.get('Patient.extension')?.slicing, {
      discriminator: [{ type: 'value', path: 'url' }],
      ordered: false,
      rules: 'open',
    });
    assert.deepEqual(
      made.get('Patient.extension:a')?.constraint?.map(({ key }) => key),
      ['ele-1', 'ext-1'],
    );
  });

  test('parts of a complex extension that are required are required of it', () => {
    const made = snapshot(
      [
        { id: 'Extension.extension:a', path: 'Extension.extension', sliceName: 'a', min: 1 },
        { id: 'Extension.extension:b', path: 'Extension.extension', sliceName: 'b', min: 1 },
      ],
      extensionType,
    );
    assert.equal(made.get('Extension.extension')?.min, 2);
  });

  test('an element that the base does not have constrains nothing', () => {
    const made = snapshot([
      { path: 'Patient.nome', min: 1 },
      { path: 'Patient.name', min: 1 },
    ]);
    assert.equal(made.size, 45);
    assert.equal(made.get('Patient.name')?.min, 1);
  });

  test('binds only what can hold a code', () => {
    const binding = { strength: 'required', valueSet: 'http://hl7.org/fhir/ValueSet/narrative-status' };
    const made = snapshot([
      { path: 'Patient.text.div', binding },
      { path: 'Patient.gender', binding },
    ]);
    assert.equal(made.get('Patient.text.div')?.binding, undefined);
    assert.equal(made.get('Patient.gender')?.binding?.valueSet, binding.valueSet);
  });

  test('refuses a profile whose base is missing', () => {
    const orphan = profile('p', [{ path: 'Patient' }], { baseDefinition: 'http://example.org/nowhere' });
    assert.throws(
      () => snapshotOf(definitionOf([orphan])),
      (error) => error instanceof SnapshotError && error.code === 'base-missing',
    );
  });

  test('refuses profiles that are each other’s base', () => {
    const one = profile('one', [{ path: 'Patient' }], { baseDefinition: 'http://example.org/StructureDefinition/two' });
    const two = profile('two', [{ path: 'Patient' }], { baseDefinition: 'http://example.org/StructureDefinition/one' });
    assert.throws(
      () => snapshotOf(definitionOf([one, two])),
      (error) => error instanceof SnapshotError && error.code === 'cyclic',
    );
  });

  test('ends where a profile is of a type that has that profile again', () => {
    const own = 'http://example.org/StructureDefinition/p';
    const elements = [
      {
        id: 'Extension.extension:a',
        path: 'Extension.extension',
        sliceName: 'a',
        type: [{ code: 'Extension', profile: [own] }],
      },
      { id: 'Extension.extension:a.url', path: 'Extension.extension.url', fixedUri: 'a' },
    ];
    assert.equal(snapshot(elements, extensionType).get('Extension.extension:a.url')?.fixedUri, 'a');
  });

  test('bounds what a differential can make it do', () => {
    const deep = Array.from({ length: 3000 }, () => 'extension').join('.');
    assert.equal(snapshot([{ path: `Patient.${deep}`, min: 1 }]).size, 45);
    assert.throws(
      () => snapshot(Array.from({ length: 50_001 }, () => ({ path: 'Patient.name' }))),
      (error) => error instanceof SnapshotError && error.code === 'malformed',
    );
  });
});
