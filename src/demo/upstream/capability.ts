import { RESOURCE_TYPES, searchParametersOf } from '../../fhir/search-parameters.ts';

const INTERACTIONS = [
  'read',
  'vread',
  'update',
  'patch',
  'delete',
  'history-instance',
  'history-type',
  'create',
  'search-type',
];
const SYSTEM_INTERACTIONS = ['transaction', 'batch', 'history-system'];

/**
 * The capability statement of a demo upstream.
 * @param args.url base that clients use
 * @param args.date when it was started, FHIR dateTime
 */
export function capabilityStatement(args: {
  readonly name: string;
  readonly url: string;
  readonly date: string;
}): object {
  return {
    resourceType: 'CapabilityStatement',
    status: 'active',
    date: args.date,
    kind: 'instance',
    software: { name: 'Concordat demo upstream' },
    implementation: { description: `FHIR server "${args.name}" of the demo consortium`, url: args.url },
    fhirVersion: '4.0.1',
    format: ['application/fhir+json'],
    patchFormat: ['application/json-patch+json'],
    rest: [
      {
        mode: 'server',
        resource: RESOURCE_TYPES.map((type) => ({
          type,
          interaction: INTERACTIONS.map((code) => ({ code })),
          versioning: 'versioned-update',
          readHistory: true,
          updateCreate: true,
          conditionalCreate: true,
          conditionalRead: 'full-support',
          conditionalUpdate: true,
          conditionalDelete: 'single',
          searchInclude: ['*'],
          searchParam: searchParametersOf(type).filter(
            (parameter) => parameter.type !== 'composite' && parameter.type !== 'special',
          ),
        })),
        interaction: SYSTEM_INTERACTIONS.map((code) => ({ code })),
      },
    ],
  };
}
