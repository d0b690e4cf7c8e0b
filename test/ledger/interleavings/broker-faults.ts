import assert from 'node:assert/strict';
import { sha256 } from '../../../src/hash.ts';
import type { IncidentKind } from '../../../src/ledger/ledger-view.ts';
import { sameHash } from '../../../src/ledger/merkle/tree-hash.ts';
import type { AppendFault } from '../../../src/ledger/memory-topic.ts';
import { incidentsOf } from './invariants.ts';
import { once, type Scenario, type Strike } from './scenario.ts';
import { assertContradictionsTold } from './topic-oracle.ts';
import type { SimulatedMember, World } from './world.ts';

/** What a record that was altered may be judged as. */
const JUDGED: readonly IncidentKind[] = [
  'bad-body',
  'bad-signature',
  'not-canonical',
  'void',
  'wrong-log',
  'unknown-member',
  'gap',
  'conflict',
];

/** Arms a fault for this member's next batch. @returns the offset that the batch should have got, if one was sent */
export async function appendWithFault(
  world: World,
  member: SimulatedMember,
  fault: AppendFault,
): Promise<number | undefined> {
  const { broker } = member.topic;
  if (member.engine === undefined || broker.stalled) return undefined;
  world.commit(member);
  world.nowMs += 100;
  // What is sealed and unsent goes first, so that the fault strikes exactly one batch.
  if (member.sealStore.unsequenced(1).length > 0) return undefined;
  broker.failNext(fault);
  const index = broker.records.length;
  await world.step('seal', member);
  return broker.disarm() ? index : undefined;
}

/** Whether somebody tells one of these kinds, at exactly this leaf. */
function told(world: World, kinds: readonly IncidentKind[], leafIndex: number): boolean {
  return incidentsOf(world).some(({ incident }) => kinds.includes(incident.kind) && incident.leafIndex === leafIndex);
}

/**
 * Whether one copy too many is told: the one behind the first, or a later one where a peer relayed batches for that process, because nobody knows which of the
 * copies the peer appended.
 */
function copyTold(world: World, at: number, by: SimulatedMember['engine']): boolean {
  if (by === undefined || !world.relayed.has(by)) return told(world, ['duplicated'], at + 1);
  const first = world.broker.records[at] ?? new Uint8Array();
  return world.broker.records.some((value, i) => i > at && sameHash(value, first) && told(world, ['duplicated'], i));
}

/** Who took the altered record tells it at its leaf; the body of a repeated batch is nothing that anybody looks at. @returns whether anybody took it */
function assertAlteredTold(world: World, at: number, value: Uint8Array): boolean {
  let taken = false;
  for (const { engine, identity } of world.members) {
    const replica = engine?.replica;
    if (replica === undefined || replica.head.size <= at) continue;
    const record = replica.leaves.record(at);
    if (!sameHash(record.valueHash, sha256(value)) || record.verdict === 'duplicate') continue;
    taken = true;
    const own = replica.incidents.filter(({ leafIndex }) => leafIndex === at).map(({ kind }) => kind);
    assert.ok(
      own.some((kind) => JUDGED.includes(kind)),
      `${identity.name} took the altered record ${String(at)} and says nothing of it`,
    );
  }
  return taken;
}

function appendFault(kind: 'drop' | 'duplicate' | 'reorder' | 'alter'): Scenario {
  return {
    name: kind,
    kinds: [kind],
    strikes: (world) => 1 + world.random.below(3),
    strike: async (world, member): Promise<Strike | undefined> => {
      const at = await appendWithFault(world, member, kind);
      if (at === undefined) return undefined;
      // Only the process that sent it knows what it sent.
      const { engine } = member;
      const frame = member.sealStore.batches.at(-1)?.frame ?? new Uint8Array();
      const altered = world.broker.records[at];
      const check = (): boolean => {
        if (kind === 'alter') return altered !== undefined && assertAlteredTold(world, at, altered);
        const stored = world.broker.records[at];
        const shows = kind === 'duplicate' ? copyTold(world, at, engine) : told(world, ['dropped', 'gap'], at);
        // One that came late or not at all, and stands after all where it was acknowledged, is no fault that anybody could tell.
        const mended = kind !== 'duplicate' && stored !== undefined && sameHash(stored, frame);
        if (member.engine === engine && engine !== undefined && !mended)
          assert.ok(shows, `${kind} at ${String(at)} is not told there`);
        return shows;
      };
      return { kind, what: `${kind} at ${String(at)}`, check };
    },
  };
}

