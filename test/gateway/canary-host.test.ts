import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { openGateway } from '../support/gateway.ts';
import type { TestGateway } from '../support/gateway.ts';
import { sendJson, startPlainServer } from '../support/plain-server.ts';
import type { PlainServer } from '../support/plain-server.ts';

/** A server that names its own address wherever FHIR lets it. */
function boastful(path: string, response: Parameters<Parameters<typeof startPlainServer>[0]>[1], base: string): void {
  const headers = {
    location: `${base}/Patient/1/_history/2`,
    'content-location': `${base}/Patient/1/_history/2`,
    etag: 'W/"2"',
    server: base,
    via: base,
    link: `<${base}/x>; rel="next"`,
    'x-powered-by': base,
  };
  const patient = {
    resourceType: 'Patient',
    id: '1',
    meta: { versionId: '2', source: `${base}/source#1` },
    managingOrganization: { reference: `${base}/Organization/9` },
    generalPractitioner: [
      { reference: `${base}/Practitioner/8/_history/1` },
      { reference: 'Practitioner/8' },
      { reference: '#c' },
    ],
    photo: [{ url: `${base}/Binary/7`, contentType: 'image/png' }],
    extension: [
      {
        url: 'https://example.org/canonical',
        valueUrl: `${base}/any`,
        valueReference: { reference: `${base}/Group/1` },
      },
    ],
    contained: [
      { resourceType: 'Practitioner', id: 'c', photo: [{ url: `${base}/Binary/1`, contentType: 'image/png' }] },
    ],
  };
  if (path.includes('metadata'))
    return sendJson(response, 200, { resourceType: 'CapabilityStatement', implementation: { url: base } });
  if (path.includes('missing')) {
    const text = `No Patient at ${base}/Patient/missing on ${new URL(base).host}`;
    const issue = [{ severity: 'error', code: 'not-found', diagnostics: text, details: { text } }];
    return sendJson(
      response,
      404,
      { resourceType: 'OperationOutcome', text: { status: 'generated', div: `<div>${text}</div>` }, issue },
      headers,
    );
  }
  if (/Patient\/1(\/_history\/2)?$/.test(path)) return sendJson(response, 200, patient, headers);
  const isHistory = path.includes('_history');
  const entry = {
    fullUrl: `${base}/Patient/1`,
    resource: patient,
    ...(isHistory
      ? {
          request: { method: 'PUT', url: `${base}/Patient/1` },
          response: { status: '200', location: `${base}/Patient/1/_history/2`, etag: 'W/"2"' },
        }
      : { search: { mode: 'match' } }),
  };
  const link = ['self', 'next', 'previous', 'first', 'last', 'alternate'].map((relation) => ({
    relation,
    url: `${base}/Patient?page=${relation}`,
  }));
  const outcome = {
    fullUrl: `${base}/x`,
    resource: {
      resourceType: 'OperationOutcome',
      issue: [{ severity: 'warning', code: 'processing', diagnostics: `see ${base}/help` }],
    },
    search: { mode: 'outcome' },
  };
  return sendJson(
    response,
    200,
    {
      resourceType: 'Bundle',
      type: isHistory ? 'history' : 'searchset',
      link,
      entry: isHistory ? [entry] : [entry, outcome],
    },
    headers,
  );
}

