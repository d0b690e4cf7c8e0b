import type { IncomingHttpHeaders } from 'node:http';

/** One HTTP request as the exchange sees it, without Express. */
export interface GatewayRequest {
  /** X-Request-Id, the client's if well formed, else made here. */
  readonly id: string;
  readonly method: string;
  /** Decoded path segments below `/fhir`. */
  readonly segments: readonly string[];
  /** Raw, without the question mark. */
  readonly query: string;
  readonly headers: IncomingHttpHeaders;
  /** Our own FHIR base as the client sees it, `https://host/fhir`, without a trailing slash. */
  readonly base: string;
  /** Filled in on the way, for log and metrics: words of closed vocabularies only. */
  readonly trace: ExchangeTrace;
  /** The whole body after content decoding. @throws {GatewayError} too-large | unsupported-media-type | bad-request */
  readBody(): Promise<Uint8Array>;
}

export interface ExchangeTrace {
  interaction?: string;
  upstream?: string;
  resourceType?: string;
  /** Why it was refused or failed. */
  reason?: string;
}

/** What is sent back; `body` is complete. */
export interface GatewayAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
}

/** A header's single value, or undefined. */
export function headerOf(request: GatewayRequest, name: string): string | undefined {
  const value = request.headers[name];
  return Array.isArray(value) ? value.join(', ') : value;
}

const REQUEST_ID = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$/;

/** Whether a client's X-Request-Id may be taken over. */
export function isRequestId(text: string | undefined): text is string {
  return text !== undefined && REQUEST_ID.test(text);
}
