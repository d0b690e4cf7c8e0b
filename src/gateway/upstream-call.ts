import { stringMember, viewBundle } from '../fhir/bundle.ts';
import type { InteractionCode } from '../fhir/interaction.ts';
import type { JsonSlice } from '../fhir/json-edit.ts';
import { memberValue, parseJsonText } from '../fhir/json-text.ts';
import { belowBase, parseRelativeReference } from '../fhir/reference.ts';
import { strictUtf8 } from './body.ts';
import { EMPTY_REPLY } from './plan.ts';
import type { Exchange, PlannedWrite, Reply, ReplyItem } from './plan.ts';
import { headerOf } from './request.ts';
import type { GatewayRequest } from './request.ts';
import type { UpstreamAnswer, UpstreamClient } from './upstream-client.ts';
import { UpstreamError } from './upstream-error.ts';

/** Calls to an upstream and what they give, read as FHIR. Nothing here looks at scopes or rules, and nothing is rewritten. */

/** The upstream of a route that has one. */
export function upstreamOf(exchange: Exchange, name: string | undefined = exchange.route.upstream): UpstreamClient {
  const upstream = name === undefined ? undefined : exchange.parts.upstreams.get(name);
  if (upstream === undefined) throw new TypeError('a route names an upstream of this gateway');
  return upstream;
}

const INTERMEDIARY = 'X-Intermediary';

/** Headers that go with every call: identity and trace of the request, never the client's own authorization. */
export function outgoingHeaders(
  request: GatewayRequest,
  more: Readonly<Record<string, string>> = {},
): Record<string, string> {
  const headers: Record<string, string> = {
    accept: 'application/fhir+json',
    'x-request-id': request.id,
    [INTERMEDIARY]: 'concordat',
    ...more,
  };
  for (const name of ['traceparent', 'tracestate']) {
    const value = headerOf(request, name);
    if (value !== undefined && value.length <= 512) headers[name] = value;
  }
  return headers;
}

/** Headers of a write: the stored representation is always asked for, because the record needs its digest. */
export function writeHeaders(
  request: GatewayRequest,
  more: Readonly<Record<string, string>> = {},
): Record<string, string> {
  return outgoingHeaders(request, {
    'content-type': 'application/fhir+json; charset=utf-8',
    prefer: 'return=representation',
    ...more,
  });
}

/** Parses an upstream's answer; undefined where it has no body. @throws {UpstreamError} not-fhir */
export function parseAnswer(answer: UpstreamAnswer, upstream: string): JsonSlice | undefined {
  if (answer.body.byteLength === 0) return undefined;
  const text = strictUtf8(answer.body);
  if (text === undefined) throw new UpstreamError('not-fhir', upstream);
  const node = parsedOrThrow(text, upstream);
  if (stringMember(node, 'resourceType') === undefined) throw new UpstreamError('not-fhir', upstream);
  return { text, node };
}

function parsedOrThrow(text: string, upstream: string): JsonSlice['node'] {
  try {
    return parseJsonText(text).root;
  } catch (error) {
    throw new UpstreamError('not-fhir', upstream, { cause: error });
  }
}

/** Reads an answer that is one resource, an OperationOutcome, or nothing. */
export function resourceReply(
  answer: UpstreamAnswer,
  upstream: UpstreamClient,
  interaction: InteractionCode,
  write?: PlannedWrite,
): Reply {
  const resource = parseAnswer(answer, upstream.name);
  if (resource === undefined && answer.status >= 400) return bareErrorReply(answer.status, upstream.name);
  const place = placeOf(answer.headers['location'] ?? answer.headers['content-location'], upstream.base);
  const type = resource && stringMember(resource.node, 'resourceType');
  const isVersion = type !== undefined && type !== 'OperationOutcome';
  const item: ReplyItem = {
    upstream: upstream.name,
    entry: undefined,
    resource,
    interaction,
    searchMode: undefined,
    write,
    id: place?.id,
    versionId: place?.versionId ?? versionOf(answer.headers['etag']),
    resourceType: isVersion ? type : place?.resourceType,
  };
  const { etag, location, 'last-modified': lastModified, 'retry-after': retryAfter } = answer.headers;
  return {
    ...EMPTY_REPLY,
    status: answer.status,
    headers: {
      ...(etag === undefined ? {} : { etag }),
      ...(lastModified === undefined ? {} : { lastModified }),
      ...(location === undefined ? {} : { location }),
      ...(retryAfter !== undefined && /^\d{1,6}$/.test(retryAfter) ? { retryAfter } : {}),
    },
    shape: resource === undefined ? 'none' : 'resource',
    items: [item],
  };
}

