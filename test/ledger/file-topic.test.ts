import assert from 'node:assert/strict';
import { mkdtempSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, test } from 'node:test';
import { sha256 } from '../../src/hash.ts';
import { FileTopic } from '../../src/ledger/file-topic.ts';
import { TransportError, type TransportCode } from '../../src/ledger/transport.ts';
import { topicContract } from './topic-contract.ts';

function folder(): string {
  return mkdtempSync(join(tmpdir(), 'concordat-file-topic-'));
}

topicContract('file-topic', async () => {
  const dir = folder();
  return {
    client: () => new FileTopic({ path: join(dir, 'topic.db') }),
    trim: async (offset) => {
      const database = new DatabaseSync(join(dir, 'topic.db'));
      database.prepare('DELETE FROM records WHERE id <= ?').run(offset);
      database.close();
    },
    cleanup: async () => rmSync(dir, { recursive: true, force: true }),
  };
});

test('a file topic that keeps only its last records says that what is before them is trimmed', async () => {
  const dir = folder();
  const topic = new FileTopic({ path: join(dir, 'topic.db'), keepRecords: 100 });
  try {
    await topic.connect();
    for (let i = 0; i < 1_000; i++) await topic.append(Uint8Array.of(i & 255));
    const { startOffset, endOffset } = await topic.read({ fromOffset: 999n, maximumBytes: 1, waitMs: 0 });
    assert.equal(endOffset, 1_000n);
    assert.ok(startOffset > 500n && startOffset <= 900n, String(startOffset));
    const read = topic.read({ fromOffset: 0n, maximumBytes: 1, waitMs: 0 });
    await assert.rejects(read, { code: 'trimmed', offset: startOffset });
  } finally {
    await topic.close();
    rmSync(dir, { recursive: true, force: true });
  }
});

describe('a file topic that was tampered with', () => {
  const bytes = (value: string): Uint8Array => new TextEncoder().encode(value);

  async function afterSql(sql: string, code: TransportCode, offset: bigint): Promise<void> {
    const dir = folder();
    const topic = new FileTopic({ path: join(dir, 'topic.db') });
    try {
      await topic.connect();
      for (const value of ['a', 'b', 'c', 'd']) await topic.append(bytes(value));
      const vandal = new DatabaseSync(join(dir, 'topic.db'));
      vandal.exec(sql);
      vandal.close();
      const anchor = { offset: 2n, hash: sha256(bytes('c')) };
      const reading =
        code === 'anchor-mismatch' || sql.includes('id > 2')
          ? topic.read({ fromOffset: 3n, maximumBytes: 1000, waitMs: 0, anchor })
          : topic.read({ fromOffset: 0n, maximumBytes: 1000, waitMs: 0 });
      await assert.rejects(
        reading,
        (error: unknown) => error instanceof TransportError && error.code === code && error.offset === offset,
      );
    } finally {
      await topic.close();
      rmSync(dir, { recursive: true, force: true });
    }
  }

  test('a removed record is a gap at its offset', () => afterSql('DELETE FROM records WHERE id = 2', 'gap', 1n));
  test('a removed beginning is trimmed', () => afterSql('DELETE FROM records WHERE id < 3', 'trimmed', 2n));
  test('a removed tail is truncated', () => afterSql('DELETE FROM records WHERE id > 2', 'truncated', 2n));
  test('an altered anchor is anchor-mismatch', () =>
    afterSql(`UPDATE records SET value = x'00' WHERE id = 3`, 'anchor-mismatch', 2n));
  test('a record that is no longer bytes is corrupt', () =>
    afterSql(`UPDATE records SET value = 'text' WHERE id = 3`, 'corrupt', 2n));

  test('a replaced file is told apart as topic-missing', async () => {
    const dir = folder();
    const path = join(dir, 'topic.db');
    const topic = new FileTopic({ path });
    try {
      await topic.connect();
      await topic.append(bytes('a'));
      renameSync(path, `${path}.old`);
      await assert.rejects(
        topic.append(bytes('b')),
        (error: unknown) => error instanceof TransportError && error.code === 'topic-missing',
      );
    } finally {
      await topic.close();
      rmSync(dir, { recursive: true, force: true });
    }
  });
});
