import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { configJsonSchema } from '../../src/config/json-schema.ts';

const published = new URL('../../docs/config.schema.json', import.meta.url);

test('docs/config.schema.json is the schema in force (UPDATE=1 writes it)', () => {
  const text = `${JSON.stringify(configJsonSchema(), null, 2)}\n`;
  if (process.env['UPDATE'] === '1') writeFileSync(published, text);
  assert.deepEqual(JSON.parse(readFileSync(published, 'utf8')), JSON.parse(text));
});
