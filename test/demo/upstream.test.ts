import assert from 'node:assert/strict';
import { appendFileSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { startUpstream } from '../../src/demo/upstream.ts';
import type { Upstream } from '../../src/demo/upstream.ts';

const folder = mkdtempSync(join(tmpdir(), 'concordat-upstream-'));
after(() => rmSync(folder, { recursive: true, force: true }));

interface Reply {
  status: number;
  headers: Headers;
  // The tests look into arbitrary FHIR resources.
  body: Record<string, never> & { [key: string]: unknown };
  text: string;
}

async function call(
  upstream: Upstream,
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<Reply> {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  const response = await fetch(`${upstream.url}${path === '' ? '' : `/${path}`}`, {
    method,
    headers: { 'content-type': 'application/fhir+json', ...headers },
    ...(body !== undefined && { body: body instanceof Uint8Array ? new Uint8Array(body) : text }),
  });
  const answer = await response.text();
  return {
    status: response.status,
    headers: response.headers,
    text: answer,
    body: (answer === '' ? {} : JSON.parse(answer)) as Reply['body'],
  };
}

const patient = (family: string, more: object = {}) => ({ resourceType: 'Patient', name: [{ family }], ...more });

function entriesOf(
  reply: Reply,
): { resource: { resourceType: string; id: string }; response: { status: string; location: string } }[] {
  return (reply.body['entry'] ?? []) as never;
}

describe('a demo upstream', () => {
  let upstream: Upstream;
  before(async () => {
    upstream = await startUpstream({ name: 'ehr', port: 0, dataDir: join(folder, 'main') });
  });
  after(() => upstream.close());

  test('answers create, read, update, vread and delete with versions, times and places', async () => {
    const created = await call(upstream, 'POST', 'Patient', patient('Ay', { id: 'ignored' }));
    assert.equal(created.status, 201);
    const id = String(created.body['id']);
    assert.notEqual(id, 'ignored');
    assert.equal(created.headers.get('location'), `${upstream.url}/Patient/${id}/_history/1`);
    assert.equal(created.headers.get('etag'), 'W/"1"');
    assert.ok(created.headers.get('last-modified'));
    const updated = await call(upstream, 'PUT', `Patient/${id}`, patient('Bee', { id }), { 'if-match': 'W/"1"' });
    assert.equal(updated.status, 200);
    assert.equal(
      (await call(upstream, 'PUT', `Patient/${id}`, patient('Cee', { id }), { 'if-match': 'W/"1"' })).status,
      412,
    );
    assert.equal((await call(upstream, 'GET', `Patient/${id}`)).text, updated.text);
    assert.equal((await call(upstream, 'GET', `Patient/${id}/_history/1`)).text, created.text);
    assert.equal((await call(upstream, 'GET', `Patient/${id}`, undefined, { 'if-none-match': 'W/"2"' })).status, 304);
    assert.equal((await call(upstream, 'DELETE', `Patient/${id}`)).status, 204);
    assert.equal((await call(upstream, 'GET', `Patient/${id}`)).status, 410);
    assert.equal((await call(upstream, 'GET', `Patient/${id}/_history/3`)).status, 410);
    assert.equal((await call(upstream, 'GET', `Patient/${id}/_history/2`)).status, 200);
    assert.equal((await call(upstream, 'GET', 'Patient/never')).status, 404);
    const revived = await call(upstream, 'PUT', `Patient/${id}`, patient('Dee', { id }));
    assert.equal(revived.status, 201);
    const history = await call(upstream, 'GET', `Patient/${id}/_history`);
    const requests = (history.body['entry'] as unknown as { request: { method: string } }[]).map(
      (entry) => entry.request.method,
    );
    assert.deepEqual(requests, ['PUT', 'DELETE', 'PUT', 'POST']);
  });

  test('gives type and system history with paging and _since', async () => {
    await call(upstream, 'PUT', 'Device/a', { resourceType: 'Device', id: 'a' });
    await new Promise((resolve) => setTimeout(resolve, 5));
    const since = new Date().toISOString();
    await call(upstream, 'PUT', 'Device/b', { resourceType: 'Device', id: 'b' });
    await call(upstream, 'DELETE', 'Device/a');
    const all = await call(upstream, 'GET', 'Device/_history');
    assert.equal(all.body['total'], 3);
    assert.equal((await call(upstream, 'GET', `Device/_history?_since=${since}`)).body['total'], 2);
    const page = await call(upstream, 'GET', '_history?_count=1');
    assert.equal(entriesOf(page).length, 1);
    assert.ok((page.body['link'] as unknown as { relation: string }[]).some((link) => link.relation === 'next'));
  });

  test('keeps what was sent: number spelling, empty strings and unknown elements', async () => {
    const text =
      '{"resourceType":"Observation","id":"n","status":"final","x":"","valueQuantity":{"value":1.10},"y":{"a":1e3,"b":0.0000001,"c":12345678901234567890}}';
    const stored = await call(upstream, 'PUT', 'Observation/n', text);
    assert.equal(stored.status, 201);
    for (const part of ['"value":1.10', '"x":""', '"y":{"a":1e3,"b":0.0000001,"c":12345678901234567890}'])
      assert.ok(stored.text.includes(part), part);
    const patched = await call(
      upstream,
      'PATCH',
      'Observation/n',
      [{ op: 'replace', path: '/valueQuantity/value', value: 2 }],
      {
        'content-type': 'application/json-patch+json',
      },
    );
    assert.ok(patched.text.includes('"value":2}'));
    assert.ok(patched.text.includes('1e3'));
  });

  test('runs a transaction with urn:uuid references, and takes all of a failing one back', async () => {
    const uuid = 'urn:uuid:00000000-0000-4000-8000-000000000001';
    const entry = (resource: object, method: string, url: string, fullUrl?: string) => ({
      ...(fullUrl && { fullUrl }),
      resource,
      request: { method, url },
    });
    const bundle = (...entries: object[]) => ({ resourceType: 'Bundle', type: 'transaction', entry: entries });
    const observation = {
      resourceType: 'Observation',
      id: 't1',
      status: 'final',
      code: { text: 'x' },
      subject: { reference: uuid },
    };
    const done = await call(
      upstream,
      'POST',
      '',
      bundle(entry(patient('Tea'), 'POST', 'Patient', uuid), entry(observation, 'PUT', 'Observation/t1')),
    );
    assert.equal(done.status, 200);
    assert.deepEqual(
      entriesOf(done).map((item) => item.response.status),
      ['201', '201'],
    );
    const stored = await call(upstream, 'GET', 'Observation/t1');
    assert.equal(
      `${(stored.body['subject'] as unknown as { reference: string }).reference}/_history/1`,
      entriesOf(done)[0]?.response.location,
    );
    const total = async () => (await call(upstream, 'GET', '_history?_count=0')).body['total'];
    const before = await total();
    const failing = bundle(
      entry(patient('Gone'), 'POST', 'Patient'),
      entry({ ...observation, id: 'other' }, 'PUT', 'Observation/t1'),
    );
    assert.equal((await call(upstream, 'POST', '', failing)).status, 400);
    assert.equal(await total(), before);
    assert.equal((await call(upstream, 'GET', 'Patient?family=Gone')).body['total'], 0);
    const twice = bundle(entry(observation, 'PUT', 'Observation/t1'), entry(observation, 'PUT', 'Observation/t1'));
    assert.equal((await call(upstream, 'POST', '', twice)).status, 400);
  });

  test('resolves references to any fullUrl and by search within a transaction', async () => {
    await call(upstream, 'PUT', 'Practitioner/doc', {
      resourceType: 'Practitioner',
      id: 'doc',
      identifier: [{ system: 'urn:npi', value: '7' }],
    });
    const bundle = (search: string) => ({
      resourceType: 'Bundle',
      type: 'transaction',
      entry: [
        {
          fullUrl: 'http://elsewhere.example/Patient/1',
          resource: patient('Ref'),
          request: { method: 'POST', url: 'Patient' },
        },
        {
          resource: {
            resourceType: 'Basic',
            id: 'refs',
            code: { text: 'x' },
            subject: { reference: 'http://elsewhere.example/Patient/1' },
            author: { reference: search },
          },
          request: { method: 'PUT', url: 'Basic/refs' },
        },
      ],
    });
    const done = await call(upstream, 'POST', '', bundle('Practitioner?identifier=urn:npi|7'));
    assert.equal(done.status, 200, done.text);
    const stored = (await call(upstream, 'GET', 'Basic/refs')).body as unknown as Record<string, { reference: string }>;
    assert.equal(stored['author']?.reference, 'Practitioner/doc');
    assert.equal(`${stored['subject']?.reference}/_history/1`, entriesOf(done)[0]?.response.location);
    assert.equal((await call(upstream, 'POST', '', bundle('Practitioner?identifier=urn:npi|8'))).status, 400);
  });

  test('takes a transaction of more updates than the router would', async () => {
    const entry = Array.from({ length: 120 }, (_, index) => ({
      resource: { resourceType: 'Basic', id: `b${index}`, code: { text: 'x' } },
      request: { method: 'PUT', url: `Basic/b${index}` },
    }));
    const done = await call(
      upstream,
      'POST',
      '',
      { resourceType: 'Bundle', type: 'transaction', entry },
      { prefer: 'return=representation' },
    );
    assert.equal(done.status, 200);
    assert.equal(entriesOf(done)[119]?.resource.id, 'b119');
  });

  test('answers each entry of a batch by itself', async () => {
    await call(upstream, 'PUT', 'Patient/batch', patient('Batch', { id: 'batch' }));
    const entry = [
      { request: { method: 'GET', url: 'Patient/batch' } },
      { request: { method: 'GET', url: 'Patient/absent' } },
      { request: { method: 'GET', url: 'Patient?family=Batch' } },
    ];
    const done = await call(upstream, 'POST', '', { resourceType: 'Bundle', type: 'batch', entry });
    assert.deepEqual(
      entriesOf(done).map((item) => item.response.status),
      ['200', '404', '200'],
    );
    assert.deepEqual(
      entriesOf(done).map((item) => item.resource?.resourceType),
      ['Patient', undefined, 'Bundle'],
    );
  });

  test('creates once under 32 equal conditional creates', async () => {
    const body = patient('Once', { identifier: [{ system: 'urn:x', value: '1' }] });
    const replies = await Promise.all(
      Array.from({ length: 32 }, () =>
        call(upstream, 'POST', 'Patient', body, { 'if-none-exist': 'identifier=urn:x|1' }),
      ),
    );
    assert.deepEqual(replies.map((reply) => reply.status).sort(), [...Array<number>(31).fill(200), 201]);
  });

  test('updates and deletes by condition', async () => {
    const body = patient('Cond', { identifier: [{ system: 'urn:c', value: '1' }] });
    assert.equal((await call(upstream, 'PUT', 'Patient?identifier=urn:c|1', body)).status, 201);
    assert.equal((await call(upstream, 'PUT', 'Patient?identifier=urn:c|1', body)).status, 200);
    await call(upstream, 'POST', 'Patient', body);
    assert.equal((await call(upstream, 'PUT', 'Patient?identifier=urn:c|1', body)).status, 412);
    assert.equal((await call(upstream, 'DELETE', 'Patient?identifier=urn:c|none')).status, 204);
  });

  test('searches alike by GET and POST', async () => {
    await call(upstream, 'PUT', 'Patient/s1', patient('Søren', { id: 's1', birthDate: '1970-05-01', gender: 'male' }));
    await call(upstream, 'PUT', 'Patient/s2', patient('Sonja', { id: 's2', birthDate: '1980', gender: 'female' }));
    await call(upstream, 'PUT', 'Observation/s3', {
      resourceType: 'Observation',
      id: 's3',
      status: 'final',
      code: { coding: [{ system: 'urn:l', code: 'q' }] },
      subject: { reference: 'Patient/s1' },
      valueQuantity: { value: 7, code: 'kg' },
    });
    const ids = async (query: string) => {
      const found = entriesOf(await call(upstream, 'GET', query)).map((entry) => entry.resource.id);
      const [type = '', parameters = ''] = query.split('?');
      const posted = await call(upstream, 'POST', `${type}/_search`, parameters, {
        'content-type': 'application/x-www-form-urlencoded',
      });
      assert.deepEqual(
        entriesOf(posted).map((entry) => entry.resource.id),
        found,
      );
      return found;
    };
    assert.deepEqual(await ids('Patient?_id=s1,s2&birthdate=lt1975'), ['s1']);
    assert.deepEqual(await ids('Patient?_id=s1,s2&birthdate=1980-01-01'), []);
    assert.deepEqual(await ids('Patient?_id=s1,s2&_sort=-birthdate'), ['s2', 's1']);
    assert.deepEqual(await ids('Patient?gender:not=male&_id=s1,s2'), ['s2']);
    assert.deepEqual(await ids('Patient?family:exact=Sonja'), ['s2']);
    assert.deepEqual(await ids('Patient?family=SON'), ['s2']);
    for (const query of [
      'patient=s1',
      'patient=Patient/s1',
      'subject:Patient=s1',
      'code=q',
      'code=urn:l|',
      'subject.family=Søren',
      'value-quantity=gt6||kg',
    ]) {
      assert.deepEqual(await ids(`Observation?_id=s3&${query}`), ['s3'], query);
    }
    for (const query of [
      'patient=s2',
      'code=p',
      'code=urn:m|q',
      'value-quantity=8',
      'value-quantity=7||g',
      'subject:missing=true',
    ]) {
      assert.deepEqual(await ids(`Observation?_id=s3&${query}`), [], query);
    }
    assert.deepEqual(await ids('Patient?_has:Observation:patient:code=q'), ['s1']);
    assert.deepEqual(await ids('Patient?_id=s1&_revinclude=Observation:patient'), ['s1', 's3']);
    assert.deepEqual(await ids('Observation?_id=s3&_include=Observation:subject'), ['s3', 's1']);
    const everything = entriesOf(await call(upstream, 'GET', 'Patient/s1/$everything')).map(
      (entry) => entry.resource.id,
    );
    assert.deepEqual(everything, ['s1', 's3']);
  });

  test('refuses what it does not know', async () => {
    for (const [query, status] of [
      ['Patient?foo=1', 400],
      ['Patient?birthdate=x', 400],
      ['Patient?_count=x', 400],
      ['Patient?_format=xml', 406],
      ['Nothing/1', 404],
      ['Patient?gender:in=x', 400],
    ] as const) {
      const reply = await call(upstream, 'GET', query);
      assert.equal(reply.status, status, query);
      assert.equal(reply.body['resourceType'], 'OperationOutcome');
    }
    assert.equal((await call(upstream, 'GET', 'Patient?foo=1', undefined, { prefer: 'handling=lenient' })).status, 200);
    assert.equal((await call(upstream, 'POST', 'Patient', '{"resourceType":')).status, 400);
    assert.equal((await call(upstream, 'POST', 'Patient', { resourceType: 'Device' })).status, 400);
    assert.equal((await call(upstream, 'PUT', 'Patient/a', patient('A', { id: 'b' }))).status, 400);
    assert.equal(
      (await call(upstream, 'POST', 'Patient', '<Patient/>', { 'content-type': 'application/fhir+xml' })).status,
      415,
    );
  });

  test('reads and writes gzip', async () => {
    const stored = await call(upstream, 'PUT', 'Patient/z', gzipSync(JSON.stringify(patient('Zip', { id: 'z' }))), {
      'content-encoding': 'gzip',
    });
    assert.equal(stored.status, 201);
  });

  test('states its own capabilities', async () => {
    const { body } = await call(upstream, 'GET', 'metadata');
    assert.equal(body['resourceType'], 'CapabilityStatement');
    assert.equal(body['fhirVersion'], '4.0.1');
  });
});

describe('the journal of a demo upstream', () => {
  test('gives a restart the same ids, versions, times and texts', async () => {
    const dataDir = join(folder, 'restart');
    let upstream = await startUpstream({ name: 'ehr', port: 0, dataDir });
    await call(upstream, 'PUT', 'Patient/a', patient('One', { id: 'a' }));
    await call(upstream, 'PUT', 'Patient/a', patient('Two', { id: 'a' }));
    await call(upstream, 'DELETE', 'Patient/a');
    const before = await call(upstream, 'GET', '_history');
    await upstream.close();
    upstream = await startUpstream({ name: 'ehr', port: upstream.port, dataDir });
    assert.deepEqual((await call(upstream, 'GET', '_history')).body, before.body);
    assert.equal(
      (await call(upstream, 'PUT', 'Patient/a', patient('Three', { id: 'a' }))).headers.get('etag'),
      'W/"4"',
    );
    await upstream.close();
  });

  test('loses only a torn tail', async () => {
    const dataDir = join(folder, 'torn');
    const file = join(dataDir, 'journal.log');
    let upstream = await startUpstream({ name: 'ehr', port: 0, dataDir });
    await call(upstream, 'PUT', 'Patient/a', patient('One', { id: 'a' }));
    const whole = readFileSync(file).length;
    await call(upstream, 'PUT', 'Patient/b', patient('Two', { id: 'b' }));
    await upstream.close();
    const complete = readFileSync(file).length;
    for (const [damage, found] of [
      [() => truncateSync(file, complete - 3), 404],
      [() => truncateSync(file, whole + 4), 404],
      [() => appendFileSync(file, '#90 ab\nhalf'), 200],
    ] as const) {
      const copy = readFileSync(file);
      damage();
      upstream = await startUpstream({ name: 'ehr', port: 0, dataDir });
      assert.equal((await call(upstream, 'GET', 'Patient/a')).status, 200);
      assert.equal((await call(upstream, 'GET', 'Patient/b')).status, found);
      await upstream.close();
      writeFileSync(file, copy);
    }
  });

  test('is refused when a block in its middle is damaged', async () => {
    const dataDir = join(folder, 'damaged');
    const file = join(dataDir, 'journal.log');
    const upstream = await startUpstream({ name: 'ehr', port: 0, dataDir });
    for (const id of ['a', 'b', 'c']) await call(upstream, 'PUT', `Patient/${id}`, patient('X', { id }));
    await upstream.close();
    const bytes = readFileSync(file);
    bytes[30] = (bytes[30] ?? 0) ^ 1;
    writeFileSync(file, bytes);
    await assert.rejects(startUpstream({ name: 'ehr', port: 0, dataDir }), { code: 'corrupt' });
  });
});
