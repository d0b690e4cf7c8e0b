import { describe, test, type TestContext } from 'node:test';
import assert from 'node:assert/strict';
import type { AuditEvent } from '@medplum/fhirtypes';
import { CSV_COLUMNS, csvCell } from '../../src/compliance/export-rows.ts';
import { fhirIdOf } from '../../src/compliance/audit-event.ts';
import { openCompliance, view } from '../support/compliance.ts';
import { makeCaller, makeEntity, openProvenance, record, recordCreate } from '../support/provenance.ts';

/** Three exchanges, an hour apart: a create by staff, a search over two Patients by another client, a denied read. */
async function threeExchanges(t: TestContext) {
  const provenance = openProvenance(t);
  const opened = openCompliance(provenance);
  const { recorder, clock } = provenance;
  const created = await recordCreate(recorder, { id: 'o1' });
  clock.nowMs += 3_600_000;
  const searched = await record(
    recorder,
    {
      interaction: 'search-type',
      resourceId: undefined,
      parameters: 'code=1',
      caller: makeCaller({ clientId: 'app', user: undefined, subject: 'robot' }),
    },
    {
      entities: [
        makeEntity({ interaction: 'search-type' }),
        makeEntity({ id: 'o2', patients: ['p2'], interaction: 'search-type' }),
      ],
    },
  );
  clock.nowMs += 3_600_000;
  const denied = await record(
    recorder,
    { kind: 'denied', resourceType: 'Patient', resourceId: 'p2' },
    {
      status: 403,
      outcome: '4',
      entities: [],
      issues: [{ severity: 'error', code: 'forbidden', expression: undefined, id: undefined }],
    },
  );
  const ids = async (search: string): Promise<(string | undefined)[]> => {
    const bundle = await opened.compliance.searchAuditEvents(search, view);
    return bundle.entry?.map((entry) => entry.resource?.id) ?? [];
  };
  return {
    provenance,
    ...opened,
    ids,
    created: fhirIdOf(created),
    searched: fhirIdOf(searched),
    denied: fhirIdOf(denied),
  };
}

describe('searchAuditEvents', () => {
  test('finds by Patient, resource, user, client, time, kind, outcome', async (t) => {
    const { ids, created, searched, denied } = await threeExchanges(t);
    const expected: readonly (readonly [string, string[]])[] = [
      ['', [denied, searched, created]],
      ['_sort=date', [created, searched, denied]],
      ['patient=ehr.p1', [searched, created]],
      ['patient=Patient/ehr.p2', [denied, searched]],
      ['patient=ehr.p1,ehr.p2', [denied, searched, created]],
      ['patient=ehr.p1&patient=ehr.p2', [searched]],
      ['patient=other.p1', []],
      ['entity=Observation/ehr.o1', [searched, created]],
      ['entity=Observation/ehr.o1/_history/1', [searched, created]],
      ['entity=Observation/ehr.o1/_history/2', []],
      ['entity=Patient/ehr.p2', [denied, searched]],
      ['agent=Practitioner/7', [denied, created]],
      ['agent=https%3A%2F%2Fids.example%2FPractitioner%2F7', [denied, created]],
      ['agent.identifier=https%3A%2F%2Fids.example%7Crobot', [searched]],
      ['user=robot', [searched]],
      ['client=app', [searched]],
      ['client=app&patient=ehr.p1', [searched]],
      ['client=app&patient=ehr.p3', []],
      ['date=ge2026-03-01T11:00:00Z', [denied, searched]],
      ['date=ge2026-03-01T11:00:00Z&date=lt2026-03-01T12:00:00Z', [searched]],
      ['date=2026-03-02', []],
      ['outcome=0', [searched, created]],
      ['outcome=4,8', [denied]],
      ['kind=received', [created]],
      ['type=denied', [denied]],
      ['type=rest', [denied, searched, created]],
      ['type=110101', []],
      ['subtype=http%3A%2F%2Fhl7.org%2Ffhir%2Frestful-interaction%7Cread', [denied]],
      ['subtype=search', [searched]],
      ['action=C', [created]],
      ['action=C,E', [searched, created]],
      [`_id=${created}`, [created]],
      ['_id=nobody', []],
    ];
    for (const [search, wanted] of expected) assert.deepEqual(await ids(search), wanted, search);
  });

  test('pages are stable while records are added, and the total counts all', async (t) => {
    const { provenance, compliance } = await threeExchanges(t);
    const first = await compliance.searchAuditEvents('_count=2', view);
    assert.deepEqual([first.total, first.entry?.length], [3, 2]);
    await record(provenance.recorder);
    const next = first.link?.find((link) => link.relation === 'next')?.url;
    assert(next !== undefined);
    const second = await compliance.searchAuditEvents(next.slice(next.indexOf('?') + 1), view);
    assert.equal(second.entry?.length, 1);
    assert.equal(
      second.link?.find((link) => link.relation === 'next'),
      undefined,
    );
    const all = [...(first.entry ?? []), ...(second.entry ?? [])].map((entry) => entry.resource?.id);
    assert.equal(new Set(all).size, 3);
    const counted = await compliance.searchAuditEvents('_count=0', view);
    assert.deepEqual([counted.total, counted.entry], [4, undefined]);
    assert.equal((await compliance.searchAuditEvents('_total=none', view)).total, undefined);
  });

  test('renders who, what, why and how far the proof is', async (t) => {
    const { compliance, created, seen, searched } = await threeExchanges(t);
    seen.set(created.replaceAll('.', '_'), { proof: { state: 'final', leafIndex: 7, position: 0, checkpointSize: 9 } });
    const event = await compliance.readAuditEvent(created, view);
    assert(event !== undefined);
    assert.deepEqual([event.action, event.outcome, event.recorded], ['C', '0', '2026-03-01T10:00:00.000Z']);
    assert.equal(event.purposeOfEvent?.[0]?.coding?.[0]?.code, 'TREAT');
    assert.deepEqual(
      event.agent.map((agent) => agent.who?.identifier?.value ?? agent.who?.display),
      ['subject-1', 'ehr-client', 'hospital'],
    );
    assert.equal(event.agent.filter((agent) => agent.requestor).length, 1);
    const references = event.entity?.flatMap((entity) => entity.what?.reference ?? []);
    assert.deepEqual(references, ['Patient/ehr.p1', 'Observation/ehr.o1/_history/1']);
    assert.equal(proofState(event), 'final');
    const other = await compliance.readAuditEvent(searched, view);
    assert(other !== undefined);
    assert.equal(proofState(other), 'queued');
    const query = other.entity?.find((entity) => entity.query !== undefined)?.query;
    assert.equal(Buffer.from(query ?? '', 'base64').toString(), 'code=1');
    assert.equal(await compliance.readAuditEvent('AAAAAAAAAAAAAAAAAAAAAA', view), undefined);
  });

  test("a Patient's own view shows no other Patient", async (t) => {
    const { compliance } = await threeExchanges(t);
    const own = { ...view, onlyPatient: 'ehr.p1' };
    const bundle = await compliance.searchAuditEvents('', own);
    assert.equal(bundle.total, 2);
    assert(!/ehr\.p2|ehr\.o2|code=1|Y29kZT0x/.test(JSON.stringify(bundle)));
    assert.equal((await compliance.searchAuditEvents('patient=ehr.p2', own)).total, 1);
    assert(!JSON.stringify(await compliance.searchAuditEvents('patient=ehr.p2', own)).includes('ehr.o2'));
  });
});

