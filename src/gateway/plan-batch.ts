import type { BundleEntry } from '../fhir/bundle.ts';
import { isWrite } from '../fhir/interaction.ts';
import { operationOutcome } from '../fhir/outcome.ts';
import type { OutcomeIssue } from '../fhir/outcome.ts';
import { ProvenanceError } from '../provenance/provenance-error.ts';
import type { RecordEntity } from '../provenance/exchange-record.ts';
import { authoriseRequest } from './authorise.ts';
import { entryContent, entryRequest, requestBundle } from './bundle-request.ts';
import { validatePush } from './edge-validation.ts';
import type { PushJudgement } from './edge-validation.ts';
import { plannedEntity } from './entity.ts';
import { errorFacts } from './error-response.ts';
import { GatewayError } from './gateway-error.ts';
import { EMPTY_REPLY } from './plan.ts';
import type { Exchange, Plan, PlannedWrite, Reply } from './plan.ts';
import type { GatewayAnswer } from './request.ts';
import { respond } from './respond.ts';
import { parseRoute } from './route.ts';
import { screen } from './screen.ts';

/** Entries carried out at the same time; their answers keep the order of the entries. */
const PARALLEL = 8;

/** How a single exchange is planned. */
export type Planner = (exchange: Exchange) => Promise<Plan>;

/** One entry, planned; or why it will not be carried out. */
type Planned =
  | { readonly exchange: Exchange; readonly plan: Plan; readonly judged: PushJudgement }
  | { readonly error: unknown; readonly writes: readonly PlannedWrite[] };

/**
 * A batch: each entry is an exchange of its own, with its own scopes, rules and upstream, and all of them are one event. An entry that is refused leaves
 * the others alone.
 */
export async function planBatch(exchange: Exchange, planOne: Planner): Promise<Plan> {
  const planned: Planned[] = [];
  for (const entry of requestBundle(exchange).entries) planned.push(await planEntry(exchange, entry, planOne));
  const sent = planned.flatMap((one) => ('plan' in one ? one.plan.writes : []));
  const refused = planned.flatMap((one) => ('error' in one ? one.writes : []));
  const judged = planned.flatMap((one) => ('judged' in one ? [one.judged] : []));
  return {
    writes: sent,
    isDisclosure: true,
    kind: sent.length > 0 ? 'received' : refused.length > 0 ? 'rejected' : 'disclosed',
    judged: {
      found: [
        ...judged.flatMap(({ found }) => found),
        ...planned.flatMap((one) => ('error' in one ? findingsOf(one.error) : [])),
      ],
      shown: judged.flatMap(({ shown }) => shown),
      profiles: [...new Set(judged.flatMap(({ profiles }) => profiles))],
    },
    send: () => sendEntries(exchange, planned, refused),
  };
}

function findingsOf(error: unknown): readonly OutcomeIssue[] {
  return error instanceof GatewayError ? (error.detail.found ?? error.detail.issues ?? []) : [];
}

async function planEntry(exchange: Exchange, entry: BundleEntry, planOne: Planner): Promise<Planned> {
  let writes: readonly PlannedWrite[] = [];
  try {
    const inner = entryExchange(exchange, entry);
    authoriseRequest(inner.access, inner.route);
    const made = await planOne(inner);
    const plan = { ...made, writes: made.writes.map((write) => ({ ...write, entry: entry.index })) };
    writes = plan.writes;
    const judged = await validatePush(exchange.parts, exchange.principal.caller.clientId, plan.writes);
    return { exchange: inner, plan, judged };
  } catch (error) {
    return { error, writes };
  }
}

function entryExchange(exchange: Exchange, entry: BundleEntry): Exchange {
  const request = entryRequest(exchange, entry);
  const route = parseRoute(request.method, request.segments, (name) => exchange.parts.upstreams.has(name));
  if (route.interaction === 'transaction' || route.interaction === 'batch' || route.interaction === 'capabilities') {
    throw new GatewayError('structure', { external: 'A batch holds no batch, transaction or metadata request.' });
  }
  return { ...exchange, request, route, content: entryContent(exchange, entry, request) };
}

async function sendEntries(
  exchange: Exchange,
  planned: readonly Planned[],
  refused: readonly PlannedWrite[],
): Promise<Reply> {
  const texts: string[] = new Array<string>(planned.length).fill('{}');
  const entities: RecordEntity[] = refused.map((write) => plannedEntity(write, exchange.book));
  const found: OutcomeIssue[] = [];
  let next = 0;
  const work = async (): Promise<void> => {
    for (let index = next++; index < planned.length; index = next++) {
      const one = planned[index];
      if (one === undefined) return;
      const result = await sendEntry(one, index);
      texts[index] = result.text;
      entities.push(...result.entities);
      found.push(...result.found);
    }
  };
  await Promise.all(Array.from({ length: Math.min(PARALLEL, planned.length) }, work));
  entities.sort((a, b) => (a.entry ?? 0) - (b.entry ?? 0));
  const body = `{"resourceType":"Bundle","type":"batch-response","entry":[${texts.join(',')}]}`;
  return { ...EMPTY_REPLY, shape: 'bundle', prepared: { body, entities, found } };
}

interface EntryResult {
  readonly text: string;
  readonly entities: readonly RecordEntity[];
  readonly found: readonly OutcomeIssue[];
}

async function sendEntry(one: Planned, index: number): Promise<EntryResult> {
  if ('error' in one) return { text: errorEntry(one.error), entities: [], found: [] };
  const { exchange, plan, judged } = one;
  try {
    const reply = await plan.send();
    const screened = await screen(exchange, plan, reply);
    const answer = respond(exchange, reply, screened, judged);
    return {
      text: answerEntry(exchange, answer, judged),
      entities: screened.entities.map((entity) => ({ ...entity, entry: index })),
      found: screened.found,
    };
  } catch (error) {
    // Whether it can be recorded at all decides over the whole batch.
    if (error instanceof ProvenanceError) throw error;
    const entities = plan.writes.map((write) => plannedEntity(write, exchange.book));
    return { text: errorEntry(error), entities, found: [] };
  }
}

function answerEntry(exchange: Exchange, answer: GatewayAnswer, judged: PushJudgement): string {
  const isOutcome = answer.status >= 400;
  const response: Record<string, unknown> = { status: statusLine(answer.status) };
  const { ETag: etag, Location: location, 'Last-Modified': modified } = answer.headers;
  if (location !== undefined) response['location'] = location;
  if (etag !== undefined) response['etag'] = etag;
  if (modified !== undefined) response['lastModified'] = new Date(modified).toISOString();
  if (!isOutcome && judged.shown.length > 0) response['outcome'] = operationOutcome(judged.shown);
  const isResource =
    answer.body !== undefined &&
    !isOutcome &&
    !(isWrite(exchange.route.interaction) && exchange.preference.return === 'OperationOutcome');
  const outcome = answer.body !== undefined && !isResource ? `,"outcome":${answer.body}` : '';
  const members = `"response":${JSON.stringify(response).slice(0, -1)}${outcome}}`;
  return isResource ? `{"resource":${answer.body ?? 'null'},${members}}` : `{${members}}`;
}

function errorEntry(error: unknown): string {
  const facts = errorFacts(error);
  return JSON.stringify({ response: { status: statusLine(facts.status), outcome: operationOutcome(facts.issues) } });
}

const PHRASES: Readonly<Record<number, string>> = { 200: 'OK', 201: 'Created', 204: 'No Content', 304: 'Not Modified' };

function statusLine(status: number): string {
  const phrase = PHRASES[status];
  return phrase === undefined ? String(status) : `${status} ${phrase}`;
}
