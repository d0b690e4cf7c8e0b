import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/**
 * `npm test`: every `*.test.ts` below `test/`, three files at a time because most of them wait more than they compute; or only those given as arguments, two at a time.
 * What is skipped is listed by name at the end; the exit code is the runner's. Compiled code is kept: each test file is a process, and many start more, which all load
 * the same modules.
 */
const root = new URL('../..', import.meta.url);
const files = process.argv.slice(2);
const child = spawn(
  process.execPath,
  [
    '--disable-warning=ExperimentalWarning',
    '--test',
    `--test-concurrency=${files.length > 0 ? 2 : 3}`,
    '--test-timeout=600000',
    '--test-reporter=spec',
    '--test-reporter-destination=stdout',
    '--test-reporter=./test/support/skipped-reporter.ts',
    '--test-reporter-destination=stdout',
    ...(files.length > 0 ? files : ['test/**/*.test.ts']),
  ],
  {
    stdio: 'inherit',
    cwd: root,
    env: { ...process.env, NODE_COMPILE_CACHE: fileURLToPath(new URL('node_modules/.cache/compile', root)) },
  },
);
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal));
child.on('exit', (code) => {
  process.exitCode = code ?? 1;
});
