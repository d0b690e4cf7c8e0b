import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crashRun } from './crash-run.ts';

test('five kill -9 under load lose, invent and repeat nothing', { timeout: 240_000 }, async (context) => {
  const seed = Number(process.env.CRASH_SEED ?? 20_261_121);
  context.diagnostic(`seed ${seed}`);
  const report = await crashRun({ kills: 5, seed, log: (line) => context.diagnostic(line) });
  assert.deepEqual(report.violations, []);
  assert.ok(report.acknowledged > 20 && report.upstreamVersions > 20, JSON.stringify(report));
});
