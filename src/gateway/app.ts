import express from 'express';
import type { ErrorRequestHandler } from 'express';
import { auditRoutes } from './audit-routes.ts';
import { ConformanceCache } from './conformance.ts';
import { cors } from './cors.ts';
import { errorAnswer } from './error-response.ts';
import { fhirRoutes } from './fhir-routes.ts';
import { GatewayError } from './gateway-error.ts';
import { healthRoutes } from './health-routes.ts';
import { sendAnswer } from './http.ts';
import { KeyedLock } from './keyed-lock.ts';
import { logRoutes } from './log-routes.ts';
import type { GatewayParts } from './parts.ts';
import type { Services } from './plan.ts';
import { RateLimiter } from './rate-limiter.ts';
import { logFailure, loggedRequestId } from './request-log.ts';
import { traceOf, traceRequests } from './request-trace.ts';
import { smartRoutes } from './smart-configuration.ts';

/** The mount table of the gateway: one line for each API. */
export function createApp(parts: GatewayParts): express.Application {
  const services = createServices(parts);
  // Asked now, so that the first answers already know by what other names the upstreams call themselves.
  for (const upstream of parts.upstreams.values()) void services.conformance.of(upstream);
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.use(traceRequests(parts));
  app.use(cors(parts.allowedOrigins));
  app.use('/fhir', fhirRoutes(parts, services));
  app.use(healthRoutes(parts));
  app.use(smartRoutes(parts));
  for (const [number, ledger] of parts.ledger.past.entries())
    app.use(`/ledger/previous/${String(number)}`, logRoutes({ ...parts, ledger }));
  app.use('/ledger', logRoutes(parts));
  app.use('/audit', auditRoutes(parts, services));
  app.use((_request, _response, next) => {
    next(new GatewayError('not-found', { external: 'There is nothing at this address; the FHIR base is /fhir.' }));
  });
  app.use(lastResort(parts));
  return app;
}

function createServices(parts: GatewayParts): Services {
  return {
    conformance: new ConformanceCache(parts.clock),
    locks: new KeyedLock(),
    rates: new RateLimiter(parts.limits.requestsPerMinute, parts.clock),
  };
}

/** Express's own errors, and ours from outside an exchange, leave as an OperationOutcome too. */
function lastResort(parts: GatewayParts): ErrorRequestHandler {
  return (error: unknown, request, response, next) => {
    if (response.headersSent) {
      next(error);
      return;
    }
    const answer = errorAnswer(error);
    if (answer.status >= 500) logFailure(parts.logger, loggedRequestId(traceOf(response).requestId), error);
    sendAnswer(request, response, answer).catch(next);
  };
}
