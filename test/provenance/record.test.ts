import { describe, test } from 'node:test';
import assert from 'node:assert/strict';
import { createHash, createHmac } from 'node:crypto';
import fc from 'fast-check';
import { buildRecord, jointKey, type PatientKey, type RecordDraft } from '../../src/provenance/record.ts';
import { digestsOf, makeCaller, makeEntity, makeIntent, makeOutcome } from '../support/provenance.ts';

const bytes = (value: number, length = 32): Buffer => Buffer.alloc(length, value);
const salts = { record: bytes(1), key: bytes(2) };
const idBytes = bytes(3, 16);
const keyOf = (upstream: string, patient: string): PatientKey => ({
  tag: createHash('sha256').update(`tag ${upstream}/${patient}`).digest().subarray(0, 16),
  key: createHash('sha256').update(`key ${upstream}/${patient}`).digest(),
});

function draft(changes: Partial<RecordDraft> = {}): RecordDraft {
  return {
    idBytes,
    eventId: idBytes.toString('base64url'),
    startedMs: Date.parse('2026-03-01T10:00:00Z'),
    recordedMs: Date.parse('2026-03-01T10:00:00.250Z'),
    intent: makeIntent(),
    outcome: makeOutcome(),
    reconciled: false,
    ...changes,
  };
}

/** The design's formula, written again. */
function commitment(key: Buffer | Uint8Array, index: number, text: string): string {
  const place = Buffer.alloc(4);
  place.writeUInt32BE(index);
  const salt = createHmac('sha256', key).update(idBytes).update(place).digest();
  const inner = createHash('sha256').update(text).digest();
  return createHash('sha256').update('concordat/entity/v1\n').update(salt).update(inner).digest('base64url');
}

describe('buildRecord', () => {
  test('commits as the worked example of the format document', () => {
    const built = buildRecord(draft(), salts, keyOf);
    const entityText =
      `{"interaction":"read","patient":"p1","profiles":[],"stored":{"b1":"${digestsOf('o1').b1}","f1":"${digestsOf('o1').f1}"},` +
      '"type":"Observation","upstream":"ehr","id":"o1","versionId":"1"}';
    const sorted = `{"id":"o1",${entityText.slice(1, -1).replace(',"id":"o1"', '')}}`;
    const key = keyOf('ehr', 'p1').key;
    assert.deepEqual(built.record.entities, [[commitment(key, 0, sorted)]]);
    assert.equal(built.record.request, commitment(key, 0xffffffff, '{"resourceId":"o1"}'));
    const inner = createHash('sha256').update(built.recordText).digest();
    const expected = createHash('sha256').update('concordat/record/v1\n').update(salts.record).update(inner).digest();
    assert.deepEqual(Buffer.from(built.commit), expected);
    assert.equal(
      built.recordText,
      '{"caller":{"clientId":"ehr-client","issuer":"https://ids.example","organisation":"Hospital","purpose":"TREAT","subject":"subject-1",' +
        '"user":"https://ids.example/Practitioner/7"},"engine":"concordat 0.1.0",' +
        `"entities":[["${built.record.entities[0]?.[0]}"]],"id":"AwMDAwMDAwMDAwMDAwMDAw","interaction":"read","issues":[],"kind":"disclosed",` +
        '"outcome":"0","packages":["hl7.fhir.r4.core#4.0.1"],"recorded":"2026-03-01T10:00:00.250Z",' +
        `"request":"${built.record.request}","requestId":"request-1","resourceType":"Observation",` +
        `"ruleSet":"${'a'.repeat(64)}","started":"2026-03-01T10:00:00.000Z","status":200,"upstream":"ehr","v":1}`,
    );
  });

  test('gives each Patient of an entity a commitment of its own, and names only that one under the own key', () => {
    const built = buildRecord(
      draft({ outcome: makeOutcome({ entities: [makeEntity({ patients: ['p1', 'p2'] })] }) }),
      salts,
      keyOf,
    );
    assert.equal(built.record.entities[0]?.length, 2);
    assert.deepEqual(
      built.patients.map(({ content }) => content.entities.map(([, entity]) => entity.patient)),
      [['p1'], ['p2']],
    );
    assert(!built.recordText.includes('p1'));
  });

  test('puts what the request says under the joint key when it concerns several Patients', () => {
    const intent = makeIntent({ parameters: 'name=canary', patients: ['p9'] });
    const built = buildRecord(draft({ intent }), salts, keyOf);
    const keys = [keyOf('ehr', 'p1').key, keyOf('ehr', 'p9').key];
    assert.deepEqual(built.joint?.key, jointKey(keys));
    assert.deepEqual(jointKey(keys), jointKey(keys.toReversed()));
    assert.deepEqual(
      built.patients.map(({ content }) => content.request),
      [undefined, undefined],
    );
    assert(!JSON.stringify(built.own).includes('canary'));
  });

  test('keeps the request with the record where no Patient is concerned', () => {
    const outcome = makeOutcome({ entities: [makeEntity({ type: 'Practitioner', patients: [] })] });
    const built = buildRecord(draft({ outcome }), salts, keyOf);
    assert.deepEqual(built.own.request, { resourceId: 'o1' });
    assert.deepEqual(built.patients, []);
  });

  test("keeps a Patient's own subject out of the record, and staff's in it", () => {
    const own = makeCaller({ patient: 'p1', user: 'https://ids.example/Patient/p1', subject: 'canary' });
    const built = buildRecord(draft({ intent: makeIntent({ caller: own }) }), salts, keyOf);
    assert(!built.recordText.includes('canary'));
    assert.equal(built.patients[0]?.content.request?.subject, 'canary');
    const staff = makeCaller({ patient: 'p1' });
    const other = buildRecord(draft({ intent: makeIntent({ caller: staff }) }), salts, keyOf);
    assert.equal(other.record.caller.subject, 'subject-1');
    assert(!other.recordText.includes('p1'));
  });

  test('takes any string, lone surrogates included', () => {
    const string = fc.string({ unit: fc.constantFrom('a', '\ud800', '\udc00', '"', '\u0000', 'é') });
    fc.assert(
      fc.property(string, string, (parameters, requestId) => {
        const built = buildRecord(draft({ intent: makeIntent({ parameters, requestId }) }), salts, keyOf);
        assert.doesNotThrow(() => JSON.parse(built.recordText));
      }),
    );
  });
});
