import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AlarmKind } from '../../src/ledger/ledger-view.ts';
import { LocalPeer } from './consortium.ts';
import { Random } from './interleavings/random.ts';
import { World, type SimulatedMember } from './interleavings/world.ts';

async function upAndRunning(): Promise<{ world: World; first: SimulatedMember; third: SimulatedMember }> {
  const world = new World(3, new Random(9));
  for (const member of world.members) await world.start(member, true);
  for (const member of world.members) world.commit(member);
  await world.settle(4, () => false);
  const [first, , third] = world.members;
  assert.ok(first !== undefined && third !== undefined);
  return { world, first, third };
}

const alarms = (member: SimulatedMember): AlarmKind[] => member.view?.status().alarms.map(({ kind }) => kind) ?? [];

async function pass(world: World, rounds: number): Promise<void> {
  for (let i = 0; i < rounds; i++) {
    world.nowMs += 5000;
    for (const name of ['read', 'seal', 'read', 'cut', 'read', 'sign', 'cosignatures', 'peers'] as const)
      for (const member of world.members) await world.step(name, member);
  }
}

test('a consortium that runs has no alarm', async () => {
  const { world } = await upAndRunning();
  for (const member of world.members) assert.deepEqual(alarms(member), []);
});

test('a stalled broker: unavailable at once, frozen and unsequenced later, all over when it answers', async () => {
  const { world, first } = await upAndRunning();
  world.broker.stalled = true;
  world.commit(first);
  await pass(world, 1);
  assert.deepEqual(alarms(first), ['topic-unavailable']);
  await pass(world, 7);
  assert.deepEqual(new Set(alarms(first)), new Set(['topic-unavailable', 'freeze', 'unsequenced']));
  assert.equal(first.engine?.replica.incidents.length, 0, 'liveness is no incident');
  world.broker.stalled = false;
  await pass(world, 4);
  assert.deepEqual(alarms(first), []);
});

test('a second topic that is gone is told after half a minute, and hinders nothing while members reach each other', async () => {
  const { world, first } = await upAndRunning();
  world.cosignatures.stalled = true;
  await pass(world, 9);
  assert.deepEqual(alarms(first), ['cosignatures-unavailable']);
  world.cosignatures.stalled = false;
  await pass(world, 1);
  assert.deepEqual(alarms(first), []);
});

test('a silent member: the others tell who, and that nothing becomes final', async () => {
  const { world, first, third } = await upAndRunning();
  third.stop(1);
  await pass(world, 9);
  assert.deepEqual(new Set(alarms(first)), new Set(['freeze', 'peer-unreachable']));
  assert.ok(first.view?.status().alarms.some(({ detail }) => detail === third.identity.name));
});

test('a peer that does not answer is told although its cosignatures come by the second topic', async () => {
  const { world, first, third } = await upAndRunning();
  for (const peer of first.peers)
    if (peer instanceof LocalPeer && peer.member === third.identity.name) peer.reachable = false;
  await pass(world, 9);
  assert.deepEqual(alarms(first), ['peer-unreachable']);
  assert.ok((first.engine?.finality.size ?? 0) > 0);
});

test('a restored backup: nothing is signed, and the way on is named', async () => {
  const { world, first } = await upAndRunning();
  const backup = first.sealStore.backup();
  world.commit(first);
  await world.settle(4, () => false);
  first.stop(1);
  first.sealStore = backup;
  first.watchSealStore();
  await world.start(first);
  world.commit(first);
  await pass(world, 3);
  assert.ok(alarms(first).includes('restored-backup'));
  assert.equal(first.sealStore.batches.length, backup.batches.length, 'no batch was signed');
  assert.equal(first.engine?.signing?.sealer.allowed, false);
});
