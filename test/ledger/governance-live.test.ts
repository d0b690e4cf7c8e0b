import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, test } from 'node:test';
import { formatAddCheckpoint } from '../../src/ledger/add-checkpoint.ts';
import { DEFAULT_LOG_PARAMETERS, parseGenesis, type Member } from '../../src/ledger/genesis.ts';
import type { Change } from '../../src/ledger/governance-change.ts';
import { buildAcceptance, buildGovernance } from '../../src/ledger/governance-record.ts';
import type { MemberKeys } from '../../src/ledger/ledger-options.ts';
import { generateSigningKey, parseSignerKey, parseVerifierKey } from '../../src/ledger/note-key.ts';
import { parseReceipt } from '../../src/ledger/receipt.ts';
import { verifyReceipt } from '../../src/ledger/verifier.ts';
import { makeConsortium, testEvent } from './consortium.ts';
import { assertOneHistory, incidentsOf, unfinished } from './interleavings/invariants.ts';
import { Random } from './interleavings/random.ts';
import { World, type SimulatedMember } from './interleavings/world.ts';

async function running(members: number, seed: number): Promise<World> {
  const world = new World(members, new Random(seed));
  for (const member of world.members) await world.start(member, true);
  for (const member of world.members) world.commit(member);
  await world.settle(4, () => false);
  return world;
}

/** All members that are up propose and vote, and the log goes on until the change is in force. */
async function enact(world: World, change: Change, voters: readonly SimulatedMember[] = world.members): Promise<void> {
  let proposal: string | undefined;
  for (const { identity, topic } of voters) {
    const nonce = createHash('sha256')
      .update(`${change.kind} ${String(world.nowMs)}`)
      .digest()
      .subarray(0, 16);
    const { frame, id } = buildGovernance({
      log: world.consortium.origin,
      member: identity.name,
      act:
        proposal === undefined
          ? { act: 'propose', change, nonce: nonce.toString('base64url') }
          : { act: 'vote', proposal, vote: 'yes' },
      signer: parseSignerKey(identity.keys.batch),
    });
    proposal ??= id;
    await topic.append(frame);
  }
  await world.settle(8, () => false);
  assert.equal(voters[0]?.engine?.governance.state.proposals.get(proposal ?? '')?.status, 'in-force');
}

/** A member's next keys, and what it says of them to the others. */
function renewed(world: World, member: SimulatedMember): { keys: MemberKeys; change: Change } {
  const { origin, genesis } = world.consortium;
  const { name } = member.identity;
  const seed = (label: string) => createHash('sha256').update(`next ${name} ${label}`).digest();
  const batch = generateSigningKey({ name, type: 0x01, seed: seed('batch') });
  const originKey = generateSigningKey({ name: origin, type: 0x01, seed: seed('origin') });
  const cosigner = generateSigningKey({ name: `${name}/cosigner`, type: 0x04, seed: seed('cosigner') });
  const before = parseGenesis(genesis).members.find((known) => known.name === name);
  const next: Member = {
    name,
    batchKey: parseVerifierKey(batch.verifierKey),
    originKey: parseVerifierKey(originKey.verifierKey),
    cosignerKey: parseVerifierKey(cosigner.verifierKey),
    agreementKey: before?.agreementKey ?? seed('agreement'),
  };
  const acceptance = buildAcceptance({
    origin,
    member: next,
    batch: parseSignerKey(batch.signerKey),
    originSigner: parseSignerKey(originKey.signerKey),
  });
  const keys = { batch: batch.signerKey, origin: originKey.signerKey, cosigner: cosigner.signerKey };
  const change: Change =
    before === undefined
      ? { kind: 'admit', member: next, acceptance }
      : { kind: 'rotate-key', member: next, acceptance, graceLeaves: 50 };
  return { keys, change };
}

