import type { InteractionCode } from '../fhir/interaction.ts';
import { isFhirId, splitFederatedId } from '../fhir/reference.ts';
import { isResourceType } from '../fhir/search-parameters.ts';
import { GatewayError } from './gateway-error.ts';

/** What a request line asks for, on one upstream or on the federated address. */
export interface FhirRoute {
  readonly interaction: InteractionCode;
  /** The upstream that answers; undefined where several may. */
  readonly upstream: string | undefined;
  /** Whether the client used `/fhir/…`, where ids carry the upstream. */
  readonly isFederated: boolean;
  /** Undefined for a whole-system interaction. */
  readonly resourceType: string | undefined;
  /** Upstream-local. */
  readonly id: string | undefined;
  readonly versionId: string | undefined;
  /** Without `$`. */
  readonly operation: string | undefined;
  /** Of a compartment search; `resourceType` is then what is searched for, undefined for every type. */
  readonly compartment: { readonly resourceType: string; readonly id: string } | undefined;
  /** A search or operation whose parameters (also) come in the body. */
  readonly isPost: boolean;
  /** Update, patch or delete by a search instead of an id. */
  readonly isConditional: boolean;
}

type Found = Partial<Omit<FhirRoute, 'interaction'>> & { readonly interaction: InteractionCode };

const READS = ['GET', 'HEAD'];

/**
 * Reads method and path.
 * @param segments decoded, below `/fhir`
 * @throws {GatewayError} not-found | method-not-allowed (with Allow)
 */
export function parseRoute(
  method: string,
  segments: readonly string[],
  isUpstream: (name: string) => boolean,
): FhirRoute {
  const path = segments.filter((segment, index) => segment !== '' || index < segments.length - 1);
  const first = path[0] ?? '';
  const isSingle = isUpstream(first);
  if (!isSingle && first !== '' && !isFederatedHead(first)) {
    throw new GatewayError('not-found', { external: 'There is no upstream and no resource type of this name here.' });
  }
  const below = isSingle ? path.slice(1) : path;
  const choices = choicesFor(below, isSingle);
  const found = choices.get(method);
  if (found === undefined) throw notAllowed(choices);
  const route: FhirRoute = {
    upstream: isSingle ? first : undefined,
    isFederated: !isSingle,
    resourceType: undefined,
    id: undefined,
    versionId: undefined,
    operation: undefined,
    compartment: undefined,
    isPost: method === 'POST',
    isConditional: false,
    ...found,
  };
  return isSingle ? route : resolveFederated(route, isUpstream);
}

function isFederatedHead(segment: string): boolean {
  return /^[A-Z]/.test(segment) || segment.startsWith('$') || segment.startsWith('_') || segment === 'metadata';
}

function notAllowed(choices: ReadonlyMap<string, Found>): GatewayError {
  if (choices.size === 0) return new GatewayError('not-found', { external: 'There is nothing at this address.' });
  const allow = [...choices.keys(), 'OPTIONS'].join(', ');
  return new GatewayError('method-not-allowed', {
    external: `This address knows the methods ${allow} only.`,
    headers: { Allow: allow },
  });
}

/** Every method that an address knows, with what it means there. */
function choicesFor(path: readonly string[], isSingle: boolean): ReadonlyMap<string, Found> {
  const [first, second, third, fourth, fifth] = path;
  if (first === undefined) {
    return choices([...reads({ interaction: 'search-system' }), ['POST', { interaction: 'transaction' }]]);
  }
  if (path.length === 1 && first === 'metadata') return choices(reads({ interaction: 'capabilities' }));
  if (path.length === 1 && first === '_history') return choices(reads({ interaction: 'history-system' }));
  if (path.length === 1 && first === '_search') return choices([['POST', { interaction: 'search-system' }]]);
  if (path.length === 1 && first.startsWith('$')) return operation(first, {});
  if (!isResourceType(first)) {
    throw new GatewayError('not-found', { external: 'FHIR R4 has no resource type of this name.' });
  }
  const type = { resourceType: first };
  if (second === undefined) return onType(type, isSingle);
  if (path.length === 2 && second === '_search') return choices([['POST', { interaction: 'search-type', ...type }]]);
  if (path.length === 2 && second === '_history') return choices(reads({ interaction: 'history-type', ...type }));
  if (path.length === 2 && second.startsWith('$')) return operation(second, type);
  if (!isFhirId(second)) return new Map();
  const instance = { ...type, id: second };
  if (third === undefined) return onInstance(instance);
  if (third === '_history') {
    if (fourth === undefined) return choices(reads({ interaction: 'history-instance', ...instance }));
    if (!isFhirId(fourth)) return new Map();
    const version = { ...instance, versionId: fourth };
    if (path.length === 4) return choices(reads({ interaction: 'vread', ...version }));
    return path.length === 5 && fifth === '$verify' ? operation(fifth, version) : new Map();
  }
  if (path.length === 3 && third.startsWith('$')) return operation(third, instance);
  if (third === '*' || isResourceType(third)) return onCompartment(instance, third, path.slice(3));
  return new Map();
}

