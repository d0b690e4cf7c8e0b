import { parseArgs } from 'node:util';
import { simulate } from './simulate.ts';

/** Runs N random interleavings from seed S on; a failing one is printed with its seed, which reproduces it. */
const { values } = parseArgs({
  options: { runs: { type: 'string', default: '10000' }, seed: { type: 'string', default: '1' } },
});
const runs = Number(values.runs);
const first = Number(values.seed);
const startedMs = performance.now();
const scenarios = new Map<string, number>();
const failures: string[] = [];
for (let seed = first; seed < first + runs; seed++) {
  try {
    const { scenario } = await simulate(seed);
    scenarios.set(scenario, (scenarios.get(scenario) ?? 0) + 1);
  } catch (error) {
    failures.push(error instanceof Error ? error.message : String(error));
    console.error(failures.at(-1));
  }
}
const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
console.log(`${String(runs)} runs from seed ${String(first)} in ${seconds} s: ${String(failures.length)} failed`);
for (const [scenario, count] of [...scenarios].sort()) console.log(`  ${scenario}: ${String(count)}`);
process.exitCode = failures.length === 0 ? 0 : 1;
