import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { parseEvent } from '../../src/ledger/event.ts';
import type { LedgerEvent } from '../../src/ledger/event.ts';
import { parseGenesis } from '../../src/ledger/genesis.ts';
import { FileTopic } from '../../src/ledger/file-topic.ts';
import { agreedKey, PeerTags } from '../../src/provenance/peer-tag.ts';
import { parseCsv } from '../support/csv.ts';
import { plainParameters } from '../support/parameters.ts';
import { TwoMembers } from '../support/two-members.ts';

const FHIR = 'application/fhir+json';
const FINAL_WITHIN_MS = 20_000;

describe('two members reconcile their disclosures over a real ledger', () => {
  const members = new TwoMembers();
  let patientId = '';
  const events = { matched: '', direct: '' };

  before(async () => {
    await members.start();
    const made = await call('hospital', 'hospital-app', 'ehr/Patient', {
      resourceType: 'Patient',
      name: [{ family: 'A' }],
    });
    patientId = ((await made.json()) as { id: string }).id;
  });
  after(() => members.close());

  async function call(at: 'hospital' | 'clinics', client: string, path: string, body?: object): Promise<Response> {
    const headers = { authorization: `Bearer ${members.token(client)}`, 'content-type': FHIR };
    const post = body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) };
    const answer = await fetch(`${members.urls[at]}/fhir/${path}`, { headers, ...post });
    assert.ok(answer.status < 300, `${path}: ${answer.status} ${answer.status < 300 ? '' : await answer.text()}`);
    return answer;
  }

  async function ask(at: 'hospital' | 'clinics', query: string): Promise<Response> {
    const headers = { authorization: `Bearer ${members.token(`${at}-auditor`, 'system/AuditEvent.rs')}` };
    return fetch(`${members.urls[at]}/audit/$unmatched?${query}`, { headers });
  }

  async function report(at: 'hospital' | 'clinics', query: string) {
    const answer = await ask(at, query);
    assert.equal(answer.status, 200);
    return plainParameters(await answer.json());
  }

  async function untilFinal(event: string): Promise<void> {
    for (const url of Object.values(members.urls)) {
      const untilMs = Date.now() + FINAL_WITHIN_MS;
      while ((await fetch(`${url}/ledger/receipt/${event}`)).status !== 200) {
        if (Date.now() > untilMs) assert.fail(`${event} is not final at ${url}`);
        await delay(50);
      }
    }
  }

  test('what the other gateway read and acknowledged is matched', async () => {
    const read = await call('clinics', 'clinics-ehr', `hospital/Patient/${patientId}`);
    const own = read.headers.get('concordat-event') ?? '';
    const acknowledged = await auditOf('clinics', 'acknowledged');
    assert.equal(acknowledged.length, 1);
    events.matched = acknowledged[0]?.event ?? '';
    assert.notEqual(events.matched, own, 'the client is given the clinics’ event, the hospital’s stands in the record');
    assert.equal(acknowledged[0]?.exchange, own);
    await untilFinal(events.matched);
    await untilFinal(acknowledged[0]?.id ?? '');
    await delay(1_100);
    const found = await report('hospital', 'window=PT1S');
    assert.deepEqual(
      [found.values['disclosed'], found.values['acknowledged'], found.values['open'], found.values['unmatched']],
      [1, 1, 0, 0],
    );
    assert.deepEqual(found.parts, []);
    const reverse = await report('clinics', 'window=PT1S&member=hospital');
    assert.deepEqual([reverse.values['disclosedToUs'], reverse.values['acknowledgedToUs']], [1, 1]);
  });

  test('a search by way of the other gateway is matched too, on its own and on the federated address', async () => {
    await call('clinics', 'clinics-ehr', 'hospital/Patient?family=A');
    const federated = await call('clinics', 'clinics-ehr', 'Patient?family=A');
    await untilFinal(federated.headers.get('concordat-event') ?? '');
    // The disclosures stand in the other member's batches, which may come later than the acknowledgements.
    for (const { id, event } of await auditOf('clinics', 'acknowledged'))
      for (const each of [id, event]) await untilFinal(each);
    const found = await report('hospital', 'window=PT1S');
    assert.deepEqual([found.values['disclosed'], found.values['acknowledged']], [3, 3]);
  });

  test('who never acknowledges is listed after the window, and open before it', async () => {
    const read = await call('hospital', 'clinics-app', `ehr/Patient/${patientId}`);
    events.direct = read.headers.get('concordat-event') ?? '';
    await untilFinal(events.direct);
    const early = await report('hospital', 'window=PT1H');
    assert.deepEqual([early.values['open'], early.values['unmatched']], [1, 0]);
    await delay(1_100);
    const found = await report('hospital', 'window=PT1S');
    assert.deepEqual([found.values['disclosed'], found.values['unmatched'], found.parts.length], [4, 1, 1]);
    const values = found.parts[0]?.values ?? {};
    assert.deepEqual(
      [values['event'], values['member'], values['direction'], values['state']],
      [events.direct, 'clinics', 'to-member', 'final'],
    );
    assert.ok(Date.parse(String(values['recorded'])) <= Date.parse(String(values['final'])) + 1_000);
  });

  test('the other side finds what is said to have been disclosed to it and never came', async () => {
    const found = await report('clinics', 'window=PT1S');
    assert.deepEqual(
      [
        found.values['disclosed'],
        found.values['disclosedToUs'],
        found.values['acknowledgedToUs'],
        found.values['unmatchedToUs'],
      ],
      [0, 4, 3, 1],
    );
    const values = found.parts[0]?.values ?? {};
    assert.deepEqual([values['event'], values['member'], values['direction']], [events.direct, 'hospital', 'to-us']);
    assert.equal(values['recorded'], undefined);
  });

  test('all of them as CSV and NDJSON; the question is an event; a patient token and nonsense are refused', async () => {
    const csv = await ask('hospital', 'window=PT1S&_format=csv');
    assert.match(csv.headers.get('content-type') ?? '', /^text\/csv/);
    const rows = parseCsv(await csv.text());
    assert.deepEqual(
      rows.map(({ event, member }) => [event, member]),
      [[events.direct, 'clinics']],
    );
    const ndjson = (await (await ask('hospital', 'window=PT1S&_format=ndjson')).text()).trim().split('\n');
    assert.equal(plainParameters(JSON.parse(ndjson[0] ?? '')).values['event'], events.direct);
    const since = await report('hospital', `since=${new Date(Date.now() + 60_000).toISOString()}`);
    assert.equal(since.values['disclosed'], 0);
    assert.ok((await auditOf('hospital', 'checked')).length > 0);
    for (const query of ['window=1h', 'window=P', 'window=PT0S', 'member=stranger', 'since=x', 'nonsense=1'])
      assert.equal((await ask('hospital', query)).status, 400, query);
    const headers = { authorization: `Bearer ${members.token('app', 'patient/AuditEvent.rs')}` };
    assert.equal((await fetch(`${members.urls.hospital}/audit/$unmatched`, { headers })).status, 403);
  });

  test('a third member cannot tell who belongs to whom', async () => {
    const genesis = parseGenesis(new Uint8Array(readFileSync(join(members.dir, 'consortium', 'genesis.json'))));
    const all = await ledgerEvents(join(members.dir, 'topic.db'));
    const tagged = all.filter(({ peer }) => peer !== undefined);
    assert.deepEqual(tagged.map(({ kind }) => kind).sort(), [
      'acknowledged',
      'acknowledged',
      'acknowledged',
      'disclosed',
      'disclosed',
      'disclosed',
      'disclosed',
    ]);
    assert.equal(
      new Set([...tagged.map(({ peer }) => peer), ...all.map(({ id }) => id)]).size,
      tagged.length + all.length,
    );
    assert.equal(new Set(all.map(({ commit }) => commit)).size, all.length);
    const third = Buffer.from(
      String(generateKeyPairSync('x25519').privateKey.export({ format: 'jwk' }).d),
      'base64url',
    );
    const keys = genesis.members.map(({ agreementKey }) => new PeerTags(agreedKey(third, agreementKey)));
    const possible = keys.flatMap((key) =>
      all.flatMap(({ id }) => {
        const bytes = Buffer.from(id, 'base64url');
        return [key.disclosure(bytes), key.acknowledgement(bytes)];
      }),
    );
    assert.deepEqual(
      tagged.filter(({ peer }) => possible.includes(peer ?? '')),
      [],
    );
    for (const { bytes } of await topicRecords(join(members.dir, 'topic.db'))) {
      const text = Buffer.from(bytes).toString('latin1');
      for (const word of [patientId, 'clinics-app', 'clinics-gateway', 'Patient'])
        assert.ok(!text.includes(word), word);
    }
  });

  async function auditOf(at: 'hospital' | 'clinics', kind: string) {
    const headers = { authorization: `Bearer ${members.token(`${at}-auditor`, 'system/AuditEvent.rs')}` };
    const answer = await fetch(`${members.urls[at]}/audit/AuditEvent?kind=${kind}&_format=csv`, { headers });
    const rows = parseCsv(await answer.text());
    const json = await fetch(`${members.urls[at]}/audit/AuditEvent?kind=${kind}&_count=100`, { headers });
    const { entry = [] } = (await json.json()) as { entry?: { resource: AuditEventLike }[] };
    const exchanges = new Map(entry.map(({ resource }) => [resource.id.replaceAll('.', '_'), exchangeOf(resource)]));
    return rows.map(({ event = '', acknowledges = '' }) => ({
      id: event,
      event: acknowledges,
      exchange: exchanges.get(event),
    }));
  }
});

