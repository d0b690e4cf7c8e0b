import { parseArgs } from 'node:util';
import { crashRun } from './crash-run.ts';

/** `npm run test:crash -- --runs N --seed S`: N kills, and what they broke; exit code 1 if anything. */
const { values } = parseArgs({
  options: { runs: { type: 'string', default: '50' }, seed: { type: 'string', default: '1' } },
});
const report = await crashRun({
  kills: Number(values.runs),
  seed: Number(values.seed),
  log: (line) => console.log(line),
});
console.log(JSON.stringify(report, null, 2));
process.exitCode = report.violations.length === 0 && report.acknowledged > 0 ? 0 : 1;