function choices(entries: readonly (readonly [string, Found])[]): ReadonlyMap<string, Found> {
  return new Map(entries);
}

function reads(found: Found): [string, Found][] {
  return READS.map((method) => [method, found]);
}

function operation(segment: string, on: Partial<FhirRoute>): ReadonlyMap<string, Found> {
  const found: Found = { interaction: 'operation', ...on, operation: segment.slice(1) };
  return choices([...reads(found), ['POST', found]]);
}

function onType(type: { resourceType: string }, isSingle: boolean): ReadonlyMap<string, Found> {
  const search = reads({ interaction: 'search-type', ...type });
  // On the federated address nothing says which upstream should take a new resource.
  if (!isSingle) return choices(search);
  return choices([
    ...search,
    ['POST', { interaction: 'create', ...type }],
    ['PUT', { interaction: 'update', ...type, isConditional: true }],
    ['PATCH', { interaction: 'patch', ...type, isConditional: true }],
    ['DELETE', { interaction: 'delete', ...type, isConditional: true }],
  ]);
}

function onInstance(instance: { resourceType: string; id: string }): ReadonlyMap<string, Found> {
  return choices([
    ...reads({ interaction: 'read', ...instance }),
    ['PUT', { interaction: 'update', ...instance }],
    ['PATCH', { interaction: 'patch', ...instance }],
    ['DELETE', { interaction: 'delete', ...instance }],
  ]);
}

function onCompartment(
  compartment: { resourceType: string; id: string },
  searched: string,
  rest: readonly string[],
): ReadonlyMap<string, Found> {
  const found: Found = {
    interaction: 'search-type',
    compartment,
    resourceType: searched === '*' ? undefined : searched,
  };
  if (rest.length === 0) return choices(reads(found));
  return rest.length === 1 && rest[0] === '_search' ? choices([['POST', found]]) : new Map();
}

/** Turns the id of a federated address into upstream and local id. */
function resolveFederated(route: FhirRoute, isUpstream: (name: string) => boolean): FhirRoute {
  const holder = route.compartment ?? route;
  if (holder.id === undefined) return route;
  const split = splitFederatedId(holder.id, isUpstream);
  if (split === undefined) {
    throw new GatewayError('not-found', {
      external:
        'On this address an id begins with the name of its upstream and a dot; no upstream of this gateway leads this one.',
    });
  }
  const located = { ...route, upstream: split.upstream };
  if (route.compartment === undefined) return { ...located, id: split.id };
  return { ...located, compartment: { resourceType: route.compartment.resourceType, id: split.id } };
}

/** The path that the same interaction has below an upstream's base, without query. */
export function upstreamPath(route: FhirRoute): string {
  const steps: string[] = [];
  if (route.compartment !== undefined) {
    steps.push(route.compartment.resourceType, route.compartment.id, route.resourceType ?? '*');
  } else {
    if (route.resourceType !== undefined) steps.push(route.resourceType);
    if (route.id !== undefined) steps.push(route.id);
  }
  if (route.interaction.startsWith('history-')) steps.push('_history');
  if (route.versionId !== undefined) steps.push('_history', route.versionId);
  if (route.operation !== undefined) steps.push(`$${route.operation}`);
  return steps.join('/');
}