interface AuditEventLike {
  readonly id: string;
  readonly entity?: readonly { readonly detail?: readonly { readonly type: string; readonly valueString: string }[] }[];
}

function exchangeOf({ entity = [] }: AuditEventLike): string | undefined {
  return entity.flatMap(({ detail = [] }) => detail).find(({ type }) => type === 'exchange')?.valueString;
}

async function topicRecords(path: string): Promise<{ readonly bytes: Uint8Array }[]> {
  const topic = new FileTopic({ path });
  await topic.connect();
  try {
    const records: { bytes: Uint8Array }[] = [];
    for (let fromOffset = 0n; ;) {
      const read = await topic.read({ fromOffset, maximumBytes: 1_000_000, waitMs: 0 });
      for (const { value } of read.records) records.push({ bytes: value });
      const last = read.records.at(-1);
      if (last === undefined) break;
      fromOffset = last.offset + 1n;
    }
    return records;
  } finally {
    await topic.close();
  }
}

/** Every event on the topic, found by its text: what anybody who may read the topic has. */
async function ledgerEvents(path: string): Promise<LedgerEvent[]> {
  const records = await topicRecords(path);
  return records.flatMap(({ bytes }) =>
    Array.from(
      Buffer.from(bytes)
        .toString('latin1')
        .matchAll(/\{"alg":"[^{}]*"v":1\}/g),
      ([text]) => parseEvent(Buffer.from(text, 'latin1')),
    ),
  );
}
