import { describe, test } from 'node:test';
import assert from 'node:assert/strict';
import type { ExchangeIntent } from '../../src/provenance/exchange-record.ts';
import { Reconciler, type UpstreamHistory, type UpstreamVersion } from '../../src/provenance/reconciler.ts';
import {
  digestsOf,
  makeEntity,
  makeIntent,
  openProvenance,
  recordCreate,
  type TestProvenance,
} from '../support/provenance.ts';

const TIMEOUT_MS = 30_000;

function version(changes: Partial<UpstreamVersion> & { content?: string } = {}): UpstreamVersion {
  const { content = 'a', ...others } = changes;
  return {
    type: 'Observation',
    id: 'new-1',
    versionId: '1',
    lastUpdatedMs: Date.parse('2026-03-01T10:00:01Z'),
    deleted: false,
    sentForm: digestsOf(content).f1,
    match: undefined,
    stored: digestsOf(`stored ${content}`),
    profiles: [],
    patients: ['p1'],
    ...others,
  };
}

function createIntent(content = 'a', changes: Partial<ExchangeIntent> = {}): ExchangeIntent {
  const wanted = { id: undefined, versionId: undefined, stored: undefined, interaction: 'create' as const };
  return makeIntent({
    interaction: 'create',
    kind: 'received',
    resourceId: undefined,
    entities: [makeEntity({ ...wanted, sent: digestsOf(content) })],
    ...changes,
  });
}

/** Begins exchanges, dies, and hands back what the next process has. */
async function afterCrash(provenance: TestProvenance, intents: readonly ExchangeIntent[]): Promise<TestProvenance> {
  for (const intent of intents) await provenance.recorder.begin(intent);
  return provenance.reopen();
}

function reconcile(provenance: TestProvenance, versions: readonly UpstreamVersion[] | undefined | Error) {
  const history: UpstreamHistory = {
    versionsSince: ({ type, id }) =>
      versions instanceof Error
        ? Promise.reject(versions)
        : Promise.resolve(versions?.filter((one) => one.type === type && (id === undefined || one.id === id))),
  };
  return new Reconciler({
    recorder: provenance.recorder,
    queries: provenance.queries,
    history,
    totalTimeoutMs: () => TIMEOUT_MS,
    context: () => ({ ruleSet: 'a'.repeat(64), packages: [], engine: 'concordat 0.1.0' }),
    clock: () => provenance.clock.nowMs,
  }).run();
}

const none = { completed: 0, notSent: 0, unknown: 0, waiting: 0 };

function opened(provenance: TestProvenance) {
  return provenance.queries
    .find({ newestFirst: false }, 100)
    .map(({ sequence }) => provenance.queries.open(sequence))
    .map((one) => ({
      outcome: one?.record.outcome,
      reconciled: one?.record.reconciled,
      kind: one?.record.kind,
      entities: one?.entities.map(({ id, versionId }) => `${id}/${versionId}`),
    }));
}

