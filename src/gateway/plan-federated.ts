import type { OutcomeIssue } from '../fhir/outcome.ts';
import type { CursorContent, CursorPosition } from './cursor.ts';
import { FederatedStream } from './federated-stream.ts';
import { GatewayError } from './gateway-error.ts';
import { EMPTY_REPLY } from './plan.ts';
import type { Exchange, Plan, Reply, ReplyItem } from './plan.ts';
import { upstreamPath } from './route.ts';
import { cursorIn, firstPath, pageUrl, selfUrl } from './search-page.ts';
import { checkParameters, parametersFor, queryText } from './search-request.ts';
import type { SearchParameters } from './search-request.ts';
import { compareSorted, parseSort } from './sort-order.ts';
import type { SortKey } from './sort-order.ts';
import { UpstreamError } from './upstream-error.ts';

const LARGEST_PAGE = 1_000;

interface FederatedSearch extends CursorContent {
  readonly isFirstPage: boolean;
  readonly isCountOnly: boolean;
  readonly notes: readonly OutcomeIssue[];
}

/** A search of every upstream at once. Unsorted, the upstreams follow one another in the order of the configuration; sorted, they are merged. */
export async function planFederatedSearch(exchange: Exchange): Promise<Plan> {
  const cursor = cursorIn(exchange);
  const search: FederatedSearch =
    cursor === undefined
      ? await firstSearch(exchange)
      : { ...cursor, isFirstPage: false, isCountOnly: false, notes: [] };
  const sort = parseSort(search.sort, exchange.route.resourceType);
  return { writes: [], isDisclosure: true, send: () => sendSearch(exchange, search, sort) };
}

async function firstSearch(exchange: Exchange): Promise<FederatedSearch> {
  const { parts, services, route, content, preference } = exchange;
  const single = (name: string): string | undefined => content.parameters.find(([given]) => given === name)?.[1];
  const count = pageSize(single('_count'), parts.limits.pageSize);
  const isCountOnly = count === 0 || single('_summary') === 'count';
  const positions: CursorPosition[] = [];
  let notes: readonly OutcomeIssue[] = [];
  let used: SearchParameters = content.parameters;
  for (const upstream of parts.upstreams.values()) {
    const conformance = await services.conformance.of(upstream);
    const checked = checkParameters(
      content.parameters,
      route.resourceType,
      conformance,
      preference.handling === 'lenient',
    );
    if (checked.notes.length > 0) notes = checked.notes;
    used = used.filter((parameter) => checked.parameters.includes(parameter));
    const side = { ...exchange.book, upstream: upstream.name, isFederated: true };
    const { parameters, isConcerned } = parametersFor(checked.parameters, route.resourceType, side);
    if (!isConcerned) continue;
    const paged: SearchParameters = [...parameters.filter(([name]) => name !== '_count'), ['_count', String(count)]];
    positions.push({ upstream: upstream.name, path: firstPath(upstreamPath(route), paged), skip: 0 });
  }
  return {
    positions,
    sort: single('_sort') ?? '',
    count,
    self: queryText(used),
    isFirstPage: true,
    isCountOnly,
    notes,
  };
}

function pageSize(text: string | undefined, usual: number): number {
  if (text === undefined) return usual;
  if (!/^\d{1,9}$/.test(text)) throw new GatewayError('bad-request', { external: '_count is a whole number.' });
  return Math.min(Number(text), LARGEST_PAGE);
}

async function sendSearch(exchange: Exchange, search: FederatedSearch, sort: readonly SortKey[]): Promise<Reply> {
  const streams = search.positions
    .filter(({ upstream }) => exchange.parts.upstreams.has(upstream))
    .map((position) => new FederatedStream(exchange, position, sort));
  // The first page asks all of them, for the total and to say at once who fails; later pages ask whom they need.
  const isEager = search.isFirstPage || sort.length > 0;
  if (isEager) await Promise.all(streams.map((stream) => stream.prepare()));
  requireSome(exchange, streams);
  const items = search.isCountOnly ? [] : await drawPage(streams, search.count, sort);
  const failed = streams.flatMap(({ failure }) => (failure === undefined ? [] : [failure]));
  const positions = search.isCountOnly ? [] : streams.flatMap((stream) => stream.position() ?? []);
  const links = [{ relation: 'self', url: selfUrl(exchange, search.self) }];
  if (positions.length > 0) {
    const { sort: sortText, count, self } = search;
    links.push({ relation: 'next', url: pageUrl(exchange, { positions, sort: sortText, count, self }) });
  }
  return {
    ...EMPTY_REPLY,
    shape: 'bundle',
    bundleType: 'searchset',
    items,
    links,
    total: search.isFirstPage ? totalOf(streams) : undefined,
    failed,
    notes: search.notes,
  };
}

/** With nobody left to answer there is no result, and an empty one would be a lie. */
function requireSome(exchange: Exchange, streams: readonly FederatedStream[]): void {
  const failures = streams.flatMap(({ failure }) => (failure === undefined ? [] : [failure]));
  const [first] = failures;
  if (first === undefined) return;
  if (failures.length < streams.length && exchange.parts.partialSearch === 'annotate') return;
  const refusals = streams.flatMap(({ refusal }) => (refusal === undefined ? [] : [refusal.status]));
  if (refusals.length === streams.length && refusals.every((status) => status === refusals[0] && status < 500)) {
    throw new GatewayError('bad-request', {
      external: `Every upstream refuses this search, with status ${refusals[0] ?? 400}.`,
    });
  }
  throw first.error instanceof Error ? first.error : new UpstreamError('broken', first.upstream);
}

async function drawPage(
  streams: readonly FederatedStream[],
  count: number,
  sort: readonly SortKey[],
): Promise<readonly ReplyItem[]> {
  const items: ReplyItem[] = [];
  let drawn = 0;
  while (drawn < count) {
    const stream = sort.length === 0 ? await firstWithHead(streams) : await smallestHead(streams, sort);
    if (stream === undefined) break;
    items.push(...stream.take());
    drawn += 1;
  }
  return items;
}

async function firstWithHead(streams: readonly FederatedStream[]): Promise<FederatedStream | undefined> {
  for (const stream of streams) {
    await stream.prepare();
    if (stream.head !== undefined) return stream;
  }
  return undefined;
}

async function smallestHead(
  streams: readonly FederatedStream[],
  sort: readonly SortKey[],
): Promise<FederatedStream | undefined> {
  let smallest: FederatedStream | undefined;
  for (const stream of streams) {
    await stream.prepare();
    if (stream.head === undefined) continue;
    // Strictly smaller: of equal ones the upstream that is configured first goes first, on every page alike.
    if (smallest === undefined || compareSorted(stream.headValues(), smallest.headValues(), sort) < 0)
      smallest = stream;
  }
  return smallest;
}

/** Only where every upstream has said how many it has. */
function totalOf(streams: readonly FederatedStream[]): number | undefined {
  const totals = streams.map(({ total, failure }) => (failure === undefined ? total : undefined));
  return totals.every((total) => total !== undefined) ? totals.reduce((sum, total) => sum + total, 0) : undefined;
}
