import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { parseCsv } from './support/csv.ts';
import { SingleGateway } from './support/single-gateway.ts';

/** A word that no honest byte sequence holds; each place gets one of its own, so that a leak says where it came from. */
const canary = (place: string): string => `zqcanary${place}zq`;
const PLACES = [
  'family',
  'given',
  'mrn',
  'street',
  'phone',
  'note',
  'narrative',
  'extension',
  'resourceid',
  'updateid',
  'search',
  'searchpost',
  'ifnoneexist',
  'useragent',
  'header',
  'subject',
  'user',
  'client',
  'organisation',
  'patientclaim',
  'badjson',
  'badfield',
  'badcode',
  'unknownparameter',
  'scopes',
  'path',
  'requestid',
  'badtoken',
  'profile',
  'bundleurl',
] as const;

describe('what must not leave the record', () => {
  const gateway = new SingleGateway();
  const texts: string[] = [];
  let token = '';

  before(async () => {
    await gateway.start();
    token = gateway.token('system/*.*', {
      client: canary('client'),
      user: canary('user'),
      organisation: canary('organisation'),
      purpose: 'TREAT',
    });
    await exercise();
  });
  after(() => gateway.close());

  async function send(
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<Response> {
    const reply = await fetch(`${gateway.url}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        'user-agent': canary('useragent'),
        'x-anything': canary('header'),
        'x-request-id': canary('requestid'),
        ...(body !== undefined && { 'content-type': 'application/fhir+json' }),
        ...headers,
      },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await reply.text();
    // Refusals must not repeat what they refuse; good answers are the record itself.
    if (reply.status >= 400) texts.push(text);
    return new Response(text, { status: reply.status, headers: reply.headers });
  }

  const patient = (id?: string): object => ({
    resourceType: 'Patient',
    ...(id !== undefined && { id }),
    text: { status: 'generated', div: `<div xmlns="http://www.w3.org/1999/xhtml">${canary('narrative')}</div>` },
    extension: [{ url: 'http://example.org/x', valueString: canary('extension') }],
    identifier: [{ system: 'http://hospital.test/mrn', value: canary('mrn') }],
    name: [{ family: canary('family'), given: [canary('given')] }],
    telecom: [{ system: 'phone', value: canary('phone') }],
    address: [{ line: [canary('street')] }],
    contact: [{ name: { text: canary('note') } }],
  });

  async function exercise(): Promise<void> {
    const created = await send('POST', '/fhir/ehr/Patient', patient(), {
      'if-none-exist': `identifier=${canary('ifnoneexist')}`,
    });
    assert.equal(created.status, 201, await created.clone().text());
    assert.ok((await send('PUT', `/fhir/ehr/Patient/${canary('updateid')}`, patient(canary('updateid')))).ok);
    assert.ok((await send('GET', `/fhir/ehr/Patient/${canary('updateid')}`)).ok);
    assert.ok((await send('GET', `/fhir/ehr/Patient?family=${canary('search')}`)).ok);
    assert.ok(
      (
        await send('POST', '/fhir/ehr/Patient/_search', `family=${canary('searchpost')}`, {
          'content-type': 'application/x-www-form-urlencoded',
        })
      ).ok,
    );
    assert.equal((await send('GET', `/fhir/ehr/Patient/${canary('resourceid')}`)).status, 404);
    assert.equal((await send('GET', `/fhir/${canary('path')}/Patient`)).status, 404);
    assert.ok(
      (await send('GET', `/fhir/ehr/Patient?${canary('unknownparameter')}=1`, undefined, { prefer: 'handling=strict' }))
        .status >= 400,
    );
    assert.equal(
      (await send('POST', '/fhir/ehr/Patient', `{"resourceType":"Patient","name":[{"family":"${canary('badjson')}"`))
        .status,
      400,
    );
    assert.equal((await send('POST', '/fhir/ehr/Patient', { ...patient(), [canary('badfield')]: 1 })).status, 422);
    assert.equal((await send('POST', '/fhir/ehr/Patient', { ...patient(), gender: canary('badcode') })).status, 422);
    await send('POST', '/fhir/ehr/Patient', {
      ...patient(),
      meta: { profile: [`http://example.org/${canary('profile')}`] },
    });
    const entry = {
      fullUrl: `urn:uuid:${canary('bundleurl')}`,
      resource: patient(),
      request: { method: 'POST', url: `Patient?${canary('bundleurl')}` },
    };
    await send('POST', '/fhir/ehr', { resourceType: 'Bundle', type: 'transaction', entry: [entry] });
    await send('GET', '/fhir/ehr/Patient', undefined, { authorization: `Bearer ${canary('badtoken')}` });
    token = gateway.token(`patient/Patient.r system/${canary('scopes')}.read`, {
      user: canary('user'),
      client: canary('client'),
    });
    assert.equal((await send('GET', `/fhir/ehr/Observation/${canary('resourceid')}`)).status, 403);
    token = gateway.token();
  }

  /** Every place in which a word stands, as it is or in base64. */
  function found(bytes: Uint8Array | string): string[] {
    const buffer = Buffer.from(bytes as Uint8Array);
    return PLACES.filter((place) => {
      const word = Buffer.from(canary(place));
      if (buffer.includes(word)) return true;
      // base64 of a word depends on where in a group of three it begins: the middle of each shift is looked for.
      return [0, 1, 2].some((shift) => {
        const encoded = Buffer.concat([Buffer.alloc(shift), word])
          .toString('base64')
          .slice(shift === 0 ? 0 : 4, -4);
        return buffer.includes(encoded);
      });
    });
  }

  test('the words really went through: the upstream holds them', () => {
    const held = files(join(gateway.dir, 'upstreams')).flatMap((file) => found(readFileSync(file)));
    for (const place of ['family', 'mrn', 'updateid', 'narrative'] as const) assert.ok(held.includes(place), place);
  });

  test('no ledger byte, no file of the data folder and no log line holds any of them', async () => {
    await delay(2_500);
    const searched = [gateway.dataDir, join(gateway.dir, 'consortium')].flatMap(files);
    searched.push(
      ...readdirSync(gateway.dir)
        .filter((name) => /^(topic|cosignatures)\.db/.test(name) || name === 'gateway.log')
        .map((name) => join(gateway.dir, name)),
    );
    assert.ok(
      searched.some((file) => file.endsWith('topic.db')) && searched.some((file) => file.endsWith('gateway.log')),
    );
    const leaks = searched.flatMap((file) =>
      found(readFileSync(file)).map((place) => `${place} in ${file.slice(gateway.dir.length)}`),
    );
    assert.deepEqual(leaks, []);
  });

  test('no metric holds any of them', async () => {
    const metrics = await (await fetch(`${gateway.url}/metrics`)).text();
    assert.match(metrics, /concordat_exchanges_total\{/);
    assert.deepEqual(found(metrics), []);
  });

  test('no refusal repeats any of them', () => {
    assert.ok(texts.length >= 8);
    assert.deepEqual(
      texts.flatMap((text) => found(text).map((place) => `${place}: ${text.slice(0, 200)}`)),
      [],
    );
  });

  test('after $erase the gateway knows nothing of the patient and everything else still verifies', async () => {
    const erasedAt = new Date().toISOString();
    const erased = await send('POST', `/audit/Patient/ehr.${canary('updateid')}/$erase`, {});
    assert.equal(erased.status, 200, await erased.clone().text());
    const verified = await send('GET', `/fhir/ehr/Patient/${canary('updateid')}/_history/1/$verify`);
    const parameters = (await verified.json()) as {
      parameter: { name: string; valueBoolean?: boolean; valueCode?: string; valueString?: string }[];
    };
    const reason = parameters.parameter.find(({ name }) => name === 'reason');
    assert.equal(reason?.valueCode ?? reason?.valueString, 'key-erased');
    // Asking about the patient afterwards is a new record that names it; what was recorded before must be closed for good.
    const rows = parseCsv(await (await send('GET', '/audit/AuditEvent?_format=csv')).text());
    const earlier = rows.filter((row) => (row.recorded ?? '') < erasedAt);
    assert.ok(earlier.length > 5);
    assert.deepEqual(
      earlier.filter((row) => JSON.stringify(row).includes(canary('updateid'))),
      [],
    );
    assert.ok(earlier.every((row) => row.state === 'final'));
  });
});

function files(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}
