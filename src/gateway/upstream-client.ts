import { gunzipSync } from 'node:zlib';
import { Pool } from 'undici';
import type { Dispatcher } from 'undici';
import { isEventId } from '../provenance/acknowledgement.ts';
import type { ReceivedDisclosure } from '../provenance/exchange-record.ts';
import { Breaker } from './breaker.ts';
import { UpstreamError } from './upstream-error.ts';
import { CutOff, wholeAnswer } from './whole-answer.ts';

export type UpstreamAuth =
  | { readonly kind: 'none' }
  | { readonly kind: 'basic'; readonly username: string; readonly password: string }
  | { readonly kind: 'bearer'; readonly token: string };

export interface UpstreamOptions {
  readonly name: string;
  /** FHIR base URL. */
  readonly url: string;
  readonly auth: UpstreamAuth;
  /** The member whose gateway this is; undefined for a server of our own. */
  readonly member?: string;
  /** Told of every answer of a member's gateway that gave something away, with the event id that it names. */
  readonly onDisclosed?: (received: ReceivedDisclosure) => void;
  readonly connectTimeoutMs: number;
  readonly headersTimeoutMs: number;
  /** From the first byte sent to the last byte read. */
  readonly totalTimeoutMs: number;
  /** Connections in use at once; eight times as many requests may wait for one. */
  readonly concurrency: number;
  /** Largest answer held, bytes. */
  readonly answerBodyBytes: number;
  /** Epoch ms. */
  readonly clock: () => number;
  /** Uniform in [0, 1), spreads retries. */
  readonly jitter: () => number;
}

export interface UpstreamRequest {
  readonly method: string;
  /** Below the base, no leading slash: `Patient/1`, `Patient?name=x`, or empty for the base itself. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
}

export interface UpstreamAnswer {
  readonly status: number;
  /** Lowercase names; a repeated header's values joined by `, `. */
  readonly headers: Readonly<Record<string, string>>;
  /** After content decoding; empty where there was none. */
  readonly body: Uint8Array;
}

/** As Node has header names. */
const EVENT_HEADER = 'concordat-event';
const RETRIES = 2;
const LONGEST_PAUSE_MS = 2_000;
/** Failures that say something about whether the server is there at all. */
const DOWN: ReadonlySet<string> = new Set(['unreachable', 'timeout', 'broken']);
const WAITING_PER_CONNECTION = 8;
const NEVER_SENT = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
]);

/**
 * One upstream FHIR server: a keep-alive pool, a breaker, a cap on concurrency, on time and on the answer's size. Follows no redirect and calls nothing
 * outside its base. Retries only GET and HEAD.
 */
export class UpstreamClient {
  readonly name: string;
  /** FHIR base URL without a trailing slash. */
  readonly base: string;
  readonly totalTimeoutMs: number;
  readonly member: string | undefined;
  /** The base that the server believes to have, by its CapabilityStatement; its links and references may begin with it. */
  ownBase: string | undefined;
  readonly #options: UpstreamOptions;
  readonly #pool: Pool;
  readonly #breaker: Breaker;
  readonly #basePath: string;
  readonly #authorization: string | undefined;
  #inFlight = 0;

