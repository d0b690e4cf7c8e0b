import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildBatch } from '../../src/ledger/batch.ts';
import { buildGovernance } from '../../src/ledger/governance-record.ts';
import { parseSignerKey } from '../../src/ledger/note-key.ts';
import { genesisState } from '../../src/ledger/governance-state.ts';
import { genesisFrame, genesisHash, parseGenesis } from '../../src/ledger/genesis.ts';
import { EMPTY_HEAD } from '../../src/ledger/replica-state.ts';
import { judgeRecord } from '../../src/ledger/replica-judge.ts';
import { makeConsortium, testEvent } from './consortium.ts';
import { Random } from './interleavings/random.ts';
import { World } from './interleavings/world.ts';

async function running(): Promise<World> {
  const world = new World(3, new Random(21));
  for (const member of world.members) await world.start(member, true);
  for (const member of world.members) world.commit(member);
  await world.settle(4, () => false);
  return world;
}

test('a chain of the old log goes on in the new one from its last final header, and from nothing else', async () => {
  const world = await running();
  const [first] = world.members;
  assert.ok(first?.engine !== undefined);
  const heads = first.engine.replica.chainHeads(first.engine.finality.size);
  const { name, writer, keys } = first.identity;
  const previous = heads.get(`${name}/${writer}`);
  assert.deepEqual(previous, first.engine.replica.writer(`${name}/${writer}`)?.headerHash);
  const { genesis, origin } = makeConsortium({ origin: 'ledger.example/test-2' });
  const judge = (prev: Uint8Array) => {
    const events = [testEvent('sealed anew').bytes];
    const signer = parseSignerKey(keys.batch);
    const { frame } = buildBatch({ log: origin, member: name, writer, batch: 1, prev, firstEvent: 0, events, signer });
    // The new log names the members that the old one had, with the same keys.
    const state = { ...genesisState(parseGenesis(world.consortium.genesis)), origin };
    const replica = { head: { ...EMPTY_HEAD, size: 1 }, writer: () => undefined, acceptedLeaf: () => undefined };
    const context = {
      origin,
      genesisFrame: genesisFrame(genesis),
      replica,
      governance: () => state,
      previousHeads: heads,
    };
    return judgeRecord(frame, context).verdict;
  };
  assert.equal(judge(previous ?? new Uint8Array(32)), 'accepted');
  assert.equal(judge(new Uint8Array(32)), 'conflict');
});

test('once the members have opened another epoch, nobody signs in the old log again, not even after a restart', async () => {
  const world = await running();
  const [first] = world.members;
  assert.ok(first?.engine !== undefined);
  const { genesis } = makeConsortium({ origin: 'ledger.example/test-2' });
  const { size, root } = first.engine.finality;
  const change = { kind: 'open-epoch', size, root, genesis: genesisHash(genesis) } as const;
  let proposal: string | undefined;
  for (const { identity, topic } of world.members) {
    const act =
      proposal === undefined
        ? ({ act: 'propose', change, nonce: Buffer.alloc(16, 3).toString('base64url') } as const)
        : ({ act: 'vote', proposal, vote: 'yes' } as const);
    const signer = parseSignerKey(identity.keys.batch);
    const { frame, id } = buildGovernance({ log: world.consortium.origin, member: identity.name, act, signer });
    proposal ??= id;
    await topic.append(frame);
  }
  await world.settle(3, () => false);
  const signed = world.members.map((member) => member.engine?.signing?.cosigner.lastSize);
  for (const member of world.members) {
    assert.equal(member.cosignerStore.isClosed(world.consortium.origin), true);
    member.stop(1);
  }
  for (const member of world.members) world.commit(member);
  await world.settle(4, () => false);
  assert.deepEqual(
    world.members.map((member) => member.engine?.signing?.cosigner.lastSize),
    signed,
  );
  for (const member of world.members) assert.equal(member.engine?.signing?.sealer.allowed, false);
});
