import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseGenesis } from '../../src/ledger/genesis.ts';
import type { Change } from '../../src/ledger/governance-change.ts';
import { parseHistory, verifyHistory } from '../../src/ledger/governance-history.ts';
import { buildGovernance } from '../../src/ledger/governance-record.ts';
import { parseSignerKey } from '../../src/ledger/note-key.ts';
import { parseReceipt } from '../../src/ledger/receipt.ts';
import { verifyReceipt } from '../../src/ledger/verifier.ts';
import { Random } from './interleavings/random.ts';
import { assertOneHistory, incidentsOf } from './interleavings/invariants.ts';
import { World } from './interleavings/world.ts';

const RULE_SET = 'ab'.repeat(32);

async function act(world: World, i: number, governed: Parameters<typeof buildGovernance>[0]['act']): Promise<string> {
  const member = world.members[i];
  assert.ok(member !== undefined);
  const { name, keys } = member.identity;
  const { frame, id } = buildGovernance({
    log: world.consortium.origin,
    member: name,
    act: governed,
    signer: parseSignerKey(keys.batch),
  });
  await member.topic.append(frame);
  return id;
}

test('a rule set that is adopted comes into force at a checkpoint that is final, for all and after a restart', async () => {
  const world = new World(3, new Random(5));
  for (const member of world.members) await world.start(member, true);
  const proposal = await act(world, 0, {
    act: 'propose',
    change: { kind: 'adopt-rule-set', digest: RULE_SET },
    nonce: Buffer.alloc(16, 1).toString('base64url'),
  });
  await act(world, 1, { act: 'vote', proposal, vote: 'yes' });
  await world.settle(3, () => false);
  for (const member of world.members) assert.equal(member.view?.ruleSet().index, 0, 'two of three are too few');
  await act(world, 2, { act: 'vote', proposal, vote: 'yes' });
  await world.settle(8, () => false);
  for (const member of world.members) {
    assert.deepEqual(member.view?.ruleSet(), { index: 1, digest: RULE_SET });
    const from = member.engine?.governance.state.versions.at(-1)?.from ?? Infinity;
    assert.ok((member.engine?.finality.size ?? 0) >= from, 'the checkpoint that put it in force is final');
    member.stop(0.5);
  }
  await world.settle(2, () => false);
  for (const member of world.members) assert.deepEqual(member.view?.ruleSet(), { index: 1, digest: RULE_SET });
  assertOneHistory(world);
  assert.equal(incidentsOf(world).length, 0);
});

test('a suspended member no longer counts, and the others go on without it', async () => {
  const world = new World(4, new Random(6));
  for (const member of world.members) await world.start(member, true);
  await world.settle(2, () => false);
  const liar = world.members[3];
  assert.ok(liar !== undefined);
  const proposal = await act(world, 0, {
    act: 'propose',
    change: { kind: 'suspend', member: liar.identity.name, ground: { freeze: 1 } },
    nonce: Buffer.alloc(16, 2).toString('base64url'),
  });
  await act(world, 1, { act: 'vote', proposal, vote: 'yes' });
  await act(world, 2, { act: 'vote', proposal, vote: 'yes' });
  await world.settle(8, () => false);
  for (const member of world.members.slice(0, 3)) {
    const status = member.view?.status();
    assert.equal(status?.members.find(({ name }) => name === liar.identity.name)?.active, false);
    assert.equal(status?.quorum, 3);
  }
  liar.stop(1);
  const first = world.members[0];
  assert.ok(first !== undefined);
  world.commit(first);
  const event = world.events.at(-1);
  for (let i = 0; i < 8; i++) {
    world.nowMs += 2000;
    for (const name of ['seal', 'read', 'cut', 'read', 'sign', 'cosignatures', 'peers'] as const)
      for (const member of world.members.slice(0, 3)) await world.step(name, member);
  }
  assert.equal(first.view?.proofState(event?.id ?? '').state, 'final');
  const receipt = first.view?.receipt(event?.id ?? '');
  assert.ok(receipt?.state === 'final');
  const genesis = first.view?.genesisBytes();
  const facts = await verifyReceipt({ receipt: Buffer.from(receipt.text), genesis });
  assert.equal(facts.author, first.identity.name);
  assert.equal(facts.cosigners.length, 3);
  assert.ok(
    parseReceipt(Buffer.from(receipt.text)).extra.history !== undefined,
    'the genesis alone does not know of the change',
  );
});

test('a vote right behind the cut that put a change in force is counted by the new rule, also after a restart', async () => {
  const world = new World(4, new Random(8));
  const [first, second, third] = world.members;
  assert.ok(first !== undefined && second !== undefined && third !== undefined);
  await world.start(first, true);
  const propose = (change: Change, fill: number): string =>
    world.act(first, { act: 'propose', change, nonce: Buffer.alloc(16, fill).toString('base64url') });
  const quorum = propose({ kind: 'change-quorum', quorum: { numerator: 3, denominator: 4 } }, 3);
  const rules = propose({ kind: 'adopt-rule-set', digest: RULE_SET }, 4);
  for (const proposal of [quorum, rules]) world.act(second, { act: 'vote', proposal, vote: 'yes' });
  world.act(third, { act: 'vote', proposal: quorum, vote: 'yes' });
  await world.step('read', first);
  world.nowMs += 5000;
  await world.step('cut', first);
  // Three of four were enough before this cut, and are no longer.
  world.act(third, { act: 'vote', proposal: rules, vote: 'yes' });
  await world.step('read', first);
  const statusOf = (proposal: string) => first.engine?.governance.state.proposals.get(proposal)?.status;
  assert.deepEqual([quorum, rules].map(statusOf), ['in-force', 'open']);
  first.stop(1);
  await world.start(first);
  assert.deepEqual([quorum, rules].map(statusOf), ['in-force', 'open']);
});

test('a history holds what came into force and the votes that decided it, and nothing that a member only said', async () => {
  const world = new World(4, new Random(9));
  const [first, second, third, fourth] = world.members;
  assert.ok(first !== undefined && second !== undefined && third !== undefined && fourth !== undefined);
  for (const member of world.members) await world.start(member, true);
  const propose = (member: typeof first, digest: string, fill: number): string =>
    world.act(member, {
      act: 'propose',
      change: { kind: 'adopt-rule-set', digest },
      nonce: Buffer.alloc(16, fill).toString('base64url'),
    });
  for (let fill = 10; fill < 20; fill++) propose(fourth, 'cd'.repeat(32), fill);
  const proposal = propose(first, RULE_SET, 5);
  for (const member of [second, third]) world.act(member, { act: 'vote', proposal, vote: 'yes' });
  for (let i = 0; i < 10; i++) world.act(fourth, { act: 'vote', proposal, vote: 'no' });
  await world.settle(8, () => false);
  const check = async (): Promise<void> => {
    const history = first.view?.history();
    assert.ok(history !== undefined);
    const [step, ...more] = parseHistory(history);
    assert.deepEqual([step?.records.length, more.length], [3, 0]);
    const { versions } = await verifyHistory({
      history,
      genesis: parseGenesis(first.view?.genesisBytes() as Uint8Array),
    });
    assert.deepEqual(versions, first.engine?.governance.state.versions);
  };
  await check();
  first.stop(0.5);
  await world.settle(2, () => false);
  await check();
});
