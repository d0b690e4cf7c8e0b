import { describe, test, type TestContext } from 'node:test';
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { backupKeys, backupRecords, restoreStores, rotateMasterKey } from '../../src/provenance/backup.ts';
import { seal, unseal } from '../../src/provenance/cipher.ts';
import { KeyStore } from '../../src/provenance/key-store.ts';
import { ProvenanceError } from '../../src/provenance/provenance-error.ts';
import { KEY_FILE, ProvenanceStore, RECORD_FILE } from '../../src/provenance/provenance-store.ts';
import { RecordQueries } from '../../src/provenance/record-queries.ts';
import { RecordVault } from '../../src/provenance/record-vault.ts';
import { openDatabase, RECORD_MIGRATIONS } from '../../src/provenance/schema.ts';
import { bytesOfFolder, makeEntity, openProvenance, record } from '../support/provenance.ts';

const isCode = (code: string) => (error: unknown) => error instanceof ProvenanceError && error.code === code;

function temporaryFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'concordat-stores-'));
  t.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

function openStore(t: TestContext, dataDir: string, masterKey: Uint8Array) {
  const store = new ProvenanceStore({ dataDir, masterKey });
  let isOpen = true;
  const close = (): void => {
    if (isOpen) store.close();
    isOpen = false;
  };
  t.after(close);
  return { store, close, queries: new RecordQueries(store, new RecordVault(store)) };
}

describe('schema', () => {
  const load = (name: string): string =>
    readFileSync(new URL(`../fixtures/provenance/${name}`, import.meta.url), 'utf8');

  test('stores of version 1 are upgraded with all they hold', (t) => {
    const dataDir = temporaryFolder(t);
    for (const [file, fixture] of [
      [RECORD_FILE, 'records-1.sql'],
      [KEY_FILE, 'keys-1.sql'],
    ] as const) {
      const database = new DatabaseSync(join(dataDir, file));
      database.exec(load(fixture));
      database.close();
    }
    const { store, queries } = openStore(t, dataDir, Buffer.alloc(32, 7));
    assert.equal(store.database.prepare('PRAGMA user_version').get()?.['user_version'], RECORD_MIGRATIONS.length);
    const places = queries.find({ newestFirst: false }, 10);
    assert.equal(places.length, 3);
    for (const { sequence } of places) assert.equal(queries.open(sequence)?.entities[0]?.id, 'o1');
    assert.equal(queries.count({ writesOnly: true, newestFirst: false }), 1);
  });

  test('a store of a newer release is left alone', (t) => {
    const path = join(temporaryFolder(t), 'x.db');
    const database = new DatabaseSync(path);
    database.exec('PRAGMA user_version=99');
    database.close();
    assert.throws(() => openDatabase(path, RECORD_MIGRATIONS), isCode('schema'));
  });

  test('a file that is no database is unavailable, and so is a folder that cannot be', (t) => {
    const path = join(temporaryFolder(t), 'x.db');
    writeFileSync(path, 'x'.repeat(5000));
    assert.throws(() => openDatabase(path, RECORD_MIGRATIONS), isCode('unavailable'));
    assert.throws(() => openDatabase(join(path, 'below.db'), RECORD_MIGRATIONS), isCode('unavailable'));
  });

  test('every commit is synchronised to the disk and what is deleted is overwritten', (t) => {
    const { store } = openStore(t, temporaryFolder(t), Buffer.alloc(32, 1));
    for (const database of [store.database, store.keys.database]) {
      assert.equal(database.prepare('PRAGMA synchronous').get()?.['synchronous'], 2);
      assert.equal(database.prepare('PRAGMA secure_delete').get()?.['secure_delete'], 1);
      assert.equal(database.prepare('PRAGMA journal_mode').get()?.['journal_mode'], 'wal');
    }
  });
});

