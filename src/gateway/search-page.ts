import { belowBase } from '../fhir/reference.ts';
import { openCursor, sealCursor } from './cursor.ts';
import type { CursorContent, CursorOptions } from './cursor.ts';
import type { Exchange, Reply } from './plan.ts';
import { queryText } from './search-request.ts';
import type { SearchParameters } from './search-request.ts';
import type { UpstreamClient } from './upstream-client.ts';
import { UpstreamError } from './upstream-error.ts';

/** Names the parameter of a paging link of ours. */
export const PAGE_PARAMETER = '_page';

/** The client's address below our base, that a paging link is bound to. */
export function addressOf(exchange: Exchange): string {
  return exchange.request.segments.filter((segment) => segment !== '' && segment !== '_search').join('/');
}

export function cursorOptions({ parts }: Exchange): CursorOptions {
  const { cursorKey: key, clock, random, limits } = parts;
  return { key, clock, random, lifetimeMs: limits.cursorLifetimeMs };
}

/** What the request's paging link holds; undefined on a first page. @throws {GatewayError} bad-request | cursor-expired | forbidden */
export function cursorIn(exchange: Exchange): CursorContent | undefined {
  const token = exchange.content.parameters.find(([name]) => name === PAGE_PARAMETER)?.[1];
  if (token === undefined) return undefined;
  return openCursor(token, exchange.principal.caller, addressOf(exchange), cursorOptions(exchange));
}

/** A link of ours to another page. */
export function pageUrl(exchange: Exchange, content: CursorContent): string {
  const address = addressOf(exchange);
  const token = sealCursor(content, exchange.principal.caller, address, cursorOptions(exchange));
  return `${exchange.book.gatewayBase}/${address}?${PAGE_PARAMETER}=${token}`;
}

export function selfUrl(exchange: Exchange, query: string): string {
  return `${exchange.book.gatewayBase}/${addressOf(exchange)}${query === '' ? '' : `?${query}`}`;
}

const PAGED = new Set(['next', 'previous', 'prev', 'first', 'last']);

/**
 * The links of one upstream's page, on our address: `self` as a search, the others as cursors. A link that leads elsewhere is dropped.
 * @param self the client's own parameters, as far as they were used
 */
export function pageLinks(exchange: Exchange, reply: Reply, upstream: UpstreamClient, self: string): Reply {
  if (reply.shape !== 'bundle') return reply;
  const links = [{ relation: 'self', url: selfUrl(exchange, self) }];
  for (const { relation, url } of reply.links) {
    if (!PAGED.has(relation)) continue;
    const path = pathBelow(url, upstream);
    // Without its next page a client would take a part for the whole.
    if (path === undefined && relation === 'next') throw new UpstreamError('not-fhir', upstream.name);
    if (path === undefined) continue;
    const position = { upstream: upstream.name, path, skip: 0 };
    links.push({ relation, url: pageUrl(exchange, { positions: [position], sort: '', count: 0, self }) });
  }
  return { ...reply, links };
}

/** Path and query below the upstream's base, by whatever name it calls itself; one behind an unknown host name is known by its base's path. */
export function pathBelow(url: string, upstream: UpstreamClient): string | undefined {
  const { base, ownBase } = upstream;
  const below = belowBase(url, base) ?? (ownBase === undefined ? undefined : belowBase(url, ownBase));
  if (below !== undefined) return below;
  const parsed = URL.parse(url, `${base}/`);
  if (parsed === null) return undefined;
  return belowBase(parsed.pathname + parsed.search, new URL(base).pathname.replace(/\/$/, ''));
}

/** Where the first page of a search stands below the upstream's base. */
export function firstPath(path: string, parameters: SearchParameters): string {
  const query = queryText(parameters);
  return query === '' ? path : `${path}?${query}`;
}
