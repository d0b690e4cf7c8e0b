import { RESOURCE_TYPES, searchParametersOf } from '../fhir/search-parameters.ts';
import type { Conformance, TypeConformance } from './conformance.ts';
import type { GatewayParts } from './parts.ts';
import type { Services } from './plan.ts';

/**
 * The gateway's own CapabilityStatement (http://hl7.org/fhir/R4/capabilitystatement.html): of one upstream, or of all of them as one server, where only
 * what every upstream can do is offered.
 */
export async function capabilityStatement(
  parts: GatewayParts,
  services: Services,
  base: string,
  upstream: string | undefined,
): Promise<Record<string, unknown>> {
  const asked = [...parts.upstreams.values()].filter(({ name }) => upstream === undefined || name === upstream);
  const found = await Promise.all(asked.map((one) => services.conformance.of(one)));
  const known = found.filter((one) => one !== undefined);
  return {
    resourceType: 'CapabilityStatement',
    status: 'active',
    date: new Date(parts.clock()).toISOString().slice(0, 10),
    publisher: parts.member,
    kind: 'instance',
    software: { name: 'Concordat' },
    implementation: {
      description:
        upstream === undefined ? `All FHIR servers of ${parts.member}` : `FHIR server ${upstream} of ${parts.member}`,
      url: upstream === undefined ? base : `${base}/${upstream}`,
    },
    fhirVersion: '4.0.1',
    format: ['application/fhir+json', 'json'],
    patchFormat: ['application/json-patch+json', 'application/fhir+json'],
    rest: [
      {
        mode: 'server',
        security: security(parts),
        resource: typesOf(known).map((type) => resourceEntry(type, known, upstream !== undefined)),
        interaction: systemInteractions(known, upstream !== undefined),
        operation: [{ name: 'validate', definition: 'http://hl7.org/fhir/OperationDefinition/Resource-validate' }],
      },
    ],
  };
}

function security(parts: GatewayParts): Record<string, unknown> {
  if (parts.authenticator.mode === 'open')
    return { cors: parts.allowedOrigins.length > 0, description: 'Open: for development on one machine only.' };
  const coding = [{ system: 'http://terminology.hl7.org/CodeSystem/restful-security-service', code: 'SMART-on-FHIR' }];
  const uris = [
    { url: 'token', valueUri: parts.smart?.tokenEndpoint },
    { url: 'authorize', valueUri: parts.smart?.authorizationEndpoint },
  ].filter(({ valueUri }) => valueUri !== undefined);
  const extension = [{ url: 'http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris', extension: uris }];
  return {
    ...(uris.length > 0 ? { extension } : {}),
    cors: parts.allowedOrigins.length > 0,
    service: [{ coding }],
  };
}

/** Types that every upstream has; all of R4's while none can be asked. */
function typesOf(known: readonly Conformance[]): readonly string[] {
  if (known.length === 0) return RESOURCE_TYPES.filter((type) => type !== 'Parameters');
  return RESOURCE_TYPES.filter((type) => known.every(({ types }) => types.has(type)));
}

const SINGLE = ['read', 'vread', 'history-instance', 'history-type', 'search-type', 'create', 'update', 'delete'];
const FEDERATED = ['read', 'vread', 'history-instance', 'search-type', 'update', 'delete'];

function resourceEntry(type: string, known: readonly Conformance[], isSingle: boolean): Record<string, unknown> {
  const entries = known.map(({ types }) => types.get(type)).filter((entry) => entry !== undefined);
  const has = (code: string): boolean =>
    entries.every(({ interactions }) => interactions.size === 0 || interactions.has(code));
  const interactions = (isSingle ? SINGLE : FEDERATED).filter(has);
  // A patch is a read and an update to the upstream, whatever it makes of PATCH itself.
  if (has('read') && has('update')) interactions.push('patch');
  return {
    type,
    supportedProfile: common(entries.map(({ profiles }) => profiles)),
    interaction: interactions.map((code) => ({ code })),
    versioning: 'versioned-update',
    readHistory: has('vread'),
    conditionalCreate: isSingle,
    conditionalRead: 'full-support',
    conditionalUpdate: isSingle,
    conditionalDelete: isSingle ? 'single' : 'not-supported',
    referencePolicy: ['literal', 'logical'],
    searchInclude: common(entries.map(({ includes }) => includes)),
    searchRevInclude: common(entries.map(({ reverseIncludes }) => reverseIncludes)),
    searchParam: searchParameters(type, entries),
    operation: [{ name: 'validate', definition: 'http://hl7.org/fhir/OperationDefinition/Resource-validate' }],
  };
}

/** What all lists have; undefined (left out of the JSON) where that is nothing. */
function common(lists: readonly (readonly string[])[]): readonly string[] | undefined {
  const [first = [], ...rest] = lists;
  const shared = first.filter((item) => rest.every((list) => list.includes(item)));
  return shared.length > 0 ? shared : undefined;
}

function searchParameters(
  type: string,
  entries: readonly TypeConformance[],
): readonly { name: string; type: string }[] {
  const named = entries.filter(({ searchParameters: parameters }) => parameters.size > 0);
  const [first, ...rest] = named;
  if (first === undefined) return searchParametersOf(type);
  return [...first.searchParameters]
    .filter(([name]) => rest.every(({ searchParameters: parameters }) => parameters.has(name)))
    .map(([name, parameterType]) => ({ name, type: parameterType }));
}

function systemInteractions(known: readonly Conformance[], isSingle: boolean): readonly { code: string }[] {
  const has = (code: string): boolean =>
    known.every(({ interactions }) => interactions.size === 0 || interactions.has(code));
  const codes = ['batch'];
  if (has('transaction')) codes.push('transaction');
  if (isSingle && has('history-system')) codes.push('history-system');
  if (has('search-system')) codes.push('search-system');
  return codes.map((code) => ({ code }));
}
