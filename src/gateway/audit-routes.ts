import { Router } from 'express';
import type { Request, Response } from 'express';
import type { ComplianceView } from '../compliance/compliance.ts';
import { stringMember, itemsOf } from '../fhir/bundle.ts';
import { memberValue } from '../fhir/json-text.ts';
import { isFhirId, splitFederatedId } from '../fhir/reference.ts';
import { Access } from './auth/access.ts';
import { sweep, unmatched } from './audit-operations.ts';
import { answerHeaders, completeQuestion, CSV, exportFormat, NDJSON, viewFor } from './audit-question.ts';
import type { AuditQuestion, AuditType, Given } from './audit-question.ts';
import { decodeUtf8 } from './body.ts';
import { parseBody } from './content.ts';
import { errorAnswer } from './error-response.ts';
import { toGatewayRequest } from './fhir-routes.ts';
import { GatewayError } from './gateway-error.ts';
import { origin, sendAnswer } from './http.ts';
import { bodyKind, FHIR_JSON, requireJsonAnswer } from './negotiate.ts';
import type { GatewayParts } from './parts.ts';
import type { Services } from './plan.ts';
import { EVENT_HEADER, Recording } from './recording.ts';
import { traceFailure } from './request-log.ts';
import { headerOf } from './request.ts';
import type { GatewayRequest } from './request.ts';
import { namedPatients } from './search-request.ts';
import { drained } from './spool.ts';

/**
 * `/audit/…`: the member's own records as FHIR AuditEvent and Provenance, and erasure. Needs a scope of its own (`system/AuditEvent.rs`,
 * `system/Provenance.rs`; `system/Patient.d` to erase); each question is an event of kind `checked` itself.
 */
export function auditRoutes(parts: GatewayParts, services: Services): Router {
  const router = Router();
  for (const type of ['AuditEvent', 'Provenance'] as const) {
    router.get(`/${type}`, (request, response) =>
      ask(parts, services, request, response, (asked) => search(asked, type)),
    );
    router.post(`/${type}/_search`, (request, response) =>
      ask(parts, services, request, response, (asked) => search(asked, type)),
    );
    router.get(`/${type}/:id`, (request, response) =>
      ask(parts, services, request, response, (asked) => read(asked, type, request.params['id'] ?? '')),
    );
  }
  router.post('/Patient/:id/$erase', (request, response) =>
    ask(parts, services, request, response, (asked) => erase(asked, request.params['id'] ?? '')),
  );
  router.post('/$verify-sweep', (request, response) => ask(parts, services, request, response, sweep));
  router.get('/$unmatched', (request, response) => ask(parts, services, request, response, unmatched));
  return router;
}

async function ask(
  parts: GatewayParts,
  services: Services,
  request: Request,
  response: Response,
  answer: (asked: AuditQuestion) => Promise<Given>,
): Promise<void> {
  const asked = toGatewayRequest(parts, request, response);
  try {
    const work = (): Promise<Given> =>
      recorded(parts, services, asked, `${origin(request, parts.publicUrl)}/audit`, answer);
    const given = await (parts.disclosures === undefined ? work() : parts.disclosures.collect(work));
    await send(request, response, given);
  } catch (error) {
    traceFailure(parts, asked, error);
    await sendAnswer(request, response, errorAnswer(error));
  }
}

/** As the main path: everything after authentication is recorded, and nothing is shown that could not be. */
async function recorded(
  parts: GatewayParts,
  services: Services,
  request: GatewayRequest,
  auditUrl: string,
  answer: (asked: AuditQuestion) => Promise<Given>,
): Promise<Given> {
  const isOperation = request.segments.at(-1)?.startsWith('$') === true;
  request.trace.interaction = isOperation ? 'operation' : 'search-type';
  const { caller, scopes } = await parts.authenticator.authenticate(headerOf(request, 'authorization'));
  services.rates.take(caller);
  const [type, id] = request.segments;
  const recording = new Recording(parts, {
    requestId: request.id,
    caller,
    interaction: isOperation ? 'operation' : id === undefined || id === '_search' ? 'search-type' : 'read',
    isCheck: true,
    upstream: undefined,
    resourceType: type?.startsWith('$') === true ? undefined : type,
    resourceId: id === '_search' ? undefined : id,
    parameters: request.query === '' ? undefined : request.query,
    patients: [],
    attempted: [],
  });
  const access = new Access({ caller, scopes }, [...parts.upstreams.keys()]);
  try {
    return await answer({ parts, request, access, recording, caller, auditUrl });
  } catch (error) {
    traceFailure(parts, request, error);
    return recording.refuse(error);
  }
}

