import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '..', 'vectors');

/** Path inside `test/vectors`; fails where the folder or file is missing. */
export function vectorPath(...names: readonly string[]): string {
  return join(ROOT, ...names);
}

/** Names in a vector folder, sorted. An empty folder fails the test that asks. */
export function vectorNames(...names: readonly string[]): readonly string[] {
  const found = readdirSync(vectorPath(...names)).filter((name) => !name.startsWith('README'));
  assert.notEqual(found.length, 0, `no vectors in ${names.join('/')}`);
  return found.sort();
}

export function readVector(...names: readonly string[]): Uint8Array {
  return new Uint8Array(readFileSync(vectorPath(...names)));
}

/** A JSON file of cases; an empty array fails the test that asks. The caller names the shape that the file's README gives. */
export function readVectorJson<T>(...names: readonly string[]): T {
  const parsed = JSON.parse(readFileSync(vectorPath(...names), 'utf8')) as T;
  assert.ok(!Array.isArray(parsed) || parsed.length > 0, `no cases in ${names.join('/')}`);
  return parsed;
}
