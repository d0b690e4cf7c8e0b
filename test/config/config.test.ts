import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { inspect } from 'node:util';
import { stringify } from 'yaml';
import { ConfigError } from '../../src/config/config-error.ts';
import { loadConfig, parseConfig } from '../../src/config/config.ts';

const folder = mkdtempSync(join(tmpdir(), 'concordat-config-'));
after(() => rmSync(folder, { recursive: true, force: true }));
for (const name of ['genesis.json', 'rules.yaml', 'jwks.json', 'key'])
  writeFileSync(join(folder, name), 's3cr3t-value\n');

function example() {
  const key = { file: 'key' };
  return {
    member: 'hospital',
    writer: 'hospital-1',
    listen: { host: '127.0.0.1', port: 8080 },
    dataDir: 'data',
    upstreams: { ehr: { url: 'http://127.0.0.1:9000/fhir' } } as Record<string, unknown>,
    auth: { mode: 'open' } as Record<string, unknown>,
    validation: { packagesDir: '.', rules: 'rules.yaml' },
    provenance: { masterKey: { env: 'MASTER_KEY' } } as Record<string, unknown>,
    ledger: {
      genesis: 'genesis.json',
      keys: { batch: key, origin: key, cosigner: key, agreement: key },
      topic: { kind: 'file', path: 'topic.db' } as Record<string, unknown>,
      cosignatureTopic: { kind: 'file', path: 'cosignatures.db' },
      peers: [{ member: 'clinics', url: 'http://127.0.0.1:8081/ledger' }],
    },
  };
}

const environment = { MASTER_KEY: 'env-s3cr3t-value' };

function parse(value: unknown) {
  return parseConfig(stringify(value), { name: 'a.yaml', baseDir: folder, environment });
}

function problemsOf(text: string) {
  try {
    parseConfig(text, { name: 'a.yaml', baseDir: folder, environment });
  } catch (error) {
    assert.ok(error instanceof ConfigError);
    return error;
  }
  return assert.fail('the configuration was accepted');
}

