import { describe, test } from 'node:test';
import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { erasePatient } from '../../src/provenance/erasure.ts';
import type { OpenedRecord } from '../../src/provenance/record-vault.ts';
import { entityCommitment, recordCommitment, requestCommitment, base64url } from '../../src/provenance/record.ts';
import {
  bytesOfFolder,
  makeCaller,
  makeEntity,
  makeIntent,
  openProvenance,
  record,
  type TestProvenance,
} from '../support/provenance.ts';

function erase({ store, recorder, clock }: TestProvenance, patient: string) {
  return erasePatient(
    { store, recorder, clock: () => clock.nowMs, random: (length) => crypto.getRandomValues(new Uint8Array(length)) },
    {
      upstream: 'ehr',
      patient,
      caller: makeCaller(),
      requestId: 'erase-1',
      ground: 'objection',
      ruleSet: 'a'.repeat(64),
      packages: [],
      engine: 'concordat 0.1.0',
    },
  );
}

function openEvent({ queries }: TestProvenance, eventId: string): OpenedRecord {
  const sequence = queries.sequenceOf(Buffer.from(eventId, 'base64url'));
  assert(sequence !== undefined);
  const opened = queries.open(sequence);
  assert(opened !== undefined);
  return opened;
}

const both = [makeEntity({ id: 'shared', patients: ['p1', 'p2'] }), makeEntity({ id: 'mine', patients: ['p1'] })];

