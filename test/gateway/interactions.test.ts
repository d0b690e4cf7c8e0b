import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import supertest from 'supertest';
import { openGateway } from '../support/gateway.ts';
import type { TestGateway } from '../support/gateway.ts';

interface Resource {
  readonly resourceType: string;
  readonly id: string;
  readonly meta: { readonly versionId: string };
  readonly issue?: readonly {
    readonly severity: string;
    readonly code: string;
    readonly expression?: readonly string[];
  }[];
  readonly entry?: readonly {
    readonly resource: Resource;
    readonly response?: { readonly status: string; readonly location?: string };
  }[];
  readonly link?: readonly { readonly relation: string; readonly url: string }[];
  readonly total?: number;
  readonly type?: string;
  readonly name?: readonly { readonly family: string }[];
}

const patient = (family: string, more: object = {}): object => ({
  resourceType: 'Patient',
  name: [{ family }],
  ...more,
});

describe('FHIR interactions through the gateway', () => {
  let gateway: TestGateway;
  let client: ReturnType<typeof supertest>;
  before(async () => {
    gateway = await openGateway();
    client = supertest(await gateway.listen());
  });
  after(() => gateway.close());

  const create = async (body: object, type = 'Patient'): Promise<Resource> => {
    const answer = await client.post(`/fhir/ehr/${type}`).set('content-type', 'application/fhir+json').send(body);
    assert.equal(answer.status, 201, answer.text);
    return answer.body as Resource;
  };
  const eventOf = (answer: { headers: Record<string, string> }): string => {
    const event = answer.headers['concordat-event'];
    assert.match(event ?? '', /^[A-Za-z0-9_-]{22}$/);
    return event ?? '';
  };

  test('a create answers 201 with our Location, a weak ETag, Last-Modified and the event', async () => {
    const answer = await client
      .post('/fhir/ehr/Patient')
      .set('content-type', 'application/fhir+json')
      .send(patient('Aa'));
    assert.equal(answer.status, 201);
    const body = answer.body as Resource;
    assert.match(
      answer.headers['location'] ?? '',
      new RegExp(`/fhir/ehr/Patient/${body.id}/_history/${body.meta.versionId}$`),
    );
    assert.equal(answer.headers['etag'], `W/"${body.meta.versionId}"`);
    assert.ok(!Number.isNaN(Date.parse(answer.headers['last-modified'] ?? '')));
    assert.equal(answer.headers['content-type'], 'application/fhir+json; charset=utf-8');
    const record = gateway.record(eventOf(answer));
    assert.equal(record?.record.kind, 'received');
    const [entity] = record?.entities ?? [];
    assert.equal(entity?.id, body.id);
    assert.deepEqual(entity?.patients, [body.id]);
    assert.match(entity?.sent?.b1 ?? '', /^[0-9a-f]{64}$/);
    assert.match(entity?.stored?.f1 ?? '', /^[0-9a-f]{64}$/);
  });

  test('a read discloses, with number lexemes as they were sent', async () => {
    const text =
      '{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueQuantity":{"value":1.10,"unit":"kg"}}';
    const made = await client.post('/fhir/ehr/Observation').set('content-type', 'application/fhir+json').send(text);
    assert.equal(made.status, 201, made.text);
    assert.match(made.text, /"value":1\.10,/);
    const read = await client.get(`/fhir/ehr/Observation/${(made.body as Resource).id}`);
    assert.equal(read.status, 200);
    assert.match(read.text, /"value":1\.10,/);
    const [sent] = gateway.record(eventOf(made))?.entities ?? [];
    const [disclosed] = gateway.record(eventOf(read))?.entities ?? [];
    assert.equal(gateway.record(eventOf(read))?.record.kind, 'disclosed');
    assert.deepEqual(disclosed?.stored, sent?.stored);
  });

  test('vread, history and 410 after a delete', async () => {
    const made = await create(patient('Hist'));
    const put = await client
      .put(`/fhir/ehr/Patient/${made.id}`)
      .set('content-type', 'application/fhir+json')
      .set('if-match', `W/"${made.meta.versionId}"`)
      .send(patient('Hist2', { id: made.id }));
    assert.equal(put.status, 200, put.text);
    const stale = await client
      .put(`/fhir/ehr/Patient/${made.id}`)
      .set('content-type', 'application/fhir+json')
      .set('if-match', `W/"${made.meta.versionId}"`)
      .send(patient('Hist3', { id: made.id }));
    assert.equal(stale.status, 412);
    assert.equal((stale.body as Resource).resourceType, 'OperationOutcome');
    const first = await client.get(`/fhir/ehr/Patient/${made.id}/_history/${made.meta.versionId}`);
    assert.equal((first.body as Resource).name?.[0]?.family, 'Hist');
    const gone = await client.delete(`/fhir/ehr/Patient/${made.id}`);
    assert.ok(gone.status === 204 || gone.status === 200);
    assert.equal(gateway.record(eventOf(gone))?.record.kind, 'retracted');
    const after = await client.get(`/fhir/ehr/Patient/${made.id}`);
    assert.equal(after.status, 410);
    const history = await client.get(`/fhir/ehr/Patient/${made.id}/_history`);
    assert.equal(history.status, 200);
    assert.equal((history.body as Resource).entry?.length, 3);
    for (const path of ['Patient/_history', '_history']) {
      const all = await client.get(`/fhir/ehr/${path}`);
      assert.equal(all.status, 200, path);
      assert.equal((all.body as Resource).type, 'history');
    }
  });

  test('search by GET and by POST give the same result', async () => {
    await create(patient('Same', { identifier: [{ system: 'urn:s', value: '1' }] }));
    await create(patient('Same', { identifier: [{ system: 'urn:s', value: '2' }] }));
    const got = await client.get('/fhir/ehr/Patient?family=Same&_sort=_lastUpdated');
    const posted = await client.post('/fhir/ehr/Patient/_search').type('form').send('family=Same&_sort=_lastUpdated');
    assert.equal(got.status, 200);
    assert.equal(posted.status, 200);
    assert.deepEqual(posted.body, got.body);
    assert.equal((got.body as Resource).total, 2);
    const record = gateway.record(eventOf(got));
    assert.equal(record?.entities.length, 2);
    assert.equal(record?.record.kind, 'disclosed');
  });

  test('an unknown search parameter is refused, and left out where the client is lenient', async () => {
    const strict = await client.get('/fhir/ehr/Patient?nonsense=1');
    assert.equal(strict.status, 400);
    const lenient = await client.get('/fhir/ehr/Patient?nonsense=1&family=Same').set('prefer', 'handling=lenient');
    assert.equal(lenient.status, 200);
    const self = (lenient.body as Resource).link?.find(({ relation }) => relation === 'self');
    assert.ok(self !== undefined && !self.url.includes('nonsense'));
  });

  test('If-None-Match gives 304, HEAD no body', async () => {
    const made = await create(patient('Etag'));
    const unchanged = await client
      .get(`/fhir/ehr/Patient/${made.id}`)
      .set('if-none-match', `W/"${made.meta.versionId}"`);
    assert.equal(unchanged.status, 304);
    assert.equal(unchanged.text, '');
    eventOf(unchanged);
    const head = await client.head(`/fhir/ehr/Patient/${made.id}`);
    assert.equal(head.status, 200);
    assert.ok(Number(head.headers['content-length']) > 0);
  });

  test('Prefer decides what a write returns', async () => {
    const send = (prefer: string) =>
      client
        .post('/fhir/ehr/Patient')
        .set('content-type', 'application/fhir+json')
        .set('prefer', prefer)
        .send(patient('Pref'));
    const minimal = await send('return=minimal');
    assert.equal(minimal.status, 201);
    assert.equal(minimal.text, '');
    assert.ok(minimal.headers['location']);
    const outcome = await send('return=OperationOutcome');
    assert.equal((outcome.body as Resource).resourceType, 'OperationOutcome');
    const whole = await send('return=representation');
    assert.equal((whole.body as Resource).resourceType, 'Patient');
  });

  test('exactly one of 32 equal conditional creates creates', async () => {
    const answers = await Promise.all(
      Array.from({ length: 32 }, () =>
        client
          .post('/fhir/ehr/Patient')
          .set('content-type', 'application/fhir+json')
          .set('if-none-exist', 'identifier=urn:once|1')
          .send(patient('Once', { identifier: [{ system: 'urn:once', value: '1' }] })),
      ),
    );
    const statuses = answers.map(({ status }) => status).sort();
    assert.deepEqual(statuses, [...Array.from({ length: 31 }, () => 200), 201]);
    assert.equal(new Set(answers.map(({ body }) => (body as Resource).id)).size, 1);
    assert.equal(new Set(answers.map(eventOf)).size, 32);
  });

  test('conditional update, patch and delete name their resource by a search', async () => {
    const identifier = [{ system: 'urn:c', value: '7' }];
    const put = (family: string) =>
      client
        .put('/fhir/ehr/Patient?identifier=urn:c|7')
        .set('content-type', 'application/fhir+json')
        .send(patient(family, { identifier }));
    const made = await put('One');
    assert.equal(made.status, 201, made.text);
    const changed = await put('Two');
    assert.equal(changed.status, 200, changed.text);
    assert.equal((changed.body as Resource).id, (made.body as Resource).id);
    const patched = await client
      .patch('/fhir/ehr/Patient?identifier=urn:c|7')
      .set('content-type', 'application/json-patch+json')
      .send([{ op: 'replace', path: '/name/0/family', value: 'Three' }]);
    assert.equal(patched.status, 200, patched.text);
    assert.equal((patched.body as Resource).name?.[0]?.family, 'Three');
    await create(patient('Twin', { identifier }));
    assert.equal((await put('Many')).status, 412);
    await client.delete(`/fhir/ehr/Patient/${(made.body as Resource).id}`);
    const deleted = await client.delete('/fhir/ehr/Patient?identifier=urn:c|7');
    assert.ok(deleted.status < 300, deleted.text);
    const nothing = await client.delete('/fhir/ehr/Patient?identifier=urn:c|7');
    assert.equal(nothing.status, 204);
  });

  test('JSON Patch and FHIRPath Patch change the resource; their result is validated', async () => {
    const made = await create(patient('Patch', { gender: 'female' }));
    const fhirpath = await client
      .patch(`/fhir/ehr/Patient/${made.id}`)
      .set('content-type', 'application/fhir+json')
      .send({
        resourceType: 'Parameters',
        parameter: [
          {
            name: 'operation',
            part: [
              { name: 'type', valueCode: 'replace' },
              { name: 'path', valueString: 'Patient.name[0].family' },
              { name: 'value', valueString: 'Patched' },
            ],
          },
        ],
      });
    assert.equal(fhirpath.status, 200, fhirpath.text);
    assert.equal((fhirpath.body as Resource).name?.[0]?.family, 'Patched');
    const invalid = await client
      .patch(`/fhir/ehr/Patient/${made.id}`)
      .set('content-type', 'application/json-patch+json')
      .send([{ op: 'replace', path: '/gender', value: 'wrong' }]);
    assert.equal(invalid.status, 422, invalid.text);
    assert.ok((invalid.body as Resource).issue?.some(({ expression }) => expression?.[0] === 'Patient.gender'));
    assert.equal(gateway.record(eventOf(invalid))?.record.kind, 'rejected');
    const stale = await client
      .patch(`/fhir/ehr/Patient/${made.id}`)
      .set('content-type', 'application/json-patch+json')
      .set('if-match', 'W/"nope"')
      .send([{ op: 'replace', path: '/gender', value: 'male' }]);
    assert.equal(stale.status, 412);
  });

  test('a resource that breaks a rule is refused with place, and nothing is sent', async () => {
    const text = '{\n "resourceType":"Patient",\n "gender":"wrong"\n}';
    const answer = await client.post('/fhir/ehr/Patient').set('content-type', 'application/fhir+json').send(text);
    assert.equal(answer.status, 422);
    const issues = (answer.body as Resource).issue ?? [];
    assert.equal(issues[0]?.code, 'informational');
    const found = issues.find(({ expression }) => expression?.[0] === 'Patient.gender');
    assert.equal(found?.code, 'code-invalid');
    assert.match(JSON.stringify(found), /issue-line","valueInteger":3/);
    assert.equal(gateway.record(eventOf(answer))?.record.kind, 'rejected');
  });

  test('$validate judges without storing, by the rules of a push', async () => {
    const answer = await client
      .post('/fhir/ehr/Patient/$validate')
      .set('content-type', 'application/fhir+json')
      .send({ resourceType: 'Patient', gender: 'wrong' });
    assert.equal(answer.status, 200);
    assert.ok((answer.body as Resource).issue?.some(({ severity }) => severity === 'error'));
    assert.equal(gateway.record(eventOf(answer))?.record.kind, 'checked');
  });

  test('$verify says whether a version still is what was recorded', async () => {
    const made = await create(patient('Verify'));
    const answer = await client.get(`/fhir/ehr/Patient/${made.id}/_history/${made.meta.versionId}/$verify`);
    assert.equal(answer.status, 200, answer.text);
    assert.match(answer.text, /"match"/);
    assert.equal(gateway.record(eventOf(answer))?.record.kind, 'checked');
  });

  test('a batch carries out each entry for itself, in order', async () => {
    const made = await create(patient('InBatch'));
    const answer = await client
      .post('/fhir/ehr')
      .set('content-type', 'application/fhir+json')
      .send({
        resourceType: 'Bundle',
        type: 'batch',
        entry: [
          { request: { method: 'GET', url: `Patient/${made.id}` } },
          { resource: { resourceType: 'Patient', gender: 'wrong' }, request: { method: 'POST', url: 'Patient' } },
          { resource: patient('Batch'), request: { method: 'POST', url: 'Patient' } },
          { request: { method: 'GET', url: 'Patient?family=InBatch' } },
          { request: { method: 'GET', url: 'Patient/none' } },
        ],
      });
    assert.equal(answer.status, 200, answer.text);
    const entries = (answer.body as Resource).entry ?? [];
    assert.deepEqual(
      entries.map((entry) => entry.response?.status.slice(0, 3)),
      ['200', '422', '201', '200', '404'],
    );
    assert.equal(entries[3]?.resource.type, 'searchset');
    const record = gateway.record(eventOf(answer));
    assert.equal(record?.record.kind, 'received');
  });

  test('a transaction is carried out as a whole, or not at all', async () => {
    const bundle = (gender: string): object => ({
      resourceType: 'Bundle',
      type: 'transaction',
      entry: [
        {
          fullUrl: 'urn:uuid:0a8e4d2e-53a1-4a3c-9f0e-1d7b1f3c0001',
          resource: patient('Tx', { gender }),
          request: { method: 'POST', url: 'Patient' },
        },
        {
          resource: {
            resourceType: 'Observation',
            status: 'final',
            code: { text: 'x' },
            subject: { reference: 'urn:uuid:0a8e4d2e-53a1-4a3c-9f0e-1d7b1f3c0001' },
          },
          request: { method: 'POST', url: 'Observation' },
        },
      ],
    });
    const post = (body: object) => client.post('/fhir/ehr').set('content-type', 'application/fhir+json').send(body);
    const refused = await post(bundle('wrong'));
    assert.equal(refused.status, 422, refused.text);
    assert.ok(
      (refused.body as Resource).issue?.some(({ expression }) => expression?.[0] === 'Bundle.entry[0].resource.gender'),
    );
    assert.equal(gateway.record(eventOf(refused))?.record.kind, 'rejected');
    const none = await client.get('/fhir/ehr/Patient?family=Tx');
    assert.equal((none.body as Resource).total, 0);
    const done = await post(bundle('male'));
    assert.equal(done.status, 200, done.text);
    const record = gateway.record(eventOf(done));
    assert.equal(record?.record.kind, 'received');
    assert.equal(record?.entities.length, 2);
    const [made, observed] = record?.entities ?? [];
    assert.deepEqual(observed?.patients, [made?.id]);
    assert.ok(observed?.stored !== undefined);
  });

  test('$everything is a disclosure of each resource', async () => {
    const made = await create(patient('Every'));
    const answer = await client.get(`/fhir/ehr/Patient/${made.id}/$everything`);
    assert.equal(answer.status, 200, answer.text);
    assert.equal((answer.body as Resource).entry?.[0]?.resource.id, made.id);
    const [entity, ...more] = gateway.record(eventOf(answer))?.entities ?? [];
    assert.equal(more.length, 0);
    assert.ok(entity?.stored !== undefined);
  });

  test('metadata says what this address can do, and is no event', async () => {
    for (const base of ['/fhir', '/fhir/ehr']) {
      const answer = await client.get(`${base}/metadata`);
      assert.equal(answer.status, 200);
      assert.equal((answer.body as { fhirVersion: string }).fhirVersion, '4.0.1');
      assert.equal(answer.headers['concordat-event'], undefined);
    }
  });
});
