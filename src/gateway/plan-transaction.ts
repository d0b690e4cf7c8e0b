import { itemsOf, stringMember } from '../fhir/bundle.ts';
import type { BundleEntry, BundleView } from '../fhir/bundle.ts';
import { isWrite } from '../fhir/interaction.ts';
import type { InteractionCode } from '../fhir/interaction.ts';
import { parseExact } from '../fhir/exact-json.ts';
import { rebuiltObject, sliceText } from '../fhir/json-edit.ts';
import type { JsonSlice } from '../fhir/json-edit.ts';
import { memberValue, parseJsonText } from '../fhir/json-text.ts';
import { authoriseRequest } from './authorise.ts';
import { entryContent, entryRequest, requestBundle } from './bundle-request.ts';
import { readCurrent } from './condition.ts';
import { GatewayError } from './gateway-error.ts';
import { patched, requireSameVersion } from './plan-patch.ts';
import { notCovered, requireContent, requireCurrent } from './plan-write.ts';
import type { Exchange, Plan, PlannedWrite, Reply } from './plan.ts';
import { headerOf } from './request.ts';
import { bodyToUpstream } from './rewrite-body.ts';
import { parseRoute } from './route.ts';
import type { FhirRoute } from './route.ts';
import { transactionUpstream } from './transaction-upstream.ts';
import { bundleReply, writeHeaders } from './upstream-call.ts';
import type { UpstreamClient } from './upstream-client.ts';

/**
 * A transaction: all entries go to one upstream, which carries all of them out or none. Every entry is authorised and validated before any is sent.
 * A PATCH entry is sent as the update that it comes to, so that rules judge its result.
 */
export async function planTransaction(exchange: Exchange): Promise<Plan> {
  const bundle = requestBundle(exchange);
  const upstream = transactionUpstream(exchange, bundle);
  const routes = bundle.entries.map((entry) => entryRoute(exchange, entry, upstream.name));
  const texts: string[] = [];
  for (const [index, entry] of bundle.entries.entries()) {
    const route = routes[index];
    if (route === undefined) throw new TypeError('every entry has a route');
    authoriseRequest(exchange.access, route);
    texts.push(await outgoingEntry(exchange, upstream, entry, route));
  }
  const body = outgoingBundle(exchange, bundle, texts);
  const writes = plannedWrites(exchange, upstream, bundle, routes, body);
  await requireCovered(exchange, upstream, writes);
  return { writes, isDisclosure: true, send: () => sendTransaction(exchange, upstream, body, writes, routes) };
}

/** A route on the one upstream, whatever form of address the entry has. */
function entryRoute(exchange: Exchange, entry: BundleEntry, upstream: string): FhirRoute {
  const request = entryRequest(exchange, entry);
  const isNamed = exchange.parts.upstreams.has(request.segments[0] ?? '');
  const isFederatedId =
    exchange.route.isFederated && !isNamed && (request.segments[1] ?? '').startsWith(`${upstream}.`);
  const segments = isNamed || isFederatedId ? request.segments : [upstream, ...request.segments];
  const route = parseRoute(request.method, segments, (name) => exchange.parts.upstreams.has(name));
  const isAllowed =
    route.interaction !== 'transaction' && route.interaction !== 'capabilities' && route.interaction !== 'operation';
  if (!isAllowed) {
    throw new GatewayError('structure', {
      external: `Bundle.entry[${entry.index}] asks for what cannot be a part of a transaction.`,
      expression: [`Bundle.entry[${entry.index}].request.url`],
    });
  }
  return { ...route, isFederated: exchange.route.isFederated };
}

/** The text of an entry as the upstream gets it. */
async function outgoingEntry(
  exchange: Exchange,
  upstream: UpstreamClient,
  entry: BundleEntry,
  route: FhirRoute,
): Promise<string> {
  const text = exchange.content.body?.text ?? '';
  const side = { ...exchange.book, upstream: upstream.name, isFederated: exchange.route.isFederated };
  const outgoing = bodyToUpstream({ text, node: entry.node }, side);
  const url = upstreamUrl(exchange, entry, route);
  const slice = { text: outgoing, node: parseJsonText(outgoing).root };
  const request = memberValue(slice.node, 'request');
  if (request === undefined) throw new TypeError('an entry of a transaction has a request');
  if (route.interaction === 'patch') return patchAsUpdate(exchange, upstream, entry, route, slice);
  const changed = rebuiltObject({ text: outgoing, node: request }, new Map([['url', JSON.stringify(url)]]));
  return rebuiltObject(slice, new Map([['request', changed]]));
}

/** Relative to the upstream's base. */
function upstreamUrl(exchange: Exchange, entry: BundleEntry, route: FhirRoute): string {
  const { query } = entryRequest(exchange, entry);
  const steps = [route.resourceType, route.id, route.interaction.startsWith('history') ? '_history' : undefined];
  if (route.versionId !== undefined) steps.push('_history', route.versionId);
  const path = steps.filter((step) => step !== undefined).join('/');
  return query === '' ? path : `${path}?${query}`;
}

