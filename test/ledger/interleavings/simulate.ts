import assert from 'node:assert/strict';
import type { AppendFault } from '../../../src/ledger/memory-topic.ts';
import { buildBatch } from '../../../src/ledger/batch.ts';
import { formatCheckpoint } from '../../../src/ledger/checkpoint.ts';
import { cosign } from '../../../src/ledger/cosignature.ts';
import { sha256 } from '../../../src/hash.ts';
import { sameHash } from '../../../src/ledger/merkle/tree-hash.ts';
import { parseSignerKey } from '../../../src/ledger/note-key.ts';
import { formatNote, signText } from '../../../src/ledger/note.ts';
import { testEvent } from '../consortium.ts';
import { alarmsOf, assertOneHistory, incidentsOf, unfinished } from './invariants.ts';
import { Random } from './random.ts';
import { World, type SimulatedMember } from './world.ts';

export const SCENARIOS = [
  'honest',
  'network',
  'append',
  'truncate',
  'trim',
  'fork',
  'tamper',
  'restore',
  'two-batches',
  'two-trees',
] as const;
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
  /** The batch that was last sealed there. */
  readonly frame: Uint8Array | undefined;
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
  'two-batches': signSecondBatch,
  'two-trees': signSecondTree,
};

/** A member signs a second batch of a number that was accepted. @returns undefined while it has none */
async function signSecondBatch(world: World, member: SimulatedMember): Promise<string | undefined> {
  const { name, writer, keys } = member.identity;
  const chain = member.engine?.replica.writer(`${name}/${writer}`);
  if (chain === undefined || member.topic.broker.stalled) return undefined;
  const { frame } = buildBatch({
    log: world.consortium.origin,
    member: name,
    writer,
    batch: chain.batch,
    prev: new Uint8Array(32).fill(7),
    firstEvent: 0,
    events: [testEvent(`lie ${String(world.nowMs)}`).bytes],
    signer: parseSignerKey(keys.batch),
  });
  const index = world.broker.append(frame);
  return `${name} signed a second batch ${String(chain.batch)} at ${String(index)}`;
}

/** A member cosigns a tree that is not the ledger's and shows it to one of the others. */
async function signSecondTree(world: World, member: SimulatedMember): Promise<string | undefined> {
  const signed = member.engine?.signing?.cosigner.lastSize ?? 0;
  if (signed === 0) return undefined;
  const checkpoint = { origin: world.consortium.origin, size: signed, root: new Uint8Array(32).fill(9) };
  const text = formatCheckpoint(checkpoint);
  const { keys, name } = member.identity;
  const seconds = Math.floor(world.nowMs / 1000);
  const note = formatNote(text, [
    signText(text, parseSignerKey(keys.origin)),
    cosign(text, parseSignerKey(keys.cosigner), seconds),
  ]);
  world.cosignatures.append(note);
  return `${name} signed a second tree of size ${String(signed)}`;
}

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
  const world = new World(random.chance(0.85) ? 3 : 4, random);
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
  const length = 30 + random.below(50);
  const strikeAt = 10 + random.below(length - 10);
  const strikes = scenario === 'network' || scenario === 'append' ? 1 + random.below(4) : 1;
  const untilStruck = scenario === 'two-batches' || scenario === 'two-trees' || scenario === 'restore';
  for (let i = 0; i < length; i++) {
    world.nowMs += random.below(400);
    const member = random.pick(world.members);
    if (random.chance(0.25)) world.commit(member);
    if (i >= strikeAt && (i < strikeAt + strikes || (untilStruck && faults.length === 0))) {
      const done = await MISCHIEF[scenario](world, member);
      if (done !== undefined)
        faults.push({ what: done, member, engine: member.engine, frame: member.sealStore.batches.at(-1)?.frame });
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
  await world.settle(8, done);
  // Anchors are read again each minute.
  world.nowMs += 61_000;
  await world.settle(3, done, 16_000);
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
  // What a backup lacks and the topic never had is lost without a trace: `concordat recover` reports it from the upstreams.
  if (missing.length > 0 && scenario !== 'restore')
    assert.ok(kinds.length + alarms.length > 0, 'an event is neither final nor reported');
  for (const { what, member, engine, frame } of faults) {
    // A record that came late or not at all, and was sent again by a process that never knew, is no fault that anybody could tell.
    if (scenario === 'append' && member.engine === engine && !standsThere(world, what, frame))
      assertReported(incidents, what);
    if (scenario === 'two-batches') assertEvidence(world, member, 'conflict');
    if (scenario === 'two-trees') assertEvidence(world, member, 'conflicting-cosignatures');
  }
  if (scenario === 'fork' && missing.length > 0) assertForkPlace(world, incidents);
  if (scenario === 'truncate' || scenario === 'trim') assertEndsPlace(scenario, incidents, faults);
  if (scenario === 'restore') for (const kind of kinds) assert.notEqual(kind, 'conflict', 'a number was signed twice');
}

/** Everybody has a file that shows the contradiction, and nobody is accused but the liar. */
function assertEvidence(world: World, liar: SimulatedMember, kind: string): void {
  for (const { engine, view, identity } of world.members) {
    const found = engine?.replica.incidents.find((incident) => incident.kind === kind);
    assert.equal(found?.member, liar.identity.name, `${identity.name} does not know of the ${kind}`);
    assert.ok(view?.evidence(found?.evidence ?? '') !== undefined, `${identity.name} has no evidence file`);
  }
}

/** A fork shows with the first leaf at which the two logs part. */
function assertForkPlace(world: World, incidents: ReturnType<typeof incidentsOf>): void {
  const other = world.members.find((member) => member.topic.broker !== world.broker)?.topic.broker;
  const parted = world.broker.records.findIndex((value, i) => !sameHash(value, other?.records[i] ?? new Uint8Array()));
  const forks = incidents.filter(({ incident }) => incident.kind === 'fork').map(({ incident }) => incident.leafIndex);
  assert.ok(forks.includes(parted), `the logs part at ${String(parted)}; told: ${forks.join(', ')}`);
}

/** Who had read what is gone tells the first leaf of it. */
function assertEndsPlace(
  scenario: Scenario,
  incidents: ReturnType<typeof incidentsOf>,
  faults: readonly Fault[],
): void {
  const place = Number(faults[0]?.what.split(' ').at(-1));
  for (const { member, incident } of incidents) {
    if (incident.kind === 'truncated' || incident.kind === 'anchor-mismatch') {
      assert.ok(incident.leafIndex >= place, `${incident.kind} names leaf ${String(incident.leafIndex)}`);
      // A batch that was cut off and sent again may have come to stand at its old place.
      const records = member.topic.broker.records.slice(place, incident.leafIndex);
      const same = records.every((value, i) => {
        const stored = member.engine?.replica.leaves.record(place + i).valueHash;
        return stored !== undefined && sameHash(stored, sha256(value));
      });
      assert.ok(same, `${incident.kind} names leaf ${String(incident.leafIndex)}, not ${String(place)}`);
    }
    if (incident.kind === 'trimmed') assert.ok(scenario === 'trim' && incident.leafIndex <= place);
  }
}

/** A dropped or held record came to stand, after all, at the very place where it was acknowledged. */
function standsThere(world: World, what: string, frame: Uint8Array | undefined): boolean {
  const value = world.broker.records[Number(what.split(' ').at(-1))];
  const mended = what.startsWith('drop') || what.startsWith('reorder');
  return mended && value !== undefined && frame !== undefined && sameHash(value, frame);
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
