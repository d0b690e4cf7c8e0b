import assert from 'node:assert/strict';
import { formatEpoch } from '../../../src/ledger/epoch.ts';
import { parseFrame } from '../../../src/ledger/frame.ts';
import { genesisHash } from '../../../src/ledger/genesis.ts';
import type { PreviousLog } from '../../../src/ledger/genesis-previous.ts';
import { buildGovernance, proposalNonce, type GovernanceAct } from '../../../src/ledger/governance-record.ts';
import { sameHash } from '../../../src/ledger/merkle/tree-hash.ts';
import { parseSignerKey } from '../../../src/ledger/note-key.ts';
import { readPastLog } from '../../../src/ledger/past-log.ts';
import { makeConsortium, SILENT, type TestConsortium } from '../consortium.ts';
import { unrest } from './unrest.ts';
import { Killed, type SimulatedMember, type World } from './world.ts';

const NEXT_ORIGIN = 'ledger.example/test-2';
const KILLED_SHARE = 0.3;
const ATTEMPTS = 6;

/** What the members agreed on: where the old log ends, and what goes on from it. */
export interface Opening {
  readonly end: PreviousLog;
  readonly next: TestConsortium;
  /** The signed proposal and the votes. */
  readonly epoch: Uint8Array;
  /** What each had cosigned in the old log when it gave it up. */
  readonly signed: Map<SimulatedMember, number>;
  readonly faults: number;
}

/**
 * The openers agree on the end that one of them sees, each after comparing it with its own replica and durably giving up the old log. Who has something
 * final beyond it refuses, and proposes its own.
 */
export async function openEpoch(
  world: World,
  openers: readonly SimulatedMember[],
  names: readonly string[],
): Promise<Opening | undefined> {
  const { random } = world;
  const signed = new Map<SimulatedMember, number>();
  let proposer = random.pick(openers);
  let faults = 0;
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    await comeTogether(world, openers);
    const end = endAt(proposer, world.consortium.origin, names);
    if (end === undefined) continue;
    const next = makeConsortium({ members: names, origin: NEXT_ORIGIN, previous: end });
    const change = { kind: 'open-epoch', size: end.size, root: end.root, genesis: genesisHash(next.genesis) } as const;
    const nonce = proposalNonce(Buffer.from(Array.from({ length: 16 }, () => random.below(256))));
    const records: Uint8Array[] = [];
    let act: GovernanceAct = { act: 'propose', change, nonce };
    let refuser: SimulatedMember | undefined;
    for (const opener of [proposer, ...openers.filter((each) => each !== proposer)]) {
      if (opener.engine === undefined) await world.start(opener);
      if (!mayAgree(opener, end)) {
        refuser = opener;
        break;
      }
      const { frame, id } = recordBy(opener, world.consortium.origin, act);
      faults += await assent(world, opener, frame);
      signed.set(opener, opener.cosignerStore.last(world.consortium.origin)?.size ?? 0);
      records.push(frame);
      if (act.act === 'propose') act = { act: 'vote', proposal: id, vote: 'yes' };
      faults += await unrest(world, random.below(5));
    }
    if (refuser === undefined) {
      const frames = records.map((record) => parseFrame(record)).filter((frame) => frame !== undefined);
      return { end, next, epoch: formatEpoch(frames), signed, faults };
    }
    proposer = refuser;
  }
  return undefined;
}

async function comeTogether(world: World, openers: readonly SimulatedMember[]): Promise<void> {
  for (let i = 0; i < 2; i++) {
    for (const opener of openers) if (opener.engine === undefined) await world.start(opener);
    await world.round(1500);
  }
  for (const opener of openers) if (opener.engine === undefined) await world.start(opener);
}

function endAt({ engine }: SimulatedMember, origin: string, names: readonly string[]): PreviousLog | undefined {
  if (engine === undefined || engine.finality.size < 1) return undefined;
  const { size, root } = engine.finality;
  const chains = [...engine.replica.chainHeads(size)].filter(([chain]) => names.includes(chain.split('/')[0] ?? ''));
  return { origin, size, root, chains: new Map(chains), rules: 0 };
}

/** What the command line compares before it signs. */
function mayAgree({ engine }: SimulatedMember, { size, root }: PreviousLog): boolean {
  if (engine === undefined || engine.finality.size > size || engine.replica.head.size < size) return false;
  return sameHash(engine.replica.tree.root(size), root);
}

function recordBy({ identity }: SimulatedMember, log: string, act: GovernanceAct): { frame: Uint8Array; id: string } {
  const signer = parseSignerKey(identity.keys.batch);
  return buildGovernance({ log, member: identity.name, act, signer });
}

/** First gives up the old log, then signs; a crash in between leaves one that cosigns nothing and has agreed to nothing. @returns how often it was killed */
async function assent(world: World, opener: SimulatedMember, frame: Uint8Array): Promise<number> {
  return again(world, opener, async () => {
    if (opener.engine === undefined) await world.start(opener);
    opener.cosignerStore.closeOrigin(world.consortium.origin);
    await opener.topic.append(frame);
  });
}

/** A member's process ends in the old log and begins in the next one, with the outbox and the cosigner's memory that it has. @returns how often it was killed */
export async function goOver(
  world: World,
  member: SimulatedMember,
  opening: Opening,
  heir: SimulatedMember,
): Promise<number> {
  const { end, next } = opening;
  member.stop(world.random.next());
  member.isAway = true;
  const { sealStore, cosignerStore, identity } = member;
  const kills = await again(world, member, async () => {
    const { genesis } = world.consortium;
    const { storage } = member;
    const past = readPastLog({ genesis, end, clock: () => world.nowMs, log: SILENT, storage, cosignerStore });
    heir.past = past === undefined ? [] : [past.view];
    const start = end.chains.get(`${identity.name}/${identity.writer}`);
    const last = sealStore.batches.find(({ headerHash }) => start !== undefined && sameHash(headerHash, start));
    sealStore.enterNextLog(next.origin, start ?? new Uint8Array(32), ({ batch }) => batch <= (last?.batch ?? 0));
  });
  noteSigned(world, opening, member);
  heir.takeOver(member);
  heir.isAway = false;
  return kills;
}

/** What a member had cosigned in the old log when it first gave it up. */
export function noteSigned(world: World, { signed }: Opening, member: SimulatedMember): void {
  if (!signed.has(member)) signed.set(member, member.cosignerStore.last(world.consortium.origin)?.size ?? 0);
}

/** Does it until it comes through; sometimes it is killed at a durable step on the way. */
async function again(world: World, member: SimulatedMember, act: () => Promise<void>): Promise<number> {
  for (let kills = 0; ; kills++) {
    if (world.random.chance(KILLED_SHARE)) member.killAfter(1 + world.random.below(4));
    try {
      await act();
      member.spare();
      return kills;
    } catch (error) {
      if (!(error instanceof Killed)) throw error;
      assert.ok(member.dead);
      member.stop(world.random.next());
    }
  }
}
