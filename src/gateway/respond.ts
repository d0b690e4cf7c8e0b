import { stringMember } from '../fhir/bundle.ts';
import { isWrite } from '../fhir/interaction.ts';
import { rebuiltObject } from '../fhir/json-edit.ts';
import { memberValue, parseJsonText } from '../fhir/json-text.ts';
import { operationOutcome } from '../fhir/outcome.ts';
import type { OutcomeIssue } from '../fhir/outcome.ts';
import { contextIssue } from './edge-validation.ts';
import type { PushJudgement } from './edge-validation.ts';
import { errorFacts } from './error-response.ts';
import { FHIR_JSON } from './negotiate.ts';
import type { Exchange, Reply, ReplyItem } from './plan.ts';
import { redactorFor } from './redact.ts';
import { headerOf } from './request.ts';
import type { GatewayAnswer } from './request.ts';
import { bodyToClient } from './rewrite-body.ts';
import { urlToClient } from './rewrite.ts';
import type { Side } from './rewrite.ts';
import type { Screened } from './screen.ts';
import { UpstreamError } from './upstream-error.ts';

/** Counts the findings that an accepted exchange goes with, for clients that do not ask for the outcome itself. */
const VALIDATION_HEADER = 'Concordat-Validation';

/** The answer to a client: addresses and ids as it may see them, cut to what its Prefer header asks for. */
export function respond(exchange: Exchange, reply: Reply, screened: Screened, judged: PushJudgement): GatewayAnswer {
  const headers = answerHeaders(exchange, reply, screened, judged);
  if (isNotModified(exchange, reply, headers))
    return { status: 304, headers: withoutContent(headers), body: undefined };
  return { status: reply.status, headers, body: answerBody(exchange, reply, screened, judged) };
}

function answerHeaders(
  exchange: Exchange,
  reply: Reply,
  screened: Screened,
  judged: PushJudgement,
): Record<string, string> {
  const headers: Record<string, string> = { 'Content-Type': FHIR_JSON, 'Cache-Control': 'no-store' };
  const [item] = reply.items;
  if (item !== undefined && reply.shape === 'resource') {
    const meta = item.resource && memberValue(item.resource.node, 'meta');
    const versionId = stringMember(meta, 'versionId');
    const etag = reply.headers.etag ?? (versionId === undefined ? undefined : `W/"${versionId}"`);
    if (etag !== undefined) headers['ETag'] = etag;
    const lastUpdated = Date.parse(stringMember(meta, 'lastUpdated') ?? '');
    const lastModified =
      reply.headers.lastModified ?? (Number.isNaN(lastUpdated) ? undefined : new Date(lastUpdated).toUTCString());
    if (lastModified !== undefined) headers['Last-Modified'] = lastModified;
  } else if (reply.headers.etag !== undefined) {
    headers['ETag'] = reply.headers.etag;
  }
  if (reply.status === 201 || (reply.headers.location !== undefined && isWrite(exchange.route.interaction))) {
    const location = locationOf(exchange, reply);
    if (location !== undefined) headers['Location'] = location;
  }
  if (reply.headers.retryAfter !== undefined) headers['Retry-After'] = reply.headers.retryAfter;
  const findings = [...judged.shown, ...screened.notes];
  if (findings.length > 0) headers[VALIDATION_HEADER] = counts(findings);
  return headers;
}

function counts(findings: readonly OutcomeIssue[]): string {
  const count = (severity: string): number => findings.filter((issue) => issue.severity === severity).length;
  return `errors=${count('error') + count('fatal')}, warnings=${count('warning')}, notes=${count('information')}`;
}

/** Where the written version is, on our own address. */
function locationOf(exchange: Exchange, reply: Reply): string | undefined {
  const [item] = reply.items;
  if (item === undefined) return undefined;
  const side = sideOf(exchange, item.upstream);
  const base = side.upstreams.find(({ name }) => name === item.upstream)?.base ?? '';
  const type = item.write?.resourceType ?? item.resourceType;
  const id = (item.resource && stringMember(item.resource.node, 'id')) ?? item.id;
  if (type === undefined || id === undefined) return undefined;
  const versionId =
    (item.resource && stringMember(memberValue(item.resource.node, 'meta'), 'versionId')) ?? item.versionId;
  const version = versionId === undefined ? '' : `/_history/${versionId}`;
  return urlToClient(`${base}/${type}/${id}${version}`, side);
}

