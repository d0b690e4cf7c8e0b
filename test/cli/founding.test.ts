import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parseGenesis } from '../../src/ledger/genesis.ts';
import { parseSignerKey } from '../../src/ledger/note-key.ts';
import { runCli } from '../support/run-cli.ts';

const folder = mkdtempSync(join(tmpdir(), 'concordat-cli-'));
after(() => rmSync(folder, { recursive: true, force: true }));
const root = fileURLToPath(new URL('../..', import.meta.url));
const rules = join(root, 'profiles/rules/base.yaml');
const out = join(folder, 'consortium');
const members = ['hospital', 'clinics', 'payer'];
const init = ['init', '--origin', 'log.example/c', '--member', ...members, '--rules', rules, '--out', out];

describe('concordat', () => {
  test('runs through npx from the project root, whatever Node is installed', () => {
    const help = execFileSync('npx', ['concordat', '--help'], { cwd: root, encoding: 'utf8' });
    for (const command of [
      'start',
      'init',
      'keygen',
      'check-config',
      'validate',
      'query',
      'fsck',
      'backup',
      'restore',
      'rotate-master-key',
      'recover',
      'receipt',
      'verify',
      'status',
    ]) {
      assert.match(help, new RegExp(`^  ${command} `, 'm'));
    }
  });

  test('ends with 2 for a wrong command line, with one line and no stack', async () => {
    for (const args of [
      ['nonsense'],
      ['init'],
      ['verify', 'x'],
      ['keygen', '--kind', 'no', '--member', 'a', '--out', 'x'],
      ['start', '--config', '/absent'],
      ['start', '--exit', '--json', '/absent/summary.json', '--data', join(folder, 'demo')],
      ['start', '--port', '70000'],
    ]) {
      const { code, stderr } = await runCli(args);
      assert.equal(code, 2, args.join(' '));
      assert.doesNotMatch(stderr, /\n\s+at /);
    }
  });
});

describe('concordat init and keygen', () => {
  before(async () => {
    assert.equal((await runCli(init)).code, 0);
  });

  test('make a genesis file whose keys are those of the folders', () => {
    const genesis = parseGenesis(new Uint8Array(readFileSync(join(out, 'genesis.json'))));
    assert.deepEqual(
      genesis.members.map((member) => member.name),
      members,
    );
    for (const member of genesis.members) {
      const keyOf = (kind: string) =>
        parseSignerKey(readFileSync(join(out, member.name, `${kind}.key`), 'utf8')).key.text;
      assert.equal(keyOf('batch'), member.batchKey.text);
      assert.equal(keyOf('origin'), member.originKey.text);
      assert.equal(keyOf('cosigner'), member.cosignerKey.text);
    }
  });

  test('keep secrets from others on the machine', () => {
    assert.equal(statSync(join(out, 'payer', 'master.key')).mode & 0o077, 0);
  });

  test('overwrite nothing', async () => {
    const before = readFileSync(join(out, 'genesis.json'));
    assert.equal((await runCli(init)).code, 2);
    assert.deepEqual(readFileSync(join(out, 'genesis.json')), before);
    const file = join(folder, 'k');
    const args = ['keygen', '--kind', 'cosigner', '--member', 'a', '--out', file];
    const made = await runCli(args);
    assert.equal(made.stdout.trim(), parseSignerKey(readFileSync(file, 'utf8')).key.text);
    assert.equal((await runCli(args)).code, 2);
    assert.equal((await runCli(['keygen', '--kind', 'origin', '--member', 'a', '--out', join(folder, 'o')])).code, 2);
    assert.ok(!existsSync(join(folder, 'o')));
  });
});

