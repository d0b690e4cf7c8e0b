import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Client } from 'fhir-kit-client';
import { openGateway } from '../support/gateway.ts';
import type { TestGateway } from '../support/gateway.ts';

interface Found {
  readonly resourceType: string;
  readonly id: string;
  readonly meta: { readonly versionId: string };
  readonly total?: number;
  readonly type?: string;
  readonly gender?: string;
  readonly link: { relation: string; url: string }[];
  readonly entry?: { readonly resource: Found; readonly response?: { readonly status: string } }[];
  readonly [key: string]: unknown;
}

/** Every method of a client that knows nothing of Concordat, over a real port. */
describe('fhir-kit-client, unpatched', () => {
  let gateway: TestGateway;
  let client: Client;
  let patient: Found;
  const as = (value: unknown): Found => value as Found;

  before(async () => {
    gateway = await openGateway();
    client = new Client({ baseUrl: `${await gateway.listen()}/fhir/ehr` });
    patient = as(
      await client.create({ resourceType: 'Patient', body: { resourceType: 'Patient', name: [{ family: 'Kit' }] } }),
    );
    for (const text of ['a', 'b', 'c']) {
      await client.create({
        resourceType: 'Observation',
        body: {
          resourceType: 'Observation',
          status: 'final',
          code: { text },
          subject: { reference: `Patient/${patient.id}` },
        },
      });
    }
  });
  after(() => gateway.close());

  test('capabilityStatement and smartAuthMetadata', async () => {
    assert.equal(as(await client.capabilityStatement())['fhirVersion'], '4.0.1');
  });

  test('read, vread, history of instance, type and system', async () => {
    const { id } = patient;
    assert.equal(as(await client.read({ resourceType: 'Patient', id })).id, id);
    assert.equal(as(await client.vread({ resourceType: 'Patient', id, version: patient.meta.versionId })).id, id);
    assert.equal(as(await client.history({ resourceType: 'Patient', id })).type, 'history');
    assert.equal(as(await client.resourceHistory({ resourceType: 'Patient', id })).type, 'history');
    assert.equal(as(await client.typeHistory({ resourceType: 'Patient' })).type, 'history');
    assert.equal(as(await client.systemHistory()).type, 'history');
  });

  test('update, conditional update and patch', async () => {
    const body = { resourceType: 'Patient', id: patient.id, name: [{ family: 'Kit' }], gender: 'female' };
    assert.equal(as(await client.update({ resourceType: 'Patient', id: patient.id, body })).gender, 'female');
    const identifier = [{ system: 'urn:kit', value: '1' }];
    const conditional = { resourceType: 'Patient', identifier };
    const made = as(
      await client.update({ resourceType: 'Patient', searchParams: { identifier: 'urn:kit|1' }, body: conditional }),
    );
    const again = as(
      await client.update({ resourceType: 'Patient', searchParams: { identifier: 'urn:kit|1' }, body: conditional }),
    );
    assert.equal(again.id, made.id);
    const patched = await client.patch({
      resourceType: 'Patient',
      id: patient.id,
      jsonPatch: [{ op: 'replace', path: '/gender', value: 'male' }],
      options: { headers: { 'content-type': 'application/json-patch+json' } },
    });
    assert.equal(as(patched).gender, 'male');
  });

  test('search by GET and POST, of a type, a compartment and the system, with pages', async () => {
    const searchParams = { patient: patient.id, _count: 2 };
    const got = as(await client.search({ resourceType: 'Observation', searchParams }));
    assert.equal(got.total, 3);
    const posted = as(
      await client.resourceSearch({ resourceType: 'Observation', searchParams, options: { postSearch: true } }),
    );
    assert.equal(posted.total, 3);
    const second = as(await client.nextPage({ bundle: got }));
    assert.equal(second.entry?.length, 1);
    const first = as(await client.prevPage({ bundle: second }));
    assert.equal(first.entry?.length, 2);
    const compartment = { resourceType: 'Patient', id: patient.id };
    const inside = as(await client.compartmentSearch({ resourceType: 'Observation', compartment }));
    assert.ok((inside.entry?.length ?? 0) >= 3);
    // The upstream has no search of the whole system: that is passed on as its refusal, not as an empty result.
    await assert.rejects(
      client.systemSearch({ searchParams: { _lastUpdated: 'gt2020' } }),
      (error: { response: { status: number } }) => error.response.status === 404,
    );
  });

  test('batch, transaction and delete', async () => {
    const entry = [{ request: { method: 'GET', url: `Patient/${patient.id}` } }];
    const batch = as(await client.batch({ body: { resourceType: 'Bundle', type: 'batch', entry } }));
    assert.equal(batch.entry?.[0]?.resource.id, patient.id);
    const resource = { resourceType: 'Patient', name: [{ family: 'KitTx' }] };
    const posts = [{ resource, request: { method: 'POST', url: 'Patient' } }];
    const transaction = as(
      await client.transaction({ body: { resourceType: 'Bundle', type: 'transaction', entry: posts } }),
    );
    assert.match(transaction.entry?.[0]?.response?.status ?? '', /^201/);
    const made = as(await client.create({ resourceType: 'Patient', body: resource }));
    await client.delete({ resourceType: 'Patient', id: made.id });
    await assert.rejects(
      client.read({ resourceType: 'Patient', id: made.id }),
      (error: { response: { status: number } }) => error.response.status === 410,
    );
  });

  test('operations on a type and on an instance, and references', async () => {
    const outcome = as(
      await client.operation({
        name: '$validate',
        resourceType: 'Patient',
        method: 'POST',
        input: { resourceType: 'Patient' },
      }),
    );
    assert.equal(outcome.resourceType, 'OperationOutcome');
    const everything = as(
      await client.operation({ name: '$everything', resourceType: 'Patient', id: patient.id, method: 'GET' }),
    );
    assert.ok((everything.entry?.length ?? 0) >= 4);
    assert.equal(as(await client.resolve({ reference: `Patient/${patient.id}` })).id, patient.id);
    assert.equal(as(await client.request(`Patient/${patient.id}`)).id, patient.id);
  });
});