/** Something done to what the broker has stored; `watchPlaces` compares the leaves that are told with it. */
function storedFault(
  kind: string,
  kinds: readonly IncidentKind[],
  act: (world: World) => string | undefined,
): Scenario {
  return {
    name: kind,
    kinds: [kind],
    strikes: once,
    strike: async (world) => {
      const what = act(world);
      if (what === undefined) return undefined;
      if (world.random.chance(0.5)) await lookAgain(world);
      return { kind, what, check: () => incidentsOf(world).some(({ incident }) => kinds.includes(incident.kind)) };
    },
  };
}

/** A minute later everybody reads the last accepted record again, before anything new can come behind what is there now. */
async function lookAgain(world: World): Promise<void> {
  world.nowMs += 61_000;
  for (const member of world.members) await world.step('read', member);
  assertContradictionsTold(world);
}

/** How much of the tail goes: at most what was just appended, so that not all runs end at the beginning. */
function tailOf(world: World): number {
  const { length } = world.broker.records;
  return length - 1 - world.random.below(Math.min(4, length - 1));
}

/** A record that is not the genesis, one of the last most of the time. */
function somewhere({ random, broker }: World): number | undefined {
  const { length } = broker.records;
  if (length < 2) return undefined;
  return random.chance(0.7) ? length - 1 - random.below(Math.min(3, length - 1)) : 1 + random.below(length - 1);
}

const truncate = storedFault('truncate', ['truncated', 'anchor-mismatch', 'fork'], (world) => {
  if (world.broker.records.length < 3) return undefined;
  const left = tailOf(world);
  world.broker.truncate(left);
  return `truncate to ${String(left)}`;
});

/** An older state is restored, and grows past the length that was there with records that stood before. */
const rollBack = storedFault('roll back', ['truncated', 'anchor-mismatch', 'fork'], (world) => {
  const { length } = world.broker.records;
  if (length < 3) return undefined;
  const left = 1 + world.random.below(length - 2);
  growAnew(world, left, length + world.random.below(3));
  return `roll back to ${String(left)} of ${String(length)}`;
});

/** Cuts the topic back to `left` records and lets it grow to `length` with others. */
export function growAnew({ random, broker }: World, left: number, length: number): void {
  const old = broker.records.slice(0, left);
  broker.truncate(left);
  for (let i = left; i < length; i++) broker.append(random.pick(old).slice());
}

const vanish = storedFault('vanish', ['truncated', 'anchor-mismatch', 'fork', 'gap'], (world) => {
  const at = somewhere(world);
  if (at === undefined) return undefined;
  world.broker.alter(at, undefined);
  return `${String(at)} vanishes and all after it move up`;
});

const compact = storedFault('compact', ['offset-gap'], (world) => {
  const at = somewhere(world);
  if (at === undefined) return undefined;
  world.broker.compact(at);
  return `compact ${String(at)}`;
});

const hide = storedFault('hide', ['transactional'], (world) => {
  const at = somewhere(world);
  if (at === undefined) return undefined;
  world.broker.hide(at);
  return `hide ${String(at)} in a transaction`;
});

const trim = storedFault('trim', ['trimmed'], ({ random, broker }) => {
  const start = 1 + random.below(broker.records.length);
  broker.trim(start);
  return `trim to ${String(start)}`;
});

const flip: Scenario = {
  name: 'flip',
  kinds: ['flip'],
  strikes: once,
  strike: async (world) => {
    const at = somewhere(world);
    const value = at === undefined ? undefined : world.broker.records[at]?.slice();
    if (at === undefined || value === undefined || value.length < 2) return undefined;
    // The first byte is the frame's type, which no leaf covers and nobody believes.
    const byte = 1 + world.random.below(value.length - 1);
    value[byte] = (value[byte] ?? 0) ^ (1 << world.random.below(8));
    world.broker.alter(at, value);
    return { kind: 'flip', what: `flip in ${String(at)}`, check: () => assertAlteredTold(world, at, value) };
  },
};

/** What a broker does to a record on its way, and after which the log goes on. */
export const APPEND_FAULTS: readonly Scenario[] = [
  appendFault('drop'),
  appendFault('duplicate'),
  appendFault('reorder'),
  appendFault('alter'),
];

export const BROKER_FAULTS: readonly Scenario[] = [
  ...APPEND_FAULTS,
  truncate,
  rollBack,
  vanish,
  compact,
  hide,
  trim,
  flip,
];