describe('an upstream that names its own address everywhere', () => {
  let gateway: TestGateway;
  let upstream: PlainServer;
  let url: string;
  before(async () => {
    upstream = await startPlainServer(({ method, path, body }, response, base) => {
      if (method === 'POST' && path === '/fhir') {
        const entry = [
          {
            fullUrl: `${base}/Patient/1`,
            response: {
              status: '201',
              location: `${base}/Patient/1/_history/2`,
              outcome: {
                resourceType: 'OperationOutcome',
                issue: [{ severity: 'information', code: 'informational', diagnostics: base }],
              },
            },
          },
        ];
        return sendJson(response, 200, {
          resourceType: 'Bundle',
          type: 'transaction-response',
          link: [{ relation: 'self', url: base }],
          entry,
        });
      }
      if (method === 'PUT' || method === 'POST') {
        return sendJson(response, 201, body.startsWith('{') ? body.replace('"Patient"', '"Patient","id":"1"') : {}, {
          location: `${base}/Patient/1/_history/2`,
        });
      }
      return boastful(path, response, base);
    });
    gateway = await openGateway({ urls: { ehr: upstream.url } });
    url = await gateway.listen();
  });
  after(async () => {
    await gateway.close();
    await upstream.close();
  });

  const requests: readonly (readonly [method: string, path: string, body?: object])[] = [
    ['GET', '/fhir/ehr/Patient/1'],
    ['GET', '/fhir/ehr/Patient/1/_history/2'],
    ['GET', '/fhir/ehr/Patient/1/_history'],
    ['GET', '/fhir/ehr/Patient?name=x'],
    ['GET', '/fhir/ehr/Patient/missing'],
    ['GET', '/fhir/ehr/metadata'],
    ['GET', '/fhir/metadata'],
    ['GET', '/fhir/Patient'],
    ['GET', '/fhir/Patient/ehr.1'],
    ['GET', '/fhir/Patient/ehr.missing'],
    ['POST', '/fhir/ehr/Patient', { resourceType: 'Patient' }],
    [
      'POST',
      '/fhir/ehr',
      {
        resourceType: 'Bundle',
        type: 'transaction',
        entry: [{ resource: { resourceType: 'Patient' }, request: { method: 'POST', url: 'Patient' } }],
      },
    ],
    [
      'POST',
      '/fhir/ehr',
      {
        resourceType: 'Bundle',
        type: 'batch',
        entry: [{ request: { method: 'GET', url: 'Patient/1' } }, { request: { method: 'GET', url: 'Patient' } }],
      },
    ],
    ['GET', '/health/ready'],
    ['GET', '/metrics'],
  ];

  for (const [method, path, body] of requests) {
    test(`${method} ${path}${body === undefined ? '' : ` ${(body as { type?: string }).type ?? ''}`} does not betray it`, async () => {
      const answer = await fetch(url + path, {
        method,
        ...(body === undefined
          ? {}
          : { body: JSON.stringify(body), headers: { 'content-type': 'application/fhir+json' } }),
      });
      const text = JSON.stringify([...answer.headers]) + (await answer.text());
      const { host } = new URL(upstream.url);
      assert.ok(!text.includes(host), text.slice(Math.max(0, text.indexOf(host) - 200), text.indexOf(host) + 60));
      assert.ok(answer.status < 500, text);
    });
  }

  test('what is not an address of the upstream stays as it is', async () => {
    const patient = (await (await fetch(`${url}/fhir/ehr/Patient/1`)).json()) as {
      extension: { url: string; valueUrl: string }[];
      generalPractitioner: { reference: string }[];
      managingOrganization: { reference: string };
    };
    assert.equal(patient.extension[0]?.url, 'https://example.org/canonical');
    assert.equal(patient.extension[0]?.valueUrl, `${url}/fhir/ehr/any`);
    assert.deepEqual(
      patient.generalPractitioner.map(({ reference }) => reference),
      [`${url}/fhir/ehr/Practitioner/8/_history/1`, 'Practitioner/8', '#c'],
    );
    assert.equal(patient.managingOrganization.reference, `${url}/fhir/ehr/Organization/9`);
  });

  test('addresses on the gateway become the upstream’s own on the way in', async () => {
    const managingOrganization = { reference: `${url}/fhir/ehr/Organization/9` };
    await fetch(`${url}/fhir/ehr/Patient`, {
      method: 'POST',
      headers: { 'content-type': 'application/fhir+json', authorization: 'Bearer secret', cookie: 'secret=1' },
      body: JSON.stringify({ resourceType: 'Patient', managingOrganization }),
    });
    const sent = upstream.requests.findLast(({ method }) => method === 'POST');
    assert.match(sent?.body ?? '', new RegExp(`"${upstream.url}/Organization/9"`));
    assert.equal(sent?.headers.authorization, undefined);
    assert.equal(sent?.headers.cookie, undefined);
    assert.ok(sent?.headers['x-request-id']);
  });
});
