import assert from 'node:assert/strict';
import type { AppendFault } from '../../../src/ledger/memory-topic.ts';
import { alarmsOf, assertOneHistory, incidentsOf, unfinished } from './invariants.ts';
import { Random } from './random.ts';
import { World, type SimulatedMember } from './world.ts';

export const SCENARIOS = ['honest', 'network', 'append', 'truncate', 'trim', 'fork', 'tamper', 'restore'] as const;
export type Scenario = (typeof SCENARIOS)[number];

export interface Outcome {
  readonly seed: number;
  readonly scenario: Scenario;
  /** What was done to the ledger, in words. */
  readonly faults: readonly string[];
  readonly incidents: readonly string[];
}

const STEPS = ['read', 'read', 'read', 'seal', 'seal', 'cut', 'cut', 'sign', 'cosignatures', 'peers'];
const APPEND_FAULTS: readonly AppendFault[] = ['drop', 'duplicate', 'reorder', 'alter'];
const NETWORK_FAULTS: readonly AppendFault[] = ['refuse', 'acknowledgement-lost', 'request-lost', 'late'];

interface Fault {
  readonly what: string;
  readonly member: SimulatedMember;
  /** The author's process at that time: only it knows what it sent. */
  readonly engine: SimulatedMember['engine'];
}

/** What a scenario may do beside honest steps. @returns what it did, or undefined when it did nothing this time */
type Mischief = (world: World, member: SimulatedMember) => Promise<string | undefined>;

const MISCHIEF: Record<Scenario, Mischief> = {
  honest: async () => undefined,
  network: async (world, member) => {
    const fault = world.random.pick(NETWORK_FAULTS);
    if (world.random.chance(0.3)) {
      world.broker.stalled = !world.broker.stalled;
      return undefined;
    }
    if (world.random.chance(0.2)) for (const peer of member.peers) peer.reachable = !peer.reachable;
    await appendWithFault(world, member, fault);
    return undefined;
  },
  append: async (world, member) => {
    const fault = world.random.pick(APPEND_FAULTS);
    const index = await appendWithFault(world, member, fault);
    return index === undefined ? undefined : `${fault} at ${String(index)}`;
  },
  truncate: async (world) => {
    const { length } = world.broker.records;
    const left = length - 1 - world.random.below(Math.min(4, length - 1));
    world.broker.truncate(left);
    return `truncate to ${String(left)}`;
  },
  trim: async (world) => {
    const start = 1 + world.random.below(world.broker.records.length);
    world.broker.trim(start);
    return `trim to ${String(start)}`;
  },
  fork: async (world, member) => {
    if (member.topic.broker !== world.broker) return undefined;
    member.topic.broker = world.broker.fork();
    member.cosignatureTopic.broker = world.cosignatures.fork();
    return `fork for ${member.identity.name} at ${String(world.broker.records.length)}`;
  },
  tamper: async (world) => {
    const at = 1 + world.random.below(world.broker.records.length);
    const value = world.broker.records[at]?.slice();
    if (value === undefined || value.length === 0) return undefined;
    const byte = world.random.below(value.length);
    value[byte] = (value[byte] ?? 0) ^ (1 << world.random.below(8));
    world.broker.alter(at, value);
    return `flip in ${String(at)}`;
  },
  restore: async (world, member) => {
    if (member.sealStore.batches.length === 0 || member.engine === undefined) return undefined;
    const backup = member.sealStore.backup();
    const kept = world.random.below(backup.batches.length);
    backup.batches.splice(kept);
    member.stop(world.random.next());
    member.sealStore = backup;
    member.watchSealStore();
    return `restore ${member.identity.name} to batch ${String(kept)}`;
  },
};

/** Arms a fault for this member's next batch. @returns the offset that the batch should have got, if one was sent */
async function appendWithFault(world: World, member: SimulatedMember, fault: AppendFault): Promise<number | undefined> {
  if (member.engine === undefined || member.topic.broker.stalled) return undefined;
  world.commit(member);
  world.nowMs += 100;
  // What is sealed and unsent goes first, so that the fault strikes exactly one batch.
  if (member.sealStore.unsequenced(1).length > 0) return undefined;
  member.topic.broker.failNext(fault);
  const index = member.topic.broker.records.length;
  await world.step('seal', member);
  const sent = member.topic.broker.disarm();
  return sent ? index : undefined;
}

