import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { getStatus, isOk, normalizeOperationOutcome, OperationOutcomeError, preconditionFailed } from '@medplum/core';
import { FhirRouter } from '@medplum/fhir-router';
import type { FhirResponse, HttpMethod } from '@medplum/fhir-router';
import type { Bundle, OperationOutcome } from '@medplum/fhirtypes';
import { isResourceType } from '../fhir/search-parameters.ts';
import { composeText, outcome } from './upstream/answers.ts';
import { failedEntry, finishResponses, repeatedTarget } from './upstream/bundles.ts';
import { capabilityStatement } from './upstream/capability.ts';
import { JournalError } from './upstream/journal.ts';
import { answerRead } from './upstream/reads.ts';
import { JournalledRepository } from './upstream/repository.ts';
import { acceptsJson, parseBody, readBody, RequestError } from './upstream/request.ts';
import { prepareReferences } from './upstream/transaction-references.ts';
import { VersionStore } from './upstream/version-store.ts';
import type { StoredVersion } from './upstream/version-store.ts';

export interface UpstreamOptions {
  readonly name: string;
  /** 0 takes any free port. */
  readonly port: number;
  /** Folder for this server's journal; made when missing. */
  readonly dataDir: string;
  readonly clock?: () => number;
}

export interface Upstream {
  /** FHIR base, `http://127.0.0.1:PORT/fhir`. */
  readonly url: string;
  readonly port: number;
  close(): Promise<void>;
}

interface Answer {
  readonly status: number;
  readonly text?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

const BASE_PATH = '/fhir';
const GZIP_FROM_BYTES = 1_400;
const compress = promisify(gzip);

/**
 * Starts a FHIR R4 server for demonstrations and tests: Medplum's router over a repository that keeps every version in a journal on disk, written and
 * synced before a write is answered. It validates nothing and asks for no token, so it binds to loopback only.
 * @throws {JournalError} corrupt
 */
export async function startUpstream(options: UpstreamOptions): Promise<Upstream> {
  const clock = options.clock ?? Date.now;
  const store = new VersionStore(join(options.dataDir, 'journal.log'), clock);
  const server = createServer();
  server.keepAliveTimeout = 60_000;
  await listen(server, options.port);
  const { port } = server.address() as AddressInfo;
  const handler = new UpstreamHandler(options.name, `http://127.0.0.1:${port}${BASE_PATH}`, store, clock());
  server.on('request', (request: IncomingMessage, response: ServerResponse) => void handler.serve(request, response));
  return {
    url: handler.base,
    port,
    async close() {
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeIdleConnections();
        setTimeout(() => server.closeAllConnections(), 2_000).unref();
      });
      await store.close();
    },
  };
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => {
      server.off('error', reject);
      resolve();
    });
  });
}

class UpstreamHandler {
  readonly base: string;
  readonly #store: VersionStore;
  readonly #repository: JournalledRepository;
  readonly #router = new FhirRouter();
  readonly #metadata: string;
  #writes: Promise<unknown> = Promise.resolve();

  constructor(name: string, base: string, store: VersionStore, startedMs: number) {
    this.base = base;
    this.#store = store;
    this.#repository = new JournalledRepository(store);
    this.#metadata = JSON.stringify(capabilityStatement({ name, url: base, date: new Date(startedMs).toISOString() }));
  }