describe('backup', () => {
  test('copies of a running gateway restore elsewhere to the same records', async (t) => {
    const provenance = openProvenance(t);
    const eventId = await record(provenance.recorder);
    const folder = temporaryFolder(t);
    const copies = { records: join(folder, 'records.copy'), keys: join(folder, 'keys.copy') };
    backupRecords(provenance, copies.records);
    backupKeys(provenance, copies.keys);
    await record(provenance.recorder);
    const dataDir = join(folder, 'restored');
    restoreStores({ dataDir, masterKey: provenance.masterKey }, copies);
    const { queries, store } = openStore(t, dataDir, provenance.masterKey);
    assert.equal(queries.count({ newestFirst: false }), 1);
    const sequence = queries.sequenceOf(Buffer.from(eventId, 'base64url'));
    assert.equal(queries.open(sequence ?? 0)?.entities[0]?.id, 'o1');
    assert.equal(store.database.prepare('SELECT count(*) AS count FROM pending').get()?.['count'], 1);
  });

  test('keys of before an erasure open nothing once the records know of it', async (t) => {
    const provenance = openProvenance(t);
    await record(provenance.recorder);
    const folder = temporaryFolder(t);
    const copies = { records: join(folder, 'records.copy'), keys: join(folder, 'keys.copy') };
    backupKeys(provenance, copies.keys);
    const { store } = provenance;
    const tag = store.keys.patientTag('ehr', 'p1');
    store.database
      .prepare('INSERT INTO tombstone (tag, event_id, erased_ms, key_id) VALUES (?, ?, ?, ?)')
      .run(tag, new Uint8Array(16), 1, store.keys.subjectKey(tag)?.keyId ?? null);
    backupRecords(provenance, copies.records);
    const dataDir = join(folder, 'restored');
    restoreStores({ dataDir, masterKey: provenance.masterKey }, copies);
    assert.equal(openStore(t, dataDir, provenance.masterKey).store.keys.subjectKey(tag), undefined);
  });

  test('restores nothing over a store, from damaged copies, or under another master key', async (t) => {
    const provenance = openProvenance(t);
    await record(provenance.recorder);
    const folder = temporaryFolder(t);
    const copies = { records: join(folder, 'records.copy'), keys: join(folder, 'keys.copy') };
    backupRecords(provenance, copies.records);
    backupKeys(provenance, copies.keys);
    assert.throws(() => backupKeys(provenance, copies.keys), isCode('unavailable'));
    assert.throws(
      () => restoreStores({ dataDir: provenance.dataDir, masterKey: provenance.masterKey }, copies),
      isCode('unavailable'),
    );
    const dataDir = join(folder, 'restored');
    assert.throws(() => restoreStores({ dataDir, masterKey: Buffer.alloc(32) }, copies), isCode('key'));
    assert(!existsSync(join(dataDir, RECORD_FILE)) && !existsSync(join(dataDir, KEY_FILE)));
    const damaged = readFileSync(copies.records).fill(0xff, 4096, 9000);
    writeFileSync(copies.records, damaged);
    assert.throws(() => restoreStores({ dataDir, masterKey: provenance.masterKey }, copies), ProvenanceError);
    assert(!existsSync(join(dataDir, RECORD_FILE)));
  });
});

describe('master key', () => {
  test('after a rotation only the new one opens, and everything still does', async (t) => {
    const provenance = openProvenance(t);
    await record(provenance.recorder);
    provenance.store.close();
    const options = { dataDir: provenance.dataDir, masterKey: provenance.masterKey };
    const next = Buffer.alloc(32, 5);
    rotateMasterKey(options, next);
    assert.throws(() => rotateMasterKey(options, next), isCode('key'));
    assert.throws(() => new ProvenanceStore(options), isCode('key'));
    const { queries, close } = openStore(t, provenance.dataDir, next);
    assert.equal(queries.open(1)?.entities[0]?.id, 'o1');
    close();
    rotateMasterKey({ ...options, masterKey: next }, provenance.masterKey);
    assert.equal(openStore(t, provenance.dataDir, provenance.masterKey).queries.open(1)?.entities[0]?.id, 'o1');
  });

  test('is not rotated under a running gateway', (t) => {
    const provenance = openProvenance(t);
    assert.throws(() => rotateMasterKey(provenance, Buffer.alloc(32, 5)), isCode('unavailable'));
  });

  test('no key is saved under a master key that was rotated away', (t) => {
    const path = join(temporaryFolder(t), 'keys.db');
    const [one, other] = [new KeyStore(path, Buffer.alloc(32, 1)), new KeyStore(path, Buffer.alloc(32, 1))];
    t.after(() => one.close());
    t.after(() => other.close());
    other.rotateMasterKey(Buffer.alloc(32, 2));
    one.subjectKeyOrNew(one.patientTag('ehr', 'p1'));
    assert.throws(() => one.saveNewKeys(), isCode('key'));
  });

  test('must have 32 bytes', (t) => {
    const dataDir = temporaryFolder(t);
    assert.throws(() => new ProvenanceStore({ dataDir, masterKey: Buffer.alloc(31) }), isCode('key'));
  });
});

