import { isUtf8 } from 'node:buffer';
import type { IncomingMessage } from 'node:http';
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib';
import type { Transform } from 'node:stream';
import { GatewayError } from './gateway-error.ts';

/**
 * Reads a request's body, decoding gzip, deflate and br, up to a size that holds before and after decoding.
 * @throws {GatewayError} too-large | unsupported-media-type | bad-request
 */
export async function readBody(request: IncomingMessage, limitBytes: number): Promise<Uint8Array> {
  const declared = Number(request.headers['content-length'] ?? '0');
  if (declared > limitBytes) throw tooLarge(limitBytes);
  const decoder = decoderFor(request.headers['content-encoding']);
  const source: AsyncIterable<Uint8Array> = decoder === undefined ? request : request.pipe(decoder);
  const chunks: Uint8Array[] = [];
  let length = 0;
  try {
    for await (const chunk of source) {
      length += chunk.byteLength;
      if (length > limitBytes) throw tooLarge(limitBytes);
      chunks.push(chunk);
    }
  } catch (error) {
    if (error instanceof GatewayError) throw error;
    throw new GatewayError('bad-request', {
      external: 'The body could not be read to its end, or is not in the encoding that its Content-Encoding names.',
      cause: error,
    });
  }
  return chunks.length === 1 ? (chunks[0] as Uint8Array) : Buffer.concat(chunks);
}

function decoderFor(encoding: string | undefined): Transform | undefined {
  switch (encoding?.trim().toLowerCase()) {
    case undefined:
    case '':
    case 'identity':
      return undefined;
    case 'gzip':
    case 'x-gzip':
      return createGunzip();
    case 'deflate':
      return createInflate();
    case 'br':
      return createBrotliDecompress();
    default:
      throw new GatewayError('unsupported-media-type', {
        external: 'This Content-Encoding is not supported; use gzip, deflate, br or none.',
      });
  }
}

function tooLarge(limitBytes: number): GatewayError {
  return new GatewayError('too-large', {
    external: `The body is larger than the ${limitBytes} bytes that this gateway takes; split it.`,
  });
}

/** Decodes UTF-8 strictly; a byte order mark is dropped. @throws {GatewayError} structure */
export function decodeUtf8(bytes: Uint8Array): string {
  const text = strictUtf8(bytes);
  if (text === undefined) throw new GatewayError('structure', { external: 'The body is not valid UTF-8.' });
  return text;
}

/** The text of UTF-8 bytes without a byte order mark; undefined where they are no UTF-8. */
export function strictUtf8(bytes: Uint8Array): string | undefined {
  if (!isUtf8(bytes)) return undefined;
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
  return text.startsWith(BYTE_ORDER_MARK) ? text.slice(1) : text;
}

const BYTE_ORDER_MARK = '\uFEFF';
