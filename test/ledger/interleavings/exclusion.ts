import assert from 'node:assert/strict';
import { parseBatchHeader } from '../../../src/ledger/batch.ts';
import { proposalNonce } from '../../../src/ledger/governance-record.ts';
import { admit } from './admission.ts';
import { alarmsAt } from './invariants.ts';
import type { Scenario, Strike } from './scenario.ts';
import { unrest } from './unrest.ts';
import type { SimulatedMember, World } from './world.ts';

/** How often each batch that was sealed before is sent at most until the news of the exclusion is read. */
const LATE_SENDS = 5;
const EXCLUSIONS = ['suspend', 'remove'] as const;

/**
 * A member that did nothing wrong is cut off, and the others act on it by the ground that the log stands still. It comes back into a log in which it no longer
 * counts. Sometimes a new member takes its place.
 */
export const exclusion: Scenario = {
  name: 'exclusion',
  kinds: EXCLUSIONS,
  strikes: (world) => 1 + world.random.below(2),
  settleRounds: 12,
  strike: async (world, member) => {
    if (world.excluded.size === 0) return exclude(world, member);
    // Votes are counted by who was active when they were given: what was decided before must be in force.
    return isInForce(world) ? admit(world) : undefined;
  },
};

async function exclude(world: World, member: SimulatedMember): Promise<Strike> {
  const { random, consortium } = world;
  const { name } = member.identity;
  const kind = random.pick(EXCLUSIONS);
  await world.startAll();
  for (let i = 0; i < 2; i++) await world.round(1500);
  const others = world.members.filter((each) => each !== member);
  member.cutOff(true);
  world.commit(member);
  let faults = 1 + (await unrest(world, 10 + random.below(30)));
  if (random.chance(0.5)) await standStill(world, member, others);
  const proposer = random.pick(others);
  const ground = { freeze: proposer.engine?.finality.size ?? 0 };
  const nonce = proposalNonce(Buffer.alloc(16, random.below(256)));
  const proposal = world.act(proposer, { act: 'propose', change: { kind, member: name, ground }, nonce });
  for (const voter of others) {
    if (voter === proposer) continue;
    faults += await unrest(world, random.below(8));
    world.act(voter, { act: 'vote', proposal, vote: 'yes' });
  }
  // With three, the old membership needs the one that is away: what is decided is final only once it has come back and signed.
  faults += await unrest(world, 10 + random.below(60));
  world.excluded.add(name);
  const signed = member.cosignerStore.last(consortium.origin)?.size ?? 0;
  member.cutOff(false);
  faults += await unrest(world, 20);
  const check = (): boolean => {
    assertExcluded(world, proposal, member, signed);
    return true;
  };
  return { kind, what: `${kind} ${name}, which is away`, harmless: true, faults, check };
}

function isInForce(world: World): boolean {
  return world.members.every(({ engine }) => {
    const active = engine?.membership().members.filter((member) => member.active) ?? [];
    return engine !== undefined && !active.some(({ name }) => world.excluded.has(name));
  });
}

/** With three, nothing more is final without the one that is away, and the others tell. */
async function standStill(world: World, away: SimulatedMember, others: readonly SimulatedMember[]): Promise<void> {
  const signed = away.cosignerStore.last(world.consortium.origin)?.size ?? 0;
  for (let i = 0; i < 8; i++) {
    for (const member of others) if (member.engine === undefined) await world.start(member);
    await world.round(5000);
  }
  if (world.members.length > 3) return;
  for (const { engine, view, identity } of others) {
    if (engine === undefined || world.nowMs - engine.startedMs < 30_000) continue;
    assert.ok(engine.finality.size <= signed, 'something is final without a member that all need');
    const alarms = view?.status().alarms.map((alarm) => alarm.kind) ?? [];
    assert.ok(alarms.includes('freeze'), `${identity.name} does not see that the log stands still`);
  }
}

/** In force for all, also for the member itself; nothing of its counts from there on, and it has signed nothing greater than what put the change in force. */
function assertExcluded(world: World, proposal: string, member: SimulatedMember, signedBefore: number): void {
  const { name } = member.identity;
  for (const { engine, identity } of world.members) {
    if (engine === undefined) continue;
    const found = engine.governance.state.proposals.get(proposal);
    assert.equal(found?.status, 'in-force', `at ${identity.name}`);
    const from = found.inForceFrom ?? 0;
    const signed = member.cosignerStore.last(world.consortium.origin)?.size ?? 0;
    assert.ok(signed <= Math.max(from, signedBefore), 'it cosigns after it was excluded');
    let refused = 0;
    const batches = new Set<number>();
    for (let index = from; index < engine.replica.head.size; index++) {
      const record = engine.replica.leaves.record(index);
      if (record.type !== 'batch') continue;
      const header = parseBatchHeader(engine.replica.leaves.header(record));
      if (header.member !== name) continue;
      batches.add(header.batch);
      assert.notEqual(record.verdict, 'accepted', `a batch of the excluded member is accepted at ${String(index)}`);
      refused++;
    }
    assert.ok(refused <= LATE_SENDS * batches.size, `it sent ${String(refused)} batches that nobody takes`);
  }
  assert.ok(alarmsAt(member).includes('suspended'), 'it does not tell that it no longer counts');
}
