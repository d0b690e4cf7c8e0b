import assert from 'node:assert/strict';
import { buildBatch } from '../../../src/ledger/batch.ts';
import { formatCheckpoint } from '../../../src/ledger/checkpoint.ts';
import { cosign } from '../../../src/ledger/cosignature.ts';
import { encodeBase64Url } from '../../../src/ledger/encoding.ts';
import { parseEntryBundle } from '../../../src/ledger/entry-bundle.ts';
import { parseFrame } from '../../../src/ledger/frame.ts';
import { proposalNonce } from '../../../src/ledger/governance-record.ts';
import { LedgerError } from '../../../src/ledger/ledger-error.ts';
import type { IncidentKind } from '../../../src/ledger/ledger-view.ts';
import { sameHash } from '../../../src/ledger/merkle/tree-hash.ts';
import { formatNote, signText } from '../../../src/ledger/note.ts';
import { parseSignerKey } from '../../../src/ledger/note-key.ts';
import type { PeerClient } from '../../../src/ledger/peer.ts';
import { eventKey } from '../../../src/ledger/replica.ts';
import { testEvent } from '../consortium.ts';
import { growAnew } from './broker-faults.ts';
import { incidentsOf, unfinished } from './invariants.ts';
import { once, type Scenario, type Strike } from './scenario.ts';
import type { SimulatedMember, World } from './world.ts';

/** Everybody has a file that shows the contradiction; that it holds, and accuses nobody else, is checked for all runs. */
function assertEvidence(world: World, liar: string, kind: IncidentKind): void {
  for (const { engine, view, identity } of world.members) {
    const found = engine?.replica.incidents.find((incident) => incident.kind === kind);
    assert.equal(found?.member, liar, `${identity.name} does not know of the ${kind}`);
    assert.ok(view?.evidence(found?.evidence ?? '') !== undefined, `${identity.name} has no evidence file`);
  }
}

/** The others bring the first evidence file that one of them has before the members. @returns whether there was one */
async function accuse(world: World, liar: SimulatedMember): Promise<boolean> {
  const { name } = liar.identity;
  await world.startAll();
  for (let i = 0; i < 3; i++) await world.round(1500);
  const others = world.members.filter((member) => member !== liar);
  const witness = others.find(({ view }) => view !== undefined && view.evidenceNames().length > 0);
  const evidence = witness?.view?.evidence(witness.view.evidenceNames()[0] ?? '');
  if (witness === undefined || evidence === undefined) return false;
  const change = { kind: 'accept-evidence', member: name, evidence } as const;
  const nonce = proposalNonce(Buffer.alloc(16, world.random.below(256)));
  const proposal = world.act(witness, { act: 'propose', change, nonce });
  for (const voter of others) if (voter !== witness) world.act(voter, { act: 'vote', proposal, vote: 'yes' });
  return true;
}

/** The liar no longer counts, and the others' events become final without it. */
function assertSuspended(world: World, liar: SimulatedMember): void {
  for (const { engine, identity } of world.members) {
    const member = engine?.membership().members.find(({ name }) => name === liar.identity.name);
    assert.equal(member?.active, false, `${identity.name} still counts the liar`);
  }
  const late = unfinished(world).filter(({ author, at }) => author !== liar && at !== liar);
  assert.deepEqual(late, [], 'the others cannot go on without the liar');
}

function lie(
  name: string,
  kind: IncidentKind,
  tell: (world: World, member: SimulatedMember) => string | undefined,
): Scenario {
  return {
    name,
    kinds: [name, `${name}, suspended`],
    strikes: once,
    settleRounds: 8,
    strike: async (world, member): Promise<Strike | undefined> => {
      const what = tell(world, member);
      if (what === undefined) return undefined;
      const suspended = world.random.chance(0.5) && (await accuse(world, member));
      const check = (): boolean => {
        assertEvidence(world, member.identity.name, kind);
        if (suspended) assertSuspended(world, member);
        return true;
      };
      return { kind: suspended ? `${name}, suspended` : name, what, liar: member.identity.name, check };
    },
  };
}

