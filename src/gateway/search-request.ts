import type { OutcomeIssue } from '../fhir/outcome.ts';
import { isFhirId, splitFederatedId } from '../fhir/reference.ts';
import { isResourceType, searchParameter } from '../fhir/search-parameters.ts';
import { knowsParameter } from './conformance.ts';
import type { Conformance } from './conformance.ts';
import { GatewayError } from './gateway-error.ts';
import { urlToUpstream } from './rewrite.ts';
import type { Side } from './rewrite.ts';
import type { FhirRoute } from './route.ts';

/** Search parameters on their way to an upstream (http://hl7.org/fhir/R4/search.html): checked, and freed of our addresses and prefixed ids. */
export type SearchParameters = readonly (readonly [string, string])[];

/** Parameters that every server is meant to understand, and those of common servers' own paging. */
const CONTROL = new Set([
  '_count',
  '_sort',
  '_include',
  '_revinclude',
  '_summary',
  '_elements',
  '_total',
  '_contained',
  '_containedType',
  '_has',
  '_id',
  '_lastUpdated',
  '_type',
  '_since',
  '_at',
  '_list',
  '_filter',
  '_text',
  '_content',
  '_query',
  '_tag',
  '_profile',
  '_security',
  '_source',
  '_offset',
]);

/**
 * Takes out, or refuses, what an upstream would silently ignore.
 * @param isLenient `Prefer: handling=lenient`: unknown parameters are left out and named in a note, instead of refused
 * @throws {GatewayError} bad-request
 */
export function checkParameters(
  parameters: SearchParameters,
  resourceType: string | undefined,
  conformance: Conformance | undefined,
  isLenient: boolean,
): { readonly parameters: SearchParameters; readonly notes: readonly OutcomeIssue[] } {
  const unknown = parameters.filter(([name]) => !isKnown(name, resourceType, conformance));
  if (unknown.length === 0) return { parameters, notes: [] };
  const text = `${unknown.length} search parameter(s) are not known for ${resourceType ?? 'this search'}`;
  if (!isLenient) {
    throw new GatewayError('bad-request', {
      external: `${text}; leave them out, or send Prefer: handling=lenient to have them ignored.`,
      reason: 'unknown-parameter',
    });
  }
  return {
    parameters: parameters.filter((parameter) => !unknown.includes(parameter)),
    notes: [{ severity: 'warning', code: 'not-supported', text: `${text} and were left out.` }],
  };
}

function isKnown(name: string, resourceType: string | undefined, conformance: Conformance | undefined): boolean {
  const bare = (name.split(':')[0] ?? '').split('.')[0] ?? '';
  if (CONTROL.has(bare)) return true;
  if (bare === '' || bare.startsWith('_')) return false;
  return resourceType === undefined || knowsParameter(conformance, resourceType, bare);
}

/** Where the parts of a federated search go. */
export interface UpstreamSearch {
  readonly parameters: SearchParameters;
  /** False when an id in the parameters says that this upstream has nothing of it. */
  readonly isConcerned: boolean;
}

/**
 * The parameters as one upstream wants them: absolute URLs of ours become its own; on the federated address `ehr.123` becomes `123` where it is an id or
 * a reference, and an alternative that belongs to another upstream goes.
 */
export function parametersFor(
  parameters: SearchParameters,
  resourceType: string | undefined,
  side: Side,
): UpstreamSearch {
  let isConcerned = true;
  const translated: [string, string][] = [];
  for (const [name, value] of parameters) {
    const kind = referenceKind(name, resourceType);
    if (kind === undefined) {
      translated.push([name, value]);
      continue;
    }
    const alternatives = value.split(',').map((text) => localValue(text, side));
    const kept = alternatives.filter((text) => text !== undefined);
    if (kept.length === 0) isConcerned = false;
    translated.push([name, kept.join(',')]);
  }
  return { parameters: translated, isConcerned };
}

/** Whether the parameter's values are ids or references. */
function referenceKind(name: string, resourceType: string | undefined): 'id' | 'reference' | undefined {
  const [bare = '', modifier] = name.split(':');
  if (bare === '_id') return modifier === undefined ? 'id' : undefined;
  if (name.includes('.') || resourceType === undefined || bare === '_has') return undefined;
  if (searchParameter(resourceType, bare)?.type !== 'reference') return undefined;
  return modifier === undefined || isResourceType(modifier) ? 'reference' : undefined;
}

/** Undefined where the value belongs to another upstream. */
function localValue(text: string, side: Side): string | undefined {
  const absolute = urlToUpstream(text, side);
  if (absolute !== text) {
    const own = side.upstreams.find(({ name }) => name === side.upstream);
    if (own !== undefined && absolute.startsWith(`${own.base}/`)) return absolute.slice(own.base.length + 1);
    return side.isFederated ? undefined : absolute;
  }
  if (!side.isFederated) return text;
  const slash = text.lastIndexOf('/');
  const split = splitFederatedId(text.slice(slash + 1), (name) => side.upstreams.some((one) => one.name === name));
  if (split === undefined) return text;
  return split.upstream === side.upstream ? text.slice(0, slash + 1) + split.id : undefined;
}

export function queryText(parameters: SearchParameters): string {
  return new URLSearchParams(parameters.map(([name, value]) => [name, value])).toString();
}

/** The Patients that a request's address and parameters name, as the client writes their ids. */
export function namedPatients(route: FhirRoute, parameters: SearchParameters): readonly string[] {
  const ids: string[] = [];
  if (route.compartment?.resourceType === 'Patient') ids.push(route.compartment.id);
  for (const [name, value] of parameters) {
    const [bare = '', modifier] = name.split(':');
    for (const alternative of value.split(',')) {
      const id = /(?:^|\/)Patient\/([A-Za-z0-9.-]{1,64})$/.exec(alternative)?.[1];
      const isPatient =
        bare === 'patient' || modifier === 'Patient' || (bare === '_id' && route.resourceType === 'Patient');
      if (id !== undefined) ids.push(id);
      else if (isPatient && isFhirId(alternative)) ids.push(alternative);
    }
  }
  const prefix = route.isFederated && route.upstream !== undefined ? `${route.upstream}.` : '';
  return [...new Set(ids.map((id) => (prefix !== '' && id.startsWith(prefix) ? id.slice(prefix.length) : id)))];
}
