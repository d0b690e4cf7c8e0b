import assert from 'node:assert/strict';
import type { AppendFault } from '../../../src/ledger/memory-topic.ts';
import { LocalPeer } from '../consortium.ts';
import { appendWithFault } from './broker-faults.ts';
import { unfinished } from './invariants.ts';
import { once, type Scenario } from './scenario.ts';
import { ROUND, type SimulatedMember, type World } from './world.ts';

export const ANSWERS: readonly AppendFault[] = ['refuse', 'acknowledgement-lost', 'request-lost', 'late'];

/** Appends that fail in each honest way, with peers and the broker coming and going. */
export const network: Scenario = {
  name: 'network',
  kinds: ANSWERS,
  strikes: (world) => 1 + world.random.below(4),
  strike: async (world, member) => {
    const kind = world.random.pick(ANSWERS);
    const at = await appendWithFault(world, member, kind);
    return at === undefined ? undefined : { kind, what: `${kind} at ${String(at)}`, harmless: true };
  },
  beside: async ({ random, broker }, member) => {
    if (random.chance(0.1)) broker.stalled = !broker.stalled;
    if (random.chance(0.1)) togglePeers(member);
  },
};

export function togglePeers({ peers }: SimulatedMember): void {
  for (const peer of peers) if (peer instanceof LocalPeer) peer.reachable = !peer.reachable;
}

/** The broker answers nobody for longer than the freeze notice waits: told while it lasts, over when it answers, nothing lost. */
const stall: Scenario = {
  name: 'stall',
  kinds: ['stall'],
  strikes: once,
  strike: async (world) => {
    await world.startAll();
    world.broker.stalled = true;
    for (let i = 0; i < 8; i++) {
      if (i < 2) world.commit(world.random.pick(world.members));
      await world.round(5000);
    }
    for (const { view, identity, sealStore, engine } of world.members) {
      if (view === undefined) continue;
      const alarms = view.status().alarms.map(({ kind }) => kind);
      assert.ok(alarms.includes('topic-unavailable'), `${identity.name} does not see that the topic is gone`);
      assert.ok(
        alarms.includes('freeze') || freshlyStarted(view.status().alarms, world),
        `${identity.name}: no freeze`,
      );
      const sends = engine?.signing?.sealer.allowed === true && sealStore.unsequenced(1).length > 0;
      assert.ok(!sends || alarms.includes('unsequenced'), `${identity.name}: no word of what is not sequenced`);
    }
    world.broker.stalled = false;
    return { kind: 'stall', what: 'stall for 40 s', harmless: true, check: () => true };
  },
};

/** Whoever was killed during the stall has not waited long enough since. */
function freshlyStarted(alarms: readonly { readonly sinceMs: number }[], { nowMs }: World): boolean {
  return alarms.every(({ sinceMs }) => nowMs - sinceMs < 30_000);
}

/** Members cannot reach one another: the second topic alone carries finality. */
const partition: Scenario = {
  name: 'partition',
  kinds: ['partition'],
  strikes: once,
  strike: async (world) => {
    await world.startAll();
    for (let i = 0; i < 2; i++) await world.round(1500);
    for (const { peers } of world.members)
      for (const peer of peers) if (peer instanceof LocalPeer) peer.reachable = false;
    const before = world.members.map(({ engine }) => engine);
    // Who was just started asks peers what it published before it seals or signs; all others need nobody.
    const ready = world.members.every(
      ({ engine }) => engine?.signing?.sealer.allowed === true && engine.signing.cosigner.allowed,
    );
    world.commit(world.random.pick(world.members));
    for (let i = 0; i < 5; i++) await world.round(2000);
    const alive = world.members.every(({ engine }, i) => engine !== undefined && engine === before[i]);
    if (ready && alive) assert.deepEqual(unfinished(world), [], 'without peers nothing becomes final');
    return { kind: 'partition', what: 'nobody reaches a peer', harmless: true, check: () => ready && alive };
  },
};

/** The second topic loses what it held, or does not answer: members' own exchange alone carries finality. */
const secondTopic: Scenario = {
  name: 'second topic',
  kinds: ['second topic'],
  strikes: once,
  strike: async (world) => {
    const { random, cosignatures } = world;
    await world.startAll();
    for (let i = 0; i < 2; i++) await world.round(1500);
    const before = world.members.map(({ engine }) => engine);
    const way = random.pick(['stalls', 'is emptied', 'is trimmed'] as const);
    if (way === 'stalls') cosignatures.stalled = true;
    else if (way === 'is emptied') cosignatures.truncate(0);
    else cosignatures.trim(cosignatures.records.length);
    const ready = world.members.every(
      ({ engine }) => engine?.signing?.sealer.allowed === true && engine.signing.cosigner.allowed,
    );
    world.commit(random.pick(world.members));
    for (let i = 0; i < 6; i++) await world.round(2000, i % 2 === 0 ? ROUND : [...ROUND, 'relay']);
    const alive = world.members.every(({ engine }, i) => engine !== undefined && engine === before[i]);
    if (ready && alive) assert.deepEqual(unfinished(world), [], 'without the second topic nothing becomes final');
    return { kind: 'second topic', what: `the second topic ${way}`, harmless: true, check: () => ready && alive };
  },
};

export const NETWORK_FAULTS: readonly Scenario[] = [network, stall, partition, secondTopic];
