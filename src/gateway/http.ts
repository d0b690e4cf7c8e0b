import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { Request, Response } from 'express';
import { GatewayError } from './gateway-error.ts';
import type { GatewayAnswer } from './request.ts';
import { spool } from './spool.ts';
import type { Spooled } from './spool.ts';

const compress = promisify(gzip);
const WORTH_COMPRESSING_BYTES = 1_400;
const SPOOLED_FROM_BYTES = 1024 * 1024;

/** Our own FHIR base as this client sees it. @throws {GatewayError} bad-request for a Host header that is no host */
export function fhirBase(request: Request, publicUrl: string | undefined): string {
  return `${origin(request, publicUrl)}/fhir`;
}

/** Scheme, host and port, and the path before our own where a proxy adds one. */
export function origin(request: Request, publicUrl: string | undefined): string {
  if (publicUrl !== undefined) return publicUrl.replace(/\/+$/, '');
  const host = request.headers.host ?? '';
  if (!/^[A-Za-z0-9.-]+(?::\d{1,5})?$|^\[[0-9a-fA-F:]+\](?::\d{1,5})?$/.test(host)) {
    throw new GatewayError('bad-request', { external: 'The Host header names no host.' });
  }
  return `${request.protocol}://${host}`;
}

/** Decoded path segments. @throws {GatewayError} bad-request */
export function pathSegments(path: string): readonly string[] {
  try {
    return path.replace(/^\/+/, '').split('/').map(decodeURIComponent);
  } catch (error) {
    throw new GatewayError('bad-request', { external: 'The address has a bad percent-encoding.', cause: error });
  }
}

/** The query as it came, without the question mark. */
export function rawQuery(request: Request): string {
  const mark = request.originalUrl.indexOf('?');
  return mark < 0 ? '' : request.originalUrl.slice(mark + 1);
}

/** Sends an answer, compressed where the client takes gzip; a long one comes from an encrypted temporary file. */
export function sendAnswer(request: Request, response: Response, answer: GatewayAnswer): Promise<void> {
  // No frame that waits for a slow reader may hold the answer's text.
  return prepare(request, response, answer).then((ready) => ready?.sendTo(response));
}

/** Everything but the sending of a long answer, which is returned. */
async function prepare(request: Request, response: Response, answer: GatewayAnswer): Promise<Spooled | undefined> {
  response.status(answer.status);
  for (const [name, value] of Object.entries(answer.headers)) response.setHeader(name, value);
  if (answer.body === undefined) {
    response.removeHeader('Content-Type');
    response.end();
    return undefined;
  }
  let bytes = Buffer.from(answer.body, 'utf8');
  response.vary('Accept-Encoding');
  if (
    bytes.byteLength >= WORTH_COMPRESSING_BYTES &&
    /\bgzip\b/.test(String(request.headers['accept-encoding'] ?? ''))
  ) {
    bytes = await compress(bytes, { level: 1 });
    response.setHeader('Content-Encoding', 'gzip');
  }
  response.setHeader('Content-Length', bytes.byteLength);
  if (request.method !== 'HEAD' && bytes.byteLength > SPOOLED_FROM_BYTES) return spool(bytes);
  response.end(request.method === 'HEAD' ? undefined : bytes);
  return undefined;
}
