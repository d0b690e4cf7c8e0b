import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import supertest from 'supertest';
import type { ExchangeIntent, ExchangeOutcome, OpenExchange, Recorder } from '../../src/provenance/exchange-record.ts';
import { ProvenanceError } from '../../src/provenance/provenance-error.ts';
import { openGateway } from '../support/gateway.ts';
import type { TestGateway } from '../support/gateway.ts';
import { sendJson, startPlainServer } from '../support/plain-server.ts';
import type { PlainServer } from '../support/plain-server.ts';

const FHIR = 'application/fhir+json';

/** A recorder over the real one that fails where a test says so. */
class FailingRecorder implements Recorder {
  failBegin: ProvenanceError | undefined;
  failComplete: ProvenanceError | undefined;
  readonly intents: ExchangeIntent[] = [];
  readonly #inner: () => Recorder;
  constructor(inner: () => Recorder) {
    this.#inner = inner;
  }
  async begin(intent: ExchangeIntent): Promise<OpenExchange> {
    if (this.failBegin !== undefined) throw this.failBegin;
    this.intents.push(intent);
    return this.#inner().begin(intent);
  }
  async complete(exchange: OpenExchange, intent: ExchangeIntent, outcome: ExchangeOutcome): Promise<void> {
    if (this.failComplete !== undefined) throw this.failComplete;
    return this.#inner().complete(exchange, intent, outcome);
  }
  abandon(exchange: OpenExchange): Promise<void> {
    return this.#inner().abandon(exchange);
  }
}

describe('what cannot be recorded', () => {
  let gateway: TestGateway;
  let upstream: PlainServer;
  let client: ReturnType<typeof supertest>;
  const recorder = new FailingRecorder(() => gateway.recorder);
  const patient = '{"resourceType":"Patient","id":"1","meta":{"versionId":"1"}}';

  before(async () => {
    upstream = await startPlainServer(({ method }, response) =>
      sendJson(response, method === 'POST' ? 201 : 200, patient, { location: 'Patient/1/_history/1' }),
    );
    gateway = await openGateway({ urls: { ehr: upstream.url }, parts: { recorder } });
    client = supertest(await gateway.listen());
  });
  afterEach(() => {
    recorder.failBegin = undefined;
    recorder.failComplete = undefined;
    upstream.requests.length = 0;
  });
  after(async () => {
    await gateway.close();
    await upstream.close();
  });

  const create = () => client.post('/fhir/ehr/Patient').set('content-type', FHIR).send('{"resourceType":"Patient"}');
  const code = (answer: { body: unknown }): string | undefined =>
    (answer.body as { issue: { code: string }[] }).issue[0]?.code;

  test('is not sent on: 503 no-store, and the upstream never hears of it', async () => {
    recorder.failBegin = new ProvenanceError('unavailable', 'disk full');
    const answer = await create();
    assert.equal(answer.status, 503);
    assert.equal(code(answer), 'no-store');
    assert.equal(answer.headers['concordat-event'], undefined);
    assert.equal(upstream.requests.filter(({ method }) => method === 'POST').length, 0);
  });

  test('waits when the ledger is behind: 503 throttled with Retry-After', async () => {
    recorder.failBegin = new ProvenanceError('throttled', 'outbox full');
    for (const answer of [await create(), await client.get('/fhir/ehr/Patient/1')]) {
      assert.equal(answer.status, 503);
      assert.equal(code(answer), 'throttled');
      assert.ok(Number(answer.headers['retry-after']) > 0);
    }
  });

  test('is not disclosed: a read whose record fails shows nothing', async () => {
    recorder.failComplete = new ProvenanceError('unavailable', 'disk full');
    const answer = await client.get('/fhir/ehr/Patient/1');
    assert.equal(answer.status, 503);
    assert.equal(code(answer), 'no-store');
    assert.ok(!answer.text.includes('versionId'));
  });

  test('may stand: a write that the upstream took and nobody could record says so, with its event', async () => {
    recorder.failComplete = new ProvenanceError('unavailable', 'disk full');
    const answer = await create();
    assert.equal(answer.status, 500);
    assert.equal(code(answer), 'exception');
    assert.match(answer.headers['concordat-event'] ?? '', /^[A-Za-z0-9_-]{22}$/);
  });

  test('the intent of a write stands before the upstream is called, with what is sent', async () => {
    recorder.intents.length = 0;
    await create();
    const [intent] = recorder.intents;
    assert.equal(intent?.kind, 'received');
    assert.match(intent?.entities[0]?.sent?.f1 ?? '', /^[0-9a-f]{64}$/);
    await client.get('/fhir/ehr/Patient?patient=7');
    await client.get('/fhir/ehr/Observation?patient=Patient/7&code=x');
    const search = recorder.intents.at(-1);
    assert.equal(search?.parameters, 'patient=Patient%2F7&code=x');
    assert.deepEqual(search.patients, ['7']);
  });

  test('a rule set that the consortium has adopted and this gateway lacks stops writes, not reads', async () => {
    const digest = 'd'.repeat(64);
    const lacking = await openGateway({ urls: { ehr: upstream.url }, parts: { adoptedRuleSets: () => [digest] } });
    const other = supertest(await lacking.listen());
    const write = await other.post('/fhir/ehr/Patient').set('content-type', FHIR).send('{"resourceType":"Patient"}');
    const read = await other.get('/fhir/ehr/Patient/1');
    await lacking.close();
    assert.equal(write.status, 503);
    assert.ok(write.text.includes(digest));
    assert.equal(read.status, 200);
  });
});
