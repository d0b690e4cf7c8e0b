import { itemsOf, stringMember } from '../fhir/bundle.ts';
import { memberValue } from '../fhir/json-text.ts';
import type { JsonNode } from '../fhir/json-text.ts';
import { parseDateRange } from '../compliance/date-range.ts';
import { answerHeaders, completeQuestion, CSV, exportFormat, NDJSON, viewFor } from './audit-question.ts';
import type { AuditQuestion, Given } from './audit-question.ts';
import { decodeUtf8 } from './body.ts';
import { parseBody } from './content.ts';
import { GatewayError } from './gateway-error.ts';
import { bodyKind, requireJsonAnswer } from './negotiate.ts';

/** Operations on the whole audit: they compare what was recorded with what is there, so they need a scope that sees all of it. */

const DAY_MS = 86_400_000;
const SWEEP_LIMIT = 10_000;
const LARGEST_SWEEP = 100_000;

/** `POST /audit/$verify-sweep`: every version written since a time against what its upstream has today. */
export async function sweep(question: AuditQuestion): Promise<Given> {
  const { parts, request, recording } = question;
  requireWholeAudit(question);
  const given = await parametersOf(question, ['member', 'since', 'limit']);
  requireJsonAnswer(request, given.get('_format'));
  const member = given.get('member');
  const parameters = await parts.compliance.verifySweep({
    sinceMs: timeIn(given, 'since', parts.clock()) ?? 0,
    limit: wholeNumberIn(given, 'limit', LARGEST_SWEEP) ?? SWEEP_LIMIT,
    ...(member !== undefined && { upstreams: upstreamsOf(question, member) }),
  });
  await completeQuestion(recording);
  return { status: 200, headers: answerHeaders(recording), body: JSON.stringify(parameters) };
}

const DEFAULT_WINDOW_MS = 15 * 60_000;
const LONGEST_WINDOW_MS = 366 * DAY_MS;
const DEFAULT_SINCE_MS = 7 * DAY_MS;

/** `GET /audit/$unmatched`: disclosures between members that the other end has not acknowledged within a window. */
export async function unmatched(question: AuditQuestion): Promise<Given> {
  const { parts, request, recording } = question;
  requireWholeAudit(question);
  const given = await parametersOf(question, ['window', 'member', 'since']);
  const format = exportFormat(given.get('_format'));
  const member = given.get('member');
  if (member !== undefined && !parts.ledger.members().some(({ name }) => name === member)) {
    throw badValue('member', 'a member of the consortium');
  }
  const report = await parts.compliance.unmatched({
    windowMs: durationIn(given, 'window') ?? DEFAULT_WINDOW_MS,
    sinceMs: timeIn(given, 'since', parts.clock()) ?? parts.clock() - DEFAULT_SINCE_MS,
    member,
  });
  if (format === 'csv' || format === 'ndjson') {
    await completeQuestion(recording);
    const contentType = format === 'csv' ? CSV : NDJSON;
    return { headers: { ...answerHeaders(recording), 'Content-Type': contentType }, lines: report.lines(format) };
  }
  requireJsonAnswer(request, format);
  await completeQuestion(recording);
  return { status: 200, headers: answerHeaders(recording), body: JSON.stringify(report.parameters) };
}

/** A patient's own token sees rows of one patient; what is counted here is of all of them. @throws {GatewayError} forbidden */
function requireWholeAudit(question: AuditQuestion): void {
  if (viewFor(question, 'AuditEvent').onlyPatient === undefined) return;
  throw new GatewayError('forbidden', {
    external: 'This looks at the records of all patients and needs system/AuditEvent.rs.',
    reason: 'scope',
  });
}

/** Upstreams behind which a member stands; a server without a member is our own. */
function upstreamsOf({ parts }: AuditQuestion, member: string): ReadonlySet<string> {
  const names = [...parts.upstreams.values()].filter((upstream) => (upstream.member ?? parts.member) === member);
  if (names.length === 0) {
    throw new GatewayError('bad-request', { external: 'No upstream of this gateway is of that member.' });
  }
  return new Set(names.map(({ name }) => name));
}

/**
 * Parameters of an operation, out of the address and of a Parameters body, as text; the record gets them.
 * @throws {GatewayError} bad-request: one that the operation does not know, or twice
 */
async function parametersOf(
  { parts, request, recording }: AuditQuestion,
  known: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const pairs: [string, string][] = [...new URLSearchParams(request.query)];
  if (request.method === 'POST') {
    const text = decodeUtf8(await request.readBody());
    if (text !== '') {
      bodyKind(request, ['fhir']);
      pairs.push(...itemsOf(memberValue(parseBody(text, parts.limits.jsonDepth).node, 'parameter')).map(pairOf));
    }
  }
  const given = new Map<string, string>();
  for (const [name, value] of pairs) {
    if (name === '_pretty') continue;
    if ((name !== '_format' && !known.includes(name)) || given.has(name)) {
      throw new GatewayError('bad-request', {
        external: `This operation knows the parameters ${known.join(', ')}, each once.`,
      });
    }
    given.set(name, value);
  }
  const asked = new URLSearchParams([...given].filter(([name]) => name !== '_format')).toString();
  recording.know({ interaction: 'operation', parameters: `${request.segments.join('/')}?${asked}`, patients: [] });
  return given;
}

/** Name and value of one part of a Parameters resource, whatever primitive type its value has. */
function pairOf(parameter: JsonNode): [string, string] {
  const value =
    parameter.kind === 'object' ? parameter.members.find(({ key }) => /^value[A-Z]/.test(key))?.value : undefined;
  const text = value?.kind === 'string' ? value.value : value?.kind === 'number' ? value.lexeme : '';
  return [stringMember(parameter, 'name') ?? '', text];
}

/** Start of the FHIR date or instant that a parameter names, epoch ms. */
function timeIn(given: ReadonlyMap<string, string>, name: string, nowMs: number): number | undefined {
  const text = given.get(name);
  if (text === undefined) return undefined;
  const range = /^\d/.test(text) ? parseDateRange(text, nowMs) : undefined;
  if (range?.fromMs === undefined) throw badValue(name, 'a FHIR date or instant');
  return range.fromMs;
}

/** An ISO 8601 duration of days, hours, minutes and seconds. */
function durationIn(given: ReadonlyMap<string, string>, name: string): number | undefined {
  const text = given.get(name);
  if (text === undefined) return undefined;
  const match = /^P(?:(\d{1,5})D)?(?:T(?=\d)(?:(\d{1,5})H)?(?:(\d{1,6})M)?(?:(\d{1,8})S)?)?$/.exec(text);
  const [days = 0, hours = 0, minutes = 0, seconds = 0] = (match?.slice(1) ?? []).map((part) => Number(part ?? 0));
  const durationMs = days * DAY_MS + hours * 3_600_000 + minutes * 60_000 + seconds * 1000;
  if (durationMs < 1000 || durationMs > LONGEST_WINDOW_MS) throw badValue(name, 'a duration such as PT15M');
  return durationMs;
}

function wholeNumberIn(given: ReadonlyMap<string, string>, name: string, largest: number): number | undefined {
  const text = given.get(name);
  if (text === undefined) return undefined;
  if (!/^[1-9]\d{0,8}$/.test(text) || Number(text) > largest)
    throw badValue(name, `a whole number from 1 to ${largest}`);
  return Number(text);
}

function badValue(name: string, wanted: string): GatewayError {
  return new GatewayError('bad-request', { external: `The parameter ${name} is ${wanted}.` });
}