/** A member signs a second batch of a number that was accepted. */
const twoBatches = lie('two batches', 'conflict', (world, { identity, engine, topic }) => {
  const { name, writer, keys } = identity;
  const chain = engine?.replica.writer(`${name}/${writer}`);
  if (chain === undefined || topic.broker.stalled) return undefined;
  const { frame } = buildBatch({
    log: world.consortium.origin,
    member: name,
    writer,
    batch: chain.batch,
    prev: new Uint8Array(32).fill(7),
    firstEvent: 0,
    events: [testEvent(`lie ${String(world.nowMs)}`).bytes],
    signer: parseSignerKey(keys.batch),
  });
  return `${name} signed a second batch ${String(chain.batch)} at ${String(world.broker.append(frame))}`;
});

/** A member cosigns a tree that is not the ledger's, and everybody gets to see it. */
const twoTrees = lie('two trees', 'conflicting-cosignatures', (world, { identity, engine }) => {
  const size = engine?.signing?.cosigner.lastSize ?? 0;
  if (size === 0) return undefined;
  const { keys, name } = identity;
  const text = formatCheckpoint({ origin: world.consortium.origin, size, root: new Uint8Array(32).fill(9) });
  const origin = signText(text, parseSignerKey(keys.origin));
  const cosignature = cosign(text, parseSignerKey(keys.cosigner), Math.floor(world.nowMs / 1000));
  world.cosignatures.append(formatNote(text, [origin, cosignature]));
  return `${name} signed a second tree of size ${String(size)}`;
});

/** The outbox is restored from an older copy. */
const restore: Scenario = {
  name: 'restore',
  kinds: ['restore'],
  strikes: once,
  strike: async (world, member) => {
    if (member.sealStore.batches.length === 0 || member.engine === undefined) return undefined;
    const { name, writer } = member.identity;
    const backup = member.sealStore.backup();
    const kept = world.random.below(backup.batches.length);
    const forgotten = backup.batches.splice(kept);
    member.stop(world.random.next());
    member.sealStore = backup;
    member.watchSealStore();
    const check = (): boolean => {
      const accepted = Math.max(
        ...world.members.map(({ engine }) => engine?.replica.writer(`${name}/${writer}`)?.batch ?? 0),
      );
      for (const { engine } of world.members)
        assert.ok(!engine?.replica.incidents.some(({ kind }) => kind === 'conflict'), 'a number was signed twice');
      // Where none of what it forgot ever came to the ledger, its numbers are free.
      if (!forgotten.some((batch) => batch.batch <= accepted) || accepted <= member.sealStore.head().batch)
        return false;
      const alarms = member.view?.status().alarms.map(({ kind }) => kind) ?? [];
      assert.ok(alarms.includes('restored-backup'), `${name} does not see that its outbox is older than the ledger`);
      assert.equal(member.engine?.signing?.sealer.allowed, false);
      assert.equal(member.sealStore.batches.length, kept, 'it sealed with an outbox that had forgotten batches');
      return true;
    };
    const lost = new Set(forgotten.flatMap(({ frame }) => eventIds(frame)));
    return { kind: 'restore', what: `restore ${name} to batch ${String(kept)}`, lost, check };
  },
};

function eventIds(frame: Uint8Array): string[] {
  const body = parseFrame(frame)?.body ?? new Uint8Array();
  return parseEntryBundle(body, 256).map((event) => encodeBase64Url(eventKey(event)));
}

const DISKS = ['lost disk', 'lost disk, trimmed', 'lost disk, lying peer'] as const;