describe('erasePatient', () => {
  test("destroys the Patient's parts and leaves the others' and every commitment", async (t) => {
    const provenance = openProvenance(t);
    const shared = await record(provenance.recorder, { parameters: 'name=x' }, { entities: both });
    const other = await record(provenance.recorder, {}, { entities: [makeEntity({ id: 'o3', patients: ['p2'] })] });
    const before = openEvent(provenance, shared);
    const { erasedParts } = await erase(provenance, 'p1');
    // The own part and the joint one, which held the request of both.
    assert.equal(erasedParts, 2);
    const after = openEvent(provenance, shared);
    assert.equal(after.recordText, before.recordText);
    assert.deepEqual(
      after.entities.map(({ id, patients }) => [id, patients]),
      [['shared', ['p2']]],
    );
    assert.equal(after.erasedEntities, 1);
    assert.deepEqual([after.request, after.requestErased], [undefined, true]);
    assert.deepEqual(recordCommitment(after.salt, after.recordText), recordCommitment(before.salt, before.recordText));
    assert.equal(openEvent(provenance, other).entities.length, 1);
  });

  test('leaves nothing of the key, the parts or the index rows in any file', async (t) => {
    const provenance = openProvenance(t);
    const { store, dataDir, queries } = provenance;
    await record(provenance.recorder, {}, { entities: both });
    const tag = store.keys.patientTag('ehr', 'p1');
    const wrapped = store.keys.database.prepare('SELECT wrapped FROM subject_key WHERE tag = ?').get(tag);
    const parts = store.database.prepare('SELECT sealed FROM part WHERE tag = ?').all(tag);
    const secrets = [wrapped?.['wrapped'], ...parts.map((row) => row['sealed'])].map((bytes) =>
      Buffer.from(bytes as Uint8Array).toString('latin1'),
    );
    assert.equal(secrets.length, 2);
    for (const secret of secrets) assert(bytesOfFolder(dataDir).includes(secret));
    await erase(provenance, 'p1');
    for (const secret of secrets) assert(!bytesOfFolder(dataDir).includes(secret));
    assert.equal(store.keys.subjectKey(tag), undefined);
    const find = (id: string) =>
      queries.count({ index: [[{ field: 'resource', upstream: 'ehr', type: 'Observation', id }]], newestFirst: false });
    assert.deepEqual([find('mine'), find('shared')], [0, 1]);
    assert.equal(queries.count({ index: [[{ field: 'patient', upstream: 'ehr', id: 'p1' }]], newestFirst: false }), 0);
    assert.equal(queries.isErased('ehr', 'p1'), true);
    assert.equal(queries.isErased('ehr', 'p2'), false);
  });

  test('writes an erased event whose record states the ground and names nobody', async (t) => {
    const provenance = openProvenance(t);
    await record(provenance.recorder);
    const { eventId } = await erase(provenance, 'p1');
    const { record: erased, request, entities } = openEvent(provenance, eventId);
    assert.deepEqual([erased.kind, erased.ground, request, entities], ['erased', 'objection', undefined, []]);
    assert.equal(provenance.store.keys.subjectKey(provenance.store.keys.patientTag('ehr', 'p1')), undefined);
  });

  test('what is recorded afterwards has a new key and stays over a restart', async (t) => {
    const provenance = openProvenance(t);
    await record(provenance.recorder);
    await erase(provenance, 'p1');
    const later = await record(provenance.recorder);
    const again = provenance.reopen();
    assert.equal(openEvent(again, later).entities.length, 1);
  });

  test('a crash between the tombstone and the key is finished by the next start', async (t) => {
    const provenance = openProvenance(t);
    const { store } = provenance;
    await record(provenance.recorder);
    const tag = store.keys.patientTag('ehr', 'p1');
    const keyId = store.keys.subjectKey(tag)?.keyId;
    assert(keyId !== undefined);
    store.database
      .prepare('INSERT INTO tombstone (tag, event_id, erased_ms, key_id) VALUES (?, ?, ?, ?)')
      .run(tag, new Uint8Array(16), 1, keyId);
    const again = provenance.reopen();
    assert.equal(again.store.keys.subjectKey(tag), undefined);
  });

  test('says so while a copy under way still holds the key, and finishes when asked again', async (t) => {
    const provenance = openProvenance(t);
    await record(provenance.recorder);
    provenance.store.keys.database.exec('PRAGMA busy_timeout=10');
    const reader = new DatabaseSync(join(provenance.dataDir, 'keys.db'), { readOnly: true });
    reader.exec('BEGIN; SELECT count(*) FROM subject_key');
    await assert.rejects(erase(provenance, 'p1'), { code: 'unavailable' });
    reader.close();
    await erase(provenance, 'p1');
    assert.equal(statSync(join(provenance.dataDir, 'keys.db-wal')).size, 0);
  });

  test('every key that the Patient ever had stays gone, also when an old copy of the keys comes back', async (t) => {
    const provenance = openProvenance(t);
    const { store } = provenance;
    const tag = store.keys.patientTag('ehr', 'p1');
    const rows: Record<string, unknown>[] = [];
    for (let i = 0; i < 2; i++) {
      await record(provenance.recorder);
      rows.push(store.keys.database.prepare('SELECT * FROM subject_key WHERE tag = ?').get(tag) ?? {});
      await erase(provenance, 'p1');
    }
    let last = provenance;
    for (const row of rows) {
      last = last.reopen();
      last.store.keys.database
        .prepare('INSERT INTO subject_key (tag, key_id, wrapped) VALUES (?, ?, ?)')
        .run(row['tag'] as Uint8Array, row['key_id'] as Uint8Array, row['wrapped'] as Uint8Array);
      last = last.reopen();
      assert.equal(last.store.keys.subjectKey(tag), undefined);
    }
  });

  test('empties intents that concern the Patient, so that an interrupted one ends as unknown', async (t) => {
    const first = openProvenance(t);
    const intent = { interaction: 'update' as const, kind: 'received' as const, parameters: 'x', resourceId: 'o1' };
    await first.recorder.begin(makeIntent({ ...intent, entities: [makeEntity()] }));
    await first.recorder.begin(makeIntent({ ...intent, entities: [makeEntity({ patients: ['p2'] })] }));
    const provenance = first.reopen();
    await erase(provenance, 'p1');
    // Both began in the same millisecond, so which comes first is up to their random ids.
    const [bare, whole] = provenance.recorder.intents
      .abandoned()
      .sort((left, right) => left.intent.entities.length - right.intent.entities.length);
    assert.deepEqual(
      [bare?.intent.entities, bare?.intent.parameters, bare?.intent.resourceId],
      [[], undefined, undefined],
    );
    assert.equal(whole?.intent.entities.length, 1);
  });

  test('finds what was recorded while it was looking', async (t) => {
    const provenance = openProvenance(t);
    for (let i = 0; i < 450; i++) void record(provenance.recorder);
    await record(provenance.recorder);
    const late = Promise.all([erase(provenance, 'p1'), record(provenance.recorder)]);
    const [{ erasedParts }] = await late;
    const left = provenance.queries.find({ newestFirst: false }, 1000).filter(({ sequence }) => {
      const opened = provenance.queries.open(sequence);
      return opened !== undefined && opened.entities.length > 0;
    });
    assert.equal(erasedParts + left.length, 452);
    assert(left.length <= 1);
  });
});

test('the parts that are left still open their commitments', async (t) => {
  const provenance = openProvenance(t);
  const eventId = await record(provenance.recorder, { resourceId: 'shared' }, { entities: [both[0] as never] });
  await erase(provenance, 'p1');
  const { record: kept, entities } = openEvent(provenance, eventId);
  const key = provenance.store.keys.subjectKey(provenance.store.keys.patientTag('ehr', 'p2'))?.key;
  assert(key !== undefined && entities[0] !== undefined);
  const idBytes = Buffer.from(eventId, 'base64url');
  const { stored } = entities[0];
  const text = `{"id":"shared","interaction":"read","patient":"p2","profiles":[],"stored":{"b1":"${stored?.b1}","f1":"${stored?.f1}"},"type":"Observation","upstream":"ehr","versionId":"1"}`;
  assert.equal(kept.entities[0]?.[1], base64url(entityCommitment(key, idBytes, 0, text)));
  assert.notEqual(kept.request, base64url(requestCommitment(key, idBytes, '{"resourceId":"shared"}')));
});