describe('governance that comes into force', () => {
  test('changes the timers of running members, but not what a member was told itself', async () => {
    const world = new World(3, new Random(31));
    world.parameters = { lingerMs: 50, resendAfterMs: 3000, peerIntervalMs: 500, freezeAfterMs: 30_000 };
    for (const member of world.members) await world.start(member, true);
    const parameters = { ...DEFAULT_LOG_PARAMETERS, cutIntervalMs: 4000, freezeAfterMs: 7_000 };
    await enact(world, { kind: 'change-parameters', parameters });
    for (const { engine } of world.members) {
      assert.equal(engine?.parameters.cutIntervalMs, 4000);
      assert.equal(engine?.parameters.freezeAfterMs, 30_000);
    }
    const [first] = world.members;
    assert.ok(first?.engine?.signing !== undefined);
    const { cutter } = first.engine.signing;
    const dueMs = cutter.dueInMs({ firstOtherMs: world.nowMs, lastCutMs: world.nowMs, cuts: 0 });
    assert.ok(dueMs >= 4000, 'the cutter goes by the new interval');
  });

  test('has a running member go over to the keys that it was given beforehand', async () => {
    const world = await running(3, 32);
    const [first] = world.members;
    assert.ok(first !== undefined);
    const { keys, change } = renewed(world, first);
    first.nextKeys = keys;
    first.stop(1);
    await world.start(first);
    await enact(world, change);
    world.commit(first);
    await world.settle(8, () => unfinished(world).length === 0);
    assert.deepEqual(unfinished(world), []);
    assert.deepEqual(incidentsOf(world), []);
    assertOneHistory(world);
    const receipt = first.view?.receipt(world.events.at(-1)?.id ?? '');
    assert.ok(receipt?.state === 'final');
    const facts = await verifyReceipt({ receipt: Buffer.from(receipt.text), genesis: world.consortium.genesis });
    assert.equal(facts.author, first.identity.name);
    assert.ok(parseReceipt(Buffer.from(receipt.text)).extra.header.length > 0);
  });

  test('leaves a member without the new keys silent, and it says so', async () => {
    const world = await running(4, 33);
    const [first] = world.members;
    assert.ok(first !== undefined);
    const { change } = renewed(world, first);
    assert.ok(change.kind === 'rotate-key');
    await enact(world, { ...change, graceLeaves: 0 });
    world.commit(first);
    const { length } = first.sealStore.batches;
    await world.settle(6, () => false);
    assert.equal(first.sealStore.batches.length, length, 'nothing is sealed with a key that is not in force');
    assert.ok(first.view?.status().alarms.some(({ kind }) => kind === 'key-not-in-force'));
    assert.deepEqual(incidentsOf(world), []);
  });

  test('lets a new member write from its admission on, and not before', async () => {
    // The newcomer is the fourth of a consortium that was founded by three.
    const world = await running(3, 34);
    const stranger = makeConsortium({ members: 4 }).members[3];
    assert.ok(stranger !== undefined);
    const beside = new World(4, new Random(34));
    const newcomer = beside.members[3];
    assert.ok(newcomer !== undefined);
    newcomer.topic.broker = world.broker;
    newcomer.cosignatureTopic.broker = world.cosignatures;
    const { keys, change } = renewed(world, newcomer);
    Object.assign(newcomer, { identity: { ...newcomer.identity, keys } });
    newcomer.peers = [];
    const event = testEvent('by the newcomer');
    await world.start(newcomer, true);
    newcomer.sealStore.commit(event.bytes, world.nowMs);
    await world.step('read', newcomer);
    world.nowMs += 1000;
    await world.step('seal', newcomer);
    assert.equal(newcomer.sealStore.batches.length, 0);
    assert.ok(newcomer.view?.status().alarms.some(({ kind }) => kind === 'suspended'));
    await enact(world, change);
    for (let i = 0; i < 4; i++) await world.step('read', newcomer);
    world.nowMs += 1000;
    await world.step('seal', newcomer);
    assert.equal(newcomer.sealStore.batches.length, 1);
    await world.settle(1, () => false);
    for (const member of world.members) assert.notEqual(member.view?.proofState(event.id).state, 'unknown');
    assert.deepEqual(incidentsOf(world), []);
  });
});

