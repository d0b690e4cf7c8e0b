import assert from 'node:assert/strict';
import { parseSignedCheckpoint } from '../../../src/ledger/checkpoint.ts';
import { encodeHex } from '../../../src/ledger/encoding.ts';
import { verifyEpoch } from '../../../src/ledger/epoch.ts';
import { parseGenesis } from '../../../src/ledger/genesis.ts';
import { genesisState } from '../../../src/ledger/governance-state.ts';
import { verifyNote, type CheckNote } from '../../../src/ledger/note.ts';
import { verifyReceipt } from '../../../src/ledger/verifier.ts';
import type { Opening } from './epoch-change.ts';
import { alarmsAt, assertOneHistory, eventsIn } from './invariants.ts';
import type { MemoryBroker } from '../../../src/ledger/memory-topic.ts';
import type { SimulatedMember, World } from './world.ts';

const checkNote: CheckNote = (note, keys) => Promise.resolve(verifyNote(note, keys));

/** Ids of the old log's events that are final below the agreed end, as those tell who have gone over. */
export function finalBelowEnd(world: World, next: World): Set<string> {
  const views = next.members.flatMap(({ past }) => past);
  return new Set(
    world.events.map(({ id }) => id).filter((id) => views.some((view) => view.proofState(id).state === 'final')),
  );
}

/** Whoever has given up the old log has cosigned nothing in it since, wherever it was published. */
export function assertGivenUp(world: World, { signed }: Opening, cosignatures: Iterable<MemoryBroker>): void {
  const { origin } = world.consortium;
  const sizes = new Map<string, number>();
  for (const { records } of cosignatures) {
    for (const value of records) {
      const { checkpoint, note } = parseSignedCheckpoint(value);
      for (const { name } of note.signatures) sizes.set(name, Math.max(sizes.get(name) ?? 0, checkpoint.size));
    }
  }
  for (const [{ identity, cosignerStore }, size] of signed) {
    assert.ok(cosignerStore.isClosed(origin), `${identity.name} may sign in the old log again`);
    assert.equal(cosignerStore.last(origin)?.size ?? 0, size, `${identity.name} has signed in the old log since`);
    assert.ok((sizes.get(`${identity.name}/cosigner`) ?? 0) <= size, `${identity.name} has published more since`);
  }
}

/** Anybody who has the old genesis alone can check that its members opened the next log, and nothing that was final below the end is another tree now. */
export async function assertOpened(world: World, { end, next, epoch }: Opening): Promise<void> {
  assertOneHistory(world);
  for (const { storage } of world.members) {
    const last = storage.state
      .scan('final/')
      .map(({ value }) => parseSignedCheckpoint(value).checkpoint)
      .find(({ size }) => size === end.size);
    assert.ok(last === undefined || encodeHex(last.root) === encodeHex(end.root), 'the agreed end is another tree');
  }
  const state = genesisState(parseGenesis(world.consortium.genesis));
  const opened = await verifyEpoch({ epoch, state, genesis: next.genesis, checkNote });
  assert.equal(opened.origin, next.origin);
}

/** Each event of the old log is final in exactly one of the two, or its author, which the next log does not have, tells that the log has ended. */
export function assertFinalOnce(world: World, next: World, below: ReadonlySet<string>): void {
  const sealedAnew = new Set(
    next.members.flatMap(({ engine }) => (engine === undefined ? [] : eventsIn(engine.replica))),
  );
  for (const { id, author } of world.events) {
    if (below.has(id)) assert.ok(!sealedAnew.has(id), `event ${id} was final and is sealed again`);
    else if (next.members.some(({ identity }) => identity.name === author.identity.name))
      assert.ok(sealedAnew.has(id), `event ${id} is in neither log`);
    else assert.ok(alarmsAt(author).includes('log-ended'), `event ${id} is lost, and its author does not tell`);
  }
}

/** Receipts that were good in the old log. @returns how many of them no longer are, because their checkpoint lies beyond the agreed end */
export async function assertReceiptsEnd(
  world: World,
  { end, next, epoch }: Opening,
  receipts: readonly { readonly text: string; readonly size: number }[],
): Promise<number> {
  const { genesis } = world.consortium;
  let refused = 0;
  for (const { text, size } of receipts) {
    const receipt = Buffer.from(text);
    await verifyReceipt({ receipt, genesis, checkNote });
    const checked = verifyReceipt({ receipt, genesis, ended: { epoch, genesis: next.genesis }, checkNote });
    if (size <= end.size) await checked;
    else {
      await assert.rejects(checked, (error: { code?: string }) => error.code === 'log-ended');
      refused++;
    }
  }
  return refused;
}

/** Receipts that a member can give now, each with the size of its checkpoint. */
export function receiptsOf({ view }: SimulatedMember, ids: readonly string[]): { text: string; size: number }[] {
  return ids.flatMap((id) => {
    const state = view?.proofState(id);
    const answer = view?.receipt(id);
    return state?.state === 'final' && answer?.state === 'final'
      ? [{ text: answer.text, size: state.checkpointSize }]
      : [];
  });
}
