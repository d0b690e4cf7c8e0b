import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { parseArgs } from 'node:util';
import express from 'express';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { Pool } from 'undici';
import type { Dispatcher } from 'undici';
import { loadConfig } from '../src/config/config.ts';
import { createApp } from '../src/gateway/app.ts';
import { createOpenAuthenticator } from '../src/gateway/auth/authenticator.ts';
import { createGatewayMetrics } from '../src/gateway/metrics.ts';
import { DEFAULT_LIMITS } from '../src/gateway/parts.ts';
import type { GatewayParts } from '../src/gateway/parts.ts';
import { UpstreamClient } from '../src/gateway/upstream-client.ts';
import { startGateway } from '../src/main.ts';
import type { Recorder } from '../src/provenance/exchange-record.ts';

/** One server of the gateway's bench, as `--role` says; tells its parent `{url}` and ends with it. */
const { values } = parseArgs({
  options: { role: { type: 'string' }, upstream: { type: 'string' }, config: { type: 'string' } },
});
const upstreamUrl = values.upstream ?? '';
process.once('disconnect', () => process.exit(0));
process.once('SIGTERM', () => process.exit(0));
process.send?.({ url: await startRole() });

async function startRole(): Promise<string> {
  switch (values.role) {
    case 'proxy':
      return `${await listen(bareProxy())}/fhir/ehr`;
    case 'pass':
      return `${await listen(createApp(passingParts()))}/fhir/ehr`;
    case 'gateway':
      return `${(await startGateway(loadConfig(values.config ?? ''))).url}/fhir/ehr`;
    default:
      throw new TypeError('--role is proxy, pass or gateway');
  }
}

async function listen(app: express.Application): Promise<string> {
  const server = createServer(app);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** What a gateway costs at least: Express takes the request, undici passes it on, the answer streams through. */
function bareProxy(): express.Application {
  const app = express();
  const base = new URL(upstreamUrl);
  const pool = new Pool(base.origin, { connections: 32 });
  app.use('/fhir/ehr', async (request, response) => {
    const { statusCode, headers, body } = await pool.request({
      method: request.method as Dispatcher.HttpMethod,
      path: base.pathname + request.url,
      headers: {
        accept: 'application/fhir+json',
        ...(request.headers['content-type'] === undefined ? {} : { 'content-type': request.headers['content-type'] }),
      },
      body: request.method === 'GET' ? null : request,
    });
    response.status(statusCode);
    for (const name of ['content-type', 'content-length', 'etag', 'location', 'last-modified']) {
      const value = headers[name];
      if (value !== undefined) response.setHeader(name, value);
    }
    body.pipe(response);
  });
  return app;
}

/** The gateway without what records and judges: routing, tokens, scopes, rewriting and headers remain. */
function passingParts(): GatewayParts {
  const recorder: Recorder = {
    begin: () => Promise.resolve({ eventId: 'AAAAAAAAAAAAAAAAAAAAAA', startedMs: 0 }),
    complete: () => Promise.resolve(),
    abandon: () => Promise.resolve(),
  };
  const upstream = new UpstreamClient({
    name: 'ehr',
    url: upstreamUrl,
    auth: { kind: 'none' },
    connectTimeoutMs: 1_000,
    headersTimeoutMs: 5_000,
    totalTimeoutMs: 10_000,
    concurrency: 32,
    answerBodyBytes: 64 * 1024 * 1024,
    clock: Date.now,
    jitter: Math.random,
  });
  const unused = (): never => {
    throw new TypeError('not part of this bench');
  };
  return {
    member: 'bench',
    publicUrl: undefined,
    upstreams: new Map([['ehr', upstream]]),
    authenticator: createOpenAuthenticator('127.0.0.1'),
    smart: undefined,
    recorder,
    validator: { validate: unused, context: { packages: [], engine: 'none' } },
    ruleSet: { digest: '', decide: () => ({ mode: 'off', required: [], rule: 'none' }) },
    adoptedRuleSets: () => [],
    // Only which ended logs there are to serve is asked when the app is made.
    ledger: { past: [] } as unknown as GatewayParts['ledger'],
    compliance: new Proxy({}, { get: unused }) as GatewayParts['compliance'],
    logger: pino({ level: 'silent' }),
    metrics: createGatewayMetrics(new Registry(), () => []),
    alarms: () => [],
    clock: Date.now,
    random: (length) => new Uint8Array(randomBytes(length)),
    cursorKey: new Uint8Array(32),
    operations: [],
    partialSearch: 'annotate',
    allowedOrigins: [],
    limits: { ...DEFAULT_LIMITS, requestsPerMinute: 10_000_000 },
  };
}