test('a replica that began from a peer gives receipts that hold with the genesis alone', async () => {
  const world = await running(4, 35);
  await enact(world, { kind: 'adopt-rule-set', digest: 'ab'.repeat(32) });
  const liar = world.members[3];
  assert.ok(liar !== undefined);
  const others = world.members.slice(0, 3);
  await enact(world, { kind: 'suspend', member: liar.identity.name, ground: { freeze: 1 } }, others);
  liar.stop(1);
  const [, lost] = world.members;
  assert.ok(lost !== undefined);
  world.commit(lost);
  const event = world.events.at(-1)?.id ?? '';
  const go = async (rounds: number): Promise<void> => {
    for (let i = 0; i < rounds; i++) {
      world.nowMs += 2000;
      for (const name of ['seal', 'read', 'cut', 'read', 'sign', 'cosignatures', 'peers'] as const)
        for (const member of others) await world.step(name, member);
    }
  };
  await go(6);
  world.broker.trim(world.broker.records.length - 2);
  lost.loseDisk();
  await world.start(lost);
  await go(8);
  const receipt = lost.view?.receipt(event);
  assert.equal(receipt?.state, 'final');
  assert.ok(receipt?.state === 'final');
  const { genesis } = world.consortium;
  assert.equal((await verifyReceipt({ receipt: Buffer.from(receipt.text), genesis })).author, lost.identity.name);
  assert.notEqual(lost.view?.history(), undefined);
});

for (const [kind, verdict] of [
  ['suspend', 'suspended'],
  ['remove', 'unknown-member'],
] as const) {
  test(`a member that comes back after a vote to ${kind} it sends what it had sealed once, and blames nobody`, async () => {
    const world = await running(4, 35);
    const [first, ...others] = world.members;
    assert.ok(first !== undefined);
    first.cutOff(true);
    world.commit(first);
    world.nowMs += 100;
    await world.step('seal', first);
    assert.equal(first.sealStore.unsequenced(1).length, 1);
    const freeze = others[0]?.engine?.finality.size ?? 0;
    const change = { kind, member: first.identity.name, ground: { freeze } } as const;
    let proposal: string | undefined;
    for (const voter of others) {
      const nonce = Buffer.alloc(16, 5).toString('base64url');
      if (proposal === undefined) proposal = world.act(voter, { act: 'propose', change, nonce });
      else world.act(voter, { act: 'vote', proposal, vote: 'yes' });
    }
    for (let i = 0; i < 4; i++) await world.round(1500);
    first.cutOff(false);
    // It sends before it has read that it no longer counts.
    world.nowMs += 1000;
    await world.step('seal', first);
    for (let i = 0; i < 12; i++) await world.round(5000);
    for (const { engine } of world.members) {
      const told = engine?.replica.incidents.map((incident) => incident.kind);
      assert.deepEqual(told, [verdict]);
    }
    assert.ok(first.view?.status().alarms.some((alarm) => alarm.kind === 'suspended'));
  });
}

test('a second gateway of a member seals, and leaves cosigning to the first', async () => {
  const world = await running(3, 36);
  const [first] = world.members;
  assert.ok(first !== undefined);
  first.cosigns = false;
  first.stop(1);
  await world.start(first);
  world.commit(first);
  await world.settle(6, () => false);
  assert.equal(first.engine?.signing?.cosigner.lastSize, first.cosignerStore.last(world.consortium.origin)?.size);
  const event = world.events.at(-1)?.id ?? '';
  const proof = world.members[1]?.view?.proofState(event);
  assert.ok(proof?.state === 'sequenced' && proof.signers === 2, 'the others cosign what it sealed');
  const request = world.members[1]?.engine?.latestSigned ?? new Uint8Array();
  assert.equal(
    (await first.view?.addCheckpoint(formatAddCheckpoint({ oldSize: 0, proof: [], note: request })))?.status,
    404,
  );
});
