import assert from 'node:assert/strict';
import { parseSignedCheckpoint } from '../../../src/ledger/checkpoint.ts';
import { encodeBase64Url, encodeHex } from '../../../src/ledger/encoding.ts';
import { parseEntryBundle } from '../../../src/ledger/entry-bundle.ts';
import { verifyEvidence, type Evidence } from '../../../src/ledger/evidence-file.ts';
import { parseGenesis } from '../../../src/ledger/genesis.ts';
import { governanceReport } from '../../../src/ledger/governance-report.ts';
import { genesisState, keysOfAllTime } from '../../../src/ledger/governance-state.ts';
import type { AlarmKind, Incident } from '../../../src/ledger/ledger-view.ts';
import { verifyNote, type CheckNote } from '../../../src/ledger/note.ts';
import { eventKey, type Replica } from '../../../src/ledger/replica.ts';
import { Replay, recordOf } from '../../../src/ledger/replay.ts';
import { verifyReceipt } from '../../../src/ledger/verifier.ts';
import type { SimulatedMember, World } from './world.ts';

const RECEIPTS_PER_RUN = 2;

/** No two final checkpoints of the log differ, and each later one contains each earlier one. */
export function assertOneHistory(world: World): void {
  const roots = new Map<number, string>();
  for (const member of world.crew) {
    for (const { value } of member.storage.state.scan('final/')) {
      const { size, root } = parseSignedCheckpoint(value).checkpoint;
      const known = roots.get(size);
      assert.ok(known === undefined || known === encodeHex(root), `two final trees of size ${String(size)}`);
      roots.set(size, encodeHex(root));
    }
  }
  for (const member of world.crew) {
    const { engine } = member;
    if (engine === undefined) continue;
    for (const [size, root] of roots) {
      if (size > engine.finality.size) continue;
      assert.equal(encodeHex(engine.replica.tree.root(size)), root, 'a final tree does not contain an earlier one');
    }
  }
}

/** What is final is the same at every member, leaf by leaf: bytes, type and, with `verdicts`, what was made of it. */
export function assertSameReplicas(world: World, verdicts: boolean): void {
  const [first, ...others] = world.members.flatMap(({ engine }) => (engine === undefined ? [] : [engine]));
  for (const other of others) {
    if (first === undefined) return;
    for (let index = 0; index < Math.min(first.finality.size, other.finality.size); index++) {
      assertSameLeaf(first.replica, other.replica, index, verdicts);
    }
  }
}

/** No event is in two accepted batches of a log. */
export function assertNoEventTwice(world: World): void {
  for (const { engine } of world.members) {
    if (engine === undefined) continue;
    const ids = eventsIn(engine.replica);
    assert.equal(new Set(ids).size, ids.length, 'an event was sealed twice');
  }
}

/** Ids of all events in accepted batches, in the order of the log. */
export function eventsIn(replica: Replica): string[] {
  return Array.from({ length: replica.head.size }, (_, index) => replica.leaf(index)).flatMap(({ record, body }) => {
    if (record.type !== 'batch' || record.verdict !== 'accepted' || body === undefined) return [];
    return parseEntryBundle(body, 256).map((event) => encodeBase64Url(eventKey(event)));
  });
}

function assertSameLeaf(one: Replica, two: Replica, index: number, verdicts: boolean): void {
  assert.deepEqual(one.tree.leafBytes(index), two.tree.leafBytes(index), `leaf ${String(index)}`);
  const mine = one.leaf(index);
  const theirs = two.leaf(index);
  assert.deepEqual(mine.header, theirs.header, `header of leaf ${String(index)}`);
  if (!verdicts) return;
  assert.equal(mine.record.verdict, theirs.record.verdict, `verdict of leaf ${String(index)}`);
  assert.equal(mine.record.eventCount, theirs.record.eventCount, `events of leaf ${String(index)}`);
}

export function incidentsOf(world: World): { member: SimulatedMember; incident: Incident }[] {
  return world.members.flatMap((member) =>
    (member.engine?.replica.incidents ?? []).map((incident) => ({ member, incident })),
  );
}

export function alarmsAt({ view }: SimulatedMember): AlarmKind[] {
  return view?.status().alarms.map(({ kind }) => kind) ?? [];
}

export function alarmsOf(world: World): AlarmKind[] {
  return world.members.filter((member) => !isExcluded(world, member)).flatMap(alarmsAt);
}

export function isExcluded(world: World, { identity }: SimulatedMember): boolean {
  return world.excluded.has(identity.name);
}

/** What members that were excluded while they did nothing wrong still wait to seal, or sealed too late: they tell that they no longer count. */
export function assertExcludedTell(world: World): void {
  for (const { author, id } of world.events) {
    if (!isExcluded(world, author) || author.view?.proofState(id).state === 'final') continue;
    assert.ok(
      alarmsAt(author).includes('suspended'),
      `event ${id} of an excluded member is neither final nor reported`,
    );
  }
}

/** What of an excluded member came too late, or before it knew, is told as such and is no accusation. */
export function isLateWord(world: World, { kind, member }: Incident): boolean {
  return (kind === 'suspended' || kind === 'unknown-member') && member !== undefined && world.excluded.has(member);
}

