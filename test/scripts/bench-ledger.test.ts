import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';

const PROGRAM = join(import.meta.dirname, '../../scripts/bench-ledger.ts');

interface Row {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  readonly baseline?: { readonly name: string; readonly value: number };
  readonly ratio?: number;
}

test('without Java the bench of the ledger says that its topic is a file, writes its rows, and leaves nothing behind', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'concordat-test-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const file = join(dir, 'rows.json');
  const args = [PROGRAM, '--events', '2000', '--only', 'seal,replicate', '--json', file];
  // No programs but Node itself, and a folder for temporary files of its own.
  const env = { PATH: '', TMPDIR: dir };
  const flags = ['--disable-warning=ExperimentalWarning'];
  const { stdout } = await promisify(execFile)(process.execPath, [...flags, ...args], { env });
  assert.match(stdout, /^topics: files, not Kafka/m);
  const rows = JSON.parse(readFileSync(file, 'utf8')) as Row[];
  const names = ['seal', 'seal durably', 'replicate + verify + store', 'prove', 'check proof'];
  for (const name of [...names, 'bytes on the wire', 'bytes on disk', 'resident memory']) {
    const row = rows.find((found) => found.name === name);
    assert.ok(row !== undefined && row.value > 0, name);
  }
  for (const { baseline, ratio, value } of rows)
    if (baseline !== undefined) assert.ok(Math.abs((ratio ?? 0) - value / baseline.value) < 0.001);
  assert.match(rows.find(({ name }) => name.startsWith('replicate'))?.baseline?.name ?? '', /a file$/);
  assert.deepEqual(readdirSync(dir), ['rows.json']);
});
