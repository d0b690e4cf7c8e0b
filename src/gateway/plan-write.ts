import { stringMember } from '../fhir/bundle.ts';
import { setMember, editedText, sliceText } from '../fhir/json-edit.ts';
import type { JsonSlice } from '../fhir/json-edit.ts';
import { parseJsonText, toValue } from '../fhir/json-text.ts';
import type { ScopeAction } from './auth/scopes.ts';
import { findMatch, parseCondition, readCurrent } from './condition.ts';
import type { Condition, CurrentResource } from './condition.ts';
import { GatewayError } from './gateway-error.ts';
import { EMPTY_REPLY } from './plan.ts';
import type { Exchange, Plan, PlannedWrite, Reply } from './plan.ts';
import { headerOf } from './request.ts';
import { bodyToUpstream } from './rewrite-body.ts';
import { outgoingHeaders, resourceReply, upstreamOf, writeHeaders } from './upstream-call.ts';
import type { UpstreamAnswer, UpstreamClient } from './upstream-client.ts';

/** create, update and delete, with and without a condition. Conditions are resolved here, under a lock, so that one create happens once. */
export function planWrite(exchange: Exchange): Promise<Plan> {
  const { route } = exchange;
  switch (route.interaction) {
    case 'create':
      return planCreate(exchange);
    case 'update':
      return route.isConditional ? planConditionalUpdate(exchange) : planUpdate(exchange);
    case 'delete':
      return planDelete(exchange);
    default:
      throw new TypeError('only create, update and delete are planned here');
  }
}

async function planCreate(exchange: Exchange): Promise<Plan> {
  const upstream = upstreamOf(exchange);
  const write = plannedWrite(exchange, upstream, undefined);
  requireContent(exchange, 'c', upstream, write);
  const ifNoneExist = headerOf(exchange.request, 'if-none-exist');
  if (ifNoneExist === undefined) return planOf(write, () => post(exchange, upstream, write, undefined));
  const given = [...new URLSearchParams(ifNoneExist.replace(/^.*\?/, ''))];
  const condition = await parseCondition(exchange, upstream, write.resourceType, given);
  const match = await findMatch(exchange, condition);
  if (match !== undefined) return planOf(write, () => Promise.resolve(existingReply(exchange, upstream, write, match)));
  return planOf(write, () => post(exchange, upstream, write, condition));
}

function planUpdate(exchange: Exchange): Promise<Plan> {
  const upstream = upstreamOf(exchange);
  return planPut(exchange, upstream, exchange.route.id ?? '', headerOf(exchange.request, 'if-match'));
}

async function planConditionalUpdate(exchange: Exchange): Promise<Plan> {
  const upstream = upstreamOf(exchange);
  const { resourceType } = exchange.route;
  const condition = await parseCondition(exchange, upstream, resourceType ?? '', exchange.content.parameters);
  const match = await findMatch(exchange, condition);
  const body = exchange.content.body;
  const givenId = body && stringMember(body.node, 'id');
  if (match === undefined && givenId === undefined) {
    const write = plannedWrite(exchange, upstream, undefined);
    requireContent(exchange, 'c', upstream, write);
    return planOf(write, () => post(exchange, upstream, write, condition));
  }
  if (match !== undefined && givenId !== undefined && givenId !== match.id) {
    throw new GatewayError('bad-request', {
      external: 'The id in the body is not the id of the resource that the condition names.',
      expression: [`${resourceType ?? ''}.id`],
    });
  }
  return planPut(
    exchange,
    upstream,
    match?.id ?? givenId ?? '',
    headerOf(exchange.request, 'if-match') ?? match?.etag,
    match,
  );
}

async function planPut(
  exchange: Exchange,
  upstream: UpstreamClient,
  id: string,
  ifMatch: string | undefined,
  known?: CurrentResource,
): Promise<Plan> {
  const write = plannedWrite(exchange, upstream, id);
  requireContent(exchange, 'u', upstream, write);
  await requireCurrent(exchange, 'u', upstream, { resourceType: write.resourceType, id }, known);
  return planOf(write, () => put(exchange, upstream, write, ifMatch));
}

async function planDelete(exchange: Exchange): Promise<Plan> {
  const { route, content, request } = exchange;
  const upstream = upstreamOf(exchange);
  const resourceType = route.resourceType ?? '';
  let match: CurrentResource | undefined;
  if (route.isConditional) {
    const condition = await parseCondition(exchange, upstream, resourceType, content.parameters);
    match = await findMatch(exchange, condition);
    if (match === undefined)
      return { writes: [], isDisclosure: false, send: () => Promise.resolve({ ...EMPTY_REPLY, status: 204 }) };
  }
  const id = match?.id ?? route.id ?? '';
  const write: PlannedWrite = {
    upstream: upstream.name,
    interaction: 'delete',
    resourceType,
    id,
    sent: undefined,
    received: undefined,
    entry: undefined,
  };
  await requireCurrent(exchange, 'd', upstream, { resourceType, id }, match);
  const ifMatch = headerOf(request, 'if-match') ?? match?.etag;
  return planOf(write, async () => {
    const headers = outgoingHeaders(request, ifMatch === undefined ? {} : { 'if-match': ifMatch });
    const answer = await upstream.request({ method: 'DELETE', path: `${resourceType}/${id}`, headers });
    return resourceReply(answer, upstream, 'delete', write);
  });
}

export function planOf(write: PlannedWrite, send: () => Promise<Reply>): Plan {
  return { writes: [write], isDisclosure: false, send };
}

