import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildBatch } from '../../src/ledger/batch.ts';
import { formatCheckpoint } from '../../src/ledger/checkpoint.ts';
import { cosign } from '../../src/ledger/cosignature.ts';
import { parseSignerKey } from '../../src/ledger/note-key.ts';
import { formatNote, signText } from '../../src/ledger/note.ts';
import { verifyEvidence, type EvidenceKeys } from '../../src/ledger/evidence-file.ts';
import { sha256 } from '../../src/hash.ts';
import { testEvent } from './consortium.ts';
import { Random } from './interleavings/random.ts';
import { World, type SimulatedMember } from './interleavings/world.ts';

/** Four members of whom one may lie, after two rounds. */
async function upAndRunning(): Promise<{
  world: World;
  honest: SimulatedMember;
  other: SimulatedMember;
  liar: SimulatedMember;
}> {
  const world = new World(4, new Random(75));
  for (const member of world.members) await world.start(member, true);
  for (const member of world.members) world.commit(member);
  await world.settle(4, () => false, 2000);
  const [honest, other, , liar] = world.members;
  assert.ok(honest !== undefined && other !== undefined && liar !== undefined);
  return { world, honest, other, liar };
}

/** A tree that nobody has, or not so, signed by a member. */
function signTree(world: World, { identity }: SimulatedMember, size: number, label: string): Uint8Array {
  const text = formatCheckpoint({
    origin: world.consortium.origin,
    size,
    root: sha256(new TextEncoder().encode(label)),
  });
  const { origin, cosigner } = identity.keys;
  return formatNote(text, [signText(text, parseSignerKey(origin)), cosign(text, parseSignerKey(cosigner), 1)]);
}

/** A batch of number 1 that contradicts the accepted one. */
function signAgain(world: World, { identity }: SimulatedMember, label: string): Uint8Array {
  const { name: member, writer, keys } = identity;
  const events = [testEvent(label).bytes];
  const place = { batch: 1, prev: new Uint8Array(32), firstEvent: 0 };
  return buildBatch({
    log: world.consortium.origin,
    member,
    writer,
    ...place,
    events,
    signer: parseSignerKey(keys.batch),
  }).frame;
}

test('a signature over the empty tree stops nobody', async () => {
  const { world, honest, liar } = await upAndRunning();
  world.cosignatures.append(signTree(world, liar, 0, 'empty'));
  const finalSize = honest.engine?.finality.size ?? 0;
  world.commit(honest);
  await world.settle(3, () => false, 2000);
  assert.ok((honest.engine?.finality.size ?? 0) > finalSize);
});

test('evidence checks even where its signer pushes what it signed first out of memory', async () => {
  const { world, honest, liar } = await upAndRunning();
  const { engine } = honest;
  assert.ok(engine !== undefined);
  const { size } = engine.finality;
  // A foreign tree of the final size and one more: nothing that the liar has signed so far contradicts it.
  world.commit(honest);
  for (const name of ['seal', 'read'] as const) await world.step(name, honest);
  engine.finality.absorb(signTree(world, liar, size + 1, 'foreign'));
  await engine.settle();
  for (let i = 0; i < 200; i++) engine.finality.absorb(signTree(world, liar, 1_000_000 + i, 'far'));
  await engine.settle();
  engine.finality.absorb(signTree(world, liar, size + 1, 'another'));
  await engine.settle();
  const told = engine.replica.incidents.find(({ kind }) => kind === 'conflicting-cosignatures');
  assert.equal(told?.member, liar.identity.name);
  const file = honest.view?.evidence(told.evidence ?? '');
  assert.ok(file !== undefined);
  const keysOf = (name: string): EvidenceKeys | undefined => {
    const keys = engine.membership().members.find((member) => member.name === name);
    return keys && { batchKeys: [keys.batchKey], checkpointKeys: [keys.originKey, keys.cosignerKey] };
  };
  await verifyEvidence({ evidence: file, origin: world.consortium.origin, keysOf });
});

test('a member that signs foreign trees and answers nobody does not keep the others from reading', async () => {
  const { world, honest, liar } = await upAndRunning();
  const { engine } = honest;
  assert.ok(engine !== undefined);
  for (const peer of honest.peers) if (peer.member === liar.identity.name) peer.tile = () => new Promise(() => {});
  for (let i = 0; i < 100; i++) engine.finality.absorb(signTree(world, liar, 2, `foreign ${String(i)}`));
  const { size } = engine.replica.head;
  world.broker.append(new Uint8Array(3));
  const isRead = engine.readStep(0).then(() => true);
  assert.ok(await Promise.race([isRead, new Promise((resolve) => setTimeout(resolve, 2000, false))]));
  assert.equal(engine.replica.durableSize, size + 1);
});

test('a flood of contradictions by one member is kept in part, and hides no other member’s', async () => {
  const { world, honest, other, liar } = await upAndRunning();
  for (let i = 0; i < 250; i++) world.broker.append(signAgain(world, liar, `liar ${String(i)}`));
  world.broker.append(signAgain(world, other, 'other'));
  await world.step('read', honest);
  const conflicts = honest.engine?.replica.incidents.filter(({ kind }) => kind === 'conflict') ?? [];
  const byOther = conflicts.filter(({ member }) => member === other.identity.name);
  assert.equal(byOther.length, 1);
  assert.ok(byOther[0]?.evidence !== undefined);
  assert.equal(conflicts.length, 101);
  assert.ok((honest.view?.evidenceNames().length ?? 0) < 20);
});
