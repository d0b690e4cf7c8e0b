import assert from 'node:assert/strict';
import { describe, test, type TestContext } from 'node:test';
import { buildBatch } from '../../src/ledger/batch.ts';
import { encodeEntryBundle } from '../../src/ledger/entry-bundle.ts';
import { parseSignerKey } from '../../src/ledger/note-key.ts';
import { enterLog } from '../../src/provenance/enter-log.ts';
import { Outbox } from '../../src/provenance/outbox.ts';
import { recoverOutbox } from '../../src/provenance/recover-outbox.ts';
import { makeConsortium } from '../ledger/consortium.ts';
import { makeIntent, makeOutcome, openProvenance, type TestProvenance } from '../support/provenance.ts';

const WRITER = 'gateway-1';
const first = makeConsortium({ members: 1 });
const [member] = first.members;
const never = (): undefined => undefined;

async function record(provenance: TestProvenance, events: number): Promise<void> {
  for (let i = 0; i < events; i++) {
    const open = await provenance.recorder.begin(makeIntent());
    await provenance.recorder.complete(open, makeIntent(), makeOutcome());
  }
}

/** Seals what waits as the next batch. @returns its header's hash and its events */
function seal({ recorder }: TestProvenance): { hash: Uint8Array; events: readonly Uint8Array[] } {
  const { outbox } = recorder;
  const head = outbox.head();
  const pending = outbox.pending(256);
  const events = pending.map(({ bytes }) => bytes);
  const batch = head.batch + 1;
  const signer = parseSignerKey(member?.keys.batch ?? '');
  const place = { batch, prev: head.headerHash, firstEvent: head.nextEvent };
  const names = { log: first.origin, member: member?.name ?? '', writer: WRITER };
  const built = buildBatch({ ...names, ...place, events, signer });
  outbox.saveSealed({ ...built, batch }, pending.at(-1)?.sequence ?? 0);
  return { hash: built.headerHash, events };
}

/** Three batches: one that the ended log has, one beyond its end, one that never reached it; and an event in none. */
async function threeBatches(t: TestContext) {
  const provenance = openProvenance(t);
  enterLog(provenance.store, { member: 'hospital', logs: [{ genesis: first.genesis }], bodyOf: never });
  await record(provenance, 2);
  const kept = seal(provenance);
  provenance.recorder.outbox.markSequenced(1, 3);
  await record(provenance, 3);
  const beyond = seal(provenance);
  provenance.recorder.outbox.markSequenced(2, 5);
  await record(provenance, 1);
  const unsent = seal(provenance);
  await record(provenance, 1);
  const waiting = provenance.recorder.outbox.pending(1)[0]?.bytes;
  assert.ok(waiting !== undefined);
  const chains = new Map([[`hospital/${WRITER}`, kept.hash]]);
  const previous = { origin: first.origin, size: 4, root: new Uint8Array(32), chains, rules: 0 };
  const { genesis } = makeConsortium({ members: 1, origin: 'ledger.example/next', previous });
  const logs = [{ genesis: first.genesis }, { genesis }];
  return { provenance, kept, expected: [...beyond.events, ...unsent.events, waiting], beyond, logs, genesis };
}

