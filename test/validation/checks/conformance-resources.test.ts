import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { loadPackages } from '../../../src/validation/packages/load-packages.ts';
import { createValidatorFor } from '../../../src/validation/validator-factory.ts';
import { warmUp } from '../../../src/validation/warm-up.ts';
import { profile } from '../../support/fhir-package.ts';

const packages = await loadPackages();
const globalGuide = {
  resourceType: 'ImplementationGuide',
  url: 'http://example.org/guide',
  version: '1.0.0',
  global: [{ type: 'Basic', profile: 'http://example.org/StructureDefinition/basic' }],
};
const basic = profile('basic', [{ path: 'Basic.author', min: 1 }], {
  type: 'Basic',
  baseDefinition: 'http://hl7.org/fhir/StructureDefinition/Basic',
});
const parameters = profile(
  'parameters',
  [
    {
      id: 'Parameters.parameter',
      path: 'Parameters.parameter',
      slicing: { discriminator: [{ type: 'value', path: 'name' }], rules: 'open' },
    },
    { id: 'Parameters.parameter:a', path: 'Parameters.parameter', sliceName: 'a', min: 1, max: '1' },
    { id: 'Parameters.parameter:a.name', path: 'Parameters.parameter.name', fixedString: 'a' },
    { id: 'Parameters.parameter:a.value[x]', path: 'Parameters.parameter.value[x]', type: [{ code: 'string' }] },
    { id: 'Parameters.parameter:a.resource', path: 'Parameters.parameter.resource', max: '0' },
  ],
  { type: 'Parameters', baseDefinition: 'http://hl7.org/fhir/StructureDefinition/Parameters' },
);
const validator = createValidatorFor({ packages: packages.with([globalGuide, basic, parameters]), policy: 'hl7' });

async function errors(resource: object): Promise<string[]> {
  const report = await validator.validate({ text: JSON.stringify(resource) });
  return report.issues
    .filter(({ severity }) => severity === 'error')
    .map(({ id, expression }) => `${id} ${expression ?? ''}`);
}

/** Every element of a differential has an id (sdf-14). */
const structure = (
  elements: readonly { path: string; sliceName?: string; [member: string]: unknown }[],
  more: object = {},
): object =>
  profile(
    'x',
    elements.map((element) => ({
      id: element.sliceName === undefined ? element.path : `${element.path}:${element.sliceName}`,
      ...element,
    })),
    more,
  );
const search = (more: object): object => ({
  resourceType: 'SearchParameter',
  url: 'http://example.org/s',
  name: 'X',
  status: 'draft',
  description: 'x',
  code: 'x',
  base: ['Patient'],
  type: 'string',
  ...more,
});
const operation = (more: object): object => ({
  resourceType: 'OperationDefinition',
  url: 'http://example.org/o',
  name: 'X',
  status: 'draft',
  kind: 'operation',
  code: 'x',
  system: true,
  type: false,
  instance: false,
  ...more,
});
const searchset = (mode: string, resource: object, url = 'http://a.b/Patient?name=x'): object => ({
  resourceType: 'Bundle',
  type: 'searchset',
  link: [{ relation: 'self', url }],
  entry: [{ fullUrl: 'urn:uuid:11111111-1111-4111-8111-111111111111', resource, search: { mode } }],
});
const statement = (type: string): object => ({
  resourceType: 'CapabilityStatement',
  status: 'draft',
  date: '2020',
  kind: 'requirements',
  description: 'x',
  fhirVersion: '4.0.1',
  format: ['json'],
  rest: [
    {
      mode: 'server',
      resource: [
        {
          type: 'Patient',
          searchParam: [{ name: 'n', definition: 'http://hl7.org/fhir/SearchParameter/Patient-name', type }],
        },
      ],
    },
  ],
});
const parameter = (more: object): object =>
  operation({
    inputProfile: parameters.url,
    parameter: [{ name: 'a', use: 'in', min: 1, max: '1', type: 'string', ...more }],
  });

const linked = (htmlid: string, data: string): object => ({
  resourceType: 'Patient',
  text: {
    status: 'additional',
    extension: [
      {
        url: 'http://hl7.org/fhir/StructureDefinition/textLink',
        extension: [
          { url: 'htmlid', valueString: htmlid },
          { url: 'data', valueUri: data },
        ],
      },
    ],
    div: '<div xmlns="http://www.w3.org/1999/xhtml"><span id="a">x</span></div>',
  },
  name: [{ id: 'n', family: 'x' }],
});

