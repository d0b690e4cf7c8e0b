import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { sourceFiles, type SourceFile } from './support/source-files.ts';

/** The folder that a file of `src` counts to in the tables of docs/architecture.md. */
function folderOf(path: string): string {
  const parts = path.split('/').slice(1);
  if (parts.length === 1) return (parts[0] ?? '').replace(/\.ts$/, '');
  return parts[0] === 'ledger' && parts[1] === 'merkle' ? 'ledger/merkle' : (parts[0] ?? '');
}

const LOWER = ['errors', 'hash', 'fhir', 'ledger/merkle', 'ledger', 'validation', 'provenance', 'compliance'];
const EVERYTHING = [...LOWER, 'config', 'gateway', 'cli', 'demo', 'main'];
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  errors: [],
  hash: ['errors'],
  config: ['errors'],
  fhir: ['errors'],
  'ledger/merkle': ['hash', 'errors'],
  ledger: ['ledger/merkle', 'hash', 'errors'],
  validation: ['fhir', 'hash', 'errors'],
  provenance: ['fhir', 'ledger', 'ledger/merkle', 'hash', 'errors'],
  compliance: ['fhir', 'provenance', 'ledger', 'ledger/merkle', 'hash', 'errors'],
  gateway: LOWER,
  cli: EVERYTHING,
  demo: EVERYTHING,
  main: EVERYTHING,
};

/** Packages with few owners, each with the places that may import it. */
const SOLE_USERS: readonly (readonly [RegExp, RegExp])[] = [
  [/^@noble\//, /^src\/hash\.ts$/],
  [/^(zod|yaml)(\/|$)/, /^src\/config\//],
  [/^kafkajs(\/|$)/, /^src\/ledger\/kafka-topic\.ts$/],
  [/^(fhirpath|@lhncbc\/ucum-lhc)(\/|$)/, /^src\/validation\//],
  [/^(express|jose|undici)(\/|$)/, /^src\/gateway\//],
  [/^commander(\/|$)/, /^src\/(cli\/|demo\/|main\.ts$)/],
  [/^@medplum\/fhir-router(\/|$)/, /^src\/demo\//],
];

const files = sourceFiles('src');
const tests = sourceFiles('test').filter((file) => !/^test\/(vectors|fixtures)\//.test(file.path));
const scripts = sourceFiles('scripts');
const inside = (file: SourceFile): string[] => file.imports.filter((name) => name.startsWith('src/'));

describe('the house', () => {
  test('imports only go down the table', () => {
    const wrong = files.flatMap((file) =>
      inside(file)
        .filter((target) => {
          const [from, to] = [folderOf(file.path), folderOf(target)];
          return from !== to && !(MAY_IMPORT[from] ?? []).includes(to);
        })
        .map((target) => `${file.path} imports ${target}`),
    );
    assert.deepEqual(wrong, []);
  });

  test('every folder of src stands in the table', () => {
    assert.deepEqual(
      [...new Set(files.map((file) => folderOf(file.path)))].filter((folder) => !(folder in MAY_IMPORT)),
      [],
    );
  });

  test('imports form no cycle', () => {
    const graph = new Map(files.map((file) => [file.path, runtimeImports(file)]));
    assert.deepEqual(findCycle(graph), undefined);
  });

  test('packages with one owner are imported by it alone', () => {
    const wrong = files.flatMap((file) =>
      file.imports
        .filter((name) => SOLE_USERS.some(([packages, owner]) => packages.test(name) && !owner.test(file.path)))
        .map((name) => `${file.path} imports ${name}`),
    );
    assert.deepEqual(wrong, []);
  });

  test('only configuration reads the environment', () => {
    assert.deepEqual(
      paths(files.filter((file) => !file.path.startsWith('src/config/') && /process\.env\b/.test(file.text))),
      [],
    );
  });

  test('no file is longer than 400 lines, no test longer than 600', () => {
    assert.deepEqual(paths([...files, ...scripts].filter((file) => file.lines > 400)), []);
    assert.deepEqual(paths(tests.filter((file) => file.lines > 600)), []);
  });

  test('no file is a barrel or named for what it is not', () => {
    assert.deepEqual(
      paths(files.filter((file) => /(^|\/)(index|utils?|helpers?|common|misc)\.ts$|manager|helper/i.test(file.path))),
      [],
    );
    assert.deepEqual(paths(files.filter((file) => /(^|\n)export \* from /.test(file.text))), []);
  });

  test('no module keeps state that changes', () => {
    assert.deepEqual(paths(files.filter((file) => /(^|\n)(export )?let /.test(file.text))), []);
  });

  test('types are not silenced and work is not put off', () => {
    const banned = /@ts-ignore|@ts-expect-error|@ts-nocheck|\bas any\b|: any\b|\bTODO\b|\bFIXME\b/;
    assert.deepEqual(paths([...files, ...scripts].filter((file) => banned.test(file.text))), []);
    assert.deepEqual(paths(tests.filter((file) => /\b(test|it|describe)\.(only|todo)\(/.test(file.text))), []);
  });

  test('every file of src is used', () => {
    const used = new Set([...files, ...scripts].flatMap((file) => file.imports));
    // The in-memory implementations stand beside the durable ones, and only tests use them.
    const roots = /^src\/(main\.ts|cli\/main\.ts)$|-process\.ts$|\.d\.ts$|\/memory-[a-z-]+\.ts$/;
    const unused = files.filter((file) => !used.has(file.path) && !roots.test(file.path));
    const spawned = unused.filter(
      (file) => ![...files, ...scripts].some((other) => other.text.includes(`${file.path.split('/').at(-1)}'`)),
    );
    assert.deepEqual(paths(spawned), []);
  });
});

function paths(found: readonly SourceFile[]): string[] {
  return found.map((file) => `${file.path} (${file.lines})`);
}

/** Imports that exist at run time: `import type` leaves nothing behind. */
function runtimeImports(file: SourceFile): string[] {
  const typeOnly = new Set(
    [...file.text.matchAll(/(?:^|\n)import type [^'";]*?from\s*['"]\.{1,2}\/([^'"]+)['"]/g)].map((match) =>
      match[1]?.split('/').at(-1),
    ),
  );
  return inside(file).filter((target) => !typeOnly.has(target.split('/').at(-1)));
}

function findCycle(graph: ReadonlyMap<string, readonly string[]>): string[] | undefined {
  const done = new Set<string>();
  const visit = (path: string, trail: readonly string[]): string[] | undefined => {
    if (trail.includes(path)) return [...trail.slice(trail.indexOf(path)), path];
    if (done.has(path)) return undefined;
    for (const next of graph.get(path) ?? []) {
      const cycle = visit(next, [...trail, path]);
      if (cycle !== undefined) return cycle;
    }
    done.add(path);
    return undefined;
  };
  for (const path of graph.keys()) {
    const cycle = visit(path, []);
    if (cycle !== undefined) return cycle;
  }
  return undefined;
}