describe('process lock', () => {
  test('a second process is refused, and let in when the first is dead', (t) => {
    const dataDir = temporaryFolder(t);
    const { close } = openStore(t, dataDir, Buffer.alloc(32, 1));
    const script = `
      import { ProcessLock } from ${JSON.stringify(new URL('../../src/provenance/process-lock.ts', import.meta.url).href)};
      try { new ProcessLock(${JSON.stringify(join(dataDir, 'stores.lock'))}, 0); console.log('held'); process.kill(process.pid, 'SIGKILL'); }
      catch (error) { console.log(error.code); }`;
    const run = (): string => {
      try {
        return execFileSync(
          process.execPath,
          ['--disable-warning=ExperimentalWarning', '--input-type=module', '-e', script],
          { encoding: 'utf8' },
        );
      } catch (error) {
        return (error as { stdout: string }).stdout;
      }
    };
    assert.equal(run().trim(), 'unavailable');
    close();
    assert.equal(run().trim(), 'held');
    openStore(t, dataDir, Buffer.alloc(32, 1));
  });
});

describe('seal', () => {
  test('opens under the same key and context only, and not with one bit changed', () => {
    const key = Buffer.alloc(32, 3);
    for (const length of [0, 1, 100, 70_000]) {
      const sealed = seal(key, Buffer.alloc(length, 0x61), 'here');
      assert.equal(Buffer.from(unseal(key, sealed, 'here')).toString(), 'a'.repeat(length));
      assert.throws(() => unseal(key, sealed, 'there'), isCode('corrupt'));
      assert.throws(() => unseal(Buffer.alloc(32), sealed, 'here'), isCode('corrupt'));
      const altered = sealed.slice();
      altered[length + 3] = (altered[length + 3] as number) ^ 1;
      assert.throws(() => unseal(key, altered, 'here'), isCode('corrupt'));
    }
    assert.throws(() => unseal(key, new Uint8Array(5), 'here'), isCode('corrupt'));
  });
});

test('no string that came from outside stands in any file', async (t) => {
  const provenance = openProvenance(t);
  const canaries: string[] = [];
  const canary = (name: string): string => {
    canaries.push(`canary-${name}`);
    return `canary-${name}`;
  };
  const caller = Object.fromEntries(
    ['issuer', 'subject', 'clientId', 'user', 'organisation', 'purpose', 'patient'].map((name) => [name, canary(name)]),
  ) as never;
  const entity = makeEntity({
    upstream: 'ehr',
    type: canary('type'),
    id: canary('id'),
    versionId: canary('version'),
    profiles: [canary('profile')],
    patients: [canary('patient-id')],
    sent: { b1: canary('b1'), f1: canary('f1') },
    stored: { b1: canary('sb1'), f1: canary('sf1') },
    match: canary('match'),
  });
  const intent = {
    requestId: canary('request'),
    caller,
    resourceId: canary('resource-id'),
    resourceType: canary('resource-type'),
    parameters: `name=${canary('parameter')}`,
    patients: [canary('named')],
    entities: [entity],
  };
  const issue = {
    severity: canary('severity'),
    code: canary('code'),
    expression: canary('expression'),
    id: canary('issue'),
  };
  const outcome = {
    entities: [entity],
    issues: [issue],
    ruleSet: canary('rules'),
    packages: [canary('package')],
    engine: canary('engine'),
  };
  await record(provenance.recorder, intent, outcome);
  await provenance.recorder.begin({ ...intent, interaction: 'create', kind: 'received', upstream: 'ehr' });
  assert(canaries.length > 25);
  const bytes = bytesOfFolder(provenance.dataDir);
  assert(bytes.includes('gateway-1') || bytes.includes('disclosed'));
  for (const one of canaries) {
    for (const form of [one, Buffer.from(one).toString('hex'), Buffer.from(one).toString('base64').slice(2, -4)]) {
      assert(!bytes.includes(form), form);
    }
  }
});
