import { stringMember } from '../fhir/bundle.ts';
import { isWrite } from '../fhir/interaction.ts';
import { Access } from './auth/access.ts';
import type { Principal } from './auth/authenticator.ts';
import { authoriseRequest } from './authorise.ts';
import { parseContent } from './content.ts';
import { validatePush } from './edge-validation.ts';
import { traceFailure } from './request-log.ts';
import { attemptedEntity, plannedEntity } from './entity.ts';
import { GatewayError } from './gateway-error.ts';
import { lockKeys } from './lock-keys.ts';
import { parsePreference } from './negotiate.ts';
import type { GatewayParts } from './parts.ts';
import { planExchange } from './plan-exchange.ts';
import type { Exchange, Services } from './plan.ts';
import { EVENT_HEADER, Recording } from './recording.ts';
import { headerOf } from './request.ts';
import type { GatewayAnswer, GatewayRequest } from './request.ts';
import { respond } from './respond.ts';
import { parseRoute } from './route.ts';
import type { FhirRoute } from './route.ts';
import type { AddressBook } from './rewrite.ts';
import { screen } from './screen.ts';
import type { UpstreamClient } from './upstream-client.ts';
import { namedPatients, queryText } from './search-request.ts';

/**
 * The main path: one FHIR request from its line to its answer. Everything after authentication is recorded, however it ends; what cannot be recorded is
 * neither sent on nor disclosed.
 * @throws {GatewayError} not-found | method-not-allowed | unauthenticated | too-many-requests: the refusals that are no event
 */
export function runExchange(parts: GatewayParts, services: Services, request: GatewayRequest): Promise<GatewayAnswer> {
  const work = (): Promise<GatewayAnswer> => exchangeSteps(parts, services, request);
  return parts.disclosures === undefined ? work() : parts.disclosures.collect(work);
}

async function exchangeSteps(parts: GatewayParts, services: Services, request: GatewayRequest): Promise<GatewayAnswer> {
  const route = parseRoute(request.method, request.segments, (name) => parts.upstreams.has(name));
  traceRoute(request, route);
  const principal = await parts.authenticator.authenticate(headerOf(request, 'authorization'));
  services.rates.take(principal.caller);
  const recording = new Recording(parts, recordingFacts(request, route, principal));
  try {
    const exchange = await openExchange(parts, services, request, route, principal);
    recording.know(requestFacts(exchange));
    traceRoute(request, exchange.route);
    authoriseRequest(exchange.access, exchange.route);
    requireRuleSet(parts, exchange.route);
    return await services.locks.hold(lockKeys(exchange), async () => {
      const plan = await planExchange(exchange);
      const planned = plan.writes.map((write) => plannedEntity(write, exchange.book));
      recording.attempt(planned);
      const judged = plan.judged ?? (await validatePush(parts, principal.caller.clientId, plan.writes));
      await recording.begin(planned, plan.kind);
      const reply = await plan.send();
      const screened = await screen(exchange, plan, reply);
      const answer = respond(exchange, reply, screened, judged);
      await recording.complete({
        status: answer.status,
        entities: screened.entities,
        issues: [...judged.found, ...screened.found],
      });
      return { ...answer, headers: { ...answer.headers, [EVENT_HEADER]: recording.eventId ?? '' } };
    });
  } catch (error) {
    traceFailure(parts, request, error);
    return recording.refuse(error);
  }
}

function traceRoute({ trace }: GatewayRequest, route: FhirRoute): void {
  trace.interaction = route.interaction;
  if (route.upstream !== undefined) trace.upstream = route.upstream;
  if (route.resourceType !== undefined) trace.resourceType = route.resourceType;
}

/** Reads everything that the steps need of the request. */
async function openExchange(
  parts: GatewayParts,
  services: Services,
  request: GatewayRequest,
  route: FhirRoute,
  principal: Principal,
): Promise<Exchange> {
  const content = await parseContent(request, route, parts.limits);
  const upstreams = [...parts.upstreams.values()];
  const isBatch = route.interaction === 'transaction' && stringMember(content.body?.node, 'type') === 'batch';
  return {
    parts,
    services,
    request,
    // The address of a batch and of a transaction is the same; the Bundle says which it is.
    route: isBatch ? { ...route, interaction: 'batch' } : route,
    principal,
    content,
    access: new Access(principal, [...parts.upstreams.keys()]),
    preference: parsePreference(headerOf(request, 'prefer')),
    book: addressBook(upstreams, request.base),
  };
}

/** Every base that stands for an upstream; the one it is called by comes first. */
function addressBook(upstreams: readonly UpstreamClient[], gatewayBase: string): AddressBook {
  const called = upstreams.map(({ name, base }) => ({ name, base }));
  const believed = upstreams.flatMap(({ name, ownBase: base }) => {
    const isOther = base !== undefined && !called.some((one) => one.base === base) && base !== gatewayBase;
    return isOther ? [{ name, base }] : [];
  });
  return { gatewayBase, upstreams: [...called, ...believed] };
}

function recordingFacts(
  request: GatewayRequest,
  route: FhirRoute,
  principal: Principal,
): ConstructorParameters<typeof Recording>[1] {
  const { interaction, upstream, resourceType, id, versionId } = route;
  const isInstance = upstream !== undefined && resourceType !== undefined && id !== undefined;
  return {
    requestId: request.id,
    caller: principal.caller,
    interaction,
    isCheck: route.operation === 'validate' || route.operation === 'verify',
    upstream,
    resourceType,
    resourceId: id,
    parameters: request.query === '' ? undefined : request.query,
    patients: [],
    attempted: isInstance ? [attemptedEntity({ upstream, resourceType, id, versionId }, interaction)] : [],
  };
}

/** What the body and headers add: the parameters of a posted search, a condition, and the Patients that they name. */
function requestFacts({ route, request, content }: Exchange): Parameters<Recording['know']>[0] {
  const condition = headerOf(request, 'if-none-exist');
  const texts = [queryText(content.parameters), condition ?? ''].filter((text) => text !== '');
  const conditions = [...new URLSearchParams(condition?.replace(/^.*\?/, '') ?? '')];
  return {
    interaction: route.interaction,
    parameters: texts.length > 0 ? texts.join('\n') : undefined,
    patients: namedPatients(route, [...content.parameters, ...conditions]),
  };
}

/** A gateway without the rule set that the consortium has adopted lets nothing be written by rules that are not in force. */
function requireRuleSet(parts: GatewayParts, route: FhirRoute): void {
  const adopted = parts.adoptedRuleSets();
  if (!isWrite(route.interaction) || adopted.length === 0 || adopted.includes(parts.ruleSet.digest)) return;
  throw new GatewayError('rule-set-missing', {
    external: `This gateway has not loaded the rule set that the consortium has adopted (SHA-256 ${adopted.at(-1) ?? ''}); it takes no writes until it has.`,
    headers: { 'Retry-After': '60' },
  });
}
