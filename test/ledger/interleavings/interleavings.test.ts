import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SCENARIOS, simulate } from './simulate.ts';

const RUNS = 1000;

test(`${String(RUNS)} random interleavings keep one history, lose nothing and accuse nobody falsely`, async () => {
  const seen = new Map<string, number>();
  let struck = 0;
  for (let seed = 1; seed <= RUNS; seed++) {
    const { scenario, faults } = await simulate(seed);
    seen.set(scenario, (seen.get(scenario) ?? 0) + 1);
    if (faults.length > 0) struck++;
  }
  for (const scenario of SCENARIOS) assert.ok((seen.get(scenario) ?? 0) > 10, `${scenario} was hardly played`);
  assert.ok(struck > RUNS / 5, 'the faults hardly struck');
});

test('a seed reproduces its run', async () => {
  assert.deepEqual(await simulate(42), await simulate(42));
});
