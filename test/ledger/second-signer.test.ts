import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Random } from './interleavings/random.ts';
import { SimulatedMember, World } from './interleavings/world.ts';

/** A consortium at work, and a second process of its first member on a copy of that member's data. */
async function withCopy(): Promise<{ world: World; member: SimulatedMember; copy: SimulatedMember }> {
  const world = new World(3, new Random(5));
  const [member] = world.members;
  assert.ok(member !== undefined);
  for (const each of world.members) await world.start(each, true);
  world.commit(member);
  await world.settle(3, () => false);
  const copy = new SimulatedMember(member.identity, world.broker, world.cosignatures);
  copy.peers = world.peersOf(member.identity.name);
  copy.cosigns = false;
  copy.sealStore = member.sealStore.backup();
  copy.watchSealStore();
  await world.start(copy);
  await world.step('read', copy);
  return { world, member, copy };
}

async function seal(world: World, member: SimulatedMember): Promise<void> {
  world.commit(member);
  world.nowMs += 1000;
  await world.step('seal', member);
}

test('a second signer that shows itself while peers are asked about the first start keeps sealing off', async () => {
  const { world, member, copy } = await withCopy();
  member.stop(1);
  let answer = (): void => {};
  const asked = new Promise<void>((resolve) => (answer = resolve));
  for (const peer of member.peers) {
    const { head } = peer;
    peer.head = async (writer) => {
      const before = await head(writer);
      await asked;
      return before;
    };
  }
  await world.start(member);
  await world.step('read', member);
  const { engine } = member;
  const checking = engine?.sealStep();
  await seal(world, copy);
  await world.step('read', member);
  assert.ok(engine?.restoredBackupMs !== undefined);
  answer();
  await checking;
  assert.equal(engine.signing?.sealer.allowed, false);
  const { length } = member.sealStore.batches;
  await seal(world, member);
  assert.equal(member.sealStore.batches.length, length, 'no number is signed twice');
});

test('who has signed past a number that another process used is told so again after a restart', async () => {
  const { world, member, copy } = await withCopy();
  for (let i = 0; i < 2; i++) {
    world.broker.failNext('refuse');
    await seal(world, member);
  }
  await seal(world, copy);
  await world.step('read', member);
  assert.ok(member.engine?.restoredBackupMs !== undefined);
  member.stop(1);
  await world.start(member);
  for (let i = 0; i < 3; i++) await world.round(2000);
  assert.ok(member.engine?.restoredBackupMs !== undefined);
  assert.equal(member.engine.signing?.sealer.allowed, false);
});

test('a cosigner whose memory is older than what it signed signs no other tree than it is shown', async () => {
  const world = new World(3, new Random(6));
  const [member] = world.members;
  assert.ok(member !== undefined);
  for (const each of world.members) await world.start(each, true);
  for (let i = 0; i < 2; i++) await world.round(6000);
  const { origin } = world.consortium;
  const early = member.cosignerStore.last(origin);
  const { length } = world.broker.records;
  world.commit(member);
  for (let i = 0; i < 3; i++) await world.round(6000);
  const signed = member.cosignerStore.last(origin)?.size ?? 0;
  assert.ok(early !== undefined && early.size < signed);

  // Its disk and the broker's are put back together, and the topic grows again, otherwise.
  member.loseDisk();
  member.cosignerStore.advance(origin, undefined, early);
  member.topic.broker = world.broker.fork(length);
  await world.start(member);
  const { engine } = member;
  for (const name of ['read', 'cosignatures'] as const) await world.step(name, member);
  for (let i = 0; i < 9; i++) member.topic.broker.append(new Uint8Array([i]));
  for (let i = 0; i < 4; i++) {
    world.nowMs += 6000;
    for (const name of ['read', 'cut', 'read', 'sign', 'cosignatures'] as const) await world.step(name, member);
  }
  assert.ok((engine?.replica.head.lastCut ?? 0) > signed, 'there is something to sign');
  assert.ok((member.cosignerStore.last(origin)?.size ?? 0) <= signed, 'it was not signed');
});
