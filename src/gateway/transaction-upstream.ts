import { itemsOf } from '../fhir/bundle.ts';
import type { BundleEntry, BundleView } from '../fhir/bundle.ts';
import type { JsonNode } from '../fhir/json-text.ts';
import { belowBase, parseRelativeReference, splitFederatedId } from '../fhir/reference.ts';
import { entryRequest } from './bundle-request.ts';
import { GatewayError } from './gateway-error.ts';
import type { Exchange } from './plan.ts';
import { upstreamOf } from './upstream-call.ts';
import type { UpstreamClient } from './upstream-client.ts';

/**
 * The one upstream that a transaction goes to. On the federated address an entry names it by its URL (`ehr/Patient`, `Patient/ehr.1`), or else by what its
 * resource refers to.
 * @throws {GatewayError} unprocessable, naming the entries, when there are several, or none is named
 */
export function transactionUpstream(exchange: Exchange, bundle: BundleView): UpstreamClient {
  const own = exchange.route.upstream;
  const named = bundle.entries.map((entry) => namedUpstream(exchange, entry));
  const expected = own ?? named.find((name) => name !== undefined) ?? referredUpstream(exchange, bundle);
  const others = named.flatMap((name, index) => (name !== undefined && name !== expected ? [index] : []));
  if (others.length > 0) {
    throw new GatewayError('unprocessable', {
      external: `A transaction goes to one upstream, but entries ${others.join(', ')} (counted from 0) belong to another one; send a transaction to each.`,
      expression: others.map((index) => `Bundle.entry[${index}].request.url`),
    });
  }
  if (expected === undefined) {
    throw new GatewayError('unprocessable', {
      external: 'No entry says which upstream this transaction is for; send it to /fhir/{upstream}.',
      expression: bundle.entries.map(({ index }) => `Bundle.entry[${index}].request.url`),
    });
  }
  return upstreamOf(exchange, expected);
}

function namedUpstream(exchange: Exchange, entry: BundleEntry): string | undefined {
  const isUpstream = (name: string): boolean => exchange.parts.upstreams.has(name);
  const [first = '', second = ''] = entryRequest(exchange, entry).segments;
  if (isUpstream(first)) return first;
  return exchange.route.isFederated ? splitFederatedId(second, isUpstream)?.upstream : undefined;
}

/** The upstream of the first prefixed reference; the only upstream where there is one. */
function referredUpstream(exchange: Exchange, bundle: BundleView): string | undefined {
  const names = [...exchange.parts.upstreams.keys()];
  if (names.length === 1) return names[0];
  for (const { resource } of bundle.entries) {
    const found = resource === undefined ? undefined : firstReference(resource, exchange);
    if (found !== undefined) return found;
  }
  return undefined;
}

function firstReference(node: JsonNode, exchange: Exchange): string | undefined {
  if (node.kind === 'array') return firstOf(itemsOf(node), exchange);
  if (node.kind !== 'object') return undefined;
  for (const { key, value } of node.members) {
    if (key === 'reference' && value.kind === 'string') {
      const found = upstreamOfReference(value.value, exchange);
      if (found !== undefined) return found;
    }
  }
  return firstOf(
    node.members.map(({ value }) => value),
    exchange,
  );
}

function firstOf(nodes: readonly JsonNode[], exchange: Exchange): string | undefined {
  for (const node of nodes) {
    const found = firstReference(node, exchange);
    if (found !== undefined) return found;
  }
  return undefined;
}

function upstreamOfReference(text: string, exchange: Exchange): string | undefined {
  const isUpstream = (name: string): boolean => exchange.parts.upstreams.has(name);
  const below = belowBase(text, exchange.book.gatewayBase);
  const head = below?.split('/')[0] ?? '';
  if (isUpstream(head)) return head;
  return splitFederatedId(parseRelativeReference(below ?? text)?.id ?? '', isUpstream)?.upstream;
}
