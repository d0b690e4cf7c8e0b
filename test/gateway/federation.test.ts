import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import supertest from 'supertest';
import { openGateway } from '../support/gateway.ts';
import type { TestGateway } from '../support/gateway.ts';

const FHIR = 'application/fhir+json';

interface Entry {
  readonly fullUrl?: string;
  readonly resource: {
    readonly resourceType: string;
    readonly id: string;
    readonly meta: { readonly source?: string; readonly lastUpdated: string };
    readonly birthDate?: string;
    readonly subject?: { readonly reference: string };
    readonly issue?: readonly { readonly details: { readonly text: string } }[];
  };
  readonly search?: { readonly mode: string };
  readonly response?: { readonly status: string };
}
interface Bundle {
  readonly total?: number;
  readonly entry?: readonly Entry[];
  readonly link: readonly { readonly relation: string; readonly url: string }[];
}

describe('the federated address', () => {
  let gateway: TestGateway;
  let client: ReturnType<typeof supertest>;
  let nowMs = Date.now();
  const names = ['ehr', 'lab', 'old'];
  const all: string[] = [];

  before(async () => {
    gateway = await openGateway({ upstreams: names, clock: () => nowMs });
    client = supertest(await gateway.listen());
    for (const [at, name] of names.entries()) {
      for (let i = 0; i < 7 + at; i += 1) {
        const birthDate = `19${50 + ((i * 7 + at * 3) % 40)}-0${1 + (i % 9)}-11`;
        const made = await create(name, { resourceType: 'Patient', birthDate, name: [{ family: `F${i}` }] });
        all.push(`${name}.${made}`);
      }
    }
  });
  after(() => gateway.close());

  const create = async (
    upstream: string,
    body: { resourceType: string; [member: string]: unknown },
  ): Promise<string> => {
    const answer = await client.post(`/fhir/${upstream}/${body.resourceType}`).set('content-type', FHIR).send(body);
    assert.equal(answer.status, 201, answer.text);
    return (answer.body as { id: string }).id;
  };
  const search = async (query: string): Promise<Bundle> => {
    const answer = await client.get(`/fhir/${query}`);
    assert.equal(answer.status, 200, answer.text);
    return answer.body as Bundle;
  };
  const next = (bundle: Bundle): string | undefined => bundle.link.find(({ relation }) => relation === 'next')?.url;
  const walk = async (query: string): Promise<Entry[]> => {
    const entries: Entry[] = [];
    let bundle = await search(query);
    for (let page = 0; ; page += 1) {
      assert.ok(page < 100, 'pages never end');
      entries.push(...(bundle.entry ?? []));
      const url = next(bundle);
      if (url === undefined) return entries;
      const answer = await client.get(new URL(url).pathname + new URL(url).search);
      assert.equal(answer.status, 200, answer.text);
      bundle = answer.body as Bundle;
    }
  };

  test('a search asks all upstreams, with prefixed ids, one total and one event', async () => {
    const answer = await client.get('/fhir/Patient?_count=100');
    const bundle = answer.body as Bundle;
    assert.equal(bundle.total, all.length);
    assert.deepEqual(bundle.entry?.map(({ resource }) => resource.id).sort(), [...all].sort());
    for (const { fullUrl, resource } of bundle.entry ?? []) {
      assert.ok(fullUrl?.endsWith(`/fhir/Patient/${resource.id}`), fullUrl);
      assert.ok(resource.meta.source?.endsWith(`/fhir/${resource.id.split('.')[0] ?? ''}`));
    }
    const record = gateway.record(answer.headers['concordat-event'] ?? '');
    assert.equal(record?.entities.length, all.length);
    assert.deepEqual([...new Set(record?.entities.map(({ upstream }) => upstream))].sort(), [...names].sort());
  });

  test('paging gives every resource exactly once, in the same order for every page size', async () => {
    const whole = (await walk('Patient?_count=100')).map(({ resource }) => resource.id);
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 12 }), fc.boolean(), async (count, isSorted) => {
        const sort = isSorted ? '&_sort=birthdate' : '';
        const ids = (await walk(`Patient?_count=${count}${sort}`)).map(({ resource }) => resource.id);
        assert.deepEqual([...ids].sort(), [...all].sort());
        if (!isSorted) assert.deepEqual(ids, whole);
      }),
      { numRuns: 12 },
    );
  });

  test('_sort holds across upstreams, in either direction', async () => {
    for (const [sort, direction] of [
      ['birthdate', 1],
      ['-birthdate', -1],
    ] as const) {
      const dates = (await walk(`Patient?_count=4&_sort=${sort}`)).map(({ resource }) => resource.birthDate ?? '');
      const sorted = [...dates].sort();
      assert.deepEqual(dates, direction === 1 ? sorted : sorted.reverse());
    }
  });

  test('ids in parameters lead to their upstream', async () => {
    const [first = '', , last = ''] = [all[0], all[1], all.at(-1)];
    const found = await search(`Patient?_id=${first},${last}`);
    assert.deepEqual(found.entry?.map(({ resource }) => resource.id).sort(), [first, last].sort());
    const [upstream = '', id = ''] = first.split('.');
    const subject = { reference: `Patient/${id}` };
    await create(upstream, { resourceType: 'Observation', status: 'final', code: { text: 'x' }, subject } as {
      resourceType: string;
    });
    for (const value of [first, `Patient/${first}`]) {
      const observations = await search(`Observation?subject=${value}`);
      assert.equal(observations.entry?.length, 1);
      assert.equal(observations.entry[0]?.resource.subject?.reference, `Patient/${first}`);
    }
  });

  test('read, vread, history, update and patch by a prefixed id', async () => {
    const [id = ''] = all;
    const read = await client.get(`/fhir/Patient/${id}`);
    assert.equal(read.status, 200, read.text);
    const resource = read.body as Entry['resource'] & { meta: { versionId: string } };
    assert.equal(resource.id, id);
    assert.equal((await client.get(`/fhir/Patient/${id}/_history/${resource.meta.versionId}`)).status, 200);
    assert.equal((await client.get(`/fhir/Patient/${id}/_history`)).status, 200);
    const put = await client
      .put(`/fhir/Patient/${id}`)
      .set('content-type', FHIR)
      .send({ ...resource, gender: 'other' });
    assert.equal(put.status, 200, put.text);
    assert.equal((put.body as Entry['resource']).id, id);
    assert.match(put.headers['location'] ?? '', new RegExp(`/fhir/Patient/${id}/_history/`));
    const [upstream = '', local = ''] = [id.slice(0, id.indexOf('.')), id.slice(id.indexOf('.') + 1)];
    const direct = await client.get(`/fhir/${upstream}/Patient/${local}`);
    assert.equal((direct.body as { id: string; gender: string }).id, local);
    assert.equal((direct.body as { id: string; gender: string }).gender, 'other');
  });

  test('a transaction goes to one upstream, named by its entries, else 422 names them', async () => {
    const [ehr = ''] = all;
    const lab = all.find((id) => id.startsWith('lab.')) ?? '';
    const put = (id: string): object => ({
      resource: { resourceType: 'Patient', id },
      request: { method: 'PUT', url: `Patient/${id}` },
    });
    const post = (entry: object[]) =>
      client.post('/fhir').set('content-type', FHIR).send({ resourceType: 'Bundle', type: 'transaction', entry });
    const mixed = await post([put(ehr), put(lab)]);
    assert.equal(mixed.status, 422, mixed.text);
    assert.match(mixed.text, /Bundle\.entry\[1\]\.request\.url/);
    const observation = {
      resourceType: 'Observation',
      status: 'final',
      code: { text: 'tx' },
      subject: { reference: `Patient/${lab}` },
    };
    const referred = await post([{ resource: observation, request: { method: 'POST', url: 'Observation' } }]);
    assert.equal(referred.status, 200, referred.text);
    assert.match(
      (referred.body as { entry: { response: { location: string } }[] }).entry[0]?.response.location ?? '',
      /Observation\/lab\./,
    );
    const nowhere = await post([
      { resource: { resourceType: 'Patient' }, request: { method: 'POST', url: 'Patient' } },
    ]);
    assert.equal(nowhere.status, 422);
    const named = await post([
      { resource: { resourceType: 'Patient' }, request: { method: 'POST', url: 'old/Patient' } },
    ]);
    assert.equal(named.status, 200, named.text);
    all.push(
      `old.${(named.body as { entry: { resource: { id: string } }[] }).entry[0]?.resource.id.replace('old.', '') ?? ''}`,
    );
  });

  test('a batch is split by upstream and keeps its order', async () => {
    const [ehr = ''] = all;
    const lab = all.find((id) => id.startsWith('lab.')) ?? '';
    const entry = [lab, ehr, 'old.none', lab].map((id) => ({ request: { method: 'GET', url: `Patient/${id}` } }));
    entry.push({ request: { method: 'GET', url: 'Patient?_count=1' } });
    const answer = await client
      .post('/fhir')
      .set('content-type', FHIR)
      .send({ resourceType: 'Bundle', type: 'batch', entry });
    assert.equal(answer.status, 200, answer.text);
    const entries = (answer.body as Bundle).entry ?? [];
    assert.deepEqual(
      entries.map(({ response }) => response?.status.slice(0, 3)),
      ['200', '200', '404', '200', '200'],
    );
    assert.equal(entries[0]?.resource.id, lab);
    assert.equal(entries[1]?.resource.id, ehr);
  });

  test('a paging link is opaque, is bound to its address and ends', async () => {
    const url = new URL(next(await search('Patient?_count=2&name=F1')) ?? '');
    assert.deepEqual([...url.searchParams.keys()], ['_page']);
    const token = url.searchParams.get('_page') ?? '';
    // The name alone stands in one of ten random texts of this length.
    for (const text of [url.href, Buffer.from(token, 'base64url').toString('latin1')])
      assert.ok(!text.includes('name=F1') && !text.includes('"F1"') && text.length < 1_500);
    const forged = (token.startsWith('A') ? 'B' : 'A') + token.slice(1);
    assert.equal((await client.get(`/fhir/Patient?_page=${forged}`)).status, 400);
    assert.equal((await client.get(`/fhir/Observation?_page=${token}`)).status, 400);
    assert.equal((await client.get(`/fhir/Patient?_page=${token}`)).status, 200);
    nowMs += 2 * 60 * 60 * 1000;
    const expired = await client.get(`/fhir/Patient?_page=${token}`);
    assert.equal(expired.status, 410, expired.text);
    assert.equal((expired.body as { resourceType: string }).resourceType, 'OperationOutcome');
  });
});

