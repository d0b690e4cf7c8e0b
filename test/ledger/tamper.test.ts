import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, describe, test } from 'node:test';
import { DirectoryStorage } from '../../src/ledger/directory-storage.ts';
import { FileTopic } from '../../src/ledger/file-topic.ts';
import { fsckLog, type FsckReport } from '../../src/ledger/fsck.ts';
import { fsckStored } from '../../src/ledger/fsck-stored.ts';
import { SoloLog } from './solo-log.ts';

const BATCHES = 300;

describe('a ledger that was tampered with', () => {
  const dir = mkdtempSync(join(tmpdir(), 'concordat-tamper-'));
  const whole = join(dir, 'whole');
  let genesis: Uint8Array;
  let log: SoloLog;

  before(async () => {
    const storage = new DirectoryStorage(whole);
    log = new SoloLog({ storage, topic: new FileTopic({ path: join(whole, 'topic.db') }) });
    genesis = log.consortium.genesis;
    await log.start();
    for (let i = 0; i < BATCHES; i++) {
      await log.addBatch(1 + (i % 3));
      if (i % 100 === 50) await log.finalise();
    }
    await log.finalise();
    storage.close();
    await log.topic.close();
  });

  after(() => rmSync(dir, { recursive: true, force: true }));

  async function check(folder: string): Promise<FsckReport> {
    const storage = new DirectoryStorage(folder, { readOnly: true });
    const topic = new FileTopic({ path: join(folder, 'topic.db') });
    try {
      await topic.connect();
      return await fsckStored({ storage, genesis, topic });
    } finally {
      await topic.close();
      storage.close();
    }
  }

  async function afterTampering(tamper: (folder: string) => void): Promise<FsckReport> {
    const folder = mkdtempSync(join(dir, 'copy-'));
    cpSync(whole, folder, { recursive: true });
    try {
      tamper(folder);
      return await check(folder);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }

  const sql = (name: string, statement: string) => (folder: string) => {
    const database = new DatabaseSync(join(folder, name));
    database.exec(statement);
    database.close();
  };

  const flip =
    (name: string, position: number, mask = 0x10) =>
    (folder: string) => {
      const path = join(folder, `${name}.bin`);
      const bytes = readFileSync(path);
      bytes[position] = (bytes[position] ?? 0) ^ mask;
      writeFileSync(path, bytes);
    };

  test('untouched, it raises nothing', async () => {
    const report = await check(whole);
    assert.deepEqual(report.findings, []);
    assert.deepEqual(report.refused, []);
    assert.equal(report.events, 600);
    assert.ok(report.size > BATCHES);
  });

  // Row ids are offsets + 1, and every record is a leaf.
  const topicCases: [string, string, number][] = [
    [
      'flipped record',
      `UPDATE records SET value = substr(value, 1, 300) || x'00' || substr(value, 302) WHERE id = 41`,
      40,
    ],
    ['dropped record', 'DELETE FROM records WHERE id = 41', 40],
    ['record put twice', `UPDATE records SET value = (SELECT value FROM records WHERE id = 41) WHERE id = 42`, 41],
    [
      'swapped records',
      `CREATE TEMP TABLE held AS SELECT value FROM records WHERE id = 41;
       UPDATE records SET value = (SELECT value FROM records WHERE id = 42) WHERE id = 41;
       UPDATE records SET value = (SELECT value FROM held) WHERE id = 42`,
      40,
    ],
    ['truncated record', 'UPDATE records SET value = substr(value, 1, 200) WHERE id = 41', 40],
    ['truncated topic', 'DELETE FROM records WHERE id > 100', 100],
  ];
  for (const [name, statement, leafIndex] of topicCases) {
    test(`topic: ${name} shows at leaf ${String(leafIndex)}`, async () => {
      const [first] = (await afterTampering(sql('topic.db', statement))).findings;
      assert.deepEqual([first?.fault, first?.leafIndex], ['topic', leafIndex]);
    });
  }

  const fileCases: [string, (folder: string) => void, string, number][] = [
    ['flipped tile hash', flip('hashes-0', 32 * 77 + 5), 'tile', 77],
    ['flipped hash of a full tile', flip('hashes-1', 3), 'tile', 0],
    ['flipped entry', flip('entries', 65 * 123 + 30), 'tile', 123],
    ['flipped length of an entry', flip('entries', 65 * 10 + 1), 'entry', 0],
    ['flipped verdict', flip('leaves', 80 * 56 + 1, 8), 'verdict', 56],
    ['flipped place of a header', flip('leaves', 80 * 60 + 23), 'header', 60],
  ];
  for (const [name, tamper, fault, leafIndex] of fileCases) {
    test(`replica: ${name} shows as ${fault} at leaf ${String(leafIndex)}`, async () => {
      const [first] = (await afterTampering(tamper)).findings;
      assert.deepEqual([first?.fault, first?.leafIndex], [fault, leafIndex]);
    });
  }

  for (const name of ['headers', 'bodies-1', 'bodies-0']) {
    test(`replica: any flipped byte of ${name} shows`, async () => {
      const { length } = readFileSync(join(whole, `${name}.bin`));
      for (const position of [0, Math.floor(length / 2), length - 1]) {
        const { findings } = await afterTampering(flip(name, position));
        assert.ok(findings.length > 0, `byte ${String(position)} of ${String(length)}`);
      }
    });
  }

  for (const name of ['entries', 'hashes-0', 'leaves', 'headers', 'bodies-1']) {
    test(`replica: a truncated ${name} shows`, async () => {
      const { findings } = await afterTampering((folder) => {
        const path = join(folder, `${name}.bin`);
        truncateSync(path, readFileSync(path).length - 10);
      });
      assert.equal(findings[0]?.fault, 'state');
    });
  }

  test('replica: a final checkpoint in another’s place, or with another root, shows', async () => {
    const swapped = `UPDATE state SET value = (SELECT value FROM state WHERE key LIKE 'final/%' ORDER BY key DESC LIMIT 1)
      WHERE key = (SELECT key FROM state WHERE key LIKE 'final/%' ORDER BY key LIMIT 1)`;
    assert.equal((await afterTampering(sql('replica.db', swapped))).findings[0]?.fault, 'final');
    const altered = `UPDATE state SET value = CAST(replace(CAST(value AS TEXT), char(10), char(10) || 'x') AS BLOB)
      WHERE key = (SELECT key FROM state WHERE key LIKE 'final/%' ORDER BY key LIMIT 1)`;
    assert.equal((await afterTampering(sql('replica.db', altered))).findings[0]?.fault, 'final');
  });

  test('what a member serves: each altered answer shows, with its leaf', async () => {
    const storage = new DirectoryStorage(whole, { readOnly: true });
    try {
      const view = new SoloLog({ storage }).view;
      const source = {
        checkpoint: () => view.checkpoint(),
        tile: (level: number, index: number, width?: number) => view.tile(level, index, width),
        entryBundle: (index: number, width?: number) => view.entryBundle(index, width),
        blob: (hash: Uint8Array) => view.blob(hash),
      };
      assert.deepEqual((await fsckLog({ source, genesis })).findings, []);
      const altered = (bytes: Uint8Array | undefined, position: number) => {
        const copy = bytes?.slice();
        if (copy !== undefined) copy[position] = (copy[position] ?? 0) ^ 1;
        return copy;
      };
      const tile = await fsckLog({
        source: {
          ...source,
          tile: (level, index, width) =>
            index === 1 ? altered(view.tile(level, index, width), 40) : view.tile(level, index, width),
        },
        genesis,
      });
      assert.deepEqual([tile.findings[0]?.fault, tile.findings[0]?.leafIndex], ['tile', 257]);
      const checkpoint = await fsckLog({
        source: { ...source, checkpoint: () => altered(view.checkpoint(), 60) },
        genesis,
      });
      assert.ok(checkpoint.findings.length > 0);
      const silent = await fsckLog({ source: { ...source, checkpoint: () => undefined }, genesis });
      assert.equal(silent.findings[0]?.fault, 'checkpoint');
    } finally {
      storage.close();
    }
  });

  test('a second process that wants to write is refused, one that reads is not', () => {
    const storage = new DirectoryStorage(whole);
    try {
      assert.throws(() => new DirectoryStorage(whole), { code: 'configuration' });
      new DirectoryStorage(whole, { readOnly: true }).close();
    } finally {
      storage.close();
    }
  });
});
