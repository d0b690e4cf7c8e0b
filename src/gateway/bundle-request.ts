import { stringMember, viewBundle } from '../fhir/bundle.ts';
import type { BundleEntry, BundleView } from '../fhir/bundle.ts';
import type { JsonSlice } from '../fhir/json-edit.ts';
import { belowBase } from '../fhir/reference.ts';
import { parseBody } from './content.ts';
import type { Content } from './content.ts';
import { GatewayError } from './gateway-error.ts';
import type { Exchange } from './plan.ts';
import type { GatewayRequest } from './request.ts';

/** The entries of a batch or transaction as requests of their own (http://hl7.org/fhir/R4/http.html#transaction). */

/** @throws {GatewayError} structure | too-large */
export function requestBundle(exchange: Exchange): BundleView {
  const { body } = exchange.content;
  const bundle = body && viewBundle(body.node);
  if (bundle === undefined || (bundle.type !== 'batch' && bundle.type !== 'transaction')) {
    throw new GatewayError('structure', {
      external: 'What is posted to the base is a Bundle of type batch or transaction.',
    });
  }
  const { bundleEntries } = exchange.parts.limits;
  if (bundle.entries.length > bundleEntries) {
    throw new GatewayError('too-large', { external: `The Bundle has more than ${bundleEntries} entries; split it.` });
  }
  return bundle;
}

const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE']);
const NEED_RESOURCE = new Set(['POST', 'PUT', 'PATCH']);

/** An entry's own request. @throws {GatewayError} structure, naming the entry */
export function entryRequest(exchange: Exchange, entry: BundleEntry): GatewayRequest {
  const { method, url } = entry;
  const at = `Bundle.entry[${entry.index}].request`;
  if (method === undefined || !METHODS.has(method) || url === undefined) {
    throw new GatewayError('structure', {
      external: `${at} needs a method (GET, HEAD, POST, PUT, PATCH or DELETE) and a url.`,
      expression: [at],
    });
  }
  if (NEED_RESOURCE.has(method) && entry.resource === undefined && !url.includes('_search')) {
    throw new GatewayError('structure', {
      external: `Bundle.entry[${entry.index}] has no resource to ${method}.`,
      expression: [`Bundle.entry[${entry.index}].resource`],
    });
  }
  const { segments, query } = addressIn(exchange, url);
  return {
    ...exchange.request,
    method,
    segments,
    query,
    headers: entryHeaders(exchange, entry),
    readBody: () => Promise.reject(new TypeError('an entry has its body in the Bundle')),
  };
}

/** Below our base: the path of an entry's URL, which may be absolute on our address, or relative to where the Bundle was posted. */
function addressIn(exchange: Exchange, url: string): { segments: readonly string[]; query: string } {
  const { gatewayBase } = exchange.book;
  const mark = url.indexOf('?');
  const path = mark < 0 ? url : url.slice(0, mark);
  const query = mark < 0 ? '' : url.slice(mark + 1);
  const absolute = belowBase(path, gatewayBase);
  const steps = (absolute ?? path).split('/').filter((step) => step !== '');
  const { route } = exchange;
  const prefix = absolute === undefined && !route.isFederated && route.upstream !== undefined ? [route.upstream] : [];
  try {
    return { segments: [...prefix, ...steps.map(decodeURIComponent)], query };
  } catch (error) {
    throw new GatewayError('structure', { external: 'An entry has a request.url that cannot be read.', cause: error });
  }
}

const ENTRY_HEADERS: Readonly<Record<string, string>> = {
  ifMatch: 'if-match',
  ifNoneMatch: 'if-none-match',
  ifModifiedSince: 'if-modified-since',
  ifNoneExist: 'if-none-exist',
};

function entryHeaders(exchange: Exchange, entry: BundleEntry): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const name of ['traceparent', 'tracestate', 'prefer']) {
    const value = exchange.request.headers[name];
    if (typeof value === 'string') headers[name] = value;
  }
  for (const [member, header] of Object.entries(ENTRY_HEADERS)) {
    const value = stringMember(entry.request, member);
    if (value !== undefined) headers[header] = value;
  }
  return headers;
}

/** An entry's own content; a JSON Patch comes as a Binary. */
export function entryContent(exchange: Exchange, entry: BundleEntry, request: GatewayRequest): Content {
  const parameters = [...new URLSearchParams(request.query)].filter(
    ([name]) => name !== '_format' && name !== '_pretty',
  );
  const text = exchange.content.body?.text;
  if (entry.resource === undefined || text === undefined) return { parameters, body: undefined, kind: undefined };
  const resource = { text, node: entry.resource };
  if (request.method !== 'PATCH' || entry.resourceType !== 'Binary')
    return { parameters, body: resource, kind: 'fhir' };
  return { parameters, body: binaryPatch(exchange, resource, entry.index), kind: 'json-patch' };
}

function binaryPatch(exchange: Exchange, binary: JsonSlice, index: number): JsonSlice {
  const contentType = stringMember(binary.node, 'contentType');
  if (contentType !== 'application/json-patch+json') {
    throw new GatewayError('unsupported-media-type', {
      external: `Bundle.entry[${index}] patches by a Binary, whose contentType must be application/json-patch+json.`,
    });
  }
  const text = Buffer.from(stringMember(binary.node, 'data') ?? '', 'base64').toString('utf8');
  return parseBody(text, exchange.parts.limits.jsonDepth);
}
