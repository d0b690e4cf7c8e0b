import assert from 'node:assert/strict';
import { BROKER_FAULTS } from './broker-faults.ts';
import { epoch } from './epoch.ts';
import { exclusion } from './exclusion.ts';
import { FORK_FAULTS } from './fork-faults.ts';
import { admission } from './admission.ts';
import { governance } from './governance-acts.ts';
import {
  alarmsOf,
  assertEvidenceHolds,
  assertExcludedTell,
  assertGovernance,
  assertNoEventTwice,
  assertForksPlaced,
  assertOneHistory,
  assertReceipts,
  assertSameReplicas,
  incidentsOf,
  isLateWord,
  tells,
  unfinished,
  unsequenced,
} from './invariants.ts';
import { MEMBER_FAULTS } from './member-faults.ts';
import { NETWORK_FAULTS } from './network-faults.ts';
import { Random } from './random.ts';
import type { Scenario, Strike } from './scenario.ts';
import { assertContradictionsTold, watchPlaces } from './topic-oracle.ts';
import { RANDOM_STEPS } from './unrest.ts';
import { World } from './world.ts';

/** Nothing but restarts and kills. */
const honest: Scenario = { name: 'honest', kinds: [], strikes: () => 0, strike: async () => undefined };

export const SCENARIOS: readonly Scenario[] = [
  honest,
  ...BROKER_FAULTS,
  ...FORK_FAULTS,
  ...MEMBER_FAULTS,
  ...NETWORK_FAULTS,
  governance,
  admission,
  exclusion,
  epoch,
];

/** Kinds that are acts of the members under faults: how often each came into force, and how often amid faults, is counted. */
export const ACTS: readonly string[] = [...admission.kinds, ...exclusion.kinds, ...epoch.kinds];

const HONEST_SHARE = 0.15;
const SETTLE_ROUNDS = 7;
const ROUND_MS = 1500;

export interface Outcome {
  readonly seed: number;
  readonly scenario: string;
  /** What was done to the ledger, in words, and whether it showed as it must where it can be told at all. */
  readonly strikes: readonly {
    readonly kind: string;
    readonly what: string;
    readonly shown: boolean;
    readonly faults: number | undefined;
  }[];
  readonly kills: number;
  readonly events: number;
  readonly receipts: number;
  /** Final leaves at the member that has most of them. */
  readonly finalSize: number;
  readonly incidents: readonly string[];
}

/** One random run. @throws Error with the seed when an invariant does not hold */
export async function simulate(seed: number): Promise<Outcome> {
  const random = new Random(seed);
  const scenario = random.chance(HONEST_SHARE) ? honest : random.pick(SCENARIOS);
  const founded = new World(scenario.members?.(random) ?? (random.chance(0.8) ? 3 : 4), random);
  try {
    watchPlaces(founded);
    const { world, strikes } = await play(founded, scenario);
    const worlds = new Set([founded, world]);
    const { shown, receipts } = await judge(world, strikes);
    return {
      seed,
      scenario: scenario.name,
      strikes: strikes.map(({ kind, what, faults }, i) => ({ kind, what, shown: shown[i] ?? false, faults })),
      kills: [...worlds].flatMap(({ crew }) => crew).reduce((sum, { kills }) => sum + kills, 0),
      events: new Set([...worlds].flatMap(({ events }) => events.map(({ id }) => id))).size,
      receipts,
      finalSize: Math.max(...world.members.map(({ engine }) => engine?.finality.size ?? 0)),
      incidents: incidentsOf(world).map(({ incident }) => `${incident.kind} ${String(incident.leafIndex)}`),
    };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new Error(`seed ${String(seed)} (${scenario.name}): ${message}`, { cause: error });
  }
}

async function play(founded: World, scenario: Scenario): Promise<{ world: World; strikes: Strike[] }> {
  let world = founded;
  const { random } = world;
  const strikes: Strike[] = [];
  for (const member of world.members) await world.start(member, true);
  const wanted = scenario.strikes(world);
  // Most logs have final checkpoints before anything happens to them.
  for (let i = random.below(3); i > 0; i--) {
    for (const member of world.members) if (random.chance(0.4)) world.commit(member);
    await world.round(1200);
  }
  const length = 25 + random.below(35);
  const strikeAt = 10 + random.below(length - 10);
  for (let i = 0; i < length || strikes.length < Math.min(1, wanted); i++) {
    // A scenario that needs something to strike at gets it, sooner or later.
    if (i > 10 * length) break;
    world.nowMs += random.below(400);
    const member = random.pick(world.crew);
    if (random.chance(0.25)) world.commit(random.pick(world.members));
    if (i >= strikeAt && strikes.length < wanted) {
      const struck = await scenario.strike(world, random.pick(world.members));
      if (struck !== undefined) strikes.push(struck);
      if (struck?.next !== undefined) {
        world = struck.next;
        continue;
      }
    }
    await scenario.beside?.(world, random.pick(world.members));
    if (member.engine === undefined) {
      if (random.chance(0.3)) await world.start(member);
      continue;
    }
    if (random.chance(0.03)) member.killAfter(1 + random.below(8));
    await world.step(random.pick(RANDOM_STEPS), member);
    if (random.chance(0.1)) assertOneHistory(world);
  }
  const done = (): boolean => unfinished(world).length === 0;
  await world.settle(scenario.settleRounds ?? SETTLE_ROUNDS, done, ROUND_MS);
  // Anchors are read again each minute.
  world.nowMs += 61_000;
  await world.settle(2, done, 16_000);
  return { world, strikes };
}

async function judge(world: World, strikes: readonly Strike[]): Promise<{ shown: boolean[]; receipts: number }> {
  const innocent = strikes.every(({ harmless }) => harmless === true);
  assertOneHistory(world);
  assertSameReplicas(world, innocent);
  assertNoEventTwice(world);
  assertGovernance(world);
  assertContradictionsTold(world);
  assertForksPlaced(world);
  await assertEvidenceHolds(world, new Set(strikes.flatMap(({ liar }) => (liar === undefined ? [] : [liar]))));
  assertExcludedTell(world);
  const receipts = await assertReceipts(world);
  if (innocent) assertHonest(world);
  else assertNothingLost(world, strikes);
  const shown: boolean[] = [];
  for (const { check } of strikes) shown.push((await check?.()) ?? true);
  return { shown, receipts };
}

function assertHonest(world: World): void {
  const incidents = incidentsOf(world).filter(({ incident }) => !isLateWord(world, incident));
  const accused = incidents.map(({ incident }) => `${incident.kind} ${String(incident.leafIndex)}`);
  assert.deepEqual(accused, [], 'an honest run raised an incident');
  const missing = unfinished(world).map(({ id, at }) => `${id} at ${at.identity.name}`);
  assert.deepEqual(missing, [], 'an event did not become final');
  assert.deepEqual(unsequenced(world), [], 'an outbox does not know what is final');
  assert.deepEqual(alarmsOf(world), [], 'an honest run ended with an alarm');
}

/** What is not final somewhere is told there, or by its author. */
function assertNothingLost(world: World, strikes: readonly Strike[]): void {
  const lost = new Set(strikes.flatMap((strike) => [...(strike.lost ?? [])]));
  for (const { id, author, at } of unfinished(world)) {
    if (lost.has(id)) continue;
    assert.ok(tells(at) || tells(author), `event ${id} is neither final at ${at.identity.name} nor reported`);
  }
}