describe('concordat init of members that made their own keys', () => {
  const own = join(folder, 'own');
  const memberFiles = ['a', 'b'].map((name) => join(own, `${name}.json`));
  const args = (dir: string, ...files: string[]) => [
    'init',
    '--origin',
    'log.example/own',
    '--member-file',
    ...files,
    '--rules',
    rules,
    '--out',
    dir,
    '--json',
  ];

  before(async () => {
    for (const [index, name] of ['a', 'b'].entries()) {
      const keys = join(own, name);
      for (const kind of ['batch', 'origin', 'cosigner', 'agreement', 'master'])
        await runCli([
          'keygen',
          '--kind',
          kind,
          '--member',
          name,
          '--origin',
          'log.example/own',
          '--out',
          join(keys, `${kind}.key`),
        ]);
      const accept = [
        '--origin',
        'log.example/own',
        '--member',
        name,
        '--keys',
        keys,
        '--out',
        memberFiles[index] ?? '',
      ];
      assert.equal((await runCli(['governance', 'accept', ...accept])).code, 0);
    }
  });

  test('makes the genesis file of their public keys, and no key', async () => {
    const dir = join(own, 'founded');
    const { code, stdout } = await runCli(args(dir, ...memberFiles));
    assert.equal(code, 0);
    const bytes = readFileSync(join(dir, 'genesis.json'));
    const { members: named } = parseGenesis(new Uint8Array(bytes));
    assert.deepEqual(
      named.map(({ name, batchKey }) => [name, batchKey.text]),
      ['a', 'b'].map((name) => [name, parseSignerKey(readFileSync(join(own, name, 'batch.key'), 'utf8')).key.text]),
    );
    const { hash, members: keyDirs } = JSON.parse(stdout) as { hash: string; members: object };
    assert.equal(hash, createHash('sha256').update(bytes).digest('hex'));
    assert.deepEqual(keyDirs, {});
    assert.deepEqual(readdirSync(dir), ['genesis.json']);
  });

  test('refuses a member file of another log, one that was altered, and two ways at once', async () => {
    const [a = '', b = ''] = memberFiles;
    const altered = join(own, 'altered.json');
    const { member, acceptance } = JSON.parse(readFileSync(a, 'utf8')) as { member: object; acceptance: string };
    const agreementKey = Buffer.alloc(32, 9).toString('base64');
    writeFileSync(altered, JSON.stringify({ member: { ...member, agreementKey }, acceptance }));
    const dir = join(own, 'refused');
    const other = args(dir, a, b).map((word) => (word === 'log.example/own' ? 'log.example/other' : word));
    for (const [words, code] of [
      [args(dir, altered, b), 1],
      [other, 2],
      [args(dir, a, a), 2],
      [[...args(dir, a, b), '--member', 'c'], 2],
      [['init', '--origin', 'log.example/own', '--rules', rules, '--out', dir], 2],
    ] as const) {
      const made = await runCli([...words]);
      assert.equal(made.code, code, words.join(' '));
      assert.doesNotMatch(made.stderr, /\n\s+at /);
    }
    assert.ok(!existsSync(join(dir, 'genesis.json')));
  });

  test('with --if-missing leaves what it founded before, and refuses another log there', async () => {
    const dir = join(own, 'twice');
    const first = args(dir, ...memberFiles, '--if-missing');
    assert.equal((await runCli(first)).code, 0);
    const bytes = readFileSync(join(dir, 'genesis.json'));
    assert.equal((await runCli(first)).code, 0);
    assert.deepEqual(readFileSync(join(dir, 'genesis.json')), bytes);
    assert.equal((await runCli(first.map((word) => (word === 'log.example/own' ? 'other' : word)))).code, 2);
  });
});

