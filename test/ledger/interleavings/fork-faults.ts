import assert from 'node:assert/strict';
import { sameHash } from '../../../src/ledger/merkle/tree-hash.ts';
import type { MemoryBroker } from '../../../src/ledger/memory-topic.ts';
import { incidentsOf, isVague } from './invariants.ts';
import { once, type Scenario } from './scenario.ts';
import { SimulatedMember, type World } from './world.ts';

/** Shows this member another log from now on. */
export function isolate(world: World, member: SimulatedMember): MemoryBroker {
  const other = world.broker.fork();
  member.topic.broker = other;
  member.cosignatureTopic.broker = world.cosignatures.fork();
  return other;
}

/** First index at which both logs have a record and not the same one. */
function partingOf(world: World, other: MemoryBroker): number | undefined {
  const parted = world.broker.records.findIndex((value, i) => {
    const theirs = other.records[i];
    return theirs !== undefined && !sameHash(value, theirs);
  });
  return parted < 0 ? undefined : parted;
}

/** Where members of both sides signed past the parting, everybody knows, and names the leaf. @returns whether it showed */
function assertForkTold(world: World, other: MemoryBroker, liar?: SimulatedMember): boolean {
  const parted = partingOf(world, other);
  const forks = incidentsOf(world).filter(({ incident }) => incident.kind === 'fork');
  const exact = forks.filter(({ incident }) => !isVague(incident));
  for (const { incident } of exact) assert.equal(incident.leafIndex, parted, 'the fork is told at another leaf');
  if (parted === undefined) return false;
  const signedPast = (onOther: boolean): boolean =>
    world.members.some(
      ({ topic, engine }) => (topic.broker === other) === onOther && (engine?.signing?.cosigner.lastSize ?? 0) > parted,
    );
  if (!signedPast(true) || !signedPast(false)) return false;
  for (const member of world.members) {
    // A liar's own process hears of nothing: the others take it to have seen what its second one signed.
    if (member === liar) continue;
    const { identity, engine } = member;
    const knows = exact.some(({ member: by }) => by === member);
    assert.ok(knows || (engine?.replica.head.size ?? 0) <= parted, `${identity.name} does not know of the fork`);
  }
  return true;
}

const fork: Scenario = {
  name: 'fork',
  kinds: ['fork'],
  strikes: once,
  settleRounds: 8,
  strike: async (world, member) => {
    const what = `fork for ${member.identity.name} at ${String(world.broker.records.length)}`;
    const other = isolate(world, member);
    return { kind: 'fork', what, check: () => assertForkTold(world, other) };
  },
};

/** A broker and a member together: the member cosigns both logs, each in front of those who see it. */
const forkWithLiar: Scenario = {
  name: 'fork with a liar',
  kinds: ['fork with a liar'],
  strikes: once,
  settleRounds: 8,
  strike: async (world, member) => {
    const { random, consortium } = world;
    const liar = random.pick(world.members.filter((each) => each !== member));
    const { name } = liar.identity;
    const other = isolate(world, member);
    const shadow = new SimulatedMember(liar.identity, other, member.cosignatureTopic.broker);
    shadow.peers = world.peersOf(name);
    world.shadows.push(shadow);
    await world.start(shadow, true);
    const check = (): boolean => {
      const parted = partingOf(world, other);
      const accused = incidentsOf(world).filter(({ incident }) => incident.kind === 'conflicting-cosignatures');
      for (const { incident } of accused) assert.equal(incident.member, name, 'an honest member is accused');
      const signed = [liar, shadow].map(({ cosignerStore }) => cosignerStore.last(consortium.origin)?.size ?? 0);
      if (parted === undefined || signed.some((size) => size <= parted)) return false;
      assertForkTold(world, other, liar);
      const witnesses = accused.filter(({ member: by }) => by !== liar);
      assert.ok(witnesses.length > 0, `nobody has evidence that ${name} cosigned two trees`);
      return true;
    };
    return {
      kind: 'fork with a liar',
      what: `fork for ${member.identity.name}, ${name} cosigns both`,
      liar: name,
      check,
    };
  },
};

export const FORK_FAULTS: readonly Scenario[] = [fork, forkWithLiar];