describe('a federated search with a failing upstream', () => {
  let gateway: TestGateway;
  let client: ReturnType<typeof supertest>;
  before(async () => {
    gateway = await openGateway({
      upstreams: ['ehr', 'lab'],
      urls: { down: 'http://127.0.0.1:9/fhir' },
      client: { connectTimeoutMs: 300 },
    });
    client = supertest(await gateway.listen());
    for (const upstream of ['ehr', 'lab']) {
      await client.post(`/fhir/${upstream}/Patient`).set('content-type', FHIR).send({ resourceType: 'Patient' });
    }
  });
  after(() => gateway.close());

  test('answers with the rest, no total, and one outcome entry that names it', async () => {
    const answer = await client.get('/fhir/Patient');
    assert.equal(answer.status, 200, answer.text);
    const bundle = answer.body as Bundle;
    assert.equal(bundle.total, undefined);
    const outcomes = bundle.entry?.filter(({ search: how }) => how?.mode === 'outcome') ?? [];
    assert.equal(outcomes.length, 1);
    assert.match(JSON.stringify(outcomes[0]), /upstream down/);
    assert.ok(!answer.text.includes('127.0.0.1:9/'));
    assert.equal(bundle.entry?.length, 3);
  });

  test('with nobody left it fails, and is no empty result', async () => {
    const lone = await openGateway({ urls: { down: 'http://127.0.0.1:9/fhir' }, client: { connectTimeoutMs: 300 } });
    const answer = await supertest(await lone.listen()).get('/fhir/Patient');
    await lone.close();
    assert.equal(answer.status, 502, answer.text);
  });
});
