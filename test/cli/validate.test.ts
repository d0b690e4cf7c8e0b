import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { profile, temporaryFolder, writePackage } from '../support/fhir-package.ts';
import { runCli } from '../support/run-cli.ts';
import type { CliResult } from '../support/run-cli.ts';

interface Line {
  readonly file: string | null;
  readonly line: number | null;
  readonly id: string | null;
  readonly valid: boolean;
  readonly issues: readonly {
    readonly severity: string;
    readonly id: string;
    readonly expression: string | null;
    readonly line: number | null;
  }[];
}

const patient = '{"resourceType":"Patient","id":"a"}';
const wrong = '{"resourceType":"Patient","id":"b","active":"yes"}';
const main = new URL('../../src/cli/main.ts', import.meta.url).pathname;

function lines(result: CliResult): Line[] {
  return result.stdout
    .split('\n')
    .filter((text) => text !== '')
    .map((text) => JSON.parse(text) as Line);
}

function withInput(args: readonly string[], input: Uint8Array | string): Promise<CliResult> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', main, ...args]);
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => err.push(chunk));
    child.on('close', (code) =>
      resolve({ code: code ?? -1, stdout: Buffer.concat(out).toString(), stderr: Buffer.concat(err).toString() }),
    );
    child.stdin.end(input);
  });
}

function fileOf(name: string, content: string | Uint8Array): string {
  const path = join(temporaryFolder(), name);
  writeFileSync(path, content);
  return path;
}

