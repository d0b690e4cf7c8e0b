import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { matchesParameter } from '../../src/fhir/search-parameters.ts';
import { parseScopes } from '../../src/gateway/auth/scopes.ts';
import { Breaker } from '../../src/gateway/breaker.ts';
import { openCursor, sealCursor } from '../../src/gateway/cursor.ts';
import type { CursorContent, CursorOptions } from '../../src/gateway/cursor.ts';
import { GatewayError } from '../../src/gateway/gateway-error.ts';
import { KeyedLock } from '../../src/gateway/keyed-lock.ts';
import { parsePreference } from '../../src/gateway/negotiate.ts';
import { parseRoute, upstreamPath } from '../../src/gateway/route.ts';
import { compareSorted, parseSort, sortValues } from '../../src/gateway/sort-order.ts';
import { makeCaller } from '../support/provenance.ts';

const isUpstream = (name: string): boolean => name === 'ehr' || name === 'lab';
const codeOf = (task: () => unknown): string => {
  try {
    task();
    return 'nothing thrown';
  } catch (error) {
    return error instanceof GatewayError ? error.code : String(error);
  }
};

describe('routes', () => {
  const table: readonly (readonly [request: string, interaction: string, path: string])[] = [
    ['GET ehr/Patient/1', 'read', 'Patient/1'],
    ['HEAD ehr/Patient/1', 'read', 'Patient/1'],
    ['GET ehr/Patient/1/_history/2', 'vread', 'Patient/1/_history/2'],
    ['GET ehr/Patient/1/_history', 'history-instance', 'Patient/1/_history'],
    ['GET ehr/Patient/_history', 'history-type', 'Patient/_history'],
    ['GET ehr/_history', 'history-system', '_history'],
    ['GET ehr/Patient', 'search-type', 'Patient'],
    ['POST ehr/Patient/_search', 'search-type', 'Patient'],
    ['GET ehr', 'search-system', ''],
    ['POST ehr/_search', 'search-system', ''],
    ['GET ehr/Patient/1/Observation', 'search-type', 'Patient/1/Observation'],
    ['POST ehr/Patient/1/Observation/_search', 'search-type', 'Patient/1/Observation'],
    ['GET ehr/Patient/1/*', 'search-type', 'Patient/1/*'],
    ['POST ehr/Patient', 'create', 'Patient'],
    ['PUT ehr/Patient/1', 'update', 'Patient/1'],
    ['PUT ehr/Patient', 'update', 'Patient'],
    ['PATCH ehr/Patient/1', 'patch', 'Patient/1'],
    ['DELETE ehr/Patient/1', 'delete', 'Patient/1'],
    ['DELETE ehr/Patient', 'delete', 'Patient'],
    ['POST ehr', 'transaction', ''],
    ['GET ehr/metadata', 'capabilities', ''],
    ['POST ehr/Patient/$validate', 'operation', 'Patient/$validate'],
    ['GET ehr/Patient/1/$everything', 'operation', 'Patient/1/$everything'],
    ['GET ehr/Patient/1/_history/2/$verify', 'operation', 'Patient/1/_history/2/$verify'],
    ['GET Patient/ehr.1', 'read', 'Patient/1'],
    ['GET Patient/lab.a.b', 'read', 'Patient/a.b'],
    ['GET Patient/ehr.1/Observation', 'search-type', 'Patient/1/Observation'],
    ['GET Patient', 'search-type', 'Patient'],
    ['POST ', 'transaction', ''],
  ];
  for (const [request, interaction, path] of table) {
    test(`${request} is ${interaction}`, () => {
      const [method = '', address = ''] = request.split(' ');
      const route = parseRoute(method, address.split('/'), isUpstream);
      assert.equal(route.interaction, interaction);
      if (interaction !== 'capabilities') assert.equal(upstreamPath(route), path);
    });
  }

  const refused: readonly (readonly [request: string, code: string])[] = [
    ['GET nobody/Patient', 'not-found'],
    ['GET ehr/Nonsense', 'not-found'],
    ['GET Patient/1', 'not-found'],
    ['GET Patient/nobody.1', 'not-found'],
    ['POST Patient', 'method-not-allowed'],
    ['PUT ', 'method-not-allowed'],
    ['POST ehr/Patient/1', 'method-not-allowed'],
    ['DELETE ehr/Patient/1/_history/2', 'method-not-allowed'],
    ['GET ehr/Patient/1/_history/2/$other', 'not-found'],
    ['GET ehr/Patient/a b', 'not-found'],
  ];
  for (const [request, code] of refused) {
    test(`${request} is ${code}`, () => {
      const [method = '', ...rest] = request.split(' ');
      assert.equal(
        codeOf(() => parseRoute(method, rest.join(' ').split('/'), isUpstream)),
        code,
      );
    });
  }

  test('no path makes it throw anything but its own refusals', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('GET', 'POST', 'PUT'),
        fc.array(fc.string(), { maxLength: 6 }),
        (method, segments) => {
          assert.ok(
            ['nothing thrown', 'not-found', 'method-not-allowed'].includes(
              codeOf(() => parseRoute(method, segments, isUpstream)),
            ),
          );
        },
      ),
    );
  });
});