/** Whether a member tells anything that is not as it should be. */
export function tells(member: SimulatedMember): boolean {
  const status = member.view?.status();
  return status !== undefined && status.incidents.length + status.alarms.length > 0;
}

/** A fork whose place nobody could show: it is told as parting at its leaf or later. */
export function isVague({ detail }: Incident): boolean {
  return detail.endsWith('or later');
}

/** Each fork is told at the first leaf at which the own replica and another one differ; never at a later one. */
export function assertForksPlaced(world: World): void {
  for (const { member, incident } of incidentsOf(world)) {
    if (incident.kind !== 'fork' || member.engine === undefined) continue;
    const own = member.engine.replica;
    // The tree that it names may be one that its signer has lost since: another one's replica still has it.
    const partings = world.crew
      .filter((other) => other !== member && other.engine !== undefined)
      .map(({ engine }) => firstDifferentLeaf(own, engine?.replica ?? own));
    const placed = partings.some(
      (leaf) => leaf === incident.leafIndex || (isVague(incident) && leaf > incident.leafIndex),
    );
    assert.ok(placed, `a fork is told at ${String(incident.leafIndex)}, and is at ${partings.join()}`);
  }
}

/** The size of the smaller where one begins with the other. */
function firstDifferentLeaf(one: Replica, two: Replica): number {
  const size = Math.min(one.head.size, two.head.size);
  let index = 0;
  while (index < size && encodeHex(one.tree.leafBytes(index)) === encodeHex(two.tree.leafBytes(index))) index++;
  return index;
}

/** Events by members that count which are not final for somebody, and for whom. */
export function unfinished(world: World): { id: string; author: SimulatedMember; at: SimulatedMember }[] {
  const events = world.events.filter(({ author }) => !isExcluded(world, author));
  return events.flatMap(({ id, author }) =>
    world.members.filter((at) => at.view?.proofState(id).state !== 'final').map((at) => ({ id, author, at })),
  );
}

/** Members whose outbox takes a batch for one that is not on the ledger yet. */
export function unsequenced(world: World): string[] {
  return world.members
    .filter((member) => !isExcluded(world, member) && member.sealStore.unsequenced(1).length > 0)
    .map(({ identity }) => identity.name);
}

const checkNote: CheckNote = (note, keys) => Promise.resolve(verifyNote(note, keys));

/** A few final events of the run, each with a receipt by somebody that holds for who has the genesis and nothing else. @returns how many */
export async function assertReceipts(world: World): Promise<number> {
  const { genesis } = world.consortium;
  let checked = 0;
  for (let i = 0; i < RECEIPTS_PER_RUN && world.events.length > 0; i++) {
    const { id, author } = world.random.pick(world.events);
    const { view } = world.random.pick(world.members);
    if (view?.proofState(id).state !== 'final') continue;
    const answer = view.receipt(id);
    assert.ok(answer.state === 'final', 'an event is final and has no receipt');
    const facts = await verifyReceipt({ receipt: Buffer.from(answer.text), genesis, checkNote });
    assert.equal(facts.author, author.identity.name);
    assert.equal(facts.event.id, id);
    checked++;
  }
  return checked;
}

/** Every evidence file that anybody keeps holds for who has the genesis and nothing else, and none is about somebody but `liars`. */
export async function assertEvidenceHolds(world: World, liars: ReadonlySet<string>): Promise<Evidence[]> {
  const { origin, genesis } = world.consortium;
  const state = genesisState(parseGenesis(genesis));
  const files = new Map<string, Uint8Array>();
  for (const { view } of world.members)
    for (const name of view?.evidenceNames() ?? []) files.set(name, view?.evidence(name) ?? new Uint8Array());
  const held: Evidence[] = [];
  for (const evidence of files.values()) {
    const found = await verifyEvidence({ evidence, origin, keysOf: (name) => keysOfAllTime(state, name), checkNote });
    assert.ok(liars.has(found.member), `${found.member} is accused and did nothing`);
    held.push(found);
  }
  return held;
}

/** What is in force is a function of the leaves alone: every member has what a replay of its own leaves gives. */
export function assertGovernance(world: World): void {
  const done = new Map<string, string>();
  for (const { engine, identity } of world.members) {
    if (engine === undefined || engine.governance.state.proposals.size === 0) continue;
    const size = engine.replica.head.size;
    const key = `${String(size)} ${encodeHex(engine.replica.tree.root())}`;
    const own = JSON.stringify(governanceReport(engine.governance.state));
    const replayed = done.get(key) ?? replayedGovernance(world, engine.replica, size);
    done.set(key, replayed);
    assert.equal(own, replayed, `${identity.name} has another governance state than its leaves give`);
  }
}

function replayedGovernance(world: World, replica: Replica, size: number): string {
  const replay = new Replay(world.consortium.genesis);
  for (let index = 0; index < size; index++) {
    const { header, body, record } = replica.leaf(index);
    replay.take(record.type === 'void' ? (body ?? header) : recordOf(header, body ?? new Uint8Array()));
  }
  return JSON.stringify(governanceReport(replay.governance));
}
