import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { readOptions } from './options.ts';
import { shareVerification } from './shared-verification.ts';
import { ACTS, SCENARIOS, simulate } from './simulate.ts';
import { Summary } from './summary.ts';

const RUNS = 1000;
/** Fewer strikes than this of a kind, or fewer that show, would make its check an empty one. */
const STRUCK_AT_LEAST = 4;
const SHOWN_AT_LEAST = 3;

test(`${String(RUNS)} random interleavings keep one history, lose nothing and accuse nobody falsely`, async (context) => {
  const restore = shareVerification();
  context.after(restore);
  const summary = new Summary();
  for (let seed = 1; seed <= RUNS; seed++) summary.add(await simulate(seed));
  for (const line of summary.lines()) context.diagnostic(line);
  for (const [scenario, count] of summary.scenarios) assert.ok(count >= 10, `${scenario} was hardly played`);
  for (const [kind, { struck, shown, amidFaults }] of summary.kinds) {
    assert.ok(struck >= STRUCK_AT_LEAST, `${kind} hardly struck`);
    assert.ok(shown >= SHOWN_AT_LEAST, `${kind} hardly showed`);
    assert.ok(!ACTS.includes(kind) || amidFaults >= SHOWN_AT_LEAST, `${kind} hardly met a fault`);
  }
  assert.ok(summary.kills >= RUNS / 2, 'hardly anybody was killed');
  assert.ok(summary.receipts >= RUNS / 2, 'hardly any receipt was checked');
});

test('a seed reproduces its run, and a signature checked once is as good as one checked by each member', async () => {
  const alone = await simulate(42);
  const restore = shareVerification();
  try {
    assert.deepEqual(await simulate(42), alone);
    assert.deepEqual(await simulate(42), alone);
  } finally {
    restore();
  }
});

test('docs/ledger-testing.md names every scenario and every kind of fault', () => {
  const text = readFileSync(new URL('../../../docs/ledger-testing.md', import.meta.url), 'utf8');
  const names = SCENARIOS.flatMap(({ name, kinds }) => [name, ...kinds]);
  assert.deepEqual(
    names.filter((name) => !text.includes(`\`${name}\``)),
    [],
  );
});

describe('arguments', () => {
  test('runs and seed are whole numbers, 10 000 and 1 where they are left out', () => {
    assert.deepEqual(readOptions([]), { runs: 10_000, seed: 1 });
    assert.deepEqual(readOptions(['--runs', '3', '--seed', '0']), { runs: 3, seed: 0 });
  });

  for (const args of [
    ['--runs', '0'],
    ['--runs', '1e3'],
    ['--runs', '-1'],
    ['--runs', 'many'],
    ['--runs', ''],
    ['--seed', '1.5'],
    ['--seed', '4294967296'],
    ['--seed', '4294967295', '--runs', '2'],
    ['--sed', '1'],
    ['7'],
  ]) {
    test(`${args.join(' ')} is refused`, () => assert.equal(typeof readOptions(args), 'string'));
  }
});