describe('a store that enters the next log', () => {
  test('has the events wait again, in their order, that the ended log does not have', async (t) => {
    const { provenance, kept, expected, logs } = await threeBatches(t);
    const { store } = provenance;
    assert.deepEqual(enterLog(store, { member: 'hospital', logs, bodyOf: never }), { requeued: 4 });
    const outbox = new Outbox(store, WRITER, kept.hash);
    assert.deepEqual(
      outbox.pending(10).map(({ bytes }) => Buffer.from(bytes)),
      expected.map((bytes) => Buffer.from(bytes)),
    );
    assert.deepEqual(outbox.head(), { writer: WRITER, batch: 0, headerHash: kept.hash, nextEvent: 0 });
    assert.deepEqual(outbox.unsequenced(10), []);
    assert.deepEqual([outbox.waiting, outbox.finalSize], [5, 0]);
    const sequences = store.database.prepare('SELECT sequence FROM record ORDER BY sequence').all();
    assert.deepEqual(
      sequences.map(({ sequence }) => outbox.stateOf(sequence as number)),
      ['final', 'final', 'queued', 'queued', 'queued', 'queued', 'queued'],
    );
  });

  test('does so once, also when it is opened again', async (t) => {
    const { provenance, logs } = await threeBatches(t);
    enterLog(provenance.store, { member: 'hospital', logs, bodyOf: never });
    const again = provenance.reopen();
    assert.deepEqual(enterLog(again.store, { member: 'hospital', logs, bodyOf: never }), { requeued: 0 });
    assert.equal(again.recorder.outbox.backlog().events, 5);
  });

  test('takes a batch whose frame was dropped from the stored replica, or leaves all as it was', async (t) => {
    const { provenance, beyond, logs } = await threeBatches(t);
    const { store, recorder } = provenance;
    // This member had seen more become final than the others agreed on.
    recorder.outbox.markFinal(6);
    assert.throws(() => enterLog(store, { member: 'hospital', logs, bodyOf: never }), { code: 'corrupt' });
    assert.equal(recorder.outbox.head().batch, 3, 'nothing is done by halves');
    const bodyOf = (origin: string, leafIndex: number): Uint8Array | undefined =>
      origin === first.origin && leafIndex === 5 ? encodeEntryBundle(beyond.events) : undefined;
    assert.deepEqual(enterLog(store, { member: 'hospital', logs, bodyOf }), { requeued: 4 });
  });

  test('refuses a log that does not go on from its own', async (t) => {
    const { provenance, genesis } = await threeBatches(t);
    const { store } = provenance;
    const other = makeConsortium({ members: 1, origin: 'ledger.example/other' });
    for (const logs of [
      [{ genesis: other.genesis }],
      [{ genesis }],
      [{ genesis: first.genesis }, { genesis: other.genesis }],
    ])
      assert.throws(() => enterLog(store, { member: 'hospital', logs, bodyOf: never }), { code: 'other-log' });
  });

  test('refuses to go on where the ledger has a batch that it has lost', async (t) => {
    const { provenance } = await threeBatches(t);
    const chains = new Map([[`hospital/${WRITER}`, new Uint8Array(32).fill(9)]]);
    const previous = { origin: first.origin, size: 4, root: new Uint8Array(32), chains, rules: 0 };
    const { genesis } = makeConsortium({ members: 1, origin: 'ledger.example/next', previous });
    const logs = [{ genesis: first.genesis }, { genesis }];
    assert.throws(() => enterLog(provenance.store, { member: 'hospital', logs, bodyOf: never }), { code: 'other-log' });
  });

  test('goes on where `recover` has told it of batches whose records are lost', async (t) => {
    const { store } = (await threeBatches(t)).provenance;
    const lost = (batch: number) => ({
      batch,
      headerHash: new Uint8Array(32).fill(batch),
      firstEvent: batch,
      leafIndex: batch,
      eventIds: [Buffer.alloc(16, batch).toString('base64url')],
    });
    recoverOutbox(store, { writer: WRITER, published: [lost(7), lost(8)] });
    const chains = new Map([[`hospital/${WRITER}`, lost(7).headerHash]]);
    const previous = { origin: first.origin, size: 9, root: new Uint8Array(32), chains, rules: 0 };
    const { genesis } = makeConsortium({ members: 1, origin: 'ledger.example/recovered', previous });
    const logs = [{ genesis: first.genesis }, { genesis }];
    assert.deepEqual(enterLog(store, { member: 'hospital', logs, bodyOf: never }), { requeued: 0 });
    const outbox = new Outbox(store, 'gateway-2');
    // The batch that was never sent is sealed anew with what waited; what stands before the end is done with.
    assert.equal(outbox.pending(10).length, 2);
    assert.deepEqual(outbox.unsequenced(10), []);
    assert.deepEqual(store.database.prepare("SELECT name FROM setting WHERE name LIKE 'lost%'").all(), []);
  });

  test('that is new begins with the newest', (t) => {
    const { store } = openProvenance(t);
    const previous = { origin: first.origin, size: 4, root: new Uint8Array(32), chains: new Map(), rules: 0 };
    const { genesis } = makeConsortium({ members: 1, origin: 'ledger.example/next', previous });
    assert.deepEqual(enterLog(store, { member: 'hospital', logs: [{ genesis }], bodyOf: never }), { requeued: 0 });
  });
});