/** The body as the upstream will get it. */
function plannedWrite(exchange: Exchange, upstream: UpstreamClient, id: string | undefined): PlannedWrite {
  const { body } = exchange.content;
  if (body === undefined) throw new TypeError('create and update have a body');
  const side = { ...exchange.book, upstream: upstream.name, isFederated: exchange.route.isFederated };
  let sent = reparsed(body, bodyToUpstream(body, side));
  // A conditional update may leave the id to its match; the upstream wants to see it in the body.
  if (id !== undefined && stringMember(sent.node, 'id') !== id) {
    sent = reparsed(sent, editedText(sent, [setMember(sent, 'id', JSON.stringify(id))]));
  }
  return {
    upstream: upstream.name,
    interaction: id === undefined ? 'create' : 'update',
    resourceType: exchange.route.resourceType ?? '',
    id,
    sent,
    received: body,
    entry: undefined,
  };
}

/** A slice over new text; the old one where nothing changed. */
export function reparsed(slice: JsonSlice, text: string): JsonSlice {
  if (slice.node.start === 0 && slice.node.end === slice.text.length && text === slice.text) return slice;
  return { text, node: parseJsonText(text).root };
}

async function post(
  exchange: Exchange,
  upstream: UpstreamClient,
  write: PlannedWrite,
  condition: Condition | undefined,
): Promise<Reply> {
  const ifNoneExist =
    condition && new URLSearchParams(condition.parameters.map(([name, value]) => [name, value])).toString();
  const answer = await upstream.request({
    method: 'POST',
    path: write.resourceType,
    headers: writeHeaders(exchange.request, ifNoneExist === undefined ? {} : { 'if-none-exist': ifNoneExist }),
    body: bodyOf(write),
  });
  return completed(exchange, upstream, write, answer);
}

/** Sends an update. */
export async function put(
  exchange: Exchange,
  upstream: UpstreamClient,
  write: PlannedWrite,
  ifMatch: string | undefined,
): Promise<Reply> {
  const ifNoneMatch = headerOf(exchange.request, 'if-none-match');
  const answer = await upstream.request({
    method: 'PUT',
    path: `${write.resourceType}/${write.id ?? ''}`,
    headers: writeHeaders(exchange.request, {
      ...(ifMatch === undefined ? {} : { 'if-match': ifMatch }),
      ...(ifNoneMatch === undefined ? {} : { 'if-none-match': ifNoneMatch }),
    }),
    body: bodyOf(write),
  });
  return completed(exchange, upstream, write, answer);
}

function bodyOf(write: PlannedWrite): string {
  if (write.sent === undefined) throw new TypeError('a create or update has content');
  return sliceText(write.sent);
}

/** Reads the stored version again where the upstream did not return it: its digest belongs in the record. */
async function completed(
  exchange: Exchange,
  upstream: UpstreamClient,
  write: PlannedWrite,
  answer: UpstreamAnswer,
): Promise<Reply> {
  const reply = resourceReply(answer, upstream, write.interaction, write);
  const [item] = reply.items;
  const type = item?.resource && stringMember(item.resource.node, 'resourceType');
  if (reply.status >= 400 || type === write.resourceType || item === undefined) return reply;
  const id = item.id ?? write.id;
  if (id === undefined) return reply;
  const version = item.versionId === undefined ? '' : `/_history/${item.versionId}`;
  try {
    const path = `${write.resourceType}/${id}${version}`;
    const again = await upstream.request({ method: 'GET', path, headers: outgoingHeaders(exchange.request) });
    if (again.status !== 200) return reply;
    const found = resourceReply(again, upstream, write.interaction, write).items[0];
    return found === undefined ? reply : { ...reply, shape: 'resource', items: [found] };
  } catch {
    // The write itself succeeded; a record without the stored digest is still true.
    return reply;
  }
}

/** The answer to a conditional create whose resource is there already: 200, as the specification wants, and nothing was sent. */
function existingReply(
  exchange: Exchange,
  upstream: UpstreamClient,
  write: PlannedWrite,
  match: CurrentResource,
): Reply {
  const mayRead = exchange.access.allowsResource('r', upstream.name, toValue(match.resource.node));
  return {
    ...EMPTY_REPLY,
    status: 200,
    headers: {
      ...(match.etag === undefined ? {} : { etag: match.etag }),
      location: `${write.resourceType}/${match.id}`,
    },
    shape: mayRead ? 'resource' : 'none',
    items: [
      {
        upstream: upstream.name,
        entry: undefined,
        resource: match.resource,
        interaction: 'create',
        searchMode: undefined,
        write,
        id: match.id,
        versionId: match.versionId,
        resourceType: write.resourceType,
      },
    ],
  };
}

/** @throws {GatewayError} forbidden unless the scopes cover what is written */
export function requireContent(
  exchange: Exchange,
  action: ScopeAction,
  upstream: UpstreamClient,
  write: PlannedWrite,
): void {
  if (exchange.access.allowsAllOf(action, write.resourceType) || write.sent === undefined) return;
  if (!exchange.access.allowsResource(action, upstream.name, toValue(write.sent.node))) throw notCovered();
}

/** A resource that is there already must be covered too, or a narrow scope could pull others' resources into its reach. */
export async function requireCurrent(
  exchange: Exchange,
  action: ScopeAction,
  upstream: UpstreamClient,
  target: { readonly resourceType: string; readonly id: string },
  known?: CurrentResource,
): Promise<void> {
  if (exchange.access.allowsAllOf(action, target.resourceType)) return;
  const current = known ?? (await readCurrent(exchange, upstream, target.resourceType, target.id));
  if (current === undefined) return;
  if (!exchange.access.allowsResource(action, upstream.name, toValue(current.resource.node))) throw notCovered();
}

export function notCovered(): GatewayError {
  return new GatewayError('forbidden', {
    external:
      'The token does not allow this write: its scopes, or the patient that it is bound to, do not cover the resource.',
    reason: 'resource-scope',
  });
}
