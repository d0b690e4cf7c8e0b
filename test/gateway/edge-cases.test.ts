import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import supertest from 'supertest';
import { openGateway } from '../support/gateway.ts';
import type { TestGateway } from '../support/gateway.ts';
import { sendJson, startPlainServer } from '../support/plain-server.ts';
import type { PlainServer } from '../support/plain-server.ts';

const FHIR = 'application/fhir+json';
const OWN = 'http://fhir.internal.example/r4';

/** Memory that is in use after a full collection. */
function heldBytes(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** An upstream behind another name than it believes to have. */
function believer(path: string, response: Parameters<Parameters<typeof startPlainServer>[0]>[1]): void {
  if (path.endsWith('/metadata')) {
    return sendJson(response, 200, {
      resourceType: 'CapabilityStatement',
      implementation: { url: `${OWN}/` },
      rest: [{ mode: 'server' }],
    });
  }
  if (path.includes('/Patient/busy')) {
    return sendJson(
      response,
      429,
      { resourceType: 'OperationOutcome', issue: [{ severity: 'error', code: 'throttled' }] },
      { 'retry-after': '7' },
    );
  }
  if (path.includes('/Patient/locked'))
    return sendJson(response, 401, {}, { 'www-authenticate': 'Basic realm="secret"' });
  if (path.includes('/Patient/large')) {
    return sendJson(response, 200, { resourceType: 'Patient', id: 'large', text: { div: 'z'.repeat(3_000_000) } });
  }
  const resource = (id: string): object => ({
    resourceType: 'Patient',
    id,
    managingOrganization: { reference: `${OWN}/Organization/9` },
  });
  if (/\/Patient\/\d+$/.test(path))
    return sendJson(response, 200, resource('1'), { location: `${OWN}/Patient/1/_history/1` });
  const entry = [resource('1'), resource('x'.repeat(62))].map((one) => ({
    fullUrl: `${OWN}/Patient/1`,
    resource: one,
    search: { mode: 'match' },
  }));
  const link = [{ relation: 'next', url: `${OWN}/Patient?page=2` }];
  return sendJson(response, 200, {
    resourceType: 'Bundle',
    type: 'searchset',
    total: 2,
    entry: path.includes('page=2') ? [] : entry,
    link: path.includes('page=2') ? [] : link,
  });
}

describe('at the edge', () => {
  let gateway: TestGateway;
  let strange: PlainServer;
  let url: string;
  let client: ReturnType<typeof supertest>;
  before(async () => {
    strange = await startPlainServer(({ path }, response) => believer(path, response));
    gateway = await openGateway({ upstreams: ['ehr'], urls: { odd: strange.url } });
    url = await gateway.listen();
    client = supertest(url);
    await new Promise((resolve) => setTimeout(resolve, 100));
  });
  after(async () => {
    await gateway.close();
    await strange.close();
  });

  test('an upstream’s own name for itself is rewritten too, and its next page is found', async () => {
    const read = await client.get('/fhir/odd/Patient/1');
    assert.ok(!read.text.includes('internal.example'));
    const search = await client.get('/fhir/odd/Patient');
    assert.ok(!search.text.includes('internal.example'), search.text);
    const next = (search.body as { link: { relation: string; url: string }[] }).link.find(
      ({ relation }) => relation === 'next',
    );
    const page = await fetch(next?.url ?? '');
    assert.equal(page.status, 200);
    assert.equal(strange.requests.at(-1)?.url, '/fhir/Patient?page=2');
  });

  test('an id too long for the federated address is held back, visibly', async () => {
    const search = await client.get('/fhir/Patient');
    const bundle = search.body as {
      total?: number;
      entry: { resource: { id?: string; issue?: { code: string }[] } }[];
    };
    assert.ok(bundle.entry.every(({ resource }) => (resource.id ?? '').length <= 64));
    assert.ok(bundle.entry.some(({ resource }) => resource.issue?.some(({ code }) => code === 'too-long')));
    assert.equal(bundle.total, undefined);
  });

  test('Retry-After of an upstream is passed on, its challenge is not', async () => {
    const busy = await client.get('/fhir/odd/Patient/busy');
    assert.equal(busy.status, 429);
    assert.equal(busy.headers['retry-after'], '7');
    const locked = await client.get('/fhir/odd/Patient/locked');
    assert.equal(locked.status, 502);
    assert.equal(locked.headers['www-authenticate'], undefined);
  });

  test('large answers arrive whole', async () => {
    const large = await fetch(`${url}/fhir/odd/Patient/large`, { headers: { 'accept-encoding': 'identity' } });
    assert.equal(((await large.json()) as { text: { div: string } }).text.div.length, 3_000_000);
    const packed = await fetch(`${url}/fhir/odd/Patient/large`);
    assert.equal(((await packed.json()) as { text: { div: string } }).text.div.length, 3_000_000);
  });

  test('readers that never read hold no memory', async () => {
    const before = heldBytes();
    const { hostname, port } = new URL(url);
    const sockets = Array.from({ length: 25 }, () => {
      const socket = connect(Number(port), hostname);
      socket.write(`GET /fhir/odd/Patient/large HTTP/1.1\r\nHost: ${hostname}:${port}\r\n\r\n`);
      socket.pause();
      return socket;
    });
    const recorded = gateway.recorder.outbox.backlog().events;
    for (let turn = 0; turn < 100 && gateway.recorder.outbox.backlog().events < recorded + sockets.length; turn += 1) {
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    // The last answers may still be on their way to the spool, or not be collected yet; what is held for good stays, however long one waits.
    const grown = (): number => (heldBytes() - before) / 1024 / 1024;
    let grownMebibytes = grown();
    for (let turn = 0; turn < 60 && grownMebibytes >= 40; turn += 1) {
      await new Promise((resolve) => setTimeout(resolve, 500));
      grownMebibytes = grown();
    }
    for (const socket of sockets) socket.destroy();
    // 25 answers of 3 MB would be 75 MB as bytes alone.
    assert.ok(grownMebibytes < 40, `grew by ${Math.round(grownMebibytes)} MiB`);
  });

  test('X-Provenance is stored about the version that the same request wrote', async () => {
    const provenance = {
      resourceType: 'Provenance',
      recorded: '2026-01-01T00:00:00Z',
      agent: [{ who: { display: 'x' } }],
    };
    const written = await client
      .post('/fhir/ehr/Patient')
      .set('content-type', FHIR)
      .set('x-provenance', JSON.stringify(provenance))
      .send({ resourceType: 'Patient' });
    assert.equal(written.status, 201, written.text);
    const location = written.headers['concordat-provenance'] ?? '';
    const stored = await client.get(new URL(location).pathname);
    const { id, meta } = written.body as { id: string; meta: { versionId: string } };
    assert.deepEqual((stored.body as { target: unknown }).target, [
      { reference: `Patient/${id}/_history/${meta.versionId}` },
    ]);
    const bad = await client
      .post('/fhir/ehr/Patient')
      .set('content-type', FHIR)
      .set('x-provenance', '{')
      .send({ resourceType: 'Patient' });
    assert.equal(bad.status, 400);
  });

  test('pull rules annotate, and hold back visibly', async () => {
    const rules =
      'name: pull\npolicy: gateway\ndefault: {push: off, pull: annotate}\nrules:\n  - {name: strict, direction: pull, types: [Observation], mode: reject}\n';
    const judged = await openGateway({ rules });
    const other = supertest(await judged.listen());
    const post = (type: string, body: object) =>
      other
        .post(`/fhir/ehr/${type}`)
        .set('content-type', FHIR)
        .send({ resourceType: type, ...body });
    const patient = await post('Patient', { gender: 'wrong' });
    const observation = await post('Observation', { status: 'final' });
    assert.equal(patient.status, 201, patient.text);
    const read = await other.get(`/fhir/ehr/Patient/${(patient.body as { id: string }).id}`);
    const annotated = await other.get('/fhir/ehr/Patient');
    const held = await other.get(`/fhir/ehr/Observation/${(observation.body as { id: string }).id}`);
    const withheld = await other.get('/fhir/ehr/Observation');
    const record = judged.record(withheld.headers['concordat-event'] ?? '');
    await judged.close();
    assert.equal(read.status, 200);
    assert.match(read.headers['concordat-validation'] ?? '', /errors=1/);
    const modes = (annotated.body as { entry: { search: { mode: string } }[] }).entry.map(({ search }) => search.mode);
    assert.deepEqual(modes, ['match', 'outcome']);
    assert.equal(held.status, 422);
    const bundle = withheld.body as { total?: number; entry: { search: { mode: string } }[] };
    assert.deepEqual(
      bundle.entry.map(({ search }) => search.mode),
      ['outcome'],
    );
    assert.equal(bundle.total, undefined);
    assert.equal(record?.entities.length, 0);
  });
});