  constructor(options: UpstreamOptions) {
    const url = new URL(options.url);
    this.name = options.name;
    this.#basePath = url.pathname.replace(/\/+$/, '');
    this.base = url.origin + this.#basePath;
    this.totalTimeoutMs = options.totalTimeoutMs;
    this.member = options.member;
    this.#options = options;
    this.#authorization = authorizationOf(options.auth);
    this.#breaker = new Breaker({ failures: 5, openMs: 2_000, clock: options.clock });
    this.#pool = new Pool(url.origin, {
      connections: options.concurrency,
      pipelining: 1,
      connect: { timeout: options.connectTimeoutMs },
      headersTimeout: options.headersTimeoutMs,
      bodyTimeout: options.totalTimeoutMs,
    });
  }

  /** True while calls are held back because the upstream keeps failing. */
  get isHeldBack(): boolean {
    return this.#breaker.isOpen;
  }

  /**
   * Sends one request and reads the whole answer.
   * @throws {UpstreamError} unreachable | breaker-open | overloaded | timeout | broken | too-long | redirect
   */
  async request(request: UpstreamRequest): Promise<UpstreamAnswer> {
    if (!this.#breaker.admits()) throw new UpstreamError('breaker-open', this.name);
    try {
      const answer = await this.#persist(request);
      this.#breaker.succeeded();
      return answer;
    } catch (error) {
      const isDown = error instanceof UpstreamError && DOWN.has(error.code);
      if (isDown) this.#breaker.failed();
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.#pool.close();
  }

  /** Sends again what may be sent again, within the total time of one request. */
  async #persist(request: UpstreamRequest): Promise<UpstreamAnswer> {
    const { clock, jitter, totalTimeoutMs } = this.#options;
    const retries = request.method === 'GET' || request.method === 'HEAD' ? RETRIES : 0;
    const deadlineMs = clock() + totalTimeoutMs;
    for (let attempt = 0; ; attempt += 1) {
      const waitMs = (2 ** attempt - 0.5 * jitter()) * 50;
      const mayRetry = attempt < retries && clock() + waitMs < deadlineMs;
      try {
        const answer = await this.#once(request);
        const pauseMs = Math.max(waitMs, retryAfterMs(answer));
        const isPassing = answer.status === 502 || answer.status === 503 || answer.status === 504;
        if (!isPassing || !mayRetry || clock() + pauseMs >= deadlineMs || pauseMs > LONGEST_PAUSE_MS) return answer;
        await sleep(pauseMs);
      } catch (error) {
        if (!mayRetry || !(error instanceof UpstreamError) || !isWorthRetrying(error)) throw error;
        await sleep(waitMs);
      }
    }
  }

  async #once(request: UpstreamRequest): Promise<UpstreamAnswer> {
    if (this.#inFlight >= this.#options.concurrency * (1 + WAITING_PER_CONNECTION)) {
      throw new UpstreamError('overloaded', this.name);
    }
    this.#inFlight += 1;
    try {
      return await this.#send(request);
    } catch (error) {
      throw error instanceof UpstreamError ? error : this.#failure(error);
    } finally {
      this.#inFlight -= 1;
    }
  }

  async #send(request: UpstreamRequest): Promise<UpstreamAnswer> {
    const { answerBodyBytes, totalTimeoutMs } = this.#options;
    const isQuery = request.path === '' || request.path.startsWith('?');
    const answer = await wholeAnswer(
      this.#pool,
      {
        method: request.method as Dispatcher.HttpMethod,
        path: this.#basePath + (isQuery ? request.path || '/' : '/' + request.path),
        headers: {
          'accept-encoding': 'identity',
          ...request.headers,
          ...(this.#authorization === undefined ? {} : { authorization: this.#authorization }),
        },
        body: request.body ?? null,
      },
      { bytes: answerBodyBytes, timeMs: totalTimeoutMs },
    );
    const headers: Record<string, string> = {};
    for (const [name, value] of Object.entries(answer.headers)) {
      if (value !== undefined) headers[name] = Array.isArray(value) ? value.join(', ') : value;
    }
    const { status } = answer;
    const body = decoded(answer.body, headers['content-encoding'], this.#options, this.name);
    // A redirect could lead anywhere, so it is an error of the upstream's and is never followed.
    if (status >= 300 && status < 400 && status !== 304) throw new UpstreamError('redirect', this.name);
    // A challenge is meant for the gateway: its client can do nothing about it.
    if (status === 401) throw new UpstreamError('credentials', this.name);
    this.#noteDisclosure(request, status, headers);
    return { status, headers, body };
  }

  /** The header is whatever the other side sends: what is no event id is no acknowledgement. */
  #noteDisclosure(request: UpstreamRequest, status: number, headers: Readonly<Record<string, string>>): void {
    const { member, name } = this;
    const event = headers[EVENT_HEADER];
    if (member === undefined || event === undefined || !isEventId(event)) return;
    if (status < 400 && mayDisclose(request)) this.#options.onDisclosed?.({ upstream: name, member, event });
  }

  #failure(error: unknown): UpstreamError {
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    const named = (name: UpstreamError['code']): UpstreamError => new UpstreamError(name, this.name, { cause: error });
    if (error instanceof CutOff) {
      return named(
        ({ 'not-started': 'overloaded', 'over-time': 'timeout', 'over-size': 'too-long' } as const)[error.why],
      );
    }
    if (NEVER_SENT.has(code)) return named('unreachable');
    return named(code === 'UND_ERR_HEADERS_TIMEOUT' || code === 'UND_ERR_BODY_TIMEOUT' ? 'timeout' : 'broken');
  }
}

/** Everything but create, update, patch and delete: those are no disclosures, whatever they return. */
function mayDisclose({ method, path }: UpstreamRequest): boolean {
  return method === 'GET' || (method === 'POST' && !/^[A-Z][A-Za-z]*$/.test(path));
}

function isWorthRetrying(error: UpstreamError): boolean {
  return error.code === 'unreachable' || error.code === 'broken';
}

function retryAfterMs(answer: UpstreamAnswer): number {
  const seconds = Number(answer.headers['retry-after'] ?? '0');
  return Number.isFinite(seconds) && seconds > 0 ? seconds * 1000 : 0;
}

function authorizationOf(auth: UpstreamAuth): string | undefined {
  switch (auth.kind) {
    case 'none':
      return undefined;
    case 'basic':
      return `Basic ${Buffer.from(`${auth.username}:${auth.password}`, 'utf8').toString('base64')}`;
    case 'bearer':
      return `Bearer ${auth.token}`;
  }
}

/** Decodes gzip although identity was asked, because some servers send it all the same; the cap holds for the decoded size too. */
function decoded(
  body: Uint8Array,
  encoding: string | undefined,
  options: UpstreamOptions,
  upstream: string,
): Uint8Array {
  if (encoding === undefined || encoding === 'identity' || body.byteLength === 0) return body;
  if (encoding !== 'gzip' && encoding !== 'x-gzip') throw new UpstreamError('not-fhir', upstream);
  try {
    return gunzipSync(body, { maxOutputLength: options.answerBodyBytes });
  } catch (error) {
    const isTooLong = error instanceof RangeError;
    throw new UpstreamError(isTooLong ? 'too-long' : 'not-fhir', upstream, { cause: error });
  }
}

function sleep(durationMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, durationMs));
}