describe('concordat validate', { concurrency: 2 }, () => {
  test('exits 0 for what is valid, 1 for what is not', async () => {
    assert.equal((await runCli(['validate', fileOf('a.json', patient)])).code, 0);
    const refused = await runCli(['validate', fileOf('b.json', wrong)]);
    assert.equal(refused.code, 1);
    assert.match(refused.stdout, /b\.json:1:\d+: error /);
  });

  test('answers each NDJSON line with one line, in order, whatever is on it', async () => {
    const input = `\uFEFF${patient}\r\n\r\n[]\n{broken\n"text"\n${'['.repeat(10_000)}\n${wrong}\n`;
    const result = await withInput(['validate', '--input', 'ndjson', '--format', 'ndjson'], input);
    assert.equal(result.code, 1);
    const found = lines(result);
    assert.deepEqual(
      found.map(({ file, line, id, valid }) => [file, line, id, valid]),
      [
        [null, 1, 'a', true],
        [null, 2, null, false],
        [null, 3, null, false],
        [null, 4, null, false],
        [null, 5, null, false],
        [null, 6, null, false],
        [null, 7, 'b', false],
      ],
    );
    for (const { issues } of found.slice(1, 6))
      assert.deepEqual(
        issues.map(({ severity }) => severity),
        ['fatal'],
      );
    for (const { issues } of found)
      for (const issue of issues)
        assert.deepEqual(Object.keys(issue), ['severity', 'id', 'expression', 'line', 'column', 'profile', 'text']);
    assert.equal(found[6]?.issues[0]?.line, 7);
  });

  test('a last line without a newline counts, a newline at the end is no line, and nothing is nothing', async () => {
    assert.equal(
      lines(await withInput(['validate', '--input', 'ndjson', '--format', 'ndjson'], `${patient}\n${patient}`)).length,
      2,
    );
    const empty = await withInput(['validate', '--input', 'ndjson', '--format', 'ndjson'], '');
    assert.deepEqual([empty.code, empty.stdout], [0, '']);
  });

  test('reads folders, NDJSON by name, and gzip', async () => {
    const folder = temporaryFolder();
    mkdirSync(join(folder, 'below'));
    writeFileSync(join(folder, 'below', 'a.json'), patient);
    writeFileSync(join(folder, 'b.ndjson.gz'), gzipSync(`${patient}\n${wrong}\n`));
    writeFileSync(join(folder, 'c.json.gz'), gzipSync(patient));
    writeFileSync(join(folder, 'notes.txt'), 'not read');
    const found = lines(await runCli(['validate', folder, '--format', 'ndjson']));
    assert.deepEqual(
      found.map(({ line, valid }) => [line, valid]),
      [
        [1, true],
        [2, false],
        [null, true],
        [null, true],
      ],
    );
  });

  test('exits 2 for what cannot be read, and says so on standard error only', async () => {
    const cut = gzipSync(`${patient}\n`.repeat(1000)).subarray(0, 60);
    for (const args of [
      ['validate'],
      ['validate', '--bogus'],
      ['validate', join(temporaryFolder(), 'gone.json')],
      ['validate', fileOf('cut.ndjson.gz', cut), '--format', 'ndjson'],
      ['validate', fileOf('a.json', patient), '--package', 'nowhere#1.0.0'],
      ['validate', fileOf('a.json', patient), '--profile', 'http://example.org/nowhere'],
      ['validate', fileOf('a.json', patient), '--rules', fileOf('r.yaml', 'name: x\nrules: 1')],
      [
        'validate',
        fileOf('a.json', patient),
        '--rules',
        fileOf('r.yaml', "name: x\nrules:\n  - { name: y, mode: reject, required: ['http://example.org/nowhere'] }"),
      ],
    ]) {
      const result = await runCli(args);
      assert.equal(result.code, 2, args.join(' '));
      assert.notEqual(result.stderr, '');
    }
  });

  test('reads the other files when one cannot be read', async () => {
    const result = await runCli(['validate', 'gone.json', fileOf('a.json', patient), '--format', 'ndjson']);
    assert.equal(result.code, 2);
    assert.equal(lines(result).length, 1);
  });

  test('holds resources against a profile of a package, and names what is left out', async () => {
    const folder = temporaryFolder();
    const named = profile('named', [{ path: 'Patient.name', min: 1 }]);
    writePackage(folder, { id: 'own', version: '1.0.0', dependencies: { gone: '1.0.0' }, resources: [named] });
    const args = [
      'validate',
      fileOf('a.json', patient),
      '--packages-dir',
      folder,
      '--package',
      'own#1.0.0',
      '--profile',
      named.url,
    ];
    const result = await runCli([...args, '--format', 'ndjson']);
    assert.equal(result.code, 1);
    assert.deepEqual(
      lines(result)[0]?.issues.map(({ id }) => id),
      ['cardinality-minimum'],
    );
    assert.match(result.stderr, /gone#1\.0\.0/);
  });

  test('does what a rule set says, by direction', async () => {
    const rules = fileOf(
      'r.yaml',
      "name: x\ndefault: { push: reject, pull: off }\nrules:\n  - { name: y, direction: push, types: [Patient], mode: reject, requireDeclared: true, required: ['http://hl7.org/fhir/StructureDefinition/Patient'] }",
    );
    const file = fileOf('a.json', wrong);
    const pushed = lines(await runCli(['validate', file, '--rules', rules, '--format', 'ndjson']));
    assert.ok(pushed[0]?.issues.some(({ id }) => id === 'profile-not-declared'));
    assert.equal((await runCli(['validate', file, '--rules', rules, '--direction', 'pull'])).code, 0);
  });

  test('--fail-on warning exits 1 for a warning', async () => {
    const undeclared = fileOf('a.json', '{"resourceType":"Patient","meta":{"profile":["http://example.org/nowhere"]}}');
    assert.equal((await runCli(['validate', undeclared])).code, 0);
    assert.equal((await runCli(['validate', undeclared, '--fail-on', 'warning'])).code, 1);
  });

  test('--no-rest-references stops believing the type in a reference', async () => {
    const file = fileOf('a.json', '{"resourceType":"Patient","managingOrganization":{"reference":"Patient/1"}}');
    assert.equal((await runCli(['validate', file])).code, 1);
    assert.equal((await runCli(['validate', file, '--no-rest-references'])).code, 0);
  });

  test('each format is what its readers expect', async () => {
    const file = fileOf('a.json', wrong);
    const output = async (format: string, ...files: string[]): Promise<string> =>
      (await runCli(['validate', file, ...files, '--format', format])).stdout;
    assert.equal((JSON.parse(await output('json')) as unknown[]).length, 1);
    assert.equal((JSON.parse(await output('outcome')) as { resourceType: string }).resourceType, 'OperationOutcome');
    assert.equal((JSON.parse(await output('outcome', file)) as { entry: unknown[] }).entry.length, 2);
    const sarif = JSON.parse(await output('sarif')) as {
      version: string;
      runs: { results: { partialFingerprints: object }[] }[];
    };
    assert.equal(sarif.version, '2.1.0');
    assert.deepEqual(Object.keys(sarif.runs[0]?.results[0]?.partialFingerprints ?? {}), ['concordat/v1']);
    assert.match(await output('junit'), /^<\?xml [^>]*>\n<testsuites tests="1" failures="1">/);
  });
});
