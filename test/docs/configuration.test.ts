import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { configurationTable } from '../../scripts/configuration-table.ts';

const file = new URL('../../docs/configuration.md', import.meta.url);

test('docs/configuration.md lists every setting as the schema has it (UPDATE=1 writes it)', () => {
  const text = readFileSync(file, 'utf8');
  const start = text.indexOf('<!-- table');
  const before = text.slice(0, text.indexOf('\n', start) + 1);
  const wanted = `${before}${configurationTable()}\n`;
  if (process.env['UPDATE'] === '1') writeFileSync(file, wanted);
  assert.equal(readFileSync(file, 'utf8'), wanted);
});