const cases: readonly (readonly [name: string, resource: object, errors: readonly string[]])[] = [
  ['a sound profile', structure([{ path: 'Patient.name', min: 1 }]), []],
  [
    'an unknown path',
    structure([{ path: 'Patient.nome' }]),
    ['structure-path StructureDefinition.differential.element[0]', 'structure-path StructureDefinition'],
  ],
  ['a wider maximum', structure([{ path: 'Patient.birthDate', max: '2' }]), ['structure-maximum StructureDefinition']],
  [
    'a base without a derivation',
    structure([{ path: 'Patient' }], { derivation: undefined }),
    ['structure-derivation StructureDefinition'],
  ],
  [
    'a profile of another type on an element',
    structure([
      {
        path: 'Patient.extension',
        sliceName: 'a',
        type: [{ code: 'Extension', profile: ['http://hl7.org/fhir/StructureDefinition/Patient'] }],
      },
    ]),
    ['structure-type-profile StructureDefinition.differential.element[0].type[0].profile[0]'],
  ],
  ['a sound search parameter', search({ expression: 'Patient.name' }), []],
  [
    'an expression that is none',
    search({ expression: 'Patient.name(' }),
    ['search-parameter-expression SearchParameter.expression'],
  ],
  [
    'an expression to nothing',
    search({ expression: 'Patient.nome' }),
    ['search-parameter-expression SearchParameter.expression'],
  ],
  ['a composite of nothing', search({ type: 'composite' }), ['search-parameter-components SearchParameter']],
  [
    'another type than what it derives from',
    search({ derivedFrom: 'http://hl7.org/fhir/SearchParameter/individual-gender' }),
    ['search-parameter-derived-type SearchParameter'],
  ],
  ['a sound operation', parameter({}), []],
  [
    'an operation with another cardinality than its profile',
    parameter({ min: 0 }),
    ['operation-parameter-count OperationDefinition.inputProfile.parameter[0]'],
  ],
  [
    'an operation with another type than its profile',
    parameter({ type: 'code' }),
    ['operation-parameter-type OperationDefinition.inputProfile.parameter[0]'],
  ],
  [
    'an operation whose profile is nowhere',
    operation({ inputProfile: 'http://example.org/none' }),
    ['operation-profile-unknown OperationDefinition.inputProfile'],
  ],
  ['a search parameter of the right type', statement('string'), []],
  [
    'a search parameter of another type',
    statement('token'),
    ['capability-search-type CapabilityStatement.rest[0].resource[0].searchParam[0]'],
  ],
  ['a match', searchset('match', { resourceType: 'Patient', id: 'a' }), []],
  [
    'a match of another type',
    searchset('match', { resourceType: 'Basic', id: 'a', code: { text: 'x' }, author: { display: 'x' } }),
    ['bundle-search-type Bundle.entry[0].resource'],
  ],
  [
    'a match of one of several types',
    searchset('match', { resourceType: 'Patient', id: 'a' }, 'http://a.b/?_type=Device,Patient'),
    [],
  ],
  [
    'a match without an id',
    searchset('match', { resourceType: 'Patient', active: true }),
    ['bundle-search-id Bundle.entry[0].resource'],
  ],
  [
    'an outcome that is none',
    searchset('outcome', { resourceType: 'Patient', id: 'a' }),
    ['bundle-search-outcome Bundle.entry[0].resource'],
  ],
  ['a link from the narrative to data', linked('a', '#n'), []],
  ['a link from nowhere', linked('b', '#n'), ['text-link-source Patient.text']],
  ['a link to nowhere', linked('a', '#m'), ['text-link-target Patient.text']],
  [
    'what a guide asks of every resource of a type',
    { resourceType: 'Basic', code: { text: 'x' } },
    ['cardinality-minimum Basic'],
  ],
];

describe('conformance resources and search results', () => {
  for (const [name, resource, expected] of cases)
    test(`${name}: ${expected.length === 0 ? 'nothing' : expected.join(', ')}`, async () => {
      assert.deepEqual((await errors(resource)).sort(), [...expected].sort());
    });
});

test('warming up keeps to its budget and leaves the validator as it was', async () => {
  await warmUp(validator, packages, 0);
  await warmUp(validator, packages);
  assert.deepEqual(await errors({ resourceType: 'Patient' }), []);
});