async function send(request: Request, response: Response, given: Given): Promise<void> {
  if (!('lines' in given)) return sendAnswer(request, response, given);
  response.status(200);
  for (const [name, value] of Object.entries(given.headers)) response.setHeader(name, value);
  for await (const chunk of given.lines) {
    if (response.destroyed) return;
    if (!response.write(chunk)) await drained(response);
  }
  response.end();
  return;
}

async function search(asked: AuditQuestion, type: AuditType): Promise<Given> {
  const { parts, request, recording } = asked;
  const { text, format } = await searchText(request);
  const view = viewFor(asked, type);
  recording.know({
    interaction: 'search-type',
    parameters: text === '' ? undefined : text,
    patients: auditedPatients(text, view),
  });
  if (format === 'ndjson' || format === 'csv') {
    const lines = await parts.compliance.exportRows(type, format, text, view);
    await completeQuestion(recording);
    const contentType = format === 'csv' ? CSV : NDJSON;
    return { headers: { ...answerHeaders(recording), 'Content-Type': contentType }, lines };
  }
  requireJsonAnswer(request, format);
  const bundle = await (type === 'AuditEvent'
    ? parts.compliance.searchAuditEvents(text, view)
    : parts.compliance.searchProvenance(text, view));
  await completeQuestion(recording);
  return { status: 200, headers: answerHeaders(recording), body: JSON.stringify(bundle) };
}

async function read(asked: AuditQuestion, type: AuditType, id: string): Promise<Given> {
  const { parts, recording } = asked;
  const view = viewFor(asked, type);
  requireJsonAnswer(asked.request, new URLSearchParams(asked.request.query).get('_format') ?? undefined);
  const found = await (type === 'AuditEvent'
    ? parts.compliance.readAuditEvent(id, view)
    : parts.compliance.readProvenance(id, view));
  if (found === undefined) throw new GatewayError('not-found', { external: `There is no ${type} of this id here.` });
  await completeQuestion(recording);
  return { status: 200, headers: answerHeaders(recording), body: JSON.stringify(found) };
}

/** The search as it came by GET or POST, without `_format`, which is ours. */
async function searchText(request: GatewayRequest): Promise<{ text: string; format: string | undefined }> {
  const parameters = [...new URLSearchParams(request.query)];
  if (request.method === 'POST') {
    bodyKind(request, ['form']);
    parameters.push(...new URLSearchParams(decodeUtf8(await request.readBody())));
  }
  const given = parameters.find(([name]) => name === '_format')?.[1];
  const format = exportFormat(given);
  const rest = parameters.filter(([name]) => name !== '_format' && name !== '_pretty');
  return { text: new URLSearchParams(rest).toString(), format };
}

function auditedPatients(text: string, view: ComplianceView): readonly string[] {
  const parameters = [...new URLSearchParams(text)];
  const named = namedPatients(AUDIT_ROUTE, parameters);
  return view.onlyPatient === undefined ? named : [...new Set([...named, view.onlyPatient])];
}

const AUDIT_ROUTE = {
  interaction: 'search-type',
  upstream: undefined,
  isFederated: true,
  resourceType: 'AuditEvent',
  id: undefined,
  versionId: undefined,
  operation: undefined,
  compartment: undefined,
  isPost: false,
  isConditional: false,
} as const;

async function erase(asked: AuditQuestion, id: string): Promise<Given> {
  const { parts, request, access, caller } = asked;
  const target = splitFederatedId(id, (name) => parts.upstreams.has(name));
  if (!access.allowsAllOf('d', 'Patient')) {
    throw new GatewayError('forbidden', {
      external: 'Erasure needs a scope that may delete patients, system/Patient.d.',
      reason: 'scope',
    });
  }
  if (target === undefined || !isFhirId(target.id)) {
    throw new GatewayError('not-found', {
      external: 'A patient is named {upstream}.{id} here, with an upstream of this gateway.',
    });
  }
  const ground = await groundIn(request, parts.limits.jsonDepth);
  const erased = await parts.compliance.erasePatient({
    upstream: target.upstream,
    patient: target.id,
    caller,
    requestId: request.id,
    ground,
  });
  const headers = { 'Content-Type': FHIR_JSON, 'Cache-Control': 'no-store', [EVENT_HEADER]: erased.eventId };
  return { status: 200, headers, body: JSON.stringify(erased.parameters) };
}

/** The class of legal ground: the `ground` parameter of an optional Parameters body. */
async function groundIn(request: GatewayRequest, jsonDepth: number): Promise<string | undefined> {
  const text = decodeUtf8(await request.readBody());
  if (text === '') return undefined;
  bodyKind(request, ['fhir']);
  const parameters = itemsOf(memberValue(parseBody(text, jsonDepth).node, 'parameter'));
  const ground = parameters.find((parameter) => stringMember(parameter, 'name') === 'ground');
  return stringMember(ground, 'valueCode') ?? stringMember(ground, 'valueString');
}