describe('scopes', () => {
  const letters = (text: string): string =>
    parseScopes(text)
      .map(({ actions }) => [...actions].join(''))
      .join(' ');
  test('v1 and v2 mean the same letters', () => {
    assert.equal(letters('system/Patient.read'), 'rs');
    assert.equal(letters('user/Patient.write'), 'cud');
    assert.equal(letters('patient/*.*'), 'cruds');
    assert.equal(letters('system/Observation.cruds'), 'cruds');
  });
  test('what is not understood in full grants nothing', () => {
    for (const text of [
      'system/Patient.',
      'system/Patient.sr',
      'system/Patient.rr',
      'system/patient.r',
      'other/Patient.r',
      'system/Patient.r?',
      'system/Patient.r?code:in=x',
      'system/Patient.r?a.b=c',
      'openid',
      '',
    ]) {
      assert.deepEqual(parseScopes(text), [], text);
    }
  });
  test('constraints match by token, reference and uri, and by nothing that cannot be told', () => {
    const observation = {
      resourceType: 'Observation',
      meta: { tag: [{ system: 'urn:t', code: 'a' }], profile: ['urn:p'] },
      category: [{ coding: [{ system: 'urn:c', code: 'lab' }] }],
      status: 'final',
      subject: { reference: 'Patient/1' },
      effectiveDateTime: '2020-01-01',
    };
    const table: readonly (readonly [string, string, boolean])[] = [
      ['category', 'urn:c|lab', true],
      ['category', 'lab', true],
      ['category', 'urn:c|', true],
      ['category', '|lab', false],
      ['category', 'urn:other|lab', false],
      ['status', 'final', true],
      ['_tag', 'urn:t|a', true],
      ['_profile', 'urn:p', true],
      ['subject', 'Patient/1', true],
      ['patient', '1', true],
      ['subject', 'Patient/11', false],
      ['date', '2020-01-01', false],
      ['nonsense', 'x', false],
    ];
    for (const [name, value, expected] of table) {
      assert.equal(matchesParameter(observation, name, [value]), expected, `${name}=${value}`);
    }
  });
});

