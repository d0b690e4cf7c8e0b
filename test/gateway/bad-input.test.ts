import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import supertest from 'supertest';
import { DEFAULT_LIMITS } from '../../src/gateway/parts.ts';
import { openGateway } from '../support/gateway.ts';
import type { TestGateway } from '../support/gateway.ts';
import { sendJson, startPlainServer } from '../support/plain-server.ts';
import type { PlainServer } from '../support/plain-server.ts';

const FHIR = 'application/fhir+json';
const CANARY = 'canary-7f3a';

interface Outcome {
  readonly resourceType: string;
  readonly issue: readonly {
    readonly code: string;
    readonly severity: string;
    readonly details: { readonly text: string };
  }[];
}

/** What a broken upstream answers, by path. */
function misbehave(path: string, response: Parameters<Parameters<typeof startPlainServer>[0]>[1]): void {
  if (path.includes('html')) {
    response.writeHead(500, { 'content-type': 'text/html' });
    response.end('<html><body>Internal error at http://10.0.0.1/secret</body></html>');
  } else if (path.includes('ok-html')) sendJson(response, 200, '<html>', { 'content-type': 'text/html' });
  else if (path.includes('garbage')) sendJson(response, 200, '{"resourceType":');
  else if (path.includes('noresource')) sendJson(response, 200, '{"a":1}');
  else if (path.includes('redirect')) {
    response.writeHead(302, { location: 'http://elsewhere.example/' });
    response.end();
  } else if (path.includes('empty')) {
    response.writeHead(503);
    response.end();
  } else if (path.includes('long'))
    sendJson(response, 200, `{"resourceType":"Patient","id":"long","x":"${'y'.repeat(70_000)}"}`);
  else if (path.includes('cut')) {
    response.writeHead(200, { 'content-type': FHIR, 'content-length': '1000' });
    response.write('{"resourceType"');
    setTimeout(() => response.destroy(), 10);
  } else if (!path.includes('silent')) sendJson(response, 404, { resourceType: 'OperationOutcome', issue: [] });
}

