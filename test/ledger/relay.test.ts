import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryBroker } from '../../src/ledger/memory-topic.ts';
import { incidentsOf, unfinished } from './interleavings/invariants.ts';
import { Random } from './interleavings/random.ts';
import { World, type SimulatedMember, type StepName } from './interleavings/world.ts';

async function cutOff(): Promise<{ world: World; lonely: SimulatedMember; others: readonly SimulatedMember[] }> {
  const world = new World(4, new Random(3));
  for (const member of world.members) await world.start(member, true);
  await world.settle(2, () => false);
  const [lonely, ...others] = world.members;
  assert.ok(lonely !== undefined);
  lonely.topic.broker = new MemoryBroker();
  lonely.topic.broker.stalled = true;
  return { world, lonely, others };
}

async function pass(world: World, member: SimulatedMember, names: readonly StepName[]): Promise<void> {
  for (const name of names) await world.step(name, member);
}

test('a member that cannot reach the broker gets its batches on the ledger by way of a peer', async () => {
  const { world, lonely, others } = await cutOff();
  world.commit(lonely);
  const event = world.events.at(-1);
  for (let i = 0; i < 12; i++) {
    world.nowMs += 1000;
    await pass(world, lonely, ['read', 'seal', 'relay']);
    for (const member of others) await pass(world, member, ['read', 'cut', 'read', 'sign', 'cosignatures', 'peers']);
  }
  assert.equal(others[0]?.view?.proofState(event?.id ?? '').state, 'final', 'three of four are a quorum');
  lonely.topic.broker = world.broker;
  await world.settle(8, () => false);
  assert.deepEqual(unfinished(world), []);
  assert.equal(incidentsOf(world).length, 0);
});

test('only batches that could be accepted are relayed', async () => {
  const { world, lonely, others } = await cutOff();
  world.commit(lonely);
  world.nowMs += 200;
  await world.step('seal', lonely);
  const frame = lonely.sealStore.batches[0]?.frame;
  const view = others[0]?.view;
  assert.ok(frame !== undefined && view !== undefined);
  const before = world.broker.records.length;
  for (const position of [0, 40, 200, frame.length - 1]) {
    const altered: Uint8Array = frame.slice();
    altered[position] = (altered[position] ?? 0) ^ 1;
    assert.equal(await view.relay(altered), false, `byte ${String(position)}`);
  }
  assert.equal(await view.relay(new Uint8Array()), false);
  const genesis = world.broker.records[0];
  assert.equal(await view.relay(genesis ?? new Uint8Array()), false);
  assert.equal(world.broker.records.length, before);
  assert.equal(await view.relay(frame), true);
  // Whoever has the frame may send it without end while it is not read back: the topic takes it once.
  assert.equal(await view.relay(frame), true);
  assert.equal(world.broker.records.length, before + 1);
  await pass(world, others[0] as SimulatedMember, ['read']);
  assert.equal(await view.relay(frame), false, 'it is there already');
});

test('a batch that a peer appended before it died is not blamed on the broker', async () => {
  const { world, lonely, others } = await cutOff();
  world.commit(lonely);
  const [first] = others;
  assert.ok(first !== undefined);
  for (let i = 0; i < 4; i++) {
    world.nowMs += 2000;
    await pass(world, lonely, ['read', 'seal']);
  }
  // Each peer appends it and dies before it says so.
  for (const member of others) member.topic.onStep = (step) => assert.notEqual(step, 'after append', 'died');
  await pass(world, lonely, ['relay']);
  for (const member of others) member.topic.onStep = () => {};
  assert.equal(world.broker.records.length - 1 >= others.length, true);
  lonely.topic.broker = world.broker;
  await world.settle(8, () => false);
  assert.deepEqual(unfinished(world), []);
  assert.equal(incidentsOf(world).length, 0);
});

test('a batch whose predecessor is missing for good is not relayed without end', async () => {
  const { world, lonely, others } = await cutOff();
  for (let i = 0; i < 2; i++) {
    world.commit(lonely);
    world.nowMs += 2000;
    await world.step('seal', lonely);
  }
  const frame = lonely.sealStore.batches[1]?.frame;
  const [first] = others;
  assert.ok(frame !== undefined && first?.view !== undefined);
  const before = world.broker.records.length;
  for (let i = 0; i < 100; i++) {
    await first.view.relay(frame);
    world.nowMs += 60_000;
    await pass(world, first, ['read']);
  }
  assert.ok(world.broker.records.length - before <= 16, String(world.broker.records.length - before));
});
