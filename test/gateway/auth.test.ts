import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import supertest from 'supertest';
import { createOpenAuthenticator } from '../../src/gateway/auth/authenticator.ts';
import { createJwtAuthenticator } from '../../src/gateway/auth/jwt-authenticator.ts';
import { openGateway } from '../support/gateway.ts';
import type { TestGateway } from '../support/gateway.ts';
import { AUDIENCE, createIssuer, ISSUER } from '../support/tokens.ts';
import type { TestIssuer } from '../support/tokens.ts';

const FHIR = 'application/fhir+json';

describe('who may do what', () => {
  const folder = mkdtempSync(join(tmpdir(), 'concordat-auth-'));
  let issuer: TestIssuer;
  let gateway: TestGateway;
  let client: ReturnType<typeof supertest>;
  let nowMs = Date.now();
  const ids = { mine: '', other: '', lab: '', vital: '' };

  before(async () => {
    issuer = await createIssuer(join(folder, 'jwks.json'));
    const authenticator = createJwtAuthenticator({
      issuers: [{ issuer: ISSUER, audience: AUDIENCE, keys: { file: issuer.jwksFile } }],
      clock: () => nowMs,
    });
    gateway = await openGateway({ parts: { authenticator } });
    client = supertest(await gateway.listen());
    ids.mine = await create('Patient', { name: [{ family: 'Mine' }] });
    ids.other = await create('Patient', { name: [{ family: 'Other' }] });
    const observation = (category: string, patient: string): object => ({
      status: 'final',
      code: { text: 'x' },
      category: [
        { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/observation-category', code: category }] },
      ],
      subject: { reference: `Patient/${patient}` },
    });
    ids.lab = await create('Observation', observation('laboratory', ids.mine));
    ids.vital = await create('Observation', observation('vital-signs', ids.other));
  });
  after(async () => {
    await gateway.close();
    rmSync(folder, { recursive: true });
  });

  const create = async (type: string, body: object): Promise<string> => {
    const token = await issuer.token('system/*.cruds');
    const answer = await client
      .post(`/fhir/ehr/${type}`)
      .set('authorization', `Bearer ${token}`)
      .set('content-type', FHIR)
      .send({ resourceType: type, ...body });
    assert.equal(answer.status, 201, answer.text);
    return (answer.body as { id: string }).id;
  };
  const get = async (path: string, scope: string, claims: Record<string, unknown> = {}) =>
    client.get(path).set('authorization', `Bearer ${await issuer.token(scope, claims)}`);

  test('a token that does not hold is 401 with a challenge, and no event', async () => {
    const now = Math.floor(nowMs / 1000);
    const unsigned = [{ alg: 'none' }, { iss: ISSUER, aud: AUDIENCE, exp: now + 60, scope: 'system/*.*' }]
      .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
      .join('.');
    const jwks = Buffer.from('secret');
    const hmacHead = [
      { alg: 'HS256', kid: 'key-1' },
      { iss: ISSUER, aud: AUDIENCE, exp: now + 60, scope: 'system/*.*' },
    ]
      .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
      .join('.');
    const good = await issuer.token('system/*.*');
    const table: Record<string, string> = {
      none: `${unsigned}.`,
      hmac: `${hmacHead}.${createHmac('sha256', jwks).update(hmacHead).digest('base64url')}`,
      expired: await issuer.token('system/*.*', { exp: now - 120 }),
      'without expiry': await issuer.token('system/*.*', { exp: undefined }),
      'not yet': await issuer.token('system/*.*', { nbf: now + 600 }),
      'wrong audience': await issuer.token('system/*.*', { aud: 'https://elsewhere.example' }),
      'unknown issuer': await issuer.token('system/*.*', { iss: 'https://evil.example' }),
      'unknown key': await issuer.token('system/*.*', {}, { kid: 'no-such-key' }),
      tampered: good.slice(0, -6) + (good.endsWith('AAAAAA') ? 'BBBBBB' : 'AAAAAA'),
      garbage: 'not-a-token',
    };
    for (const [name, token] of Object.entries(table)) {
      const answer = await client.get(`/fhir/ehr/Patient/${ids.mine}`).set('authorization', `Bearer ${token}`);
      assert.equal(answer.status, 401, name);
      assert.match(answer.headers['www-authenticate'] ?? '', /^Bearer /, name);
      assert.equal(answer.headers['concordat-event'], undefined, name);
      const outcome = answer.body as { resourceType: string; issue: { code: string }[] };
      assert.equal(outcome.resourceType, 'OperationOutcome', name);
      assert.equal(outcome.issue[0]?.code, 'login', name);
    }
    assert.equal((await client.get('/fhir/ehr/Patient')).status, 401);
  });

  test('scopes of v1 and v2 decide on the request; a refusal is a recorded denial', async () => {
    const path = `/fhir/ehr/Patient/${ids.mine}`;
    const table: readonly (readonly [scope: string, path: string, status: number])[] = [
      ['system/Patient.read', path, 200],
      ['system/Patient.rs', path, 200],
      ['user/*.read', path, 200],
      ['system/*.*', path, 200],
      ['system/Patient.s', path, 403],
      ['system/Patient.write', path, 403],
      ['system/Observation.read', path, 403],
      ['system/Patient.rx', path, 403],
      ['system/Patient.sr', path, 403],
      ['openid launch', path, 403],
      ['system/Patient.r', '/fhir/ehr/Patient', 403],
      ['system/Patient.s', '/fhir/ehr/Patient', 200],
      ['system/Patient.rs', `${path}/_history`, 200],
    ];
    for (const [scope, address, status] of table) {
      const answer = await get(address, scope);
      assert.equal(answer.status, status, `${scope} ${address}`);
      const event = answer.headers['concordat-event'] ?? '';
      assert.equal(gateway.record(event)?.record.kind, status === 403 ? 'denied' : 'disclosed', scope);
    }
  });

  test('a scope with a query covers only what matches it', async () => {
    const scope =
      'system/Observation.rs?category=http://terminology.hl7.org/CodeSystem/observation-category|laboratory';
    assert.equal((await get(`/fhir/ehr/Observation/${ids.lab}`, scope)).status, 200);
    assert.equal((await get(`/fhir/ehr/Observation/${ids.vital}`, scope)).status, 403);
    const search = await get('/fhir/ehr/Observation', scope);
    const bundle = search.body as { total?: number; entry: { resource: { id: string } }[] };
    assert.deepEqual(
      bundle.entry.map(({ resource }) => resource.id),
      [ids.lab],
    );
    assert.equal(bundle.total, undefined);
    assert.equal(gateway.record(search.headers['concordat-event'] ?? '')?.entities.length, 1);
  });

  test('a patient scope stays in its compartment, also by inclusion', async () => {
    const claims = { patient: ids.mine };
    const scope = 'patient/*.rs';
    assert.equal((await get(`/fhir/ehr/Patient/${ids.mine}`, scope, claims)).status, 200);
    assert.equal((await get(`/fhir/ehr/Patient/${ids.other}`, scope, claims)).status, 403);
    assert.equal((await get(`/fhir/ehr/Observation/${ids.vital}`, scope, claims)).status, 403);
    assert.equal((await get(`/fhir/ehr/Patient/${ids.mine}`, scope)).status, 403);
    const included = await get('/fhir/ehr/Observation?_include=Observation:subject', scope, claims);
    const found = (included.body as { entry: { resource: { id: string } }[] }).entry.map(({ resource }) => resource.id);
    assert.deepEqual(found.sort(), [ids.lab, ids.mine].sort());
    const narrow = await get('/fhir/ehr/Observation?_include=Observation:subject', 'patient/Observation.rs', claims);
    const types = (narrow.body as { entry: { resource: { resourceType: string } }[] }).entry;
    assert.deepEqual(
      types.map(({ resource }) => resource.resourceType),
      ['Observation'],
    );
  });

  test('a patient scope writes only into its compartment, and cannot pull others in', async () => {
    const token = await issuer.token('patient/Observation.cruds', { patient: ids.mine });
    const body = (patient: string, id?: string): object => ({
      resourceType: 'Observation',
      ...(id === undefined ? {} : { id }),
      status: 'final',
      code: { text: 'x' },
      subject: { reference: `Patient/${patient}` },
    });
    const send = (method: 'post' | 'put', path: string, content: object) =>
      client[method](path).set('authorization', `Bearer ${token}`).set('content-type', FHIR).send(content);
    assert.equal((await send('post', '/fhir/ehr/Observation', body(ids.mine))).status, 201);
    assert.equal((await send('post', '/fhir/ehr/Observation', body(ids.other))).status, 403);
    assert.equal((await send('put', `/fhir/ehr/Observation/${ids.vital}`, body(ids.mine, ids.vital))).status, 403);
    const transaction = {
      resourceType: 'Bundle',
      type: 'transaction',
      entry: [{ resource: body(ids.other), request: { method: 'POST', url: 'Observation' } }],
    };
    const denied = await send('post', '/fhir/ehr', transaction);
    assert.equal(denied.status, 403);
    assert.equal(gateway.record(denied.headers['concordat-event'] ?? '')?.record.kind, 'denied');
  });

  test('the audit needs a scope of its own', async () => {
    assert.equal((await get('/audit/AuditEvent', 'system/Patient.rs')).status, 403);
    const allowed = await get('/audit/AuditEvent?_count=5', 'system/AuditEvent.rs');
    assert.equal(allowed.status, 200, allowed.text);
    assert.equal(gateway.record(allowed.headers['concordat-event'] ?? '')?.record.kind, 'checked');
    const csv = await get('/audit/AuditEvent?_format=csv', 'system/AuditEvent.read');
    assert.equal(csv.status, 200, csv.text);
    assert.match(csv.headers['content-type'] ?? '', /^text\/csv/);
    const erase = await client
      .post(`/audit/Patient/ehr.${ids.other}/$erase`)
      .set('authorization', `Bearer ${await issuer.token('system/Patient.rs')}`);
    assert.equal(erase.status, 403);
    const erased = await client
      .post(`/audit/Patient/ehr.${ids.other}/$erase`)
      .set('authorization', `Bearer ${await issuer.token('system/*.*')}`);
    assert.equal(erased.status, 200, erased.text);
    assert.equal(gateway.record(erased.headers['concordat-event'] ?? '')?.record.kind, 'erased');
  });

  test('a token of another member is known by its client, its organisation, or its issuer alone', async () => {
    const memberOf = async (claims: Record<string, unknown>): Promise<string | undefined> => {
      const authenticator = createJwtAuthenticator({
        issuers: [
          {
            issuer: ISSUER,
            audience: AUDIENCE,
            keys: { file: issuer.jwksFile },
            members: [
              { member: 'rest' },
              { member: 'clinics', organisations: ['Clinics'] },
              { member: 'payer', clients: ['payer-gateway'] },
            ],
          },
        ],
        clock: () => nowMs,
      });
      const { caller } = await authenticator.authenticate(`Bearer ${await issuer.token('system/*.rs', claims)}`);
      return caller.member;
    };
    assert.equal(await memberOf({ organisation: 'Clinics' }), 'clinics');
    assert.equal(await memberOf({ organisation: 'Clinics', client_id: 'payer-gateway' }), 'payer');
    assert.equal(await memberOf({}), 'rest');
    const own = await get(`/fhir/ehr/Patient/${ids.mine}`, 'system/*.*');
    assert.equal(gateway.record(own.headers['concordat-event'] ?? '')?.record.caller.member, undefined);
  });

  test('keys rotate: a new key is found, at most every ten seconds', async () => {
    await issuer.rotate('key-2');
    const early = await get(`/fhir/ehr/Patient/${ids.mine}`, 'system/*.*');
    nowMs += 11_000;
    const late = await get(`/fhir/ehr/Patient/${ids.mine}`, 'system/*.*');
    assert.ok([200, 401].includes(early.status));
    assert.equal(late.status, 200, late.text);
  });

  test('open mode and symmetric algorithms are refused where they would be a danger', () => {
    assert.throws(() => createOpenAuthenticator('0.0.0.0'), RangeError);
    const issuers = [{ issuer: ISSUER, audience: AUDIENCE, keys: { file: 'x' }, algorithms: ['HS256'] }];
    assert.throws(() => createJwtAuthenticator({ issuers, clock: Date.now }), RangeError);
  });
});
