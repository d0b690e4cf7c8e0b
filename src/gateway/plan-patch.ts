import { stringMember } from '../fhir/bundle.ts';
import { parseExact, stringifyExact } from '../fhir/exact-json.ts';
import type { ExactValue } from '../fhir/exact-json.ts';
import { applyFhirPathPatch } from '../fhir/fhirpath-patch.ts';
import { sliceText } from '../fhir/json-edit.ts';
import type { JsonSlice } from '../fhir/json-edit.ts';
import { parseJsonText } from '../fhir/json-text.ts';
import { PatchError } from '../fhir/patch-error.ts';
import { applyJsonPatch } from '../fhir/patch.ts';
import { findMatch, parseCondition, readCurrent } from './condition.ts';
import type { CurrentResource } from './condition.ts';
import { GatewayError } from './gateway-error.ts';
import { planOf, put, requireContent, requireCurrent } from './plan-write.ts';
import type { Exchange, Plan, PlannedWrite } from './plan.ts';
import { headerOf } from './request.ts';
import { bodyToUpstream } from './rewrite-body.ts';
import { upstreamOf } from './upstream-call.ts';
import type { UpstreamClient } from './upstream-client.ts';

/**
 * PATCH, by JSON Patch or FHIRPath Patch: the current version is read, patched and validated here, and written back with If-Match, so that rules judge the
 * result, and a change in between ends with 412.
 */
export async function planPatch(exchange: Exchange): Promise<Plan> {
  const { route, content, request } = exchange;
  const upstream = upstreamOf(exchange);
  const resourceType = route.resourceType ?? '';
  const current = await currentTarget(exchange, upstream, resourceType);
  requireSameVersion(headerOf(request, 'if-match'), current);
  await requireCurrent(exchange, 'u', upstream, { resourceType, id: current.id }, current);
  if (content.body === undefined) throw new TypeError('a patch has a body');
  const side = { ...exchange.book, upstream: upstream.name, isFederated: route.isFederated };
  const patch = parseExact(bodyToUpstream(content.body, side));
  const sent = patched(current.resource, patch, content.kind === 'json-patch');
  const write = patchWrite(upstream, resourceType, current.id, sent);
  requireContent(exchange, 'u', upstream, write);
  return planOf(write, () => put(exchange, upstream, write, current.etag));
}

function patchWrite(upstream: UpstreamClient, resourceType: string, id: string, sent: JsonSlice): PlannedWrite {
  return {
    upstream: upstream.name,
    interaction: 'patch',
    resourceType,
    id,
    sent,
    received: undefined,
    entry: undefined,
  };
}

async function currentTarget(
  exchange: Exchange,
  upstream: UpstreamClient,
  resourceType: string,
): Promise<CurrentResource> {
  const { route, content } = exchange;
  let current: CurrentResource | undefined;
  if (route.isConditional) {
    const condition = await parseCondition(exchange, upstream, resourceType, content.parameters);
    current = await findMatch(exchange, condition);
  } else current = await readCurrent(exchange, upstream, resourceType, route.id ?? '');
  if (current === undefined) throw new GatewayError('not-found', { external: 'There is no resource here to patch.' });
  return current;
}

/** @throws {GatewayError} precondition-failed when the client's If-Match names another version */
export function requireSameVersion(ifMatch: string | undefined, current: CurrentResource): void {
  if (ifMatch === undefined) return;
  const wanted = /^(?:W\/)?"?([^"]*)"?$/.exec(ifMatch.trim())?.[1];
  if (wanted === '*' || wanted === current.versionId) return;
  throw new GatewayError('precondition-failed', {
    external: 'The resource has changed: If-Match names another version than the current one.',
  });
}

/** The resource after a patch. @throws {GatewayError} bad-request | unprocessable, with the operation's index */
export function patched(resource: JsonSlice, patch: ExactValue, isJsonPatch: boolean): JsonSlice {
  const before = parseExact(sliceText(resource));
  const text = stringifyExact(applied(before, patch, isJsonPatch));
  const after = { text, node: parseJsonText(text).root };
  for (const member of ['resourceType', 'id']) {
    if (stringMember(after.node, member) === stringMember(resource.node, member)) continue;
    throw new GatewayError('unprocessable', { external: 'A patch cannot change the type or the id of a resource.' });
  }
  return after;
}

function applied(before: ExactValue, patch: ExactValue, isJsonPatch: boolean): ExactValue {
  try {
    return isJsonPatch ? applyJsonPatch(before, patch) : applyFhirPathPatch(before, patch);
  } catch (error) {
    if (!(error instanceof PatchError)) throw error;
    const where = `Operation ${error.operation} of the patch (counted from 0)`;
    switch (error.code) {
      case 'malformed':
        throw new GatewayError('bad-request', { external: `${where} cannot be read: ${error.message}.`, cause: error });
      case 'not-applicable':
        throw new GatewayError('unprocessable', {
          external: `${where} does not fit the resource: ${error.message}.`,
          cause: error,
        });
      case 'test-failed':
        throw new GatewayError('unprocessable', {
          external: `${where} is a test that failed; nothing was changed.`,
          cause: error,
        });
    }
  }
}
