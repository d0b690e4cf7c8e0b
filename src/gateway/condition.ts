import { stringMember } from '../fhir/bundle.ts';
import type { JsonSlice } from '../fhir/json-edit.ts';
import { memberValue } from '../fhir/json-text.ts';
import { GatewayError } from './gateway-error.ts';
import type { Exchange } from './plan.ts';
import { checkParameters, parametersFor, queryText } from './search-request.ts';
import type { SearchParameters } from './search-request.ts';
import { bundleReply, outgoingHeaders, parseAnswer, versionOf } from './upstream-call.ts';
import type { UpstreamClient } from './upstream-client.ts';
import { UpstreamError } from './upstream-error.ts';

/** The search of a conditional interaction (http://hl7.org/fhir/R4/http.html#ccreate), always asked afresh. */
export interface Condition {
  readonly upstream: UpstreamClient;
  readonly resourceType: string;
  /** As the upstream wants them. */
  readonly parameters: SearchParameters;
}

/** A resource as an upstream holds it now. */
export interface CurrentResource {
  readonly resource: JsonSlice;
  readonly id: string;
  readonly versionId: string | undefined;
  readonly etag: string | undefined;
}

/** @throws {GatewayError} bad-request: no parameter, or one that the upstream would ignore: the condition would then match everything */
export async function parseCondition(
  exchange: Exchange,
  upstream: UpstreamClient,
  resourceType: string,
  given: SearchParameters,
): Promise<Condition> {
  const criteria = given.filter(
    ([name]) => !name.startsWith('_') || name === '_id' || name === '_tag' || name === '_lastUpdated',
  );
  if (criteria.length === 0) {
    throw new GatewayError('precondition-failed', {
      external: 'A conditional interaction needs at least one search parameter.',
    });
  }
  const conformance = await exchange.services.conformance.of(upstream);
  checkParameters(criteria, resourceType, conformance, false);
  const side = { ...exchange.book, upstream: upstream.name, isFederated: exchange.route.isFederated };
  return { upstream, resourceType, parameters: parametersFor(criteria, resourceType, side).parameters };
}

/** One key for all requests with the same condition, in whatever order they write it. */
export function conditionKey(upstream: string, resourceType: string, parameters: SearchParameters): string {
  const sorted = parameters.map(([name, value]) => `${name}=${value}`).sort();
  return JSON.stringify([upstream, resourceType, ...sorted]);
}

/** The resource that a condition names; undefined where there is none. @throws {GatewayError} multiple-matches */
export async function findMatch(exchange: Exchange, condition: Condition): Promise<CurrentResource | undefined> {
  const { upstream, resourceType } = condition;
  const query = queryText([...condition.parameters, ['_count', '2']]);
  const answer = await upstream.request({
    method: 'GET',
    path: `${resourceType}?${query}`,
    // A cached result could hide what another client has just created.
    headers: outgoingHeaders(exchange.request, { 'cache-control': 'no-cache' }),
  });
  const reply = bundleReply(answer, upstream, 'search-type');
  if (reply.shape !== 'bundle') {
    throw new GatewayError('precondition-failed', { external: 'The upstream refused the search of the condition.' });
  }
  const matches = reply.items.filter(
    ({ resource, searchMode }) =>
      resource !== undefined &&
      searchMode !== 'include' &&
      stringMember(resource.node, 'resourceType') === resourceType,
  );
  if (matches.length > 1) {
    throw new GatewayError('multiple-matches', {
      external: 'The condition matches more than one resource; make it narrower.',
    });
  }
  const resource = matches[0]?.resource;
  return resource === undefined ? undefined : currentOf(resource, undefined, upstream.name);
}

/** The current version of one resource; undefined where there is none (any more). */
export async function readCurrent(
  exchange: Exchange,
  upstream: UpstreamClient,
  resourceType: string,
  id: string,
): Promise<CurrentResource | undefined> {
  const answer = await upstream.request({
    method: 'GET',
    path: `${resourceType}/${id}`,
    headers: outgoingHeaders(exchange.request, { 'cache-control': 'no-cache' }),
  });
  if (answer.status === 404 || answer.status === 410) return undefined;
  const resource = parseAnswer(answer, upstream.name);
  if (answer.status !== 200 || resource === undefined) throw new UpstreamError('not-fhir', upstream.name);
  return currentOf(resource, answer.headers['etag'], upstream.name);
}

function currentOf(resource: JsonSlice, etag: string | undefined, upstream: string): CurrentResource {
  const id = stringMember(resource.node, 'id');
  if (id === undefined) throw new UpstreamError('not-fhir', upstream);
  const versionId = stringMember(memberValue(resource.node, 'meta'), 'versionId') ?? versionOf(etag);
  return { resource, id, versionId, etag: etag ?? (versionId === undefined ? undefined : `W/"${versionId}"`) };
}