/** One random run. @throws AssertionError with the seed when an invariant does not hold */
export async function simulate(seed: number): Promise<Outcome> {
  const random = new Random(seed);
  const scenario = random.chance(0.4) ? 'honest' : random.pick(SCENARIOS);
  const world = new World(random.chance(0.75) ? 3 : 4, random);
  try {
    const faults = await play(world, scenario);
    judge(world, scenario, faults);
    return {
      seed,
      scenario,
      faults: faults.map(({ what }) => what),
      incidents: incidentsOf(world).map(({ incident }) => incident.kind),
    };
  } catch (error) {
    throw new Error(`seed ${String(seed)} (${scenario}): ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
}

async function play(world: World, scenario: Scenario): Promise<Fault[]> {
  const { random } = world;
  const faults: Fault[] = [];
  for (const member of world.members) await world.start(member, true);
  const length = 40 + random.below(60);
  const strikeAt = 10 + random.below(length - 10);
  const strikes = scenario === 'network' || scenario === 'append' ? 1 + random.below(4) : 1;
  for (let i = 0; i < length; i++) {
    world.nowMs += random.below(400);
    const member = random.pick(world.members);
    if (random.chance(0.25)) world.commit(member);
    if (i >= strikeAt && i < strikeAt + strikes) {
      const done = await MISCHIEF[scenario](world, member);
      if (done !== undefined) faults.push({ what: done, member, engine: member.engine });
    }
    if (member.engine === undefined) {
      if (random.chance(0.3)) await world.start(member);
      continue;
    }
    if (random.chance(0.03)) member.killAfter(1 + random.below(8));
    await world.step(random.pick(STEPS), member);
    if (random.chance(0.1)) assertOneHistory(world);
  }
  const done = (): boolean => unfinished(world).length === 0;
  await world.settle(14, done);
  // Anchors are read again each minute.
  world.nowMs += 61_000;
  await world.settle(4, done);
  return faults;
}

function judge(world: World, scenario: Scenario, faults: readonly Fault[]): void {
  assertOneHistory(world);
  const incidents = incidentsOf(world);
  const kinds = incidents.map(({ incident }) => incident.kind);
  const alarms = alarmsOf(world);
  const missing = unfinished(world);
  if (faults.length === 0) {
    assert.deepEqual(kinds, [], 'an honest run raised an incident');
    assert.deepEqual(missing, [], 'an event did not become final');
    assert.deepEqual(alarms, [], 'an honest run ended with an alarm');
    return;
  }
  if (missing.length > 0) assert.ok(kinds.length + alarms.length > 0, 'an event is neither final nor reported');
  if (scenario === 'append') {
    // A record that came late or not at all, and was sent again by a process that never knew, is no fault that anybody could tell.
    for (const { what, member, engine } of faults) if (member.engine === engine) assertReported(incidents, what);
  }
  if (scenario === 'restore' && world.members.some((member) => member.engine?.restoredBackupMs === undefined)) {
    // The batches that the backup lacks may never have been sent: then nobody can know, and nothing is contradicted.
    for (const { incident } of incidents) assert.notEqual(incident.kind, 'conflict', 'a number was signed twice');
  }
}

/** An append fault shows with its own index: dropped where it should stand, others where they came. */
function assertReported(incidents: ReturnType<typeof incidentsOf>, fault: string): void {
  const [kind = '', index = ''] = fault.split(' at ');
  const at = incidents.map(({ incident }) => `${incident.kind} ${String(incident.leafIndex)}`);
  const expected: Record<string, string[]> = {
    drop: [`dropped ${index}`, `gap ${index}`],
    duplicate: [`duplicated ${String(Number(index) + 1)}`],
    reorder: [`dropped ${index}`, `gap ${index}`],
    alter: ['bad-body', 'bad-signature', 'not-canonical', 'void', 'wrong-log', 'unknown-member', 'gap', 'conflict'].map(
      (name) => `${name} ${index}`,
    ),
  };
  assert.ok(
    expected[kind]?.some((wanted) => at.includes(wanted)),
    `${fault} is not reported; there is ${at.join(', ') || 'nothing'}`,
  );
}
