import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import supertest from 'supertest';
import { openGateway } from '../support/gateway.ts';
import type { TestGateway } from '../support/gateway.ts';

const FHIR = 'application/fhir+json';
const CANARY = 'Kanari4711';

describe('logs, metrics, health and headers', () => {
  let gateway: TestGateway;
  let client: ReturnType<typeof supertest>;
  before(async () => {
    gateway = await openGateway({
      upstreams: ['ehr'],
      urls: { down: 'http://127.0.0.1:9/fhir' },
      client: { connectTimeoutMs: 200 },
      parts: {
        alarms: () => [{ kind: 'freeze', text: 'no final checkpoint' }],
        allowedOrigins: ['https://app.example'],
      },
    });
    client = supertest(await gateway.listen());
  });
  after(() => gateway.close());

  test('no log line and no metric holds anything that a client sent', async () => {
    const send = (method: 'get' | 'post' | 'put' | 'delete', path: string) =>
      client[method](path)
        .set('x-request-id', `${CANARY}-id`)
        .set('authorization', `Bearer ${CANARY}`)
        .set('user-agent', CANARY)
        .set('x-anything', CANARY)
        .set('content-type', FHIR);
    await send('post', '/fhir/ehr/Patient').send({ resourceType: 'Patient', name: [{ family: CANARY }], id: CANARY });
    await send('post', '/fhir/ehr/Patient').send({ resourceType: 'Patient', gender: CANARY });
    await send('post', '/fhir/ehr/Patient').send(`{"resourceType": ${CANARY}`);
    await send('put', `/fhir/ehr/Patient/${CANARY}`).send({ resourceType: 'Patient', id: CANARY });
    await send('get', `/fhir/ehr/Patient/${CANARY}`);
    await send('get', `/fhir/ehr/Patient?family=${CANARY}&${CANARY}=1`);
    await send('get', `/fhir/${CANARY}/Patient`);
    await send('get', `/fhir/ehr/${CANARY}`);
    await send('get', `/fhir/down/Patient/${CANARY}`);
    await send('get', `/fhir/ehr/Patient?_format=${CANARY}`);
    await send('get', `/audit/AuditEvent?${CANARY}=${CANARY}`);
    await send('get', `/${CANARY}`);
    await send('delete', `/fhir/ehr/Patient/${CANARY}`);
    const metrics = (await client.get('/metrics')).text;
    assert.ok(gateway.logLines.length >= 13);
    assert.ok(
      !gateway.logLines.join('').includes(CANARY),
      gateway.logLines.find((line) => line.includes(CANARY)),
    );
    assert.ok(!metrics.includes(CANARY));
  });

  test('an error answer quotes nothing that was sent', async () => {
    const answers = await Promise.all([
      client.post('/fhir/ehr/Patient').set('content-type', FHIR).send({ resourceType: 'Patient', gender: CANARY }),
      client.post('/fhir/ehr/Patient').set('content-type', FHIR).send(`{"resourceType":"Patient","${CANARY}"`),
      client.get(`/fhir/ehr/Patient?${CANARY}=${CANARY}`),
      client.get(`/fhir/ehr/Patient?_sort=${CANARY}`),
      client.get(`/fhir/Patient?_sort=${CANARY}`),
      client.get(`/audit/AuditEvent?${CANARY}=1`),
      client.get(`/audit/AuditEvent?date=${CANARY}`),
      client.get(`/${CANARY}`),
    ]);
    for (const { status, text } of answers) {
      assert.ok(status >= 400, text);
      assert.ok(!text.includes(CANARY), text);
    }
  });

  test('a well-formed request id comes back and stands in the log; any other is replaced', async () => {
    const id = '0b9a0db3-748b-40b8-8564-ed325e51d4a6';
    const kept = await client.get('/health/live').set('x-request-id', id);
    assert.equal(kept.headers['x-request-id'], id);
    assert.ok(gateway.logLines.some((line) => (JSON.parse(line) as { requestId?: string }).requestId === id));
    const replaced = await client.get('/health/live').set('x-request-id', 'not well formed\t!');
    assert.match(replaced.headers['x-request-id'] ?? '', /^[0-9a-f-]{36}$/);
  });

  test('metrics count exchanges by interaction, type, upstream and outcome, and show alarms', async () => {
    await client.get('/fhir/ehr/Patient?_count=1');
    const { text } = await client.get('/metrics');
    assert.match(
      text,
      /concordat_exchanges_total\{interaction="search-type",type="Patient",upstream="ehr",outcome="success"\} \d+/,
    );
    assert.match(text, /concordat_alarm\{kind="freeze"\} 1/);
    assert.match(text, /concordat_upstream_breaker_open\{upstream="ehr"\} 0/);
  });

  test('readiness names upstreams, ledger and alarms', async () => {
    const { status, body } = await client.get('/health/ready');
    assert.equal(status, 200);
    const ready = body as { isReady: boolean; alarms: { kind: string }[]; upstreams: { name: string }[] };
    assert.deepEqual(
      ready.upstreams.map(({ name }) => name),
      ['ehr', 'down'],
    );
    assert.deepEqual(
      ready.alarms.map(({ kind }) => kind),
      ['freeze'],
    );
  });

  test('a browser may call from a configured origin and from no other', async () => {
    const preflight = await client
      .options('/fhir/ehr/Patient')
      .set('origin', 'https://app.example')
      .set('access-control-request-method', 'GET');
    assert.equal(preflight.status, 204);
    assert.equal(preflight.headers['access-control-allow-origin'], 'https://app.example');
    const other = await client.get('/fhir/metadata').set('origin', 'https://evil.example');
    assert.equal(other.headers['access-control-allow-origin'], undefined);
  });

  test('a client that asks too much is told when to come again', async () => {
    const limited = await openGateway({ parts: { limits: { ...gateway.parts.limits, requestsPerMinute: 6 } } });
    const other = supertest(await limited.listen());
    const first = await other.get('/fhir/ehr/Patient');
    const second = await other.get('/fhir/ehr/Patient');
    await limited.close();
    assert.equal(first.status, 200);
    assert.equal(second.status, 429);
    assert.ok(Number(second.headers['retry-after']) > 0);
  });
});
