import assert from 'node:assert/strict';
import { buildAcceptance, proposalNonce } from '../../../src/ledger/governance-record.ts';
import { parseSignerKey } from '../../../src/ledger/note-key.ts';
import { memberKeys } from '../consortium.ts';
import { APPEND_FAULTS } from './broker-faults.ts';
import { unfinished } from './invariants.ts';
import { trustNobody } from './member-faults.ts';
import { network } from './network-faults.ts';
import type { Scenario, Strike } from './scenario.ts';
import { unrest } from './unrest.ts';
import { SimulatedMember, type World } from './world.ts';

const ADMISSIONS = ['admit', 'admit, trimmed', 'admit, lying peer'] as const;
type Admission = (typeof ADMISSIONS)[number];

/** What else may befall the log, before the admission or behind it. */
const COMPANIONS: readonly Scenario[] = [...APPEND_FAULTS, network];
const NEWCOMER = 'imaging';

export const admission: Scenario = {
  name: 'admission',
  kinds: ADMISSIONS,
  strikes: (world) => 1 + world.random.below(3),
  settleRounds: 12,
  strike: async (world, member) => {
    const isKnown = world.crew.some(({ identity }) => identity.name === NEWCOMER);
    if (isKnown || world.random.chance(0.2)) return world.random.pick(COMPANIONS).strike(world, member);
    return admit(world);
  },
};

/** A member joins the running log: it starts from nothing before it is voted on, meanwhile or afterwards, and counts once it is admitted. */
export async function admit(world: World): Promise<Strike> {
  const { random } = world;
  let kind: Admission = random.pick(ADMISSIONS);
  await world.startAll();
  for (let i = 0; i < 2; i++) await world.round(1500);
  const old = world.members.filter(({ identity }) => !world.excluded.has(identity.name));
  const newcomer = newcomerTo(world);
  const passes = random.chance(0.85);
  const startsAt = random.pick(['first', 'meanwhile', 'last'] as const);
  let faults = 0;
  if (startsAt === 'first') kind = await arrive(world, newcomer, old, kind);
  const proposal = propose(world, random.pick(old), newcomer);
  for (const voter of old) {
    faults += await unrest(world, random.below(8));
    world.act(voter, { act: 'vote', proposal, vote: passes ? 'yes' : 'no' });
  }
  if (startsAt === 'meanwhile') kind = await arrive(world, newcomer, old, kind);
  if (passes) {
    faults += await unrest(world, 80, () => old.every(({ engine }) => isActive(engine)));
    if (startsAt === 'last') kind = await arrive(world, newcomer, old, kind);
    settleIn(world, newcomer, old);
  }
  faults += await unrest(world, 10 + random.below(20));
  if (kind !== 'admit') faults++;
  const counted = passes && (await countsWithout(world, newcomer, old));
  const check = (): boolean => {
    for (const { engine, identity } of world.members) {
      const status = engine?.governance.state.proposals.get(proposal)?.status;
      assert.equal(status, passes ? 'in-force' : 'rejected', `${kind} at ${identity.name}`);
    }
    if (!passes) assertSilent(world, newcomer);
    return counted;
  };
  return { kind, what: `${kind} ${startsAt}, ${passes ? 'adopted' : 'refused'}`, harmless: true, faults, check };
}

function newcomerTo(world: World): SimulatedMember {
  const { keys } = memberKeys(NEWCOMER, world.consortium.origin);
  const identity = { name: NEWCOMER, writer: `${NEWCOMER}-1`, keys };
  const newcomer = new SimulatedMember(identity, world.broker, world.cosignatures);
  newcomer.peers = world.peersOf(NEWCOMER);
  return newcomer;
}

function propose(world: World, proposer: SimulatedMember, newcomer: SimulatedMember): string {
  const { random, consortium } = world;
  const { origin } = consortium;
  const { keys, member } = memberKeys(newcomer.identity.name, origin);
  const signers = { batch: parseSignerKey(keys.batch), originSigner: parseSignerKey(keys.origin) };
  const acceptance = buildAcceptance({ origin, member, ...signers });
  const nonce = proposalNonce(Buffer.from(Array.from({ length: 16 }, () => random.below(256))));
  return world.act(proposer, { act: 'propose', change: { kind: 'admit', member, acceptance }, nonce });
}

/** Starts the newcomer's process, which is no member yet for all that it knows. @returns how: too little may be final to be trimmed */
async function arrive(
  world: World,
  newcomer: SimulatedMember,
  old: readonly SimulatedMember[],
  kind: Admission,
): Promise<Admission> {
  await world.startAll();
  const start = Math.min(...world.members.map(({ engine }) => engine?.finality.size ?? 0)) - 1;
  const trimmed = kind !== 'admit' && start > 1;
  if (trimmed) world.broker.trim(start);
  world.shadows.push(newcomer);
  if (trimmed && kind === 'admit, lying peer') await trustNobody(world, newcomer, old);
  else await world.start(newcomer, true);
  return trimmed ? kind : 'admit';
}

/** From now on it is one of the members; the others reach it as a peer from their next start on, which comes at once for half of them. */
function settleIn(world: World, newcomer: SimulatedMember, old: readonly SimulatedMember[]): void {
  world.shadows.splice(world.shadows.indexOf(newcomer), 1);
  world.members.push(newcomer);
  for (const member of old) {
    member.peers = [...member.peers, world.peer(newcomer)];
    if (world.random.chance(0.5)) member.stop(world.random.next());
  }
}

function isActive(engine: SimulatedMember['engine']): boolean {
  return engine?.membership().members.some(({ name, active }) => name === NEWCOMER && active) === true;
}

/** One of the old members is away, so that nothing is final but by the newcomer's signature. @returns whether that could be seen */
async function countsWithout(
  world: World,
  newcomer: SimulatedMember,
  old: readonly SimulatedMember[],
): Promise<boolean> {
  world.calm();
  for (const member of world.crew) member.spare();
  for (let i = 0; i < 4; i++) {
    await world.startAll();
    await world.round(1500);
  }
  const membership = newcomer.engine?.membership();
  const active = membership?.members.filter((member) => member.active).length ?? 0;
  // Where all are needed, each of them counts.
  const away = membership !== undefined && membership.quorum < active ? world.random.pick(old) : undefined;
  away?.stop(1);
  const present = [...old, newcomer].filter((member) => member !== away);
  const engines = present.map(({ engine }) => engine);
  const ready = engines.every(
    (engine) => isActive(engine) && engine?.signing?.sealer.allowed === true && engine.signing.cosigner.allowed,
  );
  world.commit(newcomer);
  for (let i = 0; i < 6; i++) await world.round(1500);
  const alive = present.every(({ engine }, i) => engine !== undefined && engine === engines[i]);
  if (away !== undefined) await world.start(away);
  if (!ready || !alive) return false;
  const late = unfinished(world).filter(({ author, at }) => author === newcomer && at !== away && present.includes(at));
  assert.deepEqual(
    late.map(({ at }) => at.identity.name),
    [],
    'nothing becomes final by the new member’s signature',
  );
  return true;
}

/** Who was not admitted has signed nothing. */
function assertSilent(world: World, { cosignerStore, sealStore }: SimulatedMember): void {
  assert.equal(cosignerStore.last(world.consortium.origin), undefined);
  assert.equal(sealStore.batches.length, 0);
}
