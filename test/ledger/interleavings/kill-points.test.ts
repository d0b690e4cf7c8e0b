import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  alarmsOf,
  assertOneHistory,
  assertReceipts,
  assertSameReplicas,
  incidentsOf,
  unfinished,
  unsequenced,
} from './invariants.ts';
import { Random } from './random.ts';
import { World, type SimulatedMember } from './world.ts';

/** Each durable operation has a point before it, where a crash leaves nothing of it, and one behind it, where all of it is left. */
const OPERATIONS = ['sync', 'commit', 'advance', 'markFinal', 'append'];
/** Who is killed, and how much of what was written and never synced survives. */
const CASES = [
  ['author', 0],
  ['author', 0.5],
  ['author', 1],
  ['other member', 0.5],
] as const;

/** The crash of a process always leaves the same part of what was not synced. */
class FixedFraction extends Random {
  readonly #fraction: number;

  constructor(fraction: number) {
    super(0);
    this.#fraction = fraction;
  }

  override next(): number {
    return this.#fraction;
  }

  override below(): number {
    return 0;
  }
}

/** Seal, send, replicate, cut, cosign, publish and exchange, twice, so that the second time meets what the first one left. */
async function script(world: World, author: SimulatedMember): Promise<void> {
  for (let i = 0; i < 2; i++) {
    world.commit(author);
    world.commit(author);
    await world.round(1500);
    await world.round(1500);
  }
}

/** @param steps undefined: nobody is killed */
async function play(
  role: (typeof CASES)[number][0],
  steps: number | undefined,
  fraction: number,
): Promise<{ world: World; victim: SimulatedMember }> {
  const world = new World(3, new FixedFraction(fraction));
  for (const member of world.members) await world.start(member, true);
  const [author, other] = world.members;
  const victim = role === 'author' ? author : other;
  assert.ok(author !== undefined && victim !== undefined);
  victim.steps = 0;
  if (steps !== undefined) victim.killAfter(steps);
  await script(world, author);
  return { world, victim };
}

async function assertRecovers(world: World, where: string): Promise<void> {
  await world.settle(12, () => unfinished(world).length === 0, 1500);
  world.nowMs += 61_000;
  await world.settle(3, () => false, 1500);
  assertOneHistory(world);
  assertSameReplicas(world, true);
  assert.deepEqual(unfinished(world).length, 0, `${where}: an acknowledged event is not final`);
  assert.deepEqual(unsequenced(world), [], where);
  assert.deepEqual(incidentsOf(world), [], where);
  assert.deepEqual(alarmsOf(world), [], where);
  assert.ok((await assertReceipts(world)) > 0, where);
}

describe('a kill at every durable step of seal, send, replicate, cosign and publish', () => {
  for (const [role, fraction] of CASES) {
    test(`of the ${role}, with ${String(fraction)} of what was not synced left, loses nothing`, async () => {
      const untouched = await play(role, undefined, fraction);
      const last = untouched.victim.steps;
      const points = new Set<string>();
      for (let steps = 1; steps <= last; steps++) {
        const { world, victim } = await play(role, steps, fraction);
        assert.equal(victim.kills, 1, `it lives behind step ${String(steps)} of ${String(last)}`);
        points.add(victim.killedAt ?? '');
        await assertRecovers(world, `killed at step ${String(steps)}, ${victim.killedAt ?? ''}`);
      }
      const own = role === 'author' ? ['saveSealed', 'markSequenced'] : [];
      for (const name of [...OPERATIONS, ...own])
        for (const point of [`before ${name}`, `after ${name}`])
          assert.ok(points.has(point), `it was never killed ${point}`);
    });
  }
});