describe('concordat check-config', () => {
  const file = join(folder, 'gateway.yaml');
  const keys = (member: string) =>
    Object.fromEntries(
      ['batch', 'origin', 'cosigner', 'agreement'].map((kind) => [kind, { file: join(out, member, `${kind}.key`) }]),
    );
  const config = (changes: object = {}) => ({
    member: 'hospital',
    writer: 'hospital-1',
    dataDir: join(folder, 'data'),
    upstreams: { ehr: { url: 'http://127.0.0.1:9/fhir' } },
    auth: { mode: 'open' },
    validation: { packagesDir: join(root, 'profiles'), packages: ['hl7.fhir.r4.core#4.0.1'], rules },
    provenance: { masterKey: { file: join(out, 'hospital', 'master.key') } },
    ledger: {
      genesis: join(out, 'genesis.json'),
      keys: keys('hospital'),
      topic: { kind: 'file', path: join(folder, 'topic.db') },
      cosignatureTopic: { kind: 'file', path: join(folder, 'cosignatures.db') },
    },
    ...changes,
  });
  const check = async (value: unknown) => {
    writeFileSync(file, JSON.stringify(value));
    const { code, stdout } = await runCli(['check-config', file, '--json']);
    type Found = readonly { readonly path: string }[];
    const { valid, problems, warnings } = JSON.parse(stdout) as { valid: boolean; problems: Found; warnings: Found };
    const pathsOf = (found: Found) => found.map(({ path }) => path);
    return { code, valid, paths: pathsOf(problems), warned: pathsOf(warnings) };
  };

  test('accepts what init made, without making anything', async () => {
    assert.deepEqual(await check(config()), { code: 0, valid: true, paths: [], warned: ['auth.mode'] });
    assert.ok(!existsSync(join(folder, 'data')));
  });

  test('names every problem of the file and of what it names', async () => {
    assert.deepEqual(await check({ ...config(), member: 3, nonsense: 1 }), {
      code: 1,
      valid: false,
      paths: ['member', 'nonsense'],
      warned: [],
    });
    const { ledger } = config();
    const wrong = await check({
      ...config(),
      provenance: { masterKey: { file: join(out, 'hospital', 'batch.key') } },
      ledger: { ...ledger, keys: keys('payer'), peers: [{ member: 'stranger', url: 'http://127.0.0.1:8/ledger' }] },
      validation: { packagesDir: folder, packages: ['a.b#1.0.0'], rules: join(out, 'genesis.json') },
    });
    assert.deepEqual(wrong.paths.sort(), [
      'ledger.keys.agreement',
      'ledger.keys.batch',
      'ledger.keys.cosigner',
      'ledger.keys.origin',
      'provenance.masterKey',
      'validation.packages[0]',
      'validation.rules',
    ]);
  });

  test('knows who is a member, behind an upstream and behind a token', async () => {
    const jwksFile = join(folder, 'jwks.json');
    writeFileSync(jwksFile, JSON.stringify({ keys: [{ kty: 'EC' }] }));
    const named = (member: string) => ({
      upstreams: { other: { url: 'http://127.0.0.1:9/fhir', member } },
      auth: { mode: 'jwt', issuers: [{ issuer: 'i', audience: 'a', jwksFile, members: [{ member }] }] },
    });
    assert.deepEqual((await check(config(named('clinics')))).warned, []);
    const stranger = await check(config(named('stranger')));
    assert.deepEqual(stranger.warned, ['upstreams.other.member', 'auth.issuers[0].members[0].member']);
    assert.equal(stranger.code, 0, 'it may have been admitted since the genesis');
  });

  test('lets a member that is to be admitted start, with keys of its own', async () => {
    const newKeys = join(folder, 'newcomer');
    for (const kind of ['batch', 'origin', 'cosigner', 'agreement'])
      await runCli([
        'keygen',
        '--kind',
        kind,
        '--member',
        'lab',
        '--origin',
        'log.example/c',
        '--out',
        join(newKeys, `${kind}.key`),
      ]);
    const own = Object.fromEntries(
      ['batch', 'origin', 'cosigner', 'agreement'].map((kind) => [kind, { file: join(newKeys, `${kind}.key`) }]),
    );
    const { ledger } = config();
    const lab = { member: 'lab', writer: 'lab-1' };
    const joining = await check({ ...config(), ...lab, ledger: { ...ledger, keys: own } });
    assert.deepEqual([joining.code, joining.warned], [0, ['member', 'auth.mode']]);
    assert.deepEqual((await check({ ...config(), ...lab })).paths, ['ledger.keys.batch', 'ledger.keys.cosigner']);
    const nextKeys = { ...keys('hospital'), batch: { file: join(newKeys, 'batch.key') } };
    assert.deepEqual((await check({ ...config(), ledger: { ...ledger, nextKeys } })).paths, ['ledger.nextKeys.batch']);
  });

  test('tells a file that is no certificate', async () => {
    const { ledger } = config();
    const tls = { caFile: join(out, 'genesis.json') };
    const topic = { kind: 'kafka', brokers: ['127.0.0.1:9'], topic: 'none', tls };
    assert.deepEqual((await check({ ...config(), ledger: { ...ledger, topic } })).paths, ['ledger.topic.tls.caFile']);
  });

  test('warns of times by which a log that rests raises an alarm', async () => {
    const { ledger } = config();
    const { warned } = await check({ ...config(), ledger: { ...ledger, parameters: { freezeAfterMs: 30_000 } } });
    assert.ok(warned.includes('ledger.parameters.freezeAfterMs'));
  });

  test('ends with 2 when the file cannot be read', async () => {
    mkdirSync(join(folder, 'unreadable'));
    assert.equal((await runCli(['check-config', join(folder, 'unreadable')])).code, 2);
  });
});

test('governance on a topic that cannot be reached ends with 4, the reason and no address', async () => {
  const keys = Object.fromEntries(
    ['batch', 'origin', 'cosigner', 'agreement'].map((kind) => [kind, { file: join(out, 'hospital', `${kind}.key`) }]),
  );
  const topic = { kind: 'kafka', brokers: ['127.0.0.1:9'], topic: 'none' };
  const file = join(folder, 'no-broker.json');
  const config = {
    member: 'hospital',
    writer: 'hospital-1',
    dataDir: join(folder, 'data'),
    upstreams: { ehr: { url: 'http://127.0.0.1:9/fhir' } },
    auth: { mode: 'open' },
    validation: { packagesDir: join(root, 'profiles'), rules },
    provenance: { masterKey: { file: join(out, 'hospital', 'master.key') } },
    ledger: { genesis: join(out, 'genesis.json'), keys, topic, cosignatureTopic: { ...topic, topic: 'other' } },
  };
  writeFileSync(file, JSON.stringify(config));
  const { code, stderr } = await runCli([
    'governance',
    'propose',
    'change-quorum',
    '--quorum',
    '3/4',
    '--config',
    file,
  ]);
  assert.equal(code, 4);
  assert.match(stderr, /ECONNREFUSED/);
  assert.doesNotMatch(stderr, /127\.0\.0\.1|\n\s+at /);
});

describe('commands that ask a gateway', () => {
  test('end with 4 when nobody answers and with 2 without an address', async () => {
    const event = 'A'.repeat(22);
    for (const args of [['status'], ['query'], ['receipt', event]]) {
      assert.equal((await runCli([...args, '--url', 'http://127.0.0.1:9'])).code, 4, args[0]);
      assert.equal((await runCli(args)).code, 2, args[0]);
    }
  });
});
