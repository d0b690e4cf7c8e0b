import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { kafkaJars } from '../../src/demo/kafka-jars.ts';
import { root } from '../support/source-files.ts';
import { skipOwnBroker, until } from './broker.ts';

describe('npm run consortium where HAPI FHIR cannot be had', { skip: skipOwnBroker, timeout: 600_000 }, () => {
  const dir = mkdtempSync(join(tmpdir(), 'concordat-consortium-'));
  const dataDir = join(dir, 'data');
  let output = '';
  before(async () => {
    // A home whose cache holds Kafka, and a Maven that gets nothing.
    const cache = join(dir, '.cache', 'concordat');
    mkdirSync(cache, { recursive: true });
    const jars = await kafkaJars();
    symlinkSync(jars, join(cache, jars.split('/').at(-1) ?? ''));
    mkdirSync(join(dir, 'bin'));
    writeFileSync(join(dir, 'bin', 'mvn'), '#!/bin/sh\n[ "$1" = --version ]\n');
    chmodSync(join(dir, 'bin', 'mvn'), 0o755);
  });
  after(() => rmSync(dir, { recursive: true, force: true }));

  function start(...more: string[]): ChildProcess {
    output = '';
    const args = ['--disable-warning=ExperimentalWarning', join(root, 'src', 'cli', 'main.ts'), 'start', '--kafka'];
    const child = spawn(process.execPath, [...args, '--data', dataDir, '--port', '18480', ...more], {
      env: { ...process.env, HOME: dir, PATH: `${join(dir, 'bin')}:${process.env.PATH ?? ''}` },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
    return child;
  }

  /** Command lines of processes that name the folder, brokers and gateways alike. */
  const left = (): string[] =>
    readdirSync('/proc').flatMap((pid) => {
      try {
        const line = readFileSync(join('/proc', pid, 'cmdline'), 'utf8').replaceAll('\0', ' ');
        return /^\d+$/.test(pid) && line.includes(dataDir) ? [line] : [];
      } catch {
        return [];
      }
    });

  test('killed in the middle of its story it leaves no broker, gateway or server', async () => {
    const child = start();
    await until(() => /Exchanging +[1-9]/.test(output), 120_000);
    assert.ok(left().length >= 9, left().join('\n'));
    child.kill('SIGKILL');
    await until(() => left().length === 0, 40_000);
  });

  test('started again on the same folder it tells its story to the end, with the summary of npm start', async () => {
    const file = join(dir, 'summary.json');
    const child = start('--exit', '--json', file);
    const code = await new Promise((resolve) => child.once('exit', resolve));
    assert.equal(code, 0, output);
    assert.match(output, /demo's own FHIR servers stand in/);
    const summary = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>;
    for (const name of [
      'members',
      'origin',
      'genesis',
      'policy',
      'receipt',
      'final',
      'accepted',
      'refused',
      'refusals',
    ])
      assert.ok(name in summary, name);
    assert.ok(Number(summary.accepted) > 20);
    assert.deepEqual(left(), []);
  });
});
