import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import supertest from 'supertest';
import { ReceivedDisclosures } from '../../src/gateway/received-disclosures.ts';
import { parseEvent } from '../../src/ledger/event.ts';
import type { LedgerEvent } from '../../src/ledger/event.ts';
import type { ReceivedDisclosure } from '../../src/provenance/exchange-record.ts';
import { PeerTags } from '../../src/provenance/peer-tag.ts';
import { openGateway } from '../support/gateway.ts';
import type { TestGateway } from '../support/gateway.ts';
import { sendJson, startPlainServer } from '../support/plain-server.ts';
import type { PlainServer } from '../support/plain-server.ts';

const FHIR = 'application/fhir+json';
const tags = new PeerTags(new Uint8Array(randomBytes(32)));
const newId = (): string => randomBytes(16).toString('base64url');
const patient = { resourceType: 'Patient', id: 'p1', meta: { versionId: '1' } };
const CAPABILITIES = {
  resourceType: 'CapabilityStatement',
  rest: [{ mode: 'server', resource: [{ type: 'Patient', searchParam: [{ name: 'family', type: 'string' }] }] }],
};

describe('what another member discloses to an exchange', () => {
  let server: PlainServer;
  let gateway: TestGateway;
  let client: ReturnType<typeof supertest>;
  /** What the other gateway puts into its next answers' header. */
  let header: string | undefined;
  let status = 200;

  before(async () => {
    server = await startPlainServer(({ method, path }, response) => {
      const headers = header === undefined ? {} : { 'Concordat-Event': header };
      if (path.endsWith('/metadata')) sendJson(response, 200, CAPABILITIES);
      else if (status >= 400) sendJson(response, status, { resourceType: 'OperationOutcome', issue: [] }, headers);
      else if (method === 'GET' && /Patient\?/.test(path))
        sendJson(response, 200, { resourceType: 'Bundle', type: 'searchset', entry: [{ resource: patient }] }, headers);
      else sendJson(response, method === 'POST' ? 201 : 200, patient, headers);
    });
    gateway = await openGateway({ urls: { other: server.url }, counterpart: { member: 'clinics', tags } });
    client = supertest(await gateway.listen());
  });
  after(async () => {
    await gateway.close();
    await server.close();
  });

  /** Events that `work` has put into the outbox. */
  async function eventsOf(work: () => Promise<unknown>): Promise<LedgerEvent[]> {
    const before = gateway.recorder.outbox.pending(10_000).length;
    await work();
    return gateway.recorder.outbox
      .pending(10_000)
      .slice(before)
      .map(({ bytes }) => parseEvent(bytes));
  }

  test('is acknowledged by an event of its own, in the commit of the exchange', async () => {
    header = newId();
    const [exchange, acknowledged, ...more] = await eventsOf(() => client.get('/fhir/other/Patient/p1'));
    assert.deepEqual([exchange?.kind, acknowledged?.kind, more.length], ['disclosed', 'acknowledged', 0]);
    assert.equal(exchange?.peer, undefined, 'the answer to a client of our own is nobody else’s business');
    assert.equal(acknowledged?.peer, tags.acknowledgement(Buffer.from(header, 'base64url')));
    assert.notEqual(acknowledged?.peer, tags.disclosure(Buffer.from(header, 'base64url')));
    const record = gateway.record(acknowledged?.id ?? '')?.record;
    assert.deepEqual(record?.acknowledges, { event: header, member: 'clinics', exchange: exchange?.id });
    assert.equal(record?.requestId, gateway.record(exchange?.id ?? '')?.record.requestId);
  });

  test('a search is acknowledged by GET and on the federated address', async () => {
    for (const path of ['/fhir/other/Patient?family=x', '/fhir/Patient?family=x']) {
      header = newId();
      const events = await eventsOf(() => client.get(path));
      assert.deepEqual(events.map(({ kind }) => kind).sort(), ['acknowledged', 'disclosed'], path);
    }
  });

  test('a write, a refusal and an answer without the header are not', async () => {
    header = newId();
    const body = { resourceType: 'Patient' };
    const written = await eventsOf(() => client.post('/fhir/other/Patient').set('content-type', FHIR).send(body));
    assert.deepEqual(
      written.map(({ kind }) => kind),
      ['received'],
    );
    status = 404;
    assert.equal((await eventsOf(() => client.get('/fhir/other/Patient/p1'))).length, 1);
    status = 200;
    header = undefined;
    assert.equal((await eventsOf(() => client.get('/fhir/other/Patient/p1'))).length, 1);
  });

  test('a header that is no event id changes nothing', async () => {
    for (const forged of [
      'x',
      '',
      'A'.repeat(22) + 'A',
      '_'.repeat(22),
      '../../etc/passwd',
      `${newId()}, ${newId()}`,
    ]) {
      header = forged;
      const events = await eventsOf(async () => assert.equal((await client.get('/fhir/other/Patient/p1')).status, 200));
      assert.equal(events.length, 1, forged);
    }
  });

  test('what $verify and the sweep read is acknowledged too', async () => {
    header = newId();
    const verified = await eventsOf(() => client.get('/fhir/other/Patient/p1/_history/1/$verify'));
    assert.deepEqual([...new Set(verified.map(({ kind }) => kind))].sort(), ['acknowledged', 'checked']);
    const swept = await eventsOf(() => client.post('/audit/$verify-sweep'));
    assert.deepEqual([...new Set(swept.map(({ kind }) => kind))].sort(), ['acknowledged', 'checked']);
  });

  test('the audit shows which event was acknowledged', async () => {
    header = newId();
    const [, acknowledged] = await eventsOf(() => client.get('/fhir/other/Patient/p1'));
    const found = await client.get(`/audit/AuditEvent/${(acknowledged?.id ?? '').replaceAll('_', '.')}`);
    assert.equal(found.status, 200, found.text);
    assert.ok(found.text.includes(`"value":"${header}"`));
  });
});

describe('ReceivedDisclosures', () => {
  const one = (event: string): ReceivedDisclosure => ({ upstream: 'other', member: 'clinics', event });

  test('exchanges at the same time keep theirs apart', async () => {
    const alone: ReceivedDisclosure[] = [];
    const disclosures = new ReceivedDisclosures((received) => alone.push(...received));
    const exchange = (event: string) =>
      disclosures.collect(async () => {
        await new Promise((resolve) => setTimeout(resolve, 5));
        disclosures.note(one(event));
        await new Promise((resolve) => setTimeout(resolve, 5));
        return disclosures.take().map((received) => received.event);
      });
    assert.deepEqual(await Promise.all([exchange('a'), exchange('b')]), [['a'], ['b']]);
    assert.deepEqual(alone, []);
  });

  test('what comes outside of an exchange, after its record, or in one without a record, stands alone', async () => {
    const alone: string[] = [];
    const disclosures = new ReceivedDisclosures((received) => alone.push(...received.map(({ event }) => event)));
    disclosures.note(one('outside'));
    await disclosures.collect(async () => {
      disclosures.take();
      disclosures.note(one('late'));
      await Promise.resolve();
    });
    await assert.rejects(
      disclosures.collect(async () => {
        disclosures.note(one('unrecorded'));
        await Promise.reject(new Error('x'));
      }),
    );
    assert.deepEqual(alone, ['outside', 'late', 'unrecorded']);
  });
});