async function patchAsUpdate(
  exchange: Exchange,
  upstream: UpstreamClient,
  entry: BundleEntry,
  route: FhirRoute,
  outgoing: JsonSlice,
): Promise<string> {
  const { resourceType = '', id } = route;
  if (id === undefined) {
    throw new GatewayError('not-implemented', {
      external: `Bundle.entry[${entry.index}] is a conditional patch, which a transaction here cannot hold; patch by id.`,
    });
  }
  const request = entryRequest(exchange, entry);
  const content = entryContent(exchange, entry, request);
  const current = await readCurrent(exchange, upstream, resourceType, id);
  if (current === undefined || content.body === undefined) {
    throw new GatewayError('not-found', {
      external: `Bundle.entry[${entry.index}] patches a resource that is not there.`,
    });
  }
  requireSameVersion(headerOf(request, 'if-match'), current);
  const side = { ...exchange.book, upstream: upstream.name, isFederated: exchange.route.isFederated };
  const patch = parseExact(bodyToUpstream(content.body, side));
  const resource = sliceText(patched(current.resource, patch, content.kind === 'json-patch'));
  const update = {
    method: 'PUT',
    url: `${resourceType}/${id}`,
    ...(current.etag === undefined ? {} : { ifMatch: current.etag }),
  };
  return rebuiltObject(
    outgoing,
    new Map([
      ['resource', resource],
      ['request', JSON.stringify(update)],
    ]),
  );
}

function outgoingBundle(exchange: Exchange, bundle: BundleView, texts: readonly string[]): JsonSlice {
  const text = exchange.content.body?.text ?? '';
  const changed = rebuiltObject({ text, node: bundle.node }, new Map([['entry', `[${texts.join(',')}]`]]));
  return { text: changed, node: parseJsonText(changed).root };
}

function plannedWrites(
  exchange: Exchange,
  upstream: UpstreamClient,
  bundle: BundleView,
  routes: readonly FhirRoute[],
  body: JsonSlice,
): PlannedWrite[] {
  const received = exchange.content.body?.text ?? '';
  const outgoing = itemsOf(memberValue(body.node, 'entry'));
  return bundle.entries.flatMap((entry, index) => {
    const route = routes[index];
    if (route === undefined || !isWrite(route.interaction)) return [];
    const resource = memberValue(outgoing[index], 'resource');
    const isPatch = route.interaction === 'patch';
    if (resource !== undefined && !isPatch) requireType(resource, route, entry.index);
    return [
      {
        upstream: upstream.name,
        interaction: route.interaction,
        resourceType: route.resourceType ?? '',
        id: route.id,
        sent:
          resource === undefined || route.interaction === 'delete' ? undefined : { text: body.text, node: resource },
        received: entry.resource === undefined || isPatch ? undefined : { text: received, node: entry.resource },
        entry: entry.index,
      },
    ];
  });
}

function requireType(resource: JsonSlice['node'], route: FhirRoute, index: number): void {
  if (stringMember(resource, 'resourceType') === route.resourceType) return;
  throw new GatewayError('structure', {
    external: `Bundle.entry[${index}].resource is not of the type that its request.url names.`,
    expression: [`Bundle.entry[${index}].resource`],
  });
}

/** Scopes that do not cover a whole type are held against each entry's content, and against what is there already. */
async function requireCovered(
  exchange: Exchange,
  upstream: UpstreamClient,
  writes: readonly PlannedWrite[],
): Promise<void> {
  for (const write of writes) {
    const action = write.interaction === 'create' ? 'c' : write.interaction === 'delete' ? 'd' : 'u';
    requireContent(exchange, action, upstream, write);
    if (write.interaction === 'create' || exchange.access.allowsAllOf(action, write.resourceType)) continue;
    // What a condition will match is only known to the upstream.
    if (write.id === undefined) throw notCovered();
    await requireCurrent(exchange, action, upstream, { resourceType: write.resourceType, id: write.id });
  }
}

async function sendTransaction(
  exchange: Exchange,
  upstream: UpstreamClient,
  body: JsonSlice,
  writes: readonly PlannedWrite[],
  routes: readonly FhirRoute[],
): Promise<Reply> {
  const answer = await upstream.request({
    method: 'POST',
    path: '',
    headers: writeHeaders(exchange.request),
    body: body.text,
  });
  const reply = bundleReply(answer, upstream, 'transaction');
  if (reply.shape !== 'bundle') return reply;
  const byEntry = new Map(writes.map((write) => [write.entry, write]));
  const items = reply.items.map((item, index) => ({
    ...item,
    interaction: routes[index]?.interaction ?? ('transaction' satisfies InteractionCode),
    write: byEntry.get(index),
  }));
  return { ...reply, links: [], items };
}
