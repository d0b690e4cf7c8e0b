import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildBatch } from '../../src/ledger/batch.ts';
import { encodeFrame, parseFrame } from '../../src/ledger/frame.ts';
import { parseSignerKey } from '../../src/ledger/note-key.ts';
import { testEvent } from './consortium.ts';
import { Random } from './interleavings/random.ts';
import { World, type SimulatedMember } from './interleavings/world.ts';

/** The liar's batch 1, whole. */
function firstBatch(world: World, { identity }: SimulatedMember, label: string): Uint8Array {
  const { name: member, writer, keys } = identity;
  const place = { batch: 1, prev: new Uint8Array(32), firstEvent: 0 };
  const signer = parseSignerKey(keys.batch);
  return buildBatch({
    log: world.consortium.origin,
    member,
    writer,
    ...place,
    events: [testEvent(label).bytes],
    signer,
  }).frame;
}

/** The same with another body: nobody has the right one. */
function bodiless(frame: Uint8Array): Uint8Array {
  return encodeFrame({ kind: 'batch', header: parseFrame(frame)?.header ?? frame, body: new Uint8Array(1) });
}

test('bodies that nobody has do not hold the reading up, though one member never answers', async () => {
  const world = new World(4, new Random(8));
  const [honest, , , liar] = world.members;
  assert.ok(honest !== undefined && liar !== undefined);
  for (const member of world.members) await world.start(member, true);
  await world.step('read', honest);
  let asked = 0;
  for (const peer of honest.peers) {
    const { blob } = peer;
    peer.blob = async (hash) => {
      asked++;
      return peer.member === liar.identity.name ? new Promise(() => {}) : blob(hash);
    };
  }
  for (let i = 0; i < 300; i++) world.broker.append(bodiless(firstBatch(world, liar, String(i))));
  const startMs = performance.now();
  await world.step('read', honest);
  assert.equal(honest.engine?.replica.head.size, 301);
  assert.ok(performance.now() - startMs < 10_000, 'one wait for who does not answer, not one for each record');
  assert.ok(asked < 60, `${asked} requests for 300 records`);
  const told = honest.engine.replica.incidents.filter(({ kind }) => kind === 'bad-body');
  assert.equal(told.length, 100);

  world.broker.append(firstBatch(world, liar, 'good'));
  await world.step('read', honest);
  assert.equal(honest.engine.replica.writer(`${liar.identity.name}/${liar.identity.writer}`)?.batch, 1);
});
