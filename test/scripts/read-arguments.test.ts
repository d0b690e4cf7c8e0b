import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { root } from '../support/source-files.ts';

const cwd = mkdtempSync(join(tmpdir(), 'concordat-arguments-'));
after(() => rmSync(cwd, { recursive: true, force: true }));

function run(program: string, args: readonly string[]): { code: number | null; stdout: string; stderr: string } {
  const flags = ['--disable-warning=ExperimentalWarning', join(root, program)];
  const { status, stdout, stderr } = spawnSync(process.execPath, [...flags, ...args], {
    cwd,
    encoding: 'utf8',
    timeout: 30_000,
  });
  return { code: status, stdout, stderr };
}

const wrong: [string, string[]][] = [
  ['scripts/bench-ledger.ts', ['--events', 'abc']],
  ['scripts/bench-ledger.ts', ['--events', '0']],
  ['scripts/bench-ledger.ts', ['--events', '-5']],
  ['scripts/bench-ledger.ts', ['--events']],
  ['scripts/bench-ledger.ts', ['--growth', '10,x']],
  ['scripts/bench-ledger.ts', ['--only', 'seal,nothing']],
  ['scripts/bench-ledger.ts', ['--unknown']],
  ['scripts/bench-ledger.ts', ['word']],
  ['scripts/bench-ledger.ts', ['--json', '/absent/rows.json']],
  ['scripts/bench-ledger.ts', ['--json', '.']],
  ['scripts/bench.ts', ['--rounds', 'many']],
  ['scripts/bench.ts', ['--unknown']],
  ['scripts/browser-verifier.ts', []],
  ['scripts/browser-verifier.ts', ['--unknown']],
  ['scripts/browser-verifier.ts', ['one', 'two']],
  ['test/ledger/interleavings/run.ts', ['--runs', '0']],
  ['test/ledger/interleavings/run.ts', ['--unknown']],
];

describe('a script with arguments that cannot be', () => {
  for (const [program, args] of wrong) {
    test(`${program} ${args.join(' ')} ends with 2, the usage and no stack, before any work`, () => {
      const { code, stdout, stderr } = run(program, args);
      assert.equal(code, 2, stderr);
      assert.match(stderr, /^usage: npm run /m);
      assert.doesNotMatch(stderr, /\n\s+at /);
      assert.equal(stdout, '');
      for (const word of ['--unknown', 'one', 'two']) assert.ok(!existsSync(join(cwd, word)));
    });
  }

  test('asked for help, a bench prints its usage and ends with 0', () => {
    const { code, stdout } = run('scripts/bench-ledger.ts', ['--help']);
    assert.equal(code, 0);
    assert.match(stdout, /^usage: npm run bench:ledger /m);
  });
});