describe('searchProvenance', () => {
  test('has one resource for each write and none for reads and refusals', async (t) => {
    const { compliance, created } = await threeExchanges(t);
    const bundle = await compliance.searchProvenance('target=Observation/ehr.o1', view);
    assert.deepEqual(
      bundle.entry?.map((entry) => entry.resource?.id),
      [created],
    );
    const [provenance] = bundle.entry?.map((entry) => entry.resource) ?? [];
    assert.deepEqual(provenance?.target, [{ reference: 'Observation/ehr.o1/_history/1' }]);
    assert.equal(provenance?.activity?.coding?.[0]?.code, 'CREATE');
    for (const [search, total] of [
      ['patient=ehr.p1', 1],
      ['patient=ehr.p2', 0],
      ['agent=robot', 0],
      ['recorded=2026-03-01', 1],
      ['recorded=lt2026', 0],
    ] as const) {
      assert.equal((await compliance.searchProvenance(search, view)).total, total, search);
    }
    assert.equal((await compliance.readProvenance(created, view))?.id, created);
  });
});

describe('exportRows', () => {
  async function text(rows: AsyncIterable<string>): Promise<string> {
    let whole = '';
    for await (const chunk of rows) whole += chunk;
    return whole;
  }

  test('writes CSV with a header and one line a record, however many', async (t) => {
    const { provenance, compliance } = await threeExchanges(t);
    await Promise.all(Array.from({ length: 450 }, () => record(provenance.recorder)));
    const lines = (await text(await compliance.exportRows('AuditEvent', 'csv', '_count=1', view))).split('\r\n');
    assert.equal(lines.length, 453 + 2);
    assert.equal(lines[0], CSV_COLUMNS.join(','));
    assert.equal(new Set(lines.slice(1, -1).map((line) => line.split(',')[0])).size, 453);
  });

  test('writes NDJSON of AuditEvents', async (t) => {
    const { compliance, created } = await threeExchanges(t);
    const lines = (await text(await compliance.exportRows('AuditEvent', 'ndjson', 'kind=received', view)))
      .trimEnd()
      .split('\n');
    assert.deepEqual(
      lines.map((line) => (JSON.parse(line) as AuditEvent).id),
      [created],
    );
  });

  test('refuses a bad search before the first chunk', async (t) => {
    const { compliance } = await threeExchanges(t);
    await assert.rejects(compliance.exportRows('AuditEvent', 'csv', 'colour=red', view), { code: 'unknown-parameter' });
  });

  test('no cell can be run by a spreadsheet', () => {
    for (const value of ['=1+1', '+1', '-1', '@a', '\t=1', '\r=1']) {
      assert(csvCell(value).replace(/^"/, '').startsWith("'"));
    }
    assert.equal(csvCell('a"b,c'), '"a""b,c"');
    assert.equal(csvCell(-1), '-1');
    assert.equal(csvCell('plain'), 'plain');
  });
});

function proofState(event: AuditEvent): string | undefined {
  const entity = event.entity?.find((one) => one.what?.identifier?.system === 'urn:concordat:fhir:event');
  const state = entity?.detail?.find((detail) => detail.type === 'state')?.valueString;
  assert.equal(event.meta?.tag?.[0]?.code, state);
  return state;
}
