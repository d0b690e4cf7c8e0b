import { describe, test } from 'node:test';
import assert from 'node:assert/strict';
import { parseEvent } from '../../src/ledger/event.ts';
import { ProvenanceError } from '../../src/provenance/provenance-error.ts';
import { recordCommitment } from '../../src/provenance/record.ts';
import type { ExchangeRecorder } from '../../src/provenance/recorder.ts';
import {
  digestsOf,
  makeEntity,
  makeIntent,
  makeOutcome,
  openProvenance,
  record,
  recordCreate,
} from '../support/provenance.ts';

const isCode = (code: string) => (error: unknown) => error instanceof ProvenanceError && error.code === code;

function openLast(recorder: ExchangeRecorder) {
  const last = recorder.outbox.pending(1000).at(-1);
  assert(last !== undefined);
  const opened = recorder.vault.open(last.sequence);
  assert(opened !== undefined);
  return { opened, event: parseEvent(last.bytes) };
}

describe('ExchangeRecorder', () => {
  test('a completed exchange is a record and an event that commits to it', async (t) => {
    const { recorder } = openProvenance(t);
    const eventId = await record(recorder);
    const { opened, event } = openLast(recorder);
    assert.equal(event.id, eventId);
    assert.deepEqual([event.kind, event.alg, event.rules, event.links], ['disclosed', 'c1', 1, []]);
    assert.equal(event.commit, Buffer.from(recordCommitment(opened.salt, opened.recordText)).toString('base64url'));
    assert.deepEqual(opened.entities, [{ ...makeEntity(), index: 0 }]);
    assert.deepEqual(opened.request, { resourceId: 'o1' });
  });

  test('a delete belongs to the Patients whose the resource was', async (t) => {
    const { recorder, queries } = openProvenance(t);
    await recordCreate(recorder, { id: 'o2', patients: ['p4', 'p5'] });
    const gone = makeEntity({ id: 'o2', versionId: undefined, patients: [], stored: undefined, interaction: 'delete' });
    await record(recorder, { interaction: 'delete', kind: 'retracted', entities: [gone] }, { entities: [gone] });
    assert.deepEqual(openLast(recorder).opened.entities[0]?.patients, ['p4', 'p5']);
    assert.equal(queries.count({ index: [[{ field: 'patient', upstream: 'ehr', id: 'p5' }]], newestFirst: false }), 2);
  });

  test('of two deletes that are recorded in the same moment one names the version', async (t) => {
    const { recorder } = openProvenance(t);
    const gone = makeEntity({ id: 'o2', versionId: '2', stored: undefined, interaction: 'delete' });
    const one = (): Promise<unknown> =>
      record(recorder, { interaction: 'delete', kind: 'retracted', entities: [gone] }, { entities: [gone] });
    await Promise.all([one(), one(), one()]);
    const named = recorder.outbox
      .pending(10)
      .map(({ sequence }) => recorder.queries.open(sequence)?.entities[0]?.versionId);
    assert.deepEqual(
      named.filter((versionId) => versionId !== undefined),
      ['2'],
    );
    assert.equal(named.length, 3);
  });

  test('a delete of what is deleted already names no version', async (t) => {
    const { recorder } = openProvenance(t);
    const gone = makeEntity({ id: 'o2', versionId: '2', stored: undefined, interaction: 'delete' });
    const versions: (string | undefined)[] = [];
    for (let i = 0; i < 2; i++) {
      await record(recorder, { interaction: 'delete', kind: 'retracted', entities: [gone] }, { entities: [gone] });
      versions.push(openLast(recorder).opened.entities[0]?.versionId);
    }
    assert.deepEqual(versions, ['2', undefined]);
  });

  test('calls of one turn share a transaction and each gets its own record', async (t) => {
    const { recorder, queries } = openProvenance(t);
    const ids = await Promise.all(Array.from({ length: 50 }, (_, i) => record(recorder, { requestId: `r${i}` })));
    assert.equal(new Set(ids).size, 50);
    assert.equal(recorder.outbox.backlog().events, 50);
    for (const id of ids) {
      const sequence = queries.sequenceOf(Buffer.from(id, 'base64url'));
      assert(sequence !== undefined);
      assert.equal(queries.open(sequence)?.record.id, id);
    }
  });

  test('an intent is durable once begin resolves, and gone once the exchange is complete', async (t) => {
    const provenance = openProvenance(t);
    const intent = makeIntent({
      interaction: 'create',
      kind: 'received',
      entities: [makeEntity({ sent: digestsOf('x') })],
    });
    const first = await provenance.recorder.begin(intent);
    const second = await provenance.recorder.begin(intent);
    assert.deepEqual(provenance.recorder.intents.abandoned(), []);
    await provenance.recorder.complete(second, intent, makeOutcome());
    const { recorder } = provenance.reopen();
    assert.deepEqual(recorder.intents.abandoned(), [{ ...first, intent: JSON.parse(JSON.stringify(intent)) }]);
    assert.equal(recorder.outbox.backlog().events, 1);
  });

  test('a read leaves nothing behind until it is complete', async (t) => {
    const provenance = openProvenance(t);
    await provenance.recorder.begin(makeIntent());
    const { recorder } = provenance.reopen();
    assert.deepEqual(recorder.intents.abandoned(), []);
    assert.equal(recorder.outbox.backlog().events, 0);
  });

  test('an abandoned exchange leaves neither intent nor event', async (t) => {
    const provenance = openProvenance(t);
    const exchange = await provenance.recorder.begin(makeIntent({ interaction: 'update' }));
    await provenance.recorder.abandon(exchange);
    const { recorder } = provenance.reopen();
    assert.deepEqual(recorder.intents.abandoned(), []);
    assert.equal(recorder.outbox.backlog().events, 0);
  });

  test('begin is throttled at the outbox limit and goes on when the ledger has caught up', async (t) => {
    const { recorder } = openProvenance(t, { outboxLimit: 2 });
    await record(recorder);
    await record(recorder);
    await assert.rejects(recorder.begin(makeIntent()), isCode('throttled'));
    const through = recorder.outbox.pending(2).at(-1)?.sequence ?? 0;
    recorder.outbox.saveSealed(
      { batch: 1, headerHash: new Uint8Array(32), firstEvent: 0, count: 2, frame: new Uint8Array(9) },
      through,
    );
    await assert.rejects(recorder.begin(makeIntent()), isCode('throttled'));
    recorder.outbox.markSequenced(1, 3);
    await record(recorder);
  });

  test('a full disk refuses, corrupts nothing, and is found to be over by itself', async (t) => {
    const { store, recorder, clock, queries } = openProvenance(t);
    await record(recorder);
    const { page_count: pages } = store.database.prepare('PRAGMA page_count').get() as { page_count: number };
    store.database.exec(`PRAGMA max_page_count=${pages + 2}`);
    const parameters = 'x'.repeat(40_000);
    const write = makeIntent({ interaction: 'create', kind: 'received', entities: [makeEntity()] });
    const open = await recorder.begin(write);
    await assert.rejects(record(recorder, { parameters }), isCode('unavailable'));
    assert(recorder.failing !== undefined);
    await assert.rejects(recorder.complete(open, { ...write, parameters }, makeOutcome()), isCode('unavailable'));
    assert.deepEqual(
      recorder.intents.abandoned().map((one) => one.eventId),
      [open.eventId],
    );
    store.database.exec('PRAGMA max_page_count=1000000');
    clock.nowMs += 1000;
    await record(recorder, { parameters });
    assert.equal(recorder.failing, undefined);
    assert.equal(queries.count({ newestFirst: false }), 2);
    const check = store.database.prepare('PRAGMA integrity_check').get();
    assert.equal(check?.['integrity_check'], 'ok');
  });

  test("one exchange's own fault fails it alone", async (t) => {
    const { recorder, queries } = openProvenance(t);
    const intent = makeIntent();
    const exchange = await recorder.begin(intent);
    const twice = [
      recorder.complete(exchange, intent, makeOutcome()),
      recorder.complete(exchange, intent, makeOutcome()),
    ];
    const results = await Promise.allSettled([...twice, record(recorder)]);
    assert.deepEqual(
      results.map((result) => result.status),
      ['fulfilled', 'rejected', 'fulfilled'],
    );
    assert(isCode('unavailable')((results[1] as PromiseRejectedResult).reason));
    assert.equal(recorder.failing, undefined);
    assert.equal(queries.count({ newestFirst: true }), 2);
    assert.equal(recorder.outbox.backlog().events, 2);
    assert.equal(recorder.outbox.pending(10).length, 2);
  });

  test('nothing begins while the disk has less than the least free space', async (t) => {
    const { recorder } = openProvenance(t, { dataDir: '/', minimumFreeBytes: Number.MAX_SAFE_INTEGER });
    await assert.rejects(recorder.begin(makeIntent()), isCode('unavailable'));
    await assert.rejects(recorder.begin(makeIntent()), isCode('unavailable'));
  });

  test('records open after a restart under the same master key only', async (t) => {
    const provenance = openProvenance(t);
    await recordCreate(provenance.recorder, { id: 'o2' });
    const again = provenance.reopen();
    assert.equal(openLast(again.recorder).opened.entities[0]?.id, 'o2');
    assert.throws(() => again.reopen(Buffer.alloc(32, 9)), isCode('key'));
  });
});