  async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let answer: Answer;
    try {
      answer = await this.#answer(request);
    } catch (error) {
      answer = errorAnswer(error);
    }
    await send(request, response, answer);
  }

  async #answer(request: IncomingMessage): Promise<Answer> {
    const url = new URL(request.url ?? '/', this.base);
    if (url.pathname !== BASE_PATH && !url.pathname.startsWith(`${BASE_PATH}/`))
      return errorText(404, 'not-found', 'The FHIR base is /fhir');
    const path = url.pathname.slice(BASE_PATH.length + 1).replace(/\/$/, '');
    if (!acceptsJson(url.searchParams, request.headers.accept))
      return errorText(406, 'not-supported', 'Only application/fhir+json is to be had');
    if (request.method === 'GET' || request.method === 'HEAD') return this.#read(request, path, url.searchParams);
    const body = await readBody(request);
    if (request.method === 'POST' && path.endsWith('/_search')) {
      const parameters = new URLSearchParams([...url.searchParams, ...new URLSearchParams(body)]);
      return this.#read(request, path.slice(0, -'/_search'.length), parameters);
    }
    return this.#serialised(() => this.#write(request, path, url.search, body));
  }

  #read(request: IncomingMessage, path: string, parameters: URLSearchParams): Answer {
    if (path === 'metadata') return { status: 200, text: this.#metadata };
    const lenient = /handling=lenient/.test(String(request.headers.prefer ?? ''));
    const found = answerRead({ path, parameters, base: this.base, lenient }, this.#repository);
    if (found === undefined) return errorText(404, 'not-found', 'There is nothing at this address');
    if ('bundle' in found) return { status: 200, text: found.bundle };
    const headers = versionHeaders(found.version);
    const unchanged = request.headers['if-none-match']?.includes(`"${found.version.versionId}"`) === true;
    return unchanged ? { status: 304, headers } : { status: 200, headers, text: found.version.text ?? '' };
  }

  /** One write at a time: conditions are checked and met with nothing in between. */
  async #serialised(work: () => Promise<Answer>): Promise<Answer> {
    const result = this.#writes.then(work);
    this.#writes = result.catch(() => undefined);
    const answer = await result;
    await this.#store.flush();
    return answer;
  }

  async #write(request: IncomingMessage, path: string, query: string, text: string): Promise<Answer> {
    const [type = '', id] = path.split('/');
    if (type !== '' && !isResourceType(type)) return errorText(404, 'not-supported', 'There is no such resource type');
    const body = request.method === 'DELETE' ? undefined : parseBody(text, request.headers['content-type']);
    if (
      request.method === 'PUT' &&
      request.headers['if-none-match'] === '*' &&
      this.#store.current(type, id ?? '')?.text !== undefined
    ) {
      throw new OperationOutcomeError(preconditionFailed);
    }
    const bundleType = type === '' ? (body as Partial<Bundle> | undefined)?.type : undefined;
    const repeated = bundleType === 'transaction' ? repeatedTarget(body as Bundle) : undefined;
    if (repeated !== undefined)
      return errorText(400, 'duplicate', `Bundle.entry[${repeated}] names the target of an earlier entry`);
    if (bundleType === 'transaction')
      prepareReferences(body as Bundle, (reference) => this.#repository.references(reference));
    const keep = ([, result]: FhirResponse) => bundleType !== 'transaction' || failedEntry(result) === undefined;
    const result = await this.#store.atomically(() => this.#route(request, path + query, body), keep);
    const failed = keep(result) ? undefined : failedEntry(result[1]);
    if (failed !== undefined) return { status: failed.status, text: JSON.stringify(failed.outcome) };
    return this.#writeAnswer(request, body, result);
  }

  async #route(request: IncomingMessage, url: string, body: object | undefined): Promise<FhirResponse> {
    const empty = Object.create(null) as Record<string, string>;
    const { method = 'GET', headers } = request;
    return this.#router.handleRequest(
      { method: method as HttpMethod, url, pathname: '', body, params: empty, query: {}, headers },
      this.#repository,
    );
  }

  /** A delete makes a version too; its number tells what the history will show. */
  #deleted(url: string): Answer {
    const [type = '', id = ''] = (url.split('?')[0] ?? '').slice(BASE_PATH.length + 1).split('/');
    const version = this.#repository.store.current(type, id);
    return { status: 204, ...(version !== undefined && { headers: versionHeaders(version) }) };
  }

  #writeAnswer(request: IncomingMessage, sent: object | undefined, [result, resource]: FhirResponse): Answer {
    const status = getStatus(result);
    if (!isOk(result)) return { status, text: JSON.stringify(result) };
    const prefer = String(request.headers.prefer ?? '');
    if (resource === undefined)
      return request.method === 'DELETE' ? this.#deleted(request.url ?? '') : { status, text: JSON.stringify(result) };
    const version = this.#repository.parsed.versionOf(resource);
    if (version === undefined) {
      finishResponses(resource, sent as Bundle, this.#repository.parsed, /return=representation/.test(prefer));
      return { status, text: composeText(resource, this.#repository.parsed) };
    }
    // The router answers an update with 200 also when it created; a conditional create that found its match stays 200.
    const created = status === 201 || (version.created && version.method === 'PUT');
    const headers = {
      ...versionHeaders(version),
      location: `${this.base}/${version.type}/${version.id}/_history/${version.versionId}`,
    };
    if (/return=minimal/.test(prefer)) return { status: created ? 201 : status, headers };
    const text = /return=OperationOutcome/.test(prefer) ? JSON.stringify(result) : (version.text ?? '');
    return { status: created ? 201 : status, headers, text };
  }
}

function versionHeaders(version: StoredVersion): Record<string, string> {
  return { etag: `W/"${version.versionId}"`, 'last-modified': new Date(version.lastUpdated).toUTCString() };
}

function errorText(status: number, code: string, text: string): Answer {
  return { status, text: JSON.stringify(outcome(code, text)) };
}

function errorAnswer(error: unknown): Answer {
  if (error instanceof RequestError) {
    const status = { 'too-large': 413, 'not-json': 400, 'media-type': 415 }[error.code];
    return errorText(status, 'structure', error.message);
  }
  if (error instanceof JournalError) return errorText(503, 'no-store', 'The write could not be stored');
  const result: OperationOutcome =
    error instanceof OperationOutcomeError ? error.outcome : normalizeOperationOutcome(error);
  return { status: error instanceof OperationOutcomeError ? getStatus(result) : 500, text: JSON.stringify(result) };
}

async function send(request: IncomingMessage, response: ServerResponse, answer: Answer): Promise<void> {
  response.statusCode = answer.status;
  for (const [name, value] of Object.entries(answer.headers ?? {})) response.setHeader(name, value);
  if (answer.text === undefined) {
    response.end();
    return;
  }
  let body = Buffer.from(answer.text, 'utf8');
  response.setHeader('content-type', 'application/fhir+json; charset=utf-8');
  if (body.length >= GZIP_FROM_BYTES && /\bgzip\b/.test(String(request.headers['accept-encoding'] ?? ''))) {
    body = await compress(body);
    response.setHeader('content-encoding', 'gzip');
  }
  response.setHeader('content-length', body.length);
  response.end(request.method === 'HEAD' ? undefined : body);
}
