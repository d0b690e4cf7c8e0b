import type { RequestHandler } from 'express';

const EXPOSED =
  'ETag, Location, Content-Location, Last-Modified, Retry-After, X-Request-Id, Concordat-Event, Concordat-Validation';
const ALLOWED =
  'Accept, Authorization, Content-Type, Prefer, If-Match, If-None-Match, If-Modified-Since, If-None-Exist, X-Request-Id, X-Provenance, traceparent';
const METHODS = 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS';

/** Cross-origin calls of browsers from the configured origins (Fetch standard, "CORS protocol"). Never with credentials: tokens go in a header. */
export function cors(allowedOrigins: readonly string[]): RequestHandler {
  return (request, response, next) => {
    const { origin } = request.headers;
    if (origin !== undefined && (allowedOrigins.includes('*') || allowedOrigins.includes(origin))) {
      response.setHeader('Access-Control-Allow-Origin', allowedOrigins.includes('*') ? '*' : origin);
      response.vary('Origin');
      response.setHeader('Access-Control-Expose-Headers', EXPOSED);
      if (request.method === 'OPTIONS' && request.headers['access-control-request-method'] !== undefined) {
        response.setHeader('Access-Control-Allow-Methods', METHODS);
        response.setHeader('Access-Control-Allow-Headers', ALLOWED);
        response.setHeader('Access-Control-Max-Age', '600');
        response.status(204).end();
        return;
      }
    }
    next();
  };
}
