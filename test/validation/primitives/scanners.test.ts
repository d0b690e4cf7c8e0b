import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  hasBase64Characters,
  isAbsoluteUri,
  isBase64,
  isCode,
  isDate,
  isDateTime,
  isId,
  isInstant,
  isOid,
  isTime,
  isUuid,
} from '../../../src/validation/primitives/scanners.ts';

/** The specification's own expressions (http://hl7.org/fhir/R4/datatypes.html), where they say all there is. */
const specified = {
  id: /^[A-Za-z0-9\-.]{1,64}$/,
  code: /^[^\s]+( [^\s]+)*$/,
  time: /^([01][0-9]|2[0-3]):[0-5][0-9]:([0-5][0-9]|60)(\.[0-9]+)?$/,
  oid: /^[0-2](\.(0|[1-9][0-9]*))+$/,
};

const near = (alphabet: string): fc.Arbitrary<string> =>
  fc.array(fc.constantFrom(...alphabet), { maxLength: 12 }).map((letters) => letters.join(''));

describe('primitive scanners', () => {
  test('agree with the expressions of the specification', () => {
    fc.assert(fc.property(near('aZ09-._ é'), (text) => isId(text) === specified.id.test(text)));
    fc.assert(fc.property(near('ab \t\n'), (text) => isCode(text) === specified.code.test(text)));
    fc.assert(fc.property(near('012:.'), (text) => isOid(text) === specified.oid.test(text)));
    fc.assert(fc.property(near('0126:.9'), (text) => isTime(text) === specified.time.test(text)));
  });

  test('take a date of the calendar and no other', () => {
    for (const date of ['2020', '2020-02', '2020-02-29', '0001-01-01', '9999-12-31', '2000-02-29'])
      assert.ok(isDate(date), date);
    for (const date of [
      '',
      '0000',
      '2019-02-29',
      '1900-02-29',
      '2020-13',
      '2020-00',
      '2020-1-1',
      '20200101',
      '2020-01-01 ',
      '12020',
      '2020-',
    ])
      assert.ok(!isDate(date), date);
  });

  test('accept every day that Date makes, and none past the end of its month', () => {
    const days = fc.date({ min: new Date('0100-01-01'), max: new Date('9999-12-31'), noInvalidDate: true });
    fc.assert(fc.property(days, (day) => isDate(day.toISOString().slice(0, 10)) && isInstant(day.toISOString())));
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 9999 }), fc.integer({ min: 1, max: 12 }), (year, month) => {
        const last = new Date(Date.UTC(2000 + (year % 400), month, 0)).getUTCDate();
        const text = `${String(year).padStart(4, '0')}-${String(month).padStart(2, '0')}`;
        return isDate(`${text}-${last}`) && !isDate(`${text}-${last + 1}`);
      }),
    );
  });

  test('want seconds and a zone once there is a time', () => {
    for (const text of ['2020-01-01T00:00:00Z', '2020-01-01T23:59:60+14:00', '2020-01-01T12:00:00.123456789-12:30'])
      assert.ok(isDateTime(text) && isInstant(text), text);
    for (const text of [
      '2020-01-01T00:00:00',
      '2020-01-01T00:00Z',
      '2020-01-01T24:00:00Z',
      '2020-01-01T00:00:00z',
      '2020-01-01T00:00:00+14:30',
      '2020-01-01T00:00:00+15:00',
      '2020-01-01T00:00:00.Z',
      '2020-01T00:00:00Z',
      '2020-01-01 00:00:00Z',
    ])
      assert.ok(!isDateTime(text) && !isInstant(text), text);
    assert.ok(isDateTime('2020-01') && !isInstant('2020-01-01'));
  });

  test('count base64 in fours, and know its characters', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 30 }), (bytes) => {
        const text = Buffer.from(bytes).toString('base64');
        return isBase64(text) && hasBase64Characters(text) && isBase64(text.replaceAll(/(.{4})/g, '$1\n'));
      }),
    );
    assert.ok(!isBase64('aGVsbG8') && !isBase64('a') && !hasBase64Characters('a!==') && !hasBase64Characters('a=aa'));
  });

  test('know a UUID and a URI with a scheme', () => {
    fc.assert(fc.property(fc.uuid(), (uuid) => isUuid(uuid) && isUuid(uuid, true) && isUuid(uuid.toUpperCase())));
    assert.ok(!isUuid('2B90DD2B-2dab-4c75-9bb9-a355e07401e8', true) && !isUuid('2b90dd2b2dab4c759bb9a355e07401e8'));
    for (const uri of ['http://x', 'urn:oid:1.2', 'a+b.c-d:x']) assert.ok(isAbsoluteUri(uri), uri);
    for (const uri of ['', 'x', '/x', ':x', '1a:x', 'Patient/1', '#x']) assert.ok(!isAbsoluteUri(uri), uri);
  });

  test('answer a megabyte at once', () => {
    const long = 'a'.repeat(1 << 20);
    const start = performance.now();
    for (const scan of [isId, isCode, isDate, isDateTime, isOid, isUuid, isBase64, isAbsoluteUri]) scan(long);
    assert.ok(performance.now() - start < 1000);
  });
});