/** The replica and the cosigner's memory are gone; the topic may begin later by now, and the only peer at first may lie. */
const lostDisk: Scenario = {
  name: 'lost disk',
  kinds: DISKS,
  strikes: once,
  strike: async (world, member) => {
    const kind = world.random.pick(DISKS);
    await world.startAll();
    for (let i = 0; i < 2; i++) await world.round(1500);
    const others = world.members.filter((each) => each !== member);
    const sizes = others.map(({ engine }) => engine?.finality.size ?? 0);
    const start = Math.min(...sizes) - 1;
    if (start < 2) return undefined;
    if (kind !== 'lost disk') world.broker.trim(start);
    member.loseDisk();
    if (kind === 'lost disk, lying peer') await trustNobody(world, member, others);
    return { kind, what: `${kind} of ${member.identity.name}`, harmless: true, check: () => true };
  },
};

/** The one peer that the member reaches gives one leaf twice and leaves out the next. */
export async function trustNobody(
  world: World,
  member: SimulatedMember,
  others: readonly SimulatedMember[],
): Promise<void> {
  const honest = member.peers;
  const teller = honest.find((peer) => others.some(({ identity, view }) => identity.name === peer.member && view));
  if (teller === undefined) return;
  member.peers = [lyingPeer(teller)];
  await world.start(member);
  const { engine } = member;
  if (engine === undefined) return;
  await engine.readStep(0);
  await assert.rejects(engine.bootstrapStep(), (error) => error instanceof LedgerError && error.code === 'damaged');
  assert.equal(engine.finality.size, 0);
  assert.equal(engine.signing?.cosigner.allowed, false);
  member.stop(world.random.next());
  member.peers = honest;
}

function lyingPeer(peer: PeerClient): PeerClient {
  return {
    ...peer,
    member: peer.member,
    entryBundle: async (index, width) => {
      const bundle = await peer.entryBundle(index, width);
      const entries = bundle === undefined ? [] : parseEntryBundle(bundle, 256);
      const [length, at] = [2 + (entries[0]?.length ?? 0), entries.length - 1];
      // All leaves of this log have one length.
      bundle?.set(bundle.slice(0, length), at * length);
      return bundle;
    },
  };
}

const OTHER_HISTORY = ['lost replica, rolled back', 'lost disk, rolled back'] as const;

/**
 * A broker goes back and grows another log just when a member has lost its replica: it finds the new log good, and must not cosign it, because it has cosigned
 * the old one. Where it has lost that memory as well, the others have it.
 */
const otherHistory: Scenario = {
  name: 'other history',
  kinds: OTHER_HISTORY,
  strikes: once,
  strike: async (world, member) => {
    const kind = world.random.pick(OTHER_HISTORY);
    await world.startAll();
    for (let i = 0; i < 2; i++) await world.round(1500);
    const { origin } = world.consortium;
    const signed = member.cosignerStore.last(origin);
    if (signed === undefined || signed.size < 4) return undefined;
    const left = 2 + world.random.below(signed.size - 3);
    growAnew(world, left, signed.size + 1 + world.random.below(3));
    if (kind === 'lost replica, rolled back') member.loseReplica();
    else member.loseDisk();
    const check = (): boolean => {
      for (const { incident } of incidentsOf(world)) assert.notEqual(incident.kind, 'conflicting-cosignatures');
      const replica = member.engine?.replica;
      const another =
        replica !== undefined &&
        replica.head.lastCut >= signed.size &&
        !sameHash(replica.tree.root(signed.size), signed.root);
      if (!another) return false;
      if (kind === 'lost disk, rolled back') {
        assert.equal(member.cosignerStore.last(origin), undefined, 'it cosigned before it knew what it had cosigned');
        return true;
      }
      const altered = replica.incidents.find((incident) => incident.kind === 'replica-altered');
      assert.equal(altered?.leafIndex, signed.size - 1, 'it does not tell that it has cosigned another tree');
      return true;
    };
    return { kind, what: `${kind} to ${String(left)} of ${String(signed.size)}: ${member.identity.name}`, check };
  },
};

export const MEMBER_FAULTS: readonly Scenario[] = [twoBatches, twoTrees, restore, lostDisk, otherHistory];
