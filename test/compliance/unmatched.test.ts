import assert from 'node:assert/strict';
import { createHmac, randomBytes } from 'node:crypto';
import { describe, test, type TestContext } from 'node:test';
import { reconcile } from '../../src/compliance/unmatched.ts';
import type { UnmatchedRequest } from '../../src/compliance/unmatched.ts';
import type { LedgerView } from '../../src/ledger/ledger-view.ts';
import type { TaggedEvent } from '../../src/ledger/tagged-events.ts';
import { PeerTags } from '../../src/provenance/peer-tag.ts';
import { emptyLedgerView } from '../support/ledger-view.ts';
import { openProvenance, record } from '../support/provenance.ts';

const NOW_MS = Date.parse('2026-03-02T00:00:00Z');
const MINUTE_MS = 60_000;
const KEYS = { clinics: Buffer.alloc(32, 1), payer: Buffer.alloc(32, 2) };
type Other = keyof typeof KEYS;

const newId = (): string => randomBytes(16).toString('base64url');

/** Tags by the text of docs/ledger-format.md, not by our own functions. */
function tag(member: Other, ...parts: (string | Buffer)[]): string {
  const mac = createHmac('sha256', KEYS[member]);
  for (const part of parts) mac.update(part);
  return mac.digest().subarray(0, 16).toString('base64url');
}

const disclosed = (member: Other, id = newId()): TaggedEvent => {
  return { id, kind: 'disclosed', peer: tag(member, Buffer.from(id, 'base64url')) };
};
const acknowledged = (member: Other, { id }: { id: string }): TaggedEvent => {
  return {
    id: newId(),
    kind: 'acknowledged',
    peer: tag(member, 'concordat/acknowledged/v1\n', Buffer.from(id, 'base64url')),
  };
};

/** A replica of one batch a leaf. A leaf without a time is not final. */
interface Leaf {
  readonly by: string;
  readonly events: readonly TaggedEvent[] | undefined;
  readonly atMs?: number;
}

function viewOf(leaves: readonly Leaf[]): LedgerView {
  const finalSize = leaves.filter(({ atMs }) => atMs !== undefined).length;
  const member = (name: string) => ({
    name,
    active: true,
    batchKey: '',
    originKey: '',
    cosignerKey: '',
    agreementKey: '',
  });
  return {
    ...emptyLedgerView(),
    members: () => ['hospital', 'clinics', 'payer'].map(member),
    status: () => ({ size: leaves.length, finalSize }) as ReturnType<LedgerView['status']>,
    taggedBatches: (from, to) =>
      leaves.slice(from, to).map(({ by, events }, i) => ({ leafIndex: from + i, member: by, events })),
    finalTime: (index) => {
      const atMs = leaves[index]?.atMs;
      return atMs === undefined ? undefined : { size: index + 1, timeMs: atMs };
    },
  };
}

function run(t: TestContext, leaves: readonly Leaf[], changes: Partial<UnmatchedRequest> = {}) {
  const provenance = openProvenance(t);
  const request = { windowMs: 15 * MINUTE_MS, sinceMs: NOW_MS - 86_400_000, member: undefined, ...changes };
  const options = {
    member: 'hospital',
    ledger: viewOf(leaves),
    queries: provenance.queries,
    peerTags: (name: string) => (name === 'clinics' || name === 'payer' ? new PeerTags(KEYS[name]) : undefined),
    clock: () => NOW_MS,
  };
  return { provenance, reconcile: () => reconcile(request, options) };
}

const HOUR_AGO_MS = NOW_MS - 60 * MINUTE_MS;
const at = (minutes: number): number => HOUR_AGO_MS + minutes * MINUTE_MS;

