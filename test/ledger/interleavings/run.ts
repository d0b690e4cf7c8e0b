import { readOptions, type RunOptions } from './options.ts';
import { shareVerification } from './shared-verification.ts';
import { simulate } from './simulate.ts';
import { Summary } from './summary.ts';

const PROGRESS_RUNS = 500;

/**
 * Plays so many random interleavings from a seed on. Exit code 0 when all hold, 1 when some do not, each printed with its seed and
 * the command that plays it again, 2 for arguments that cannot be.
 */
const options = readOptions(process.argv.slice(2));
if (typeof options === 'string') {
  console.error(options);
  process.exitCode = 2;
} else process.exitCode = await run(options);

async function run({ runs, seed: first }: RunOptions): Promise<number> {
  shareVerification();
  const startedMs = performance.now();
  const summary = new Summary();
  const failed: number[] = [];
  for (let seed = first; seed < first + runs; seed++) {
    try {
      summary.add(await simulate(seed));
    } catch (error) {
      failed.push(seed);
      console.error(error instanceof Error ? error.message : String(error));
    }
    const done = seed - first + 1;
    if (done % PROGRESS_RUNS === 0)
      console.error(`${String(done)} of ${String(runs)}, ${String(failed.length)} failed`);
  }
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  console.log(`${String(runs)} runs from seed ${String(first)} in ${seconds} s: ${String(failed.length)} failed`);
  for (const line of summary.lines()) console.log(line);
  for (const seed of failed) console.log(`npm run test:interleavings -- --runs 1 --seed ${String(seed)}`);
  return failed.length === 0 ? 0 : 1;
}
