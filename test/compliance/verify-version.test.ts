import { describe, test, type TestContext } from 'node:test';
import assert from 'node:assert/strict';
import type { Parameters } from '@medplum/fhirtypes';
import { encodeEvent } from '../../src/ledger/event.ts';
import { parseJsonText } from '../../src/fhir/json-text.ts';
import { digestResource } from '../../src/provenance/digest.ts';
import { openCompliance } from '../support/compliance.ts';
import { makeCaller, makeEntity, openProvenance, record, recordCreate } from '../support/provenance.ts';

const text =
  '{"resourceType":"Observation","id":"o1","meta":{"versionId":"1"},"subject":{"reference":"Patient/p1"},"value":1.0}';
const stored = digestResource(Buffer.from(text), parseJsonText(text).root, 'stored');
const address = { upstream: 'ehr', type: 'Observation', id: 'o1', versionId: '1' };

async function oneCreate(t: TestContext) {
  const provenance = openProvenance(t);
  const opened = openCompliance(provenance);
  const eventId = await recordCreate(provenance.recorder, { stored });
  opened.upstream.set('Observation/o1/_history/1', text);
  const verify = async () => answer(await opened.compliance.verifyVersion(address));
  return { provenance, eventId, verify, ...opened };
}

function answer({ parameter }: Parameters): Record<string, unknown> {
  return Object.fromEntries(
    (parameter ?? []).map((one) => [
      one.name,
      one.valueBoolean ?? one.valueCode ?? one.valueString ?? one.valueDecimal ?? one.valueInteger,
    ]),
  );
}

describe('verifyVersion', () => {
  test('match: the upstream has what was recorded, whatever its order of keys', async (t) => {
    const { verify, eventId, upstream } = await oneCreate(t);
    const found = await verify();
    assert.deepEqual(
      [found['verified'], found['reason'], found['event'], found['state']],
      [true, 'match', eventId, 'queued'],
    );
    upstream.set('Observation/o1/_history/1', `{"value":1.0,${text.slice(1).replace(',"value":1.0}', '}')}`);
    assert.equal((await verify())['reason'], 'match');
  });

  test('changed: one digit more at the upstream', async (t) => {
    const { verify, upstream } = await oneCreate(t);
    upstream.set('Observation/o1/_history/1', text.replace('1.0', '1.00'));
    assert.deepEqual([(await verify())['verified'], (await verify())['reason']], [false, 'changed']);
  });

  test('missing: the upstream has it no more', async (t) => {
    const { verify, upstream } = await oneCreate(t);
    upstream.clear();
    assert.equal((await verify())['reason'], 'missing');
  });

  test('missing: deleted past the gateway, although the server keeps its versions', async (t) => {
    const { verify, upstream } = await oneCreate(t);
    upstream.set('Observation/o1', 'deleted');
    assert.deepEqual([(await verify())['verified'], (await verify())['reason']], [false, 'missing']);
  });

  test('match: what was deleted through the gateway is as its server keeps it', async (t) => {
    const { verify, upstream, provenance } = await oneCreate(t);
    upstream.set('Observation/o1', 'deleted');
    const entity = makeEntity({ interaction: 'delete', versionId: '2', stored: undefined });
    const deletion = { interaction: 'delete', kind: 'retracted', entities: [entity] } as const;
    await record(provenance.recorder, deletion, { status: 204, entities: [entity] });
    assert.equal((await verify())['reason'], 'match');
  });

  test('unanchored: it never passed through here', async (t) => {
    const { compliance, upstream } = await oneCreate(t);
    upstream.set('Observation/o9/_history/1', text);
    assert.equal(answer(await compliance.verifyVersion({ ...address, id: 'o9' }))['reason'], 'unanchored');
  });

  test('unanchored: the record is not what its event commits to', async (t) => {
    const { verify, seen, eventId } = await oneCreate(t);
    const commit = Buffer.alloc(32, 4).toString('base64url');
    seen.set(eventId, {
      event: encodeEvent({ id: eventId, kind: 'received', alg: 'c1', commit, rules: 1, links: [] }),
    });
    assert.equal((await verify())['reason'], 'unanchored');
  });

  test('the earliest record counts: a change that was read through here later is still one', async (t) => {
    const { provenance, verify, upstream } = await oneCreate(t);
    const changed = text.replace('1.0', '2.0');
    upstream.set('Observation/o1/_history/1', changed);
    const digests = digestResource(Buffer.from(changed), parseJsonText(changed).root, 'stored');
    await record(provenance.recorder, {}, { entities: [makeEntity({ stored: digests })] });
    assert.equal((await verify())['reason'], 'changed');
  });

  test('key-erased: for the Patient and all in the compartment, whether the upstream keeps it or not', async (t) => {
    const { compliance, verify, upstream } = await oneCreate(t);
    const erased = await compliance.erasePatient({
      upstream: 'ehr',
      patient: 'p1',
      caller: makeCaller(),
      requestId: 'r',
      ground: 'objection',
    });
    assert.equal(erased.erasedParts, 1);
    assert.deepEqual([(await verify())['verified'], (await verify())['reason']], [false, 'key-erased']);
    upstream.clear();
    const patient = { upstream: 'ehr', type: 'Patient', id: 'p1', versionId: '1' };
    assert.equal(answer(await compliance.verifyVersion(patient))['reason'], 'key-erased');
  });

  test('fails as upstream when it answers what is no JSON', async (t) => {
    const { verify, upstream } = await oneCreate(t);
    upstream.set('Observation/o1/_history/1', '<html>');
    await assert.rejects(verify(), { code: 'upstream' });
  });
});

describe('verifySweep', () => {
  test('counts every reason and lists what is no match', async (t) => {
    const { provenance, compliance, upstream } = await oneCreate(t);
    for (const id of ['o2', 'o3']) await recordCreate(provenance.recorder, { id, stored });
    upstream.set('Observation/o2/_history/1', text.replace('1.0', '9'));
    const swept = await compliance.verifySweep({ sinceMs: 0, limit: 10 });
    const found = answer({ resourceType: 'Parameters', parameter: swept.parameter?.filter(({ part }) => !part) ?? [] });
    assert.deepEqual(found, { checked: 3, match: 1, changed: 1, missing: 1, coverage: 100, durationMs: 0 });
    const findings = swept.parameter?.flatMap(({ part }) => (part ? [part[0]?.valueString] : []));
    assert.deepEqual(findings?.sort(), ['Observation/ehr.o2/_history/1', 'Observation/ehr.o3/_history/1']);
  });

  test('says how much it left out, and takes an upstream that cannot be asked for what it is', async (t) => {
    const { provenance, compliance, upstream } = await oneCreate(t);
    await recordCreate(provenance.recorder, { id: 'o2', stored });
    upstream.set('Observation/o2/_history/1', '<html>');
    const swept = answer(await compliance.verifySweep({ sinceMs: 0, limit: 1 }));
    assert.deepEqual([swept['checked'], swept['unreachable'], swept['coverage']], [1, 1, 50]);
    const later = answer(await compliance.verifySweep({ sinceMs: provenance.clock.nowMs + 1, limit: 1 }));
    assert.deepEqual([later['checked'], later['coverage']], [0, 100]);
  });
});
