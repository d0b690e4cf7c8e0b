import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Random } from './interleavings/random.ts';
import { World } from './interleavings/world.ts';

const BATCHES = 70;

test('batches that were read back by a process that died before the outbox knew are not sent for ever', async () => {
  const world = new World(3, new Random(1));
  const [member] = world.members;
  assert.ok(member !== undefined);
  await world.start(member, true);
  await world.step('read', member);
  for (let i = 0; i < BATCHES; i++) {
    world.commit(member);
    world.nowMs += 100;
    await world.step('seal', member);
  }
  const waiting = (): number => member.sealStore.unsequenced(BATCHES).length;
  // Dies after the replica has them all, before the outbox knows of any.
  member.sealStore.onStep = (step) => {
    if (step === 'before markSequenced') throw new Error('killed');
  };
  await assert.rejects(world.step('read', member), /killed/);
  assert.equal(waiting(), BATCHES);
  member.stop(1);
  member.watchSealStore();
  const { length } = world.broker.records;

  await world.start(member);
  await world.step('read', member);
  assert.equal(waiting(), BATCHES - 64, 'as many as are sent at once are known from the replica');
  assert.equal(world.broker.records.length, length, 'nothing was sent again');
  for (const other of world.members) if (other !== member) await world.start(other, true);
  for (let i = 0; i < 3; i++) await world.round(2000);
  assert.equal(waiting(), 0, 'the others are marked when their repeats are read');
  assert.equal(member.engine?.replica.incidents.length, 0);
});

test('a batch whose read-back could not be saved is marked when there is room again', async () => {
  const world = new World(3, new Random(2));
  const [member] = world.members;
  assert.ok(member !== undefined);
  await world.start(member, true);
  await world.step('read', member);
  const seal = async (): Promise<void> => {
    world.commit(member);
    world.nowMs += 100;
    await world.step('seal', member);
  };
  await seal();
  member.sealStore.onStep = (step) => {
    if (step === 'before markSequenced') throw new Error('no room');
  };
  await assert.rejects(world.step('read', member), /no room/);
  member.watchSealStore();
  const { length } = world.broker.records;
  await seal();
  await world.step('read', member);
  assert.equal(member.sealStore.unsequenced(10).length, 0);
  assert.equal(world.broker.records.length, length + 1, 'nothing was sent again');
});
