import type { Logger } from 'pino';
import { AppError } from '../errors.ts';
import { sha256 } from '../hash.ts';
import { errorFacts } from './error-response.ts';
import type { GatewayParts } from './parts.ts';
import type { GatewayRequest } from './request.ts';

/** Logs carry ids and codes, never a query, a body, a name, a logical id or a token. */

const MACHINE_MADE =
  /^(?:[0-9a-fA-F]{8}(?:-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12}|[0-9a-fA-F]{16,64}|[0-7][0-9A-HJKMNP-TV-Z]{25})$/;

/**
 * A request id as it may be logged: itself where a machine made it (UUID, hex, ULID), else a digest, because a client may have put anything into it.
 */
export function loggedRequestId(id: string): string {
  if (MACHINE_MADE.test(id)) return id;
  return `sha256:${Buffer.from(sha256(Buffer.from(id, 'utf8')))
    .toString('hex')
    .slice(0, 32)}`;
}

/** Says in the log why an exchange failed; the client is told less. */
export function traceFailure(parts: Pick<GatewayParts, 'logger'>, request: GatewayRequest, error: unknown): void {
  const { status, reason } = errorFacts(error);
  request.trace.reason = reason;
  if (status < 500) return;
  logFailure(parts.logger, loggedRequestId(request.id), error);
}

/** Logs an error by class, code and place; the message of a foreign error may quote content, so it stays out. */
export function logFailure(logger: Logger, requestId: string, error: unknown): void {
  const chain: { name: string; code: string | undefined; message: string | undefined; at: string | undefined }[] = [];
  for (let one = error; one instanceof Error && chain.length < 5; one = one.cause) {
    const code = 'code' in one && typeof one.code === 'string' ? one.code : undefined;
    const isOwn = one instanceof AppError;
    chain.push({
      name: one.name,
      code,
      message: isOwn ? one.message : undefined,
      at: one.stack
        ?.split('\n')
        .find((line) => /^\s+at /.test(line))
        ?.trim(),
    });
  }
  logger.error({ requestId, chain }, 'exchange failed');
}