describe('reconcile', () => {
  test('matches what was acknowledged, lists what was not, and leaves open what is young or not final', async (t) => {
    const [matched, forgotten, young, queued] = [1, 2, 3, 4].map(() => disclosed('clinics'));
    assert.ok(matched && forgotten && young && queued);
    const { reconcile: go } = run(t, [
      { by: 'hospital', events: [matched, forgotten], atMs: at(0) },
      { by: 'clinics', events: [acknowledged('clinics', matched)], atMs: at(1) },
      { by: 'hospital', events: [young], atMs: NOW_MS - MINUTE_MS },
      { by: 'hospital', events: [queued] },
    ]);
    const { counts, unmatched } = await go();
    assert.deepEqual(counts['to-member'], { disclosed: 4, acknowledged: 1, late: 0, open: 2, unmatched: 1 });
    assert.deepEqual(unmatched, [
      { event: forgotten.id, member: 'clinics', direction: 'to-member', finalMs: at(0), leafIndex: 0 },
    ]);
  });

  test('an acknowledgement counts wherever it stands, and is late after the window', async (t) => {
    const [early, late] = [disclosed('clinics'), disclosed('clinics')];
    const { counts } = await run(t, [
      { by: 'clinics', events: [acknowledged('clinics', early)], atMs: at(0) },
      { by: 'hospital', events: [early, late], atMs: at(1) },
      { by: 'clinics', events: [acknowledged('clinics', late)], atMs: at(17) },
    ]).reconcile();
    assert.deepEqual(counts['to-member'], { disclosed: 2, acknowledged: 2, late: 1, open: 0, unmatched: 0 });
  });

  test('only the counterpart itself can acknowledge: a tag that another member copied counts for nothing', async (t) => {
    const one = disclosed('clinics');
    const { unmatched } = await run(t, [
      { by: 'hospital', events: [one], atMs: at(0) },
      { by: 'payer', events: [acknowledged('clinics', one)], atMs: at(1) },
      { by: 'payer', events: [acknowledged('payer', one)], atMs: at(1) },
      { by: 'hospital', events: [acknowledged('clinics', one)], atMs: at(1) },
    ]).reconcile();
    assert.deepEqual(
      unmatched.map(({ event }) => event),
      [one.id],
    );
  });

  test('an acknowledgement of nothing, and exchanges of others, change nothing', async (t) => {
    const foreign = { id: newId(), kind: 'disclosed', peer: newId() } as const;
    const { counts, unmatched } = await run(t, [
      { by: 'clinics', events: [acknowledged('clinics', { id: newId() }), foreign], atMs: at(0) },
      { by: 'stranger', events: [foreign], atMs: at(0) },
    ]).reconcile();
    assert.equal(counts['to-member'].disclosed + counts['to-us'].disclosed + unmatched.length, 0);
  });

  test('what another member says it disclosed to us is matched by our own acknowledgement, on the ledger or on its way', async (t) => {
    const [onLedger, onItsWay, never] = [disclosed('payer'), disclosed('payer'), disclosed('payer')];
    const { provenance, reconcile: go } = run(t, [
      { by: 'payer', events: [onLedger, onItsWay, never], atMs: at(0) },
      { by: 'hospital', events: [acknowledged('payer', onLedger)], atMs: at(1) },
    ]);
    await record(provenance.recorder, {}, { received: [{ upstream: 'payer', member: 'payer', event: onItsWay.id }] });
    const { counts, unmatched } = await go();
    assert.deepEqual(counts['to-us'], { disclosed: 3, acknowledged: 2, late: 0, open: 0, unmatched: 1 });
    assert.deepEqual(
      unmatched.map(({ event, member, direction }) => [event, member, direction]),
      [[never.id, 'payer', 'to-us']],
    );
  });

  test('looks at one member, and from a time on', async (t) => {
    const leaves = [
      { by: 'hospital', events: [disclosed('clinics')], atMs: NOW_MS - 3 * 3_600_000 },
      { by: 'hospital', events: [disclosed('clinics'), disclosed('payer')], atMs: at(0) },
    ];
    assert.equal((await run(t, leaves).reconcile()).unmatched.length, 3);
    assert.equal((await run(t, leaves, { sinceMs: at(-1) }).reconcile()).unmatched.length, 2);
    const one = await run(t, leaves, { member: 'payer', sinceMs: at(-1) }).reconcile();
    assert.deepEqual(
      one.unmatched.map(({ member }) => member),
      ['payer'],
    );
  });

  test('says what it cannot see: pruned bodies, and tags of a key that is no longer in force', async (t) => {
    const { unrecognised, prunedBatches, unmatched } = await run(t, [
      { by: 'clinics', events: undefined, atMs: at(0) },
      { by: 'hospital', events: [{ id: newId(), kind: 'disclosed', peer: newId() }], atMs: at(0) },
    ]).reconcile();
    assert.deepEqual([unrecognised, prunedBatches, unmatched.length], [1, 1, 0]);
  });
});
