import type { Request, RequestHandler, Response } from 'express';
import { readBody } from './body.ts';
import { capabilityStatement } from './capability.ts';
import { errorAnswer } from './error-response.ts';
import { runExchange } from './exchange.ts';
import { fhirBase, pathSegments, rawQuery, sendAnswer } from './http.ts';
import { FHIR_JSON, requireJsonAnswer } from './negotiate.ts';
import type { GatewayParts } from './parts.ts';
import type { Services } from './plan.ts';
import { PROVENANCE_RESULT_HEADER, provenanceHeader, provenanceRequest } from './provenance-header.ts';
import { traceFailure } from './request-log.ts';
import type { GatewayAnswer, GatewayRequest } from './request.ts';
import { traceOf } from './request-trace.ts';

/** `/fhir/…`: metadata without an exchange, everything else by the main path. */
export function fhirRoutes(parts: GatewayParts, services: Services): RequestHandler {
  return (request, response, next) => {
    // Stands beside a FHIR base, but is none of FHIR's own addresses.
    if (request.path.includes('/.well-known/')) {
      next();
      return;
    }
    answer(parts, services, request, response)
      .then((result) => sendAnswer(request, response, result))
      .catch(next);
  };
}

async function answer(
  parts: GatewayParts,
  services: Services,
  request: Request,
  response: Response,
): Promise<GatewayAnswer> {
  const gatewayRequest = toGatewayRequest(parts, request, response);
  try {
    if (request.method === 'OPTIONS') return { status: 204, headers: { Allow: METHODS }, body: undefined };
    return (await metadata(parts, services, gatewayRequest)) ?? (await exchangeOf(parts, services, gatewayRequest));
  } catch (error) {
    traceFailure(parts, gatewayRequest, error);
    if (gatewayRequest.trace.reason === 'too-many-requests') parts.metrics.throttled.inc();
    const refused = errorAnswer(error);
    if (refused.status === 401) parts.metrics.refusedTokens.inc({ reason: gatewayRequest.trace.reason ?? 'unknown' });
    return refused;
  }
}

/** The exchange, and behind it the one that its X-Provenance header asks for, which is an event of its own. */
async function exchangeOf(parts: GatewayParts, services: Services, request: GatewayRequest): Promise<GatewayAnswer> {
  const provenance = provenanceHeader(request);
  const written = await runExchange(parts, services, request);
  const more = provenance && provenanceRequest(provenance, request, written);
  if (more === undefined) return written;
  const stored = await runExchange(parts, services, more);
  const result = stored.headers['Location'] ?? `not stored, status ${stored.status}`;
  return { ...written, headers: { ...written.headers, [PROVENANCE_RESULT_HEADER]: result } };
}

const METHODS = 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS';

export function toGatewayRequest(parts: GatewayParts, request: Request, response: Response): GatewayRequest {
  const trace = traceOf(response);
  return {
    id: trace.requestId,
    method: request.method,
    segments: pathSegments(request.path),
    query: rawQuery(request),
    headers: request.headers,
    base: fhirBase(request, parts.publicUrl),
    trace,
    readBody: () => readBody(request, parts.limits.requestBytes),
  };
}

/** `/fhir/metadata` and `/fhir/{upstream}/metadata`; undefined for any other address. */
async function metadata(
  parts: GatewayParts,
  services: Services,
  request: GatewayRequest,
): Promise<GatewayAnswer | undefined> {
  const [first = '', second = ''] = request.segments;
  const isFederated = request.segments.length === 1 && first === 'metadata';
  const isSingle = request.segments.length === 2 && second === 'metadata' && parts.upstreams.has(first);
  if ((!isFederated && !isSingle) || (request.method !== 'GET' && request.method !== 'HEAD')) return undefined;
  request.trace.interaction = 'capabilities';
  requireJsonAnswer(request, new URLSearchParams(request.query).get('_format') ?? undefined);
  const statement = await capabilityStatement(parts, services, request.base, isSingle ? first : undefined);
  return { status: 200, headers: { 'Content-Type': FHIR_JSON }, body: JSON.stringify(statement) };
}
