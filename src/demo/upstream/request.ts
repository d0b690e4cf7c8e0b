import type { IncomingMessage } from 'node:http';
import { createGunzip } from 'node:zlib';
import { AppError } from '../../errors.ts';
import { parseKeepingLexemes } from './lexemes.ts';

export class RequestError extends AppError<'too-large' | 'not-json' | 'media-type'> {}

const MAXIMUM_BODY_BYTES = 200 * 1024 * 1024;

/** The whole body as text, decoded. @throws {RequestError} too-large */
export async function readBody(request: IncomingMessage): Promise<string> {
  const stream = request.headers['content-encoding'] === 'gzip' ? request.pipe(createGunzip()) : request;
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of stream) {
      const bytes = chunk as Buffer;
      size += bytes.length;
      if (size > MAXIMUM_BODY_BYTES) throw new RequestError('too-large', 'the body is too large');
      chunks.push(bytes);
    }
  } catch (cause) {
    throw cause instanceof RequestError ? cause : new RequestError('not-json', 'the body cannot be read', { cause });
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** The body as a JSON object or (JSON Patch) array. @throws {RequestError} not-json | media-type */
export function parseBody(text: string, contentType: string | undefined): object {
  if (contentType !== undefined && !/json/.test(contentType))
    throw new RequestError('media-type', 'only JSON is understood');
  let value: unknown;
  try {
    value = parseKeepingLexemes(text);
  } catch (cause) {
    throw new RequestError('not-json', 'the body is not JSON', { cause });
  }
  if (value === null || typeof value !== 'object') throw new RequestError('not-json', 'the body is no JSON object');
  return value;
}

/** Whether the client can take FHIR JSON; `_format` wins over Accept. */
export function acceptsJson(parameters: URLSearchParams, accept: string | undefined): boolean {
  const format = parameters.get('_format');
  if (format !== null) return /json/.test(format);
  return accept === undefined || /json|\*\/\*|application\/\*/.test(accept);
}