/** An error without a body gets one, so that a client always has an OperationOutcome. */
function bareErrorReply(status: number, upstream: string): Reply {
  const text = JSON.stringify({
    resourceType: 'OperationOutcome',
    issue: [
      {
        severity: 'error',
        code: 'processing',
        details: { text: `The upstream server ${upstream} answered with status ${status}.` },
      },
    ],
  });
  const resource = { text, node: parseJsonText(text).root };
  return { ...EMPTY_REPLY, status, shape: 'resource', items: [emptyItem(upstream, 'operation', resource)] };
}

function emptyItem(upstream: string, interaction: InteractionCode, resource: JsonSlice): ReplyItem {
  return {
    upstream,
    entry: undefined,
    resource,
    interaction,
    searchMode: undefined,
    write: undefined,
    id: undefined,
    versionId: undefined,
    resourceType: undefined,
  };
}

/** Reads an answer that should be a Bundle; an error's OperationOutcome is passed on as a resource. */
export function bundleReply(answer: UpstreamAnswer, upstream: UpstreamClient, interaction: InteractionCode): Reply {
  const body = parseAnswer(answer, upstream.name);
  if (body === undefined || answer.status >= 400) return resourceReply(answer, upstream, interaction);
  const bundle = viewBundle(body.node);
  if (bundle === undefined) return resourceReply(answer, upstream, interaction);
  const total = memberValue(body.node, 'total');
  return {
    ...EMPTY_REPLY,
    status: answer.status,
    shape: 'bundle',
    items: bundle.entries.map((entry) => ({
      upstream: upstream.name,
      entry: { text: body.text, node: entry.node },
      resource: entry.resource === undefined ? undefined : { text: body.text, node: entry.resource },
      interaction,
      searchMode: entry.searchMode,
      write: undefined,
      ...versionOfEntry(entry, upstream.base),
    })),
    frame: body,
    bundleType: bundle.type,
    links: bundle.links,
    total: total?.kind === 'number' ? total.value : undefined,
  };
}

interface Place {
  readonly resourceType: string | undefined;
  readonly id: string | undefined;
  readonly versionId: string | undefined;
}

/** What an entry without a resource is about: a deleted version in a history, or the answer to a write. */
export function versionOfEntry(
  entry: {
    readonly fullUrl: string | undefined;
    readonly url: string | undefined;
    readonly response: JsonSlice['node'] | undefined;
  },
  base: string,
): Place {
  const location = placeOf(stringMember(entry.response, 'location'), base);
  const place = location ?? placeOf(entry.fullUrl, base) ?? placeOf(entry.url, base);
  return {
    resourceType: place?.resourceType,
    id: place?.id,
    versionId: place?.versionId ?? versionOf(stringMember(entry.response, 'etag')),
  };
}

/** Reads `Type/id/_history/vid`, relative or below the base (or below whatever base the server says that it has). */
function placeOf(url: string | undefined, base: string): Place | undefined {
  if (url === undefined) return undefined;
  const relative = parseRelativeReference(belowBase(url, base) ?? url);
  if (relative !== undefined) return relative;
  const tail = /([A-Z][A-Za-z]+\/[A-Za-z0-9.-]{1,64}(?:\/_history\/[A-Za-z0-9.-]{1,64})?)$/.exec(url)?.[1];
  return tail === undefined ? undefined : parseRelativeReference(tail);
}

export function versionOf(etag: string | undefined): string | undefined {
  return /^(?:W\/)?"([A-Za-z0-9.-]{1,64})"$/.exec(etag ?? '')?.[1];
}
