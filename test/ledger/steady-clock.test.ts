import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseSignedCheckpoint } from '../../src/ledger/checkpoint.ts';
import { splitCosignature } from '../../src/ledger/cosignature.ts';
import { steadyClock } from '../../src/ledger/steady-clock.ts';
import { Random } from './interleavings/random.ts';
import { World } from './interleavings/world.ts';

const HOUR_MS = 3_600_000;

test('a clock that is set back goes on from where it stood', () => {
  let nowMs = 1000;
  const clock = steadyClock(() => nowMs);
  const times = [0, 10, -500, 10, -500, 2000].map((stepMs) => {
    nowMs += stepMs;
    return clock();
  });
  assert.deepEqual(times, [1000, 1010, 1010, 1020, 1020, 3020]);
});

for (const [name, jumpMs] of [
  ['back', -HOUR_MS],
  ['forward', HOUR_MS],
] as const) {
  test(`what was committed, sent in doubt or waits for a cut becomes final though all clocks go ${name} by an hour`, async () => {
    const world = new World(3, new Random(12));
    for (const member of world.members) await world.start(member, true);
    for (let i = 0; i < 3; i++) await world.round(1000);
    const [first, second, third] = world.members;
    assert.ok(first !== undefined && second !== undefined && third !== undefined);
    for (const member of world.members) world.commit(member);
    world.nowMs += 100;
    // One in doubt, one sent and not yet read, one not yet sealed.
    world.broker.failNext('request-lost');
    await world.step('seal', first);
    await world.step('seal', second);
    world.nowMs += jumpMs;
    for (let i = 0; i < 12; i++) await world.round(1000);
    for (const { identity, sealStore, engine } of world.members) {
      assert.equal(sealStore.backlog().events, 0, `${identity.name} has not sealed`);
      assert.equal(sealStore.unsequenced(1).length, 0, `${identity.name} is not sequenced`);
      assert.ok(sealStore.batches.every(({ leafIndex = Infinity }) => leafIndex < (engine?.finality.size ?? 0)));
      assert.deepEqual(engine?.replica.incidents, []);
    }
    // A cosignature tells the time that it is.
    const note = parseSignedCheckpoint(first.engine?.finality.note ?? new Uint8Array()).note;
    for (const line of note.signatures.filter(({ name }) => name.endsWith('/cosigner'))) {
      const ageMs = world.nowMs - 1000 * splitCosignature(line.signature).timestampSeconds;
      assert.ok(Math.abs(ageMs) < 60_000);
    }
  });
}