describe('Reconciler', () => {
  test('completes an intent whose version it finds, at once and marked', async (t) => {
    const provenance = await afterCrash(openProvenance(t), [createIntent()]);
    assert.deepEqual(await reconcile(provenance, [version(), version({ id: 'x', content: 'b' })]), {
      ...none,
      completed: 1,
    });
    assert.deepEqual(opened(provenance), [{ outcome: '0', reconciled: true, kind: 'received', entities: ['new-1/1'] }]);
    assert.deepEqual(provenance.recorder.intents.abandoned(), []);
    assert.deepEqual(await reconcile(provenance, [version()]), none);
  });

  test('says "not there" only after the total timeout and ten seconds', async (t) => {
    const provenance = await afterCrash(openProvenance(t), [createIntent()]);
    assert.deepEqual(await reconcile(provenance, []), { ...none, waiting: 1 });
    provenance.clock.nowMs += TIMEOUT_MS + 9_999;
    assert.deepEqual(await reconcile(provenance, []), { ...none, waiting: 1 });
    provenance.clock.nowMs += 1;
    assert.deepEqual(await reconcile(provenance, []), { ...none, notSent: 1 });
    assert.deepEqual(opened(provenance), []);
    assert.deepEqual(provenance.recorder.intents.abandoned(), []);
  });

  test('asks again while the upstream cannot be reached, however long', async (t) => {
    const provenance = await afterCrash(openProvenance(t), [createIntent()]);
    provenance.clock.nowMs += 1e9;
    assert.deepEqual(await reconcile(provenance, new Error('down')), { ...none, waiting: 1 });
  });

  test('gives no version that a record already has', async (t) => {
    const first = openProvenance(t);
    await recordCreate(first.recorder, { id: 'new-1', versionId: '1', sent: digestsOf('a') });
    const provenance = await afterCrash(first, [createIntent()]);
    provenance.clock.nowMs += 100_000;
    assert.deepEqual(await reconcile(provenance, [version()]), { ...none, notSent: 1 });
  });

  test('gives equal intents one version each where there are as many', async (t) => {
    const provenance = await afterCrash(openProvenance(t), [createIntent(), createIntent()]);
    assert.deepEqual(await reconcile(provenance, [version(), version({ id: 'new-2' })]), { ...none, completed: 2 });
    assert.deepEqual(
      opened(provenance).flatMap((one) => one.entities),
      ['new-1/1', 'new-2/1'],
    );
  });

  test('calls it unknown where equal intents and versions differ in number', async (t) => {
    for (const [intents, versions] of [
      [2, 1],
      [1, 2],
    ] as const) {
      const provenance = await afterCrash(
        openProvenance(t),
        Array.from({ length: intents }, () => createIntent()),
      );
      const held = Array.from({ length: versions }, (_, i) => version({ id: `new-${i}` }));
      assert.deepEqual(await reconcile(provenance, held), { ...none, waiting: intents });
      provenance.clock.nowMs += 100_000;
      assert.deepEqual(await reconcile(provenance, held), { ...none, unknown: intents });
      assert.deepEqual(new Set(opened(provenance).map((one) => one.outcome)), new Set(['unknown']));
    }
  });

  test('calls it unknown where there is no way to look', async (t) => {
    const provenance = await afterCrash(openProvenance(t), [createIntent()]);
    provenance.clock.nowMs += 100_000;
    assert.deepEqual(await reconcile(provenance, undefined), { ...none, unknown: 1 });
  });

  test('leaves a version alone while an exchange under way may own it', async (t) => {
    const provenance = await afterCrash(openProvenance(t), [createIntent()]);
    const exchange = await provenance.recorder.begin(createIntent());
    assert.deepEqual(await reconcile(provenance, [version()]), { ...none, waiting: 1 });
    await provenance.recorder.abandon(exchange);
    assert.deepEqual(await reconcile(provenance, [version()]), { ...none, completed: 1 });
  });

  test('knows a delete again by its tombstone', async (t) => {
    const intent = createIntent('a', {
      interaction: 'delete',
      kind: 'retracted',
      entities: [makeEntity({ interaction: 'delete', id: 'gone', versionId: undefined, stored: undefined })],
    });
    const provenance = await afterCrash(openProvenance(t), [intent]);
    const deleted = version({ id: 'gone', versionId: '3', deleted: true, sentForm: undefined, stored: undefined });
    assert.deepEqual(await reconcile(provenance, [version({ id: 'gone' }), deleted]), { ...none, completed: 1 });
    assert.deepEqual(opened(provenance)[0]?.entities, ['gone/3']);
  });

  test('takes a transaction as all or nothing and a batch entry by entry', async (t) => {
    const entity = createIntent().entities[0] as never as ReturnType<typeof makeEntity>;
    const entities = ['a', 'b'].map((content, entry) => ({
      ...entity,
      sent: digestsOf(content),
      match: `match ${content}`,
      entry,
    }));
    for (const [interaction, result] of [
      ['transaction', 'unknown'],
      ['batch', 'completed'],
    ] as const) {
      const provenance = await afterCrash(openProvenance(t), [createIntent('a', { interaction, entities })]);
      const held = [version({ match: 'match a', sentForm: 'rewritten' })];
      assert.deepEqual(await reconcile(provenance, held), { ...none, waiting: 1 });
      provenance.clock.nowMs += 100_000;
      assert.deepEqual(await reconcile(provenance, held), { ...none, [result]: 1 });
    }
    const provenance = await afterCrash(openProvenance(t), [
      createIntent('a', { interaction: 'transaction', entities }),
    ]);
    const whole = [version({ match: 'match b', id: 'second' }), version({ match: 'match a' })];
    assert.deepEqual(await reconcile(provenance, whole), { ...none, completed: 1 });
    assert.deepEqual(opened(provenance)[0]?.entities, ['new-1/1', 'second/1']);
  });
});