describe('parseConfig', () => {
  test('names the members behind upstreams and tokens, and refuses the member itself and what is said twice', () => {
    const issuer = (members: unknown) => ({
      ...example(),
      upstreams: { other: { url: 'http://127.0.0.1:9000/fhir', member: 'clinics' } },
      auth: { mode: 'jwt', issuers: [{ issuer: 'i', audience: 'a', jwksFile: 'jwks.json', members }] },
    });
    const config = parse(issuer([{ member: 'clinics', clients: ['c'] }, { member: 'payer' }]));
    assert.equal(config.upstreams['other']?.member, 'clinics');
    assert.equal(config.auth.mode === 'jwt' ? config.auth.issuers[0]?.members.length : 0, 2);
    const wrong = (members: unknown) => problemsOf(stringify(issuer(members))).problems.map(({ path }) => path);
    assert.deepEqual(wrong([{ member: 'hospital', clients: ['c'] }]), ['auth.issuers[0].members[0].member']);
    const twice = [
      { member: 'clinics', clients: ['c'] },
      { member: 'payer', clients: ['c'] },
    ];
    assert.deepEqual(wrong(twice), ['auth.issuers[0].members[1]']);
    assert.deepEqual(wrong([{ member: 'clinics' }, { member: 'payer' }]), ['auth.issuers[0].members[1]']);
    const own = { ...example(), upstreams: { ehr: { url: 'http://127.0.0.1:9000/fhir', member: 'hospital' } } };
    assert.deepEqual(
      problemsOf(stringify(own)).problems.map(({ path }) => path),
      ['upstreams.ehr.member'],
    );
  });

  test('fills in defaults, makes paths absolute, reads secrets and freezes', () => {
    const config = parse(example());
    assert.equal(config.dataDir, join(folder, 'data'));
    assert.equal(config.ledger.parameters.lingerMs, 100);
    assert.deepEqual(config.upstreams['ehr']?.auth, { kind: 'none' });
    assert.equal(config.ledger.keys.batch.reveal(), 's3cr3t-value');
    assert.equal(config.provenance.masterKey.reveal(), 'env-s3cr3t-value');
    assert.ok(Object.isFrozen(config) && Object.isFrozen(config.ledger.peers));
  });

  test('does not show a secret when printed or serialised', () => {
    const config = parse(example());
    assert.doesNotMatch(
      JSON.stringify(config) + inspect(config, { depth: 9 }) + String(config.provenance.masterKey),
      /s3cr3t/,
    );
  });

  test('reports every problem at once with its path and line', () => {
    const bad = example();
    bad.member = 'Hospital';
    bad.listen = { host: '0.0.0.0', port: 70_000 };
    bad.upstreams['9x'] = { url: 'http://h' };
    bad.upstreams['lab'] = { url: 'ftp://h' };
    bad.provenance = { masterKey: { env: 'NOT_SET' }, outboxlimit: 5 };
    bad.ledger.genesis = 'absent.json';
    bad.ledger.topic = { kind: 'file' };
    bad.ledger.peers.push({ member: 'clinics', url: 'http://127.0.0.1:1/ledger' });
    const error = problemsOf(stringify(bad));
    assert.equal(error.code, 'invalid');
    const paths = error.problems.map((problem) => problem.path).sort();
    assert.deepEqual(paths, [
      'auth.mode',
      'ledger.genesis',
      'ledger.peers[1].member',
      'ledger.topic.path',
      'listen.port',
      'member',
      'provenance.masterKey',
      'provenance.outboxlimit',
      'upstreams.9x',
      'upstreams.lab.url',
    ]);
    assert.equal(error.problems.find((problem) => problem.path === 'member')?.line, 1);
    assert.equal(error.problems.find((problem) => problem.path === 'listen.port')?.line, 5);
  });

  test('refuses a secret written into the file, and does not repeat it', () => {
    for (const inline of ['hunter2-canary', 42_424_242, { value: 'hunter2-canary' }, ['hunter2-canary']]) {
      const bad = example();
      bad.provenance = { masterKey: inline };
      const error = problemsOf(stringify(bad));
      assert.deepEqual(
        error.problems.map((problem) => problem.path),
        ['provenance.masterKey'],
      );
      assert.doesNotMatch(error.message, /canary|42424242/);
    }
  });

  test('does not quote the file when it is not YAML', () => {
    const error = problemsOf('member: a\nmasterKey: "hunter2-canary\n  x: [');
    assert.equal(error.code, 'not-yaml');
    assert.doesNotMatch(error.message, /canary/);
  });

  test('refuses a repeated key and an alias bomb', () => {
    assert.equal(problemsOf('member: a\nmember: b\n').code, 'not-yaml');
    const bomb = [
      'a: &a [1,1,1,1,1,1,1,1,1]',
      ...'bcdefghi'.split('').map((c, i) => `${c}: &${c} [${Array(9).fill(`*${'abcdefgh'[i]}`).join(',')}]`),
    ];
    assert.equal(problemsOf(bomb.join('\n')).code, 'not-yaml');
  });

  test('refuses an empty file, a list and a scalar', () => {
    for (const text of ['', '- a', '3', 'null']) assert.equal(problemsOf(text).code, 'invalid');
  });

  test('accepts open mode on every loopback form and refuses it elsewhere', () => {
    for (const host of ['127.0.0.1', '127.9.9.9', '::1', 'localhost'])
      assert.ok(parse({ ...example(), listen: { host } }));
    for (const host of ['0.0.0.0', '::', '10.0.0.1', '127.evil.example', '128.0.0.1']) {
      assert.deepEqual(
        problemsOf(stringify({ ...example(), listen: { host } })).problems.map((p) => p.path),
        ['auth.mode'],
      );
    }
  });

  test('refuses credentials and queries in an upstream URL without repeating them', () => {
    for (const url of ['http://u:canary@h/fhir', 'http://h/fhir?key=canary', 'http://h/#canary']) {
      const bad = { ...example(), upstreams: { ehr: { url } } };
      const error = problemsOf(stringify(bad));
      assert.deepEqual(
        error.problems.map((problem) => problem.path),
        ['upstreams.ehr.url'],
      );
      assert.doesNotMatch(error.message, /canary/);
    }
  });

  test('wants one of jwksUrl and jwksFile for each issuer', () => {
    const issuer = { issuer: 'https://i.example', audience: 'concordat' };
    const withIssuers = (...issuers: unknown[]) => ({ ...example(), auth: { mode: 'jwt', issuers } });
    assert.ok(parse(withIssuers({ ...issuer, jwksFile: 'jwks.json' })));
    for (const keys of [{}, { jwksFile: 'jwks.json', jwksUrl: 'https://i.example/jwks' }]) {
      assert.deepEqual(
        problemsOf(stringify(withIssuers({ ...issuer, ...keys }))).problems.map((p) => p.path),
        ['auth.issuers[0]'],
      );
    }
    const algorithms = { ...issuer, jwksFile: 'jwks.json', algorithms: ['HS256'] };
    assert.deepEqual(
      problemsOf(stringify(withIssuers(algorithms))).problems.map((p) => p.path),
      ['auth.issuers[0].algorithms[0]'],
    );
  });

  test('refuses one topic for records and cosignatures', () => {
    const bad = example();
    bad.ledger.cosignatureTopic.path = './topic.db';
    assert.deepEqual(
      problemsOf(stringify(bad)).problems.map((p) => p.path),
      ['ledger.cosignatureTopic'],
    );
  });
});

describe('loadConfig', () => {
  test('says that a file cannot be read', () => {
    assert.throws(() => loadConfig(join(folder, 'absent.yaml')), { code: 'unreadable' });
    assert.throws(() => loadConfig(folder), { code: 'unreadable' });
  });
});
