import { randomUUID } from 'node:crypto';
import type { RequestHandler, Response } from 'express';
import { isResourceType } from '../fhir/search-parameters.ts';
import type { GatewayParts } from './parts.ts';
import { EVENT_HEADER } from './recording.ts';
import { loggedRequestId } from './request-log.ts';
import { isRequestId } from './request.ts';
import type { ExchangeTrace } from './request.ts';

const REQUEST_ID_HEADER = 'X-Request-Id';

export interface RequestTrace extends ExchangeTrace {
  readonly requestId: string;
}

/** What this request is known as and turned out to be. */
export function traceOf(response: Response): RequestTrace {
  return response.locals['trace'] as RequestTrace;
}

/** Gives every request its id, and one log line and one count when it is answered. */
export function traceRequests(parts: GatewayParts): RequestHandler {
  return (request, response, next) => {
    const given = request.headers['x-request-id'];
    const requestId = typeof given === 'string' && isRequestId(given) ? given : randomUUID();
    const trace: RequestTrace = { requestId };
    response.locals['trace'] = trace;
    response.setHeader(REQUEST_ID_HEADER, requestId);
    response.setHeader('X-Content-Type-Options', 'nosniff');
    const startedMs = performance.now();
    response.once('close', () => finish(parts, response, trace, request.method, performance.now() - startedMs));
    next();
  };
}

function finish(
  parts: GatewayParts,
  response: Response,
  trace: RequestTrace,
  method: string,
  durationMs: number,
): void {
  const { interaction, upstream = '', resourceType, reason } = trace;
  const status = response.statusCode;
  if (interaction !== undefined) {
    const type = resourceType === undefined ? '' : isResourceType(resourceType) ? resourceType : 'other';
    const outcome = status < 400 ? 'success' : status < 500 ? 'refused' : 'failed';
    parts.metrics.exchanges.inc({ interaction, type, upstream, outcome });
    parts.metrics.durations.observe({ interaction, upstream }, durationMs / 1000);
  }
  parts.logger.info(
    {
      requestId: loggedRequestId(trace.requestId),
      method,
      interaction,
      upstream: upstream === '' ? undefined : upstream,
      type: resourceType,
      status,
      reason,
      event: response.getHeader(EVENT_HEADER),
      durationMs: Math.round(durationMs * 10) / 10,
      isAborted: response.writableFinished ? undefined : true,
    },
    'request',
  );
}
