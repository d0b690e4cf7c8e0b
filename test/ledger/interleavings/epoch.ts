import assert from 'node:assert/strict';
import { goOver, noteSigned, openEpoch, type Opening } from './epoch-change.ts';
import {
  assertFinalOnce,
  assertGivenUp,
  assertOpened,
  assertReceiptsEnd,
  finalBelowEnd,
  receiptsOf,
} from './epoch-invariants.ts';
import { isolate } from './fork-faults.ts';
import { alarmsAt } from './invariants.ts';
import { once, type Scenario, type Strike } from './scenario.ts';
import { watchPlaces } from './topic-oracle.ts';
import { unrest } from './unrest.ts';
import { World, type SimulatedMember } from './world.ts';

const EPOCHS = [
  'open-epoch, fork of 3',
  'open-epoch, fork of 4',
  'open-epoch, dead of 3',
  'open-epoch, dead of 4',
  'open-epoch, beyond the end',
] as const;

/** A log that a fork or a dead member has stopped, or might stop, is given up for another one; the run goes on there. */
export const epoch: Scenario = {
  name: 'epoch',
  kinds: EPOCHS,
  members: (random) => (random.chance(0.5) ? 3 : 4),
  strikes: once,
  settleRounds: 12,
  strike: changeEpoch,
};

async function changeEpoch(world: World, alone: SimulatedMember): Promise<Strike | undefined> {
  const { random, members } = world;
  world.calm();
  await world.startAll();
  for (let i = 0; i < 2; i++) await world.round(1500);
  if (members.some(({ engine }) => (engine?.finality.size ?? 0) < 1)) return undefined;
  const isFork = random.chance(0.5);
  const isBeyond = random.chance(0.4) && (await finalForOne(world, alone));
  const ids = world.events.map(({ id }) => id);
  const receipts = receiptsOf(alone, ids).slice(-2);
  const brokers = new Set([world.cosignatures]);
  const side = isFork ? part(world, alone, isBeyond) : die(world, alone);
  for (const { cosignatureTopic } of members) brokers.add(cosignatureTopic.broker);
  let faults = 1 + (await unrest(world, 15 + random.below(25)));
  const others = members.filter((member) => !side.includes(member));
  // Two of three others; with four the other half of a fork is needed as well.
  const openers = members.length === 4 && isFork ? [...others, random.pick(side)] : others;
  const goers = isFork ? members : others;
  const names = members.filter((member) => goers.includes(member)).map(({ identity }) => identity.name);
  const opening = await openEpoch(world, openers, names);
  assert.ok(opening !== undefined, 'the members do not agree on an end');
  faults += opening.faults;
  const next = nextWorld(world, opening);
  faults += await moveAll(world, next, opening, { goers, alone });
  const below = finalBelowEnd(world, next);
  for (const { id, author } of world.events) {
    const heir = next.members.find(({ identity }) => identity.name === author.identity.name);
    if (heir !== undefined && !below.has(id)) next.events.push({ id, author: heir });
  }
  const beyond = await assertReceiptsEnd(world, opening, receipts);
  const check = async (): Promise<boolean> => {
    assertGivenUp(world, opening, brokers);
    await assertOpened(world, opening);
    assertFinalOnce(world, next, below);
    return true;
  };
  const kind = `open-epoch, ${isFork ? 'fork' : 'dead'} of ${members.length === 4 ? 4 : 3}` as const;
  const what = `${kind} at ${String(opening.end.size)} without ${alone.identity.name}`;
  return { kind: beyond > 0 ? 'open-epoch, beyond the end' : kind, what, harmless: true, faults, check, next };
}

/** Everybody signs another tree, and one member alone gets all signatures before the second topic loses them. @returns whether it has it as final */
async function finalForOne(world: World, alone: SimulatedMember): Promise<boolean> {
  for (const member of world.crew) member.spare();
  const kept = world.cosignatures.records.length;
  world.commit(alone);
  await world.round(1500, ['read', 'seal', 'read']);
  await world.round(1500, ['cut', 'read', 'sign']);
  await world.step('cosignatures', alone);
  world.cosignatures.truncate(kept);
  const size = alone.engine?.finality.size ?? 0;
  return world.members.every((member) => member === alone || (member.engine?.finality.size ?? 0) < size);
}

/** A broker shows it another log; with four, one more member, so that neither half is a quorum. */
function part(world: World, alone: SimulatedMember, isBeyond: boolean): SimulatedMember[] {
  const other = isolate(world, alone);
  const side = [alone];
  if (world.members.length === 4) {
    const second = world.random.pick(world.members.filter((member) => member !== alone));
    second.topic.broker = other;
    second.cosignatureTopic.broker = alone.cosignatureTopic.broker;
    side.push(second);
  }
  alone.hide(isBeyond || world.random.chance(0.5));
  return side;
}

function die(world: World, alone: SimulatedMember): SimulatedMember[] {
  alone.stop(world.random.next());
  alone.isAway = true;
  return [alone];
}

function nextWorld(world: World, { next }: Opening): World {
  const made = new World(next.members.length, world.random, next);
  for (const heir of made.members) heir.isAway = true;
  made.nowMs = world.nowMs;
  watchPlaces(made);
  return made;
}

/** One after another goes over, while both logs are in use; who was alone comes back late, into the old log first. */
async function moveAll(
  world: World,
  next: World,
  opening: Opening,
  { goers, alone }: { readonly goers: readonly SimulatedMember[]; readonly alone: SimulatedMember },
): Promise<number> {
  const { random } = world;
  const first = random.below(goers.length);
  const order = [...goers.slice(first), ...goers.slice(0, first)].filter((member) => member !== alone);
  let faults = 0;
  for (const member of [...order, alone]) {
    faults += await unrest(world, random.below(8));
    if (member === alone) await comeBack(world, opening, alone, !goers.includes(alone));
    const heir = next.members.find(({ identity }) => identity.name === member.identity.name);
    if (heir === undefined) continue;
    next.nowMs = world.nowMs;
    faults += await goOver(world, member, opening, heir);
    faults += await unrest(next, 4 + random.below(10));
    world.nowMs = next.nowMs;
  }
  return faults;
}

/** It steps on in the old log; one that was dead learns there that it has ended. */
async function comeBack(world: World, opening: Opening, alone: SimulatedMember, wasDead: boolean): Promise<void> {
  alone.isAway = false;
  alone.hide(false);
  if (!wasDead && world.random.chance(0.5)) {
    alone.topic.broker = world.broker;
    alone.cosignatureTopic.broker = world.cosignatures;
  }
  for (let i = 0; i < 4; i++) {
    alone.spare();
    if (alone.engine === undefined) await world.start(alone);
    if (i === 0) world.commit(alone);
    await world.round(1500);
  }
  if (!wasDead) return;
  assert.ok(alone.cosignerStore.isClosed(world.consortium.origin), 'it came back and may sign in the ended log');
  noteSigned(world, opening, alone);
  assert.ok(alarmsAt(alone).includes('log-ended'), 'it does not tell that the log has ended');
}