describe('bad input and bad upstreams', () => {
  let gateway: TestGateway;
  let broken: PlainServer;
  let client: ReturnType<typeof supertest>;
  before(async () => {
    broken = await startPlainServer(({ path }, response) => misbehave(path, response));
    const closed = createServer();
    await new Promise<void>((resolve) => closed.listen(0, '127.0.0.1', resolve));
    const { port } = closed.address() as AddressInfo;
    await new Promise((resolve) => closed.close(resolve));
    gateway = await openGateway({
      upstreams: ['ehr'],
      urls: { broken: broken.url, down: `http://127.0.0.1:${port}/fhir` },
      client: { totalTimeoutMs: 600, headersTimeoutMs: 600, answerBodyBytes: 65_536 },
      parts: { limits: { ...DEFAULT_LIMITS, requestBytes: 200_000, jsonDepth: 60, bundleEntries: 3 } },
    });
    client = supertest(await gateway.listen());
  });
  after(async () => {
    await gateway.close();
    await broken.close();
  });

  const post = (body: string, contentType: string | undefined = FHIR, path = '/fhir/ehr/Patient') => {
    const request = client.post(path);
    return (contentType === undefined ? request : request.set('content-type', contentType)).send(body);
  };
  const checked = (
    answer: { status: number; body: unknown; headers: Record<string, string>; text: string },
    status: number,
    code?: string,
  ): Outcome => {
    assert.equal(answer.status, status, answer.text);
    assert.equal(answer.headers['content-type'], 'application/fhir+json; charset=utf-8');
    const outcome = answer.body as Outcome;
    assert.equal(outcome.resourceType, 'OperationOutcome');
    assert.ok(outcome.issue.length > 0);
    if (code !== undefined) assert.equal(outcome.issue[0]?.code, code);
    assert.ok(!answer.text.includes(CANARY), 'an error quotes content');
    assert.ok(!/node:|at \w+ \(|\/src\//.test(answer.text), 'an error shows a stack');
    return outcome;
  };

  test('malformed JSON says line and column, and nothing of the content', async () => {
    const outcome = checked(await post(`{"resourceType":"Patient",\n "x": ${CANARY}}`), 400, 'structure');
    assert.match(JSON.stringify(outcome), /issue-line","valueInteger":2/);
  });

  test('a table of requests that cannot be', async () => {
    const deep = '{"a":'.repeat(100) + '1' + '}'.repeat(100);
    const bundle = (entries: number): string =>
      JSON.stringify({
        resourceType: 'Bundle',
        type: 'batch',
        entry: Array.from({ length: entries }, () => ({ request: { method: 'GET', url: 'Patient/1' } })),
      });
    const put = (body: string) => client.put('/fhir/ehr/Patient/1').set('content-type', FHIR).send(body);
    checked(await post(''), 400);
    checked(await post('[]'), 400, 'structure');
    checked(await post('"x"'), 400, 'structure');
    checked(await post('{"a":1}'), 400, 'structure');
    checked(await post('{"resourceType":"Observation"}'), 400, 'structure');
    checked(await post('{"resourceType":"Patient","resourceType":"Patient"}'), 400, 'structure');
    checked(await post(`{"resourceType":"Patient","x":${deep}}`), 400, 'structure');
    checked(await post('[[[['.repeat(10_000)), 400, 'structure');
    checked(await post(`{"resourceType":"Patient","x":"${'y'.repeat(300_000)}"}`), 413, 'too-long');
    checked(await post(bundle(4), FHIR, '/fhir/ehr'), 413, 'too-long');
    checked(await post('{"resourceType":"Bundle","type":"searchset"}', FHIR, '/fhir/ehr'), 400, 'structure');
    checked(await put('{"resourceType":"Patient","id":"2"}'), 400, 'structure');
    checked(await put('{"resourceType":"Patient"}'), 400, 'structure');
    checked(await post('<Patient xmlns="http://hl7.org/fhir"/>', 'application/fhir+xml'), 415, 'not-supported');
    checked(await post('{"resourceType":"Patient"}', 'text/plain'), 415, 'not-supported');
    checked(await post('{"resourceType":"Patient"}', `${FHIR}; charset=latin1`), 415, 'not-supported');
    checked(await client.get('/fhir/ehr/Patient').set('accept', 'application/fhir+xml'), 406, 'not-supported');
    checked(await client.get('/fhir/ehr/Patient?_format=xml'), 406, 'not-supported');
  });

  test('_format beats Accept', async () => {
    const answer = await client
      .get('/fhir/ehr/Patient?_format=application%2Ffhir%2Bjson')
      .set('accept', 'application/xml');
    assert.equal(answer.status, 200, answer.text);
  });

  test('addresses that are none, and methods that an address does not know', async () => {
    checked(await client.get('/nowhere'), 404, 'not-found');
    checked(await client.get('/fhir/nobody/Patient'), 404, 'not-found');
    checked(await client.get('/fhir/ehr/Nonsense'), 404, 'not-found');
    checked(await client.get('/fhir/ehr/Patient/1/2/3/4'), 404, 'not-found');
    checked(await client.get('/fhir/ehr/Patient/%ZZ'), 400, 'invalid');
    checked(await client.get(`/fhir/ehr/Patient/${'x'.repeat(65)}`), 404, 'not-found');
    checked(await client.get('/fhir/Patient/1'), 404, 'not-found');
    const wrong = await client.post('/fhir/ehr/Patient/1').set('content-type', FHIR).send('{}');
    checked(wrong, 405, 'not-supported');
    assert.match(wrong.headers['allow'] ?? '', /GET, HEAD, PUT, PATCH, DELETE/);
    const federated = await client.post('/fhir/Patient').set('content-type', FHIR).send('{}');
    checked(federated, 405, 'not-supported');
    checked(await client.put('/fhir').set('content-type', FHIR).send('{}'), 405);
    checked(await client.get('/fhir/ehr/Patient/$unknown'), 501, 'not-supported');
    checked(await client.get('/ledger/nothing'), 404, 'not-found');
    checked(await client.get('/ledger/tile/0/../../x'), 404, 'not-found');
    checked(await client.get('/audit/Nothing'), 404, 'not-found');
  });

  test('bodies in gzip are read, also when they would grow beyond the limit', async () => {
    const send = (bytes: Buffer) =>
      client
        .post('/fhir/ehr/Patient')
        .set('content-type', FHIR)
        .set('content-encoding', 'gzip')
        .serialize((x: unknown) => x as string)
        .send(bytes as unknown as string);
    assert.equal((await send(gzipSync('{"resourceType":"Patient"}'))).status, 201);
    checked(await send(gzipSync(`{"resourceType":"Patient","x":"${' '.repeat(5_000_000)}"}`)), 413, 'too-long');
    checked(await send(Buffer.from('no gzip')), 400, 'invalid');
  });

  test('what an upstream does wrong is a 5xx with an outcome that names it by its name only', async () => {
    const table: readonly (readonly [id: string, status: number])[] = [
      ['html', 502],
      ['ok-html', 502],
      ['garbage', 502],
      ['noresource', 502],
      ['redirect', 502],
      ['empty', 503],
      ['long', 502],
      ['cut', 502],
      ['silent', 504],
    ];
    for (const [id, status] of table) {
      const answer = await client.get(`/fhir/broken/Patient/${id}`);
      checked(answer, status);
      assert.ok(!answer.text.includes('127.0.0.1') && !answer.text.includes('10.0.0.1'), id);
      const event = answer.headers['concordat-event'] ?? '';
      assert.equal(gateway.record(event)?.record.kind, 'disclosed', id);
    }
  });

  test('an upstream that is down: 502 for a read, and for a write nothing was sent', async () => {
    checked(await client.get('/fhir/down/Patient/1'), 502, 'transient');
    const write = await post('{"resourceType":"Patient"}', FHIR, '/fhir/down/Patient');
    checked(write, 502, 'transient');
    const record = gateway.record(write.headers['concordat-event'] ?? '');
    assert.equal(record?.record.kind, 'received');
    assert.equal(record?.record.outcome, '8');
  });

  test('a write that nobody answers has an unknown outcome', async () => {
    const write = await client
      .put('/fhir/broken/Patient/silent')
      .set('content-type', FHIR)
      .send('{"resourceType":"Patient","id":"silent"}');
    checked(write, 504, 'timeout');
    assert.equal(gateway.record(write.headers['concordat-event'] ?? '')?.record.outcome, 'unknown');
  });

  test('an upstream that keeps failing is held back and recovers', async () => {
    for (let i = 0; i < 6; i += 1) await client.get('/fhir/down/Patient/1');
    checked(await client.get('/fhir/down/Patient/1'), 503, 'transient');
    const ready = await client.get('/health/ready');
    assert.equal(
      (ready.body as { upstreams: { name: string; isHeldBack: boolean }[] }).upstreams.find(
        ({ name }) => name === 'down',
      )?.isHeldBack,
      true,
    );
  });

  test('the process lives on', async () => {
    assert.equal((await client.get('/health/live')).status, 200);
    assert.equal((await post('{"resourceType":"Patient"}')).status, 201);
  });
});
