import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { errorCodes } from '../support/error-codes.ts';

const text = readFileSync(new URL('../../docs/errors.md', import.meta.url), 'utf8');

/** Codes in the first column of the tables below a heading that names the class. */
function documented(name: string): string[] {
  const section = text.split(/^### /m).find((part) => new RegExp(`\\b${name}\\b`).test(part.split('\n', 1)[0] ?? ''));
  const rows = (section ?? '').split('\n').filter((line) => /^\| `/.test(line));
  return rows.flatMap((row) => [...(row.split('|')[1] ?? '').matchAll(/`([^`]+)`/g)].map((match) => match[1] ?? ''));
}

test('docs/errors.md names every code of every error class', () => {
  const codes = errorCodes();
  assert.ok(codes.size > 10);
  const missing = [...codes].flatMap(([name, list]) => {
    const found = documented(name);
    return list.filter((code) => !found.includes(code)).map((code) => `${name} ${code}`);
  });
  assert.deepEqual(missing, []);
});

test('docs/errors.md names no code that no class has', () => {
  const codes = errorCodes();
  const headings = text.split('\n').filter((line) => line.startsWith('### '));
  const extra = headings.flatMap((heading) => {
    const classes = [...heading.matchAll(/\w+Error\b/g)].map((match) => match[0]);
    const known = classes.flatMap((name) => codes.get(name) ?? assert.fail(`no such class: ${name}`));
    return documented(classes[0] ?? '').filter((code) => !known.includes(code));
  });
  assert.deepEqual(extra, []);
});
