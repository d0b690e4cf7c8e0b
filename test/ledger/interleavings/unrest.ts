import { ANSWERS, togglePeers } from './network-faults.ts';
import type { StepName, World } from './world.ts';

/** What a member's process does next, each as often as it stands here. */
export const RANDOM_STEPS: readonly StepName[] = [
  'read',
  'read',
  'read',
  'read',
  'seal',
  'seal',
  'cut',
  'cut',
  'sign',
  'sign',
  'cosignatures',
  'peers',
  'peers',
  'relay',
];

/**
 * So many random steps, while processes are killed, the broker refuses or does not answer and peers come and go: what may happen to honest people in the
 * middle of an act. The broker answers again at the end.
 * @returns how many faults struck
 */
export async function unrest(world: World, steps: number, done: () => boolean = () => false): Promise<number> {
  const { random, broker } = world;
  const killsBefore = killsIn(world);
  let faults = 0;
  for (let i = 0; i < steps && !done(); i++) {
    world.nowMs += random.below(400);
    const member = random.pick(world.crew);
    const author = random.pick(world.members);
    if (random.chance(0.2) && !author.isAway) world.commit(author);
    if (random.chance(0.05) && (broker.stalled = !broker.stalled)) faults++;
    if (random.chance(0.05)) togglePeers(member);
    if (member.engine === undefined) {
      if (random.chance(0.4)) await world.start(member);
      continue;
    }
    if (random.chance(0.05)) member.killAfter(1 + random.below(8));
    if (random.chance(0.1)) broker.failNext(random.pick(ANSWERS));
    else {
      await world.step(random.pick(RANDOM_STEPS), member);
      continue;
    }
    await world.step(random.pick(['seal', 'cut']), member);
    if (broker.disarm()) faults++;
  }
  broker.stalled = false;
  return faults + killsIn(world) - killsBefore;
}

function killsIn(world: World): number {
  return world.crew.reduce((sum, { kills }) => sum + kills, 0);
}