function isNotModified(exchange: Exchange, reply: Reply, headers: Readonly<Record<string, string>>): boolean {
  const { interaction } = exchange.route;
  if (reply.status !== 200 || (interaction !== 'read' && interaction !== 'vread')) return false;
  const known = headerOf(exchange.request, 'if-none-match');
  const etag = headers['ETag'];
  if (known !== undefined) {
    const bare = (tag: string): string => tag.trim().replace(/^W\//, '');
    return known.trim() === '*' || (etag !== undefined && known.split(',').some((tag) => bare(tag) === bare(etag)));
  }
  const since = Date.parse(headerOf(exchange.request, 'if-modified-since') ?? '');
  const modified = Date.parse(headers['Last-Modified'] ?? '');
  return !Number.isNaN(since) && !Number.isNaN(modified) && Math.floor(modified / 1000) <= Math.floor(since / 1000);
}

function withoutContent(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => name !== 'Content-Type'));
}

function answerBody(exchange: Exchange, reply: Reply, screened: Screened, judged: PushJudgement): string | undefined {
  const wanted =
    isWrite(exchange.route.interaction) && reply.shape !== 'bundle' ? exchange.preference.return : undefined;
  if (wanted === 'OperationOutcome' && reply.status < 400) {
    const issues = [...judged.shown, ...screened.notes];
    return JSON.stringify(operationOutcome([contextIssue(exchange.parts, judged.profiles), ...issues]));
  }
  if (reply.prepared !== undefined) return reply.prepared.body;
  if (reply.shape === 'none' || (wanted === 'minimal' && reply.status < 400)) return undefined;
  if (reply.shape === 'bundle') return bundleText(exchange, reply, screened);
  const [item] = screened.items;
  if (item?.resource === undefined) return undefined;
  const side = sideOf(exchange, item.upstream);
  return bodyToClient(item.resource, reply.status < 400 ? side : { ...side, redact: redactorFor(exchange) });
}

export function sideOf(exchange: Exchange, upstream: string): Side {
  return { ...exchange.book, upstream, isFederated: exchange.route.isFederated };
}

function bundleText(exchange: Exchange, reply: Reply, screened: Screened): string {
  const entries = screened.items.map((item) => entryText(exchange, item));
  if (screened.notes.length > 0 && reply.bundleType === 'searchset') {
    entries.push(JSON.stringify({ resource: operationOutcome(screened.notes), search: { mode: 'outcome' } }));
  }
  for (const { upstream, error } of reply.failed) entries.push(failedEntry(upstream, error));
  const isExact = screened.withheld === 0 && reply.failed.length === 0 && seesAll(exchange);
  const total = reply.total !== undefined && isExact ? reply.total : undefined;
  const link = JSON.stringify(reply.links);
  if (reply.frame === undefined) {
    const head = [`"resourceType":"Bundle"`, `"type":${JSON.stringify(reply.bundleType ?? 'searchset')}`];
    if (total !== undefined) head.push(`"total":${total}`);
    if (reply.links.length > 0) head.push(`"link":${link}`);
    if (entries.length > 0) head.push(`"entry":[${entries.join(',')}]`);
    return `{${head.join(',')}}`;
  }
  // The upstream's own Bundle keeps everything else that it has, known to R4 or not.
  const changes = new Map([
    ['total', total === undefined ? undefined : String(total)],
    ['link', reply.links.length > 0 ? link : undefined],
    ['entry', entries.length > 0 ? `[${entries.join(',')}]` : undefined],
  ]);
  return rebuiltObject(reply.frame, changes);
}

/** One for each upstream that could not take part, by its name. */
function failedEntry(upstream: string, error: unknown): string {
  const [issue] = errorFacts(error).issues;
  const code = issue?.code === 'timeout' ? 'timeout' : 'incomplete';
  const text =
    `Results of the upstream ${upstream} are missing. ${error instanceof UpstreamError ? (issue?.text ?? '') : ''}`.trim();
  const resource = operationOutcome([{ severity: 'warning', code, text }]);
  return JSON.stringify({ resource, search: { mode: 'outcome' } });
}

function seesAll({ access, route }: Exchange): boolean {
  if (!route.interaction.startsWith('search') && !route.interaction.startsWith('history')) return true;
  return access.allowsAllOf('s', route.resourceType) || access.allowsAllOf('r', route.resourceType);
}

function entryText(exchange: Exchange, item: ReplyItem): string {
  const side = sideOf(exchange, item.upstream);
  if (item.entry !== undefined) {
    const text = bodyToClient(item.entry, side);
    if (item.write === undefined || exchange.preference.return !== 'minimal') return text;
    return rebuiltObject({ text, node: parseJsonText(text).root }, new Map([['resource', undefined]]));
  }
  return item.resource === undefined ? '{}' : `{"resource":${bodyToClient(item.resource, side)}}`;
}