describe('Outbox', () => {
  test('batches continue the chain and states go from queued to final', async (t) => {
    const { recorder } = openProvenance(t);
    const { outbox } = recorder;
    assert.deepEqual(outbox.head(), { writer: 'gateway-1', batch: 0, headerHash: new Uint8Array(32), nextEvent: 0 });
    for (let i = 0; i < 3; i++) await record(recorder);
    const [first, second, third] = outbox.pending(10).map((event) => event.sequence);
    assert(first !== undefined && second !== undefined && third !== undefined);
    const frame = new Uint8Array([1, 2, 3]);
    const headerHash = new Uint8Array(32).fill(7);
    outbox.saveSealed({ batch: 1, headerHash, firstEvent: 0, count: 2, frame }, second);
    assert.deepEqual(outbox.head(), { writer: 'gateway-1', batch: 1, headerHash, nextEvent: 2 });
    assert.deepEqual(
      [outbox.stateOf(first), outbox.stateOf(second), outbox.stateOf(third)],
      ['sealed', 'sealed', 'queued'],
    );
    assert.equal(outbox.backlog().events, 1);
    assert.deepEqual(Buffer.from(outbox.unsequenced(5)[0]?.frame ?? []), Buffer.from(frame));
    outbox.markSequenced(1, 12);
    outbox.markSequenced(1, 12);
    assert.equal(outbox.stateOf(first), 'sequenced');
    assert.deepEqual(outbox.unsequenced(5), []);
    outbox.markFinal(12);
    assert.equal(outbox.stateOf(first), 'sequenced');
    outbox.markFinal(13);
    outbox.markFinal(5);
    assert.equal(outbox.finalSize, 13);
    assert.equal(outbox.stateOf(first), 'final');
    assert.equal(outbox.waiting, 1);
  });

  test('refuses a batch whose count is not what was pending, and changes nothing', async (t) => {
    const { recorder } = openProvenance(t);
    await record(recorder);
    const through = recorder.outbox.pending(1)[0]?.sequence ?? 0;
    const batch = { batch: 1, headerHash: new Uint8Array(32), firstEvent: 0, count: 2, frame: new Uint8Array(1) };
    assert.throws(() => recorder.outbox.saveSealed(batch, through));
    assert.equal(recorder.outbox.pending(10).length, 1);
    assert.equal(recorder.outbox.head().batch, 0);
  });

  test('survives a restart at every state', async (t) => {
    const provenance = openProvenance(t);
    for (let i = 0; i < 2; i++) await record(provenance.recorder);
    const sequences = provenance.recorder.outbox.pending(10).map((event) => event.sequence);
    const batch = { headerHash: new Uint8Array(32), count: 1, frame: new Uint8Array([5]) };
    provenance.recorder.outbox.saveSealed({ ...batch, batch: 1, firstEvent: 0 }, sequences[0] as number);
    const { recorder } = provenance.reopen();
    assert.equal(recorder.outbox.waiting, 2);
    assert.equal(recorder.outbox.unsequenced(9).length, 1);
    assert.equal(recorder.outbox.pending(9).length, 1);
    assert.equal(recorder.outbox.head().nextEvent, 1);
  });
});