describe('paging cursors', () => {
  let nowMs = 1_000_000;
  const options: CursorOptions = {
    key: new Uint8Array(32).fill(7),
    clock: () => nowMs,
    random: (length) => crypto.getRandomValues(new Uint8Array(length)),
    lifetimeMs: 1_000,
  };
  const content: CursorContent = {
    positions: [{ upstream: 'ehr', path: 'Patient?name=secret', skip: 3 }],
    sort: '',
    count: 10,
    self: 'name=secret',
  };
  const sealed = sealCursor(content, makeCaller(), 'Patient', options);

  test('open for their caller and address until they end', () => {
    const { positions } = openCursor(sealed, makeCaller(), 'Patient', options);
    assert.deepEqual(positions, content.positions);
    assert.equal(
      codeOf(() => openCursor(sealed, makeCaller({ subject: 'other' }), 'Patient', options)),
      'forbidden',
    );
    assert.equal(
      codeOf(() => openCursor(sealed, makeCaller(), 'Observation', options)),
      'bad-request',
    );
    nowMs += 2_000;
    assert.equal(
      codeOf(() => openCursor(sealed, makeCaller(), 'Patient', options)),
      'cursor-expired',
    );
    nowMs -= 2_000;
  });

  test('no changed bit is believed, and nothing can be read in them', () => {
    assert.ok(!Buffer.from(sealed, 'base64url').toString('latin1').includes('secret'));
    const bytes = Buffer.from(sealed, 'base64url');
    fc.assert(
      fc.property(fc.nat(bytes.length * 8 - 1), (bit) => {
        const changed = Buffer.from(bytes);
        changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        assert.equal(
          codeOf(() => openCursor(changed.toString('base64url'), makeCaller(), 'Patient', options)),
          'bad-request',
        );
      }),
    );
    for (const text of ['', 'AAAA', 'x'.repeat(10_000)]) {
      assert.equal(
        codeOf(() => openCursor(text, makeCaller(), 'Patient', options)),
        'bad-request',
      );
    }
  });
});

describe('small parts', () => {
  test('the keyed lock serialises a key, lets others pass and survives failures', async () => {
    const lock = new KeyedLock();
    const order: string[] = [];
    const task = (name: string, waitMs: number) => async (): Promise<void> => {
      order.push(`${name}+`);
      await new Promise((resolve) => setTimeout(resolve, waitMs));
      order.push(`${name}-`);
    };
    await Promise.all([
      lock.hold(['a', 'b'], task('1', 20)),
      lock.hold(['b', 'a'], task('2', 1)),
      lock.hold(['c'], task('3', 1)),
      lock.hold(['b'], () => Promise.reject(new Error('x'))).catch(() => order.push('failed')),
    ]);
    assert.ok(order.indexOf('1-') < order.indexOf('2+'));
    assert.ok(order.indexOf('3-') < order.indexOf('1-'));
    assert.ok(order.includes('failed'));
    await lock.hold(['a', 'b', 'c'], task('4', 0));
  });

  test('the breaker opens after failures in a row, probes, and closes on success', () => {
    let nowMs = 0;
    const breaker = new Breaker({ failures: 2, openMs: 100, clock: () => nowMs });
    breaker.failed();
    assert.ok(breaker.admits());
    breaker.failed();
    assert.ok(!breaker.admits());
    nowMs = 100;
    assert.ok(breaker.admits());
    assert.ok(!breaker.admits());
    breaker.succeeded();
    assert.ok(breaker.admits() && !breaker.isOpen);
  });

  test('Prefer is read by its tokens', () => {
    assert.deepEqual(parsePreference('return=minimal; handling=lenient'), { return: 'minimal', handling: 'lenient' });
    assert.deepEqual(parsePreference('respond-async, return="OperationOutcome"'), {
      return: 'OperationOutcome',
      handling: undefined,
    });
    assert.deepEqual(parsePreference('return=nonsense'), { return: undefined, handling: undefined });
  });

  test('sorting is an order: total, and missing values last', () => {
    const keys = parseSort('-birthdate,family', 'Patient');
    const value = fc.record({
      resourceType: fc.constant('Patient'),
      birthDate: fc.option(fc.constantFrom('1990', '1990-02', '1991-01-01'), { nil: undefined }),
      name: fc.array(fc.record({ family: fc.constantFrom('a', 'B', 'c') }), { maxLength: 2 }),
    });
    fc.assert(
      fc.property(fc.array(value, { maxLength: 8 }), (patients) => {
        const sorted = patients.map((patient) => sortValues(patient, keys)).sort((a, b) => compareSorted(a, b, keys));
        for (let i = 1; i < sorted.length; i += 1)
          assert.ok(compareSorted(sorted[i - 1] ?? [], sorted[i] ?? [], keys) <= 0);
        const dates = sorted.map(([date]) => date);
        assert.equal(
          dates.findLastIndex((date) => date !== undefined) + 1,
          dates.filter((date) => date !== undefined).length,
        );
      }),
    );
    assert.equal(
      codeOf(() => parseSort('nonsense', 'Patient')),
      'bad-request',
    );
  });
});
