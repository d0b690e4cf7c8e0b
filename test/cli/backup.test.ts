import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { foundConsortium } from '../../src/cli/consortium.ts';
import { ProvenanceStore } from '../../src/provenance/provenance-store.ts';
import { runCli } from '../support/run-cli.ts';

const folder = mkdtempSync(join(tmpdir(), 'concordat-backup-'));
after(() => rmSync(folder, { recursive: true, force: true }));
const root = fileURLToPath(new URL('../..', import.meta.url));
const random = (length: number) => new Uint8Array(randomBytes(length));
const file = join(folder, 'gateway.yaml');
const consortium = join(folder, 'consortium');
const masterKeyFile = join(consortium, 'a', 'master.key');

function writeConfig(dataDir: string, masterKey = masterKeyFile): void {
  const key = (kind: string) => ({ file: join(consortium, 'a', `${kind}.key`) });
  const config = {
    member: 'a',
    writer: 'a-1',
    dataDir: join(folder, dataDir),
    upstreams: { ehr: { url: 'http://127.0.0.1:9/fhir' } },
    auth: { mode: 'open' },
    validation: { packagesDir: join(root, 'profiles'), rules: join(root, 'profiles/rules/base.yaml') },
    provenance: { masterKey: { file: masterKey } },
    ledger: {
      genesis: join(consortium, 'genesis.json'),
      keys: { batch: key('batch'), origin: key('origin'), cosigner: key('cosigner'), agreement: key('agreement') },
      topic: { kind: 'file', path: join(folder, 'topic.db') },
      cosignatureTopic: { kind: 'file', path: join(folder, 'cosignatures.db') },
    },
  };
  writeFileSync(file, JSON.stringify(config));
}

const readKey = (path: string) => new Uint8Array(Buffer.from(readFileSync(path, 'utf8'), 'base64'));
const openStore = (dataDir: string, keyFile = masterKeyFile) =>
  new ProvenanceStore({ dataDir: join(folder, dataDir, 'provenance'), masterKey: readKey(keyFile) });

describe('backup, restore and rotate-master-key', () => {
  const own = { key: new Uint8Array() };
  before(() => {
    foundConsortium({ origin: 'log.example/c', members: ['a'], ruleSet: '0'.repeat(64), outDir: consortium, random });
    const store = openStore('data');
    own.key = store.keys.storeKey.slice();
    store.close();
  });

  test('a restored copy opens with what it held', async () => {
    writeConfig('data');
    const out = join(folder, 'copy');
    assert.equal((await runCli(['backup', '--config', file, '--out', out])).code, 0);
    assert.equal((await runCli(['backup', '--config', file, '--out', out])).code, 2, 'a copy is not overwritten');
    assert.equal(statSync(out).mode & 0o077, 0);
    writeConfig('restored');
    assert.equal((await runCli(['restore', '--config', file, '--from', out])).code, 0);
    assert.equal((await runCli(['restore', '--config', file, '--from', out])).code, 2, 'a store is not overwritten');
    const store = openStore('restored');
    assert.deepEqual(store.keys.storeKey.slice(), own.key);
    store.close();
  });

  test('a restore with another master key leaves nothing behind', async () => {
    const other = join(folder, 'other.key');
    writeFileSync(other, Buffer.from(random(32)).toString('base64'));
    writeConfig('refused', other);
    assert.equal((await runCli(['restore', '--config', file, '--from', join(folder, 'copy')])).code, 2);
    assert.ok(!existsSync(join(folder, 'refused', 'provenance', 'records.db')));
  });

  test('after a rotation the new master key opens the store and the old one does not', async () => {
    writeConfig('data');
    const next = join(folder, 'next.key');
    assert.equal((await runCli(['keygen', '--kind', 'master', '--member', 'a', '--out', next])).code, 0);
    const running = openStore('data');
    assert.equal(
      (await runCli(['rotate-master-key', '--config', file, '--new-key', next])).code,
      2,
      'refused while it runs',
    );
    running.close();
    assert.equal((await runCli(['rotate-master-key', '--config', file, '--new-key', next])).code, 0);
    assert.throws(() => openStore('data'), { code: 'key' });
    const store = openStore('data', next);
    assert.deepEqual(store.keys.storeKey.slice(), own.key);
    store.close();
  });
});
