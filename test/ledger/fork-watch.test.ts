import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Random } from './interleavings/random.ts';
import { SimulatedMember, World, type StepName } from './interleavings/world.ts';

const APPEND: readonly StepName[] = ['seal', 'read', 'cut', 'read'];

async function round(world: World, members: readonly SimulatedMember[], names: readonly StepName[]): Promise<void> {
  world.nowMs += 2000;
  for (const name of names) for (const member of members) await world.step(name, member);
}

for (const shorter of ['the isolated member', 'the others'] as const) {
  test(`a fork is told on both sides, with its leaf, where ${shorter} signed only smaller trees`, async () => {
    const world = new World(3, new Random(31));
    const [isolated, ...others] = world.members;
    assert.ok(isolated !== undefined);
    const behind = shorter === 'the others' ? others : [isolated];
    const ahead = world.members.filter((member) => !behind.includes(member));
    for (const member of world.members) await world.start(member, true);
    for (const member of world.members) world.commit(member);
    await round(world, world.members, APPEND);
    await round(world, behind, ['sign']);
    const parted = world.broker.records.length;
    isolated.topic.broker = world.broker.fork();
    isolated.cosignatureTopic.broker = world.cosignatures.fork();
    for (let i = 0; i < 4; i++) {
      for (const member of ahead) world.commit(member);
      await round(world, ahead, [...APPEND, 'sign']);
    }
    // Those behind learn that the others have signed more, by a tree on which all agree; what they sign next is another one.
    await round(world, behind, ['peers']);
    for (const member of behind) world.commit(member);
    await round(world, behind, [...APPEND, 'sign']);
    for (let i = 0; i < 3; i++) await round(world, world.members, ['cosignatures', 'peers']);

    for (const { engine, identity } of world.members) {
      const forks = engine?.replica.incidents.filter(({ kind }) => kind === 'fork') ?? [];
      assert.ok(forks.length > 0, `${identity.name} does not know`);
      for (const { leafIndex } of forks) assert.equal(leafIndex, parted);
      assert.ok((engine?.finality.size ?? 0) <= parted, 'nothing behind the fork may be final');
    }
  });
}

test('a fork is told with its leaf also where who signed both logs shows only one of them', async () => {
  const world = new World(3, new Random(32));
  const [first, isolated, liar] = world.members;
  assert.ok(first !== undefined && isolated !== undefined && liar !== undefined);
  for (const member of world.members) await world.start(member, true);
  await round(world, world.members, APPEND);
  const parted = world.broker.records.length;
  isolated.topic.broker = world.broker.fork();
  isolated.cosignatureTopic.broker = world.cosignatures.fork();
  const shadow = new SimulatedMember(liar.identity, isolated.topic.broker, isolated.cosignatureTopic.broker);
  shadow.peers = world.peersOf(liar.identity.name);
  world.shadows.push(shadow);
  await world.start(shadow, true);
  world.commit(first);
  world.commit(isolated);
  for (let i = 0; i < 3; i++) await round(world, world.crew, [...APPEND, 'sign', 'peers']);

  const told = first.engine?.replica.incidents.filter(({ kind, member }) => {
    return kind === 'fork' && member === liar.identity.name;
  });
  assert.ok(
    told?.some(({ leafIndex }) => leafIndex === parted),
    'the leaf is not found',
  );
  const evidence = first.engine?.replica.incidents.find(({ kind }) => kind === 'conflicting-cosignatures');
  assert.equal(evidence?.member, liar.identity.name);
});
