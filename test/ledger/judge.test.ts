import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { buildBatch, NO_PREVIOUS_HEADER } from '../../src/ledger/batch.ts';
import type { BuiltBatch } from '../../src/ledger/batch.ts';
import { buildCut } from '../../src/ledger/cut.ts';
import { encodeUtf8 } from '../../src/ledger/encoding.ts';
import { encodeFrame, parseFrame } from '../../src/ledger/frame.ts';
import { genesisFrame } from '../../src/ledger/genesis.ts';
import { judgeFrame } from '../../src/ledger/judge.ts';
import type { JudgeState } from '../../src/ledger/judge.ts';
import { recordLeafHash } from '../../src/ledger/leaf.ts';
import { mutations } from './support/mutations.ts';
import { exampleEvent, exampleGenesis, ORIGIN, signingMember } from './support/small-log.ts';

const hospital = signingMember('hospital');
const payer = signingMember('payer');
const base = { log: ORIGIN, member: 'hospital', writer: 'hospital-1', signer: hospital.batch };

function batch(
  number: number,
  prev: BuiltBatch | undefined,
  seed: string,
  changes: Partial<Parameters<typeof buildBatch>[0]> = {},
): BuiltBatch {
  const firstEvent = prev === undefined ? 0 : prev.firstEvent + prev.count;
  const events = [exampleEvent(`${seed} 1`), exampleEvent(`${seed} 2`)];
  return buildBatch({
    ...base,
    batch: number,
    prev: prev?.headerHash ?? NO_PREVIOUS_HEADER,
    firstEvent,
    events,
    ...changes,
  });
}

const first = batch(1, undefined, 'first');
const second = batch(2, first, 'second');
const third = batch(3, second, 'third');

/** The state after `accepted`, in which hospital and payer are members and clinics is suspended. */
function stateAfter(accepted: readonly BuiltBatch[], lastCut = 0): JudgeState {
  const last = accepted.at(-1);
  const mine = (member: string, writer: string) => member === 'hospital' && writer === 'hospital-1';
  return {
    origin: ORIGIN,
    lastCut,
    member: (name) => {
      if (name === 'hospital') return { active: true, batchKeys: [hospital.batch.key] };
      if (name === 'payer')
        return { active: true, batchKeys: [payer.batch.key, signingMember('payer', ORIGIN, 'old').batch.key] };
      return name === 'clinics' ? { active: false, batchKeys: [signingMember('clinics').batch.key] } : undefined;
    },
    writerHead: (member, writer) => {
      if (last === undefined || !mine(member, writer)) return undefined;
      return { batch: accepted.length, headerHash: last.headerHash, nextEvent: last.firstEvent + last.count };
    },
    acceptedHeader: (member, writer, number) => (mine(member, writer) ? accepted[number - 1]?.headerHash : undefined),
  };
}

function verdict(record: Uint8Array, state: JudgeState): string {
  const judged = judgeFrame(record, state);
  return 'verdict' in judged ? judged.verdict : judged.kind;
}

describe('judgeFrame, of batches', () => {
  test('accepts what continues the chain, with its events', () => {
    for (const [record, state] of [
      [first, stateAfter([])],
      [second, stateAfter([first])],
      [third, stateAfter([first, second])],
    ] as const) {
      const judged = judgeFrame(record.frame, state);
      assert.ok(judged.kind === 'batch' && judged.verdict === 'accepted');
      assert.equal(judged.events.length, 2);
      assert.deepEqual(judged.headerHash, record.headerHash);
    }
  });

  test('tells duplicates from conflicts', () => {
    const state = stateAfter([first, second]);
    assert.equal(verdict(first.frame, state), 'duplicate');
    assert.equal(verdict(second.frame, state), 'duplicate');
    assert.equal(verdict(batch(2, first, 'other').frame, state), 'conflict');
    assert.equal(verdict(batch(3, first, 'third').frame, state), 'conflict');
    assert.equal(verdict(batch(3, second, 'third', { firstEvent: 9 }).frame, state), 'conflict');
  });

  test('takes a batch before its predecessor for a gap, and accepts it when it comes again', () => {
    assert.equal(verdict(third.frame, stateAfter([first])), 'gap');
    assert.equal(verdict(second.frame, stateAfter([])), 'gap');
    assert.equal(verdict(third.frame, stateAfter([first, second])), 'accepted');
  });

  test('keeps chains of two members with one writer name apart', () => {
    const other = batch(1, undefined, 'x', { member: 'payer', signer: payer.batch });
    assert.equal(verdict(other.frame, stateAfter([first])), 'accepted');
  });

  test('accepts each key in force while a rotation overlaps', () => {
    const old = signingMember('payer', ORIGIN, 'old');
    assert.equal(
      verdict(batch(1, undefined, 'x', { member: 'payer', writer: 'p', signer: old.batch }).frame, stateAfter([])),
      'accepted',
    );
  });

  test('refuses who may not write', () => {
    const clinics = signingMember('clinics');
    const stranger = signingMember('stranger');
    const changed = signingMember('hospital', ORIGIN, 'new');
    const as = (changes: Partial<Parameters<typeof buildBatch>[0]>) =>
      verdict(batch(1, undefined, 'x', changes).frame, stateAfter([]));
    assert.equal(as({ member: 'clinics', signer: clinics.batch }), 'suspended');
    assert.equal(as({ member: 'stranger', signer: stranger.batch }), 'unknown-member');
    assert.equal(as({ signer: changed.batch }), 'bad-signature');
    assert.equal(as({ log: 'other.example/log' }), 'wrong-log');
  });

  test('does not blame a suspended member for what it did not sign', () => {
    const forged = signingMember('clinics', ORIGIN, 'forged');
    assert.equal(
      verdict(batch(1, undefined, 'x', { member: 'clinics', signer: forged.batch }).frame, stateAfter([])),
      'bad-signature',
    );
  });

  test('tells a body that is not there from a body that its author made wrong', () => {
    const frame = parseFrame(first.frame);
    assert.ok(frame !== undefined);
    const missing = judgeFrame({ ...frame, body: new Uint8Array(0) }, stateAfter([]));
    assert.ok(missing.kind === 'batch' && missing.verdict === 'bad-body' && missing.bodyMissing);
    const wrong = batch(1, undefined, 'x', { events: [encodeUtf8('{"v": 1}')] });
    assert.equal(verdict(wrong.frame, stateAfter([])), 'not-canonical');
  });

  test('goes by the header, not by the type byte that the leaf does not cover', () => {
    for (const kind of ['cut', 'governance', 'genesis'] as const) {
      const record = encodeFrame({ kind, header: first.header, body: first.body });
      assert.deepEqual(recordLeafHash(record), recordLeafHash(first.frame));
      assert.equal(verdict(record, stateAfter([])), 'accepted');
    }
  });

  test('never accepts a record with one byte changed, but for the type byte', () => {
    for (let i = 1; i < first.frame.length; i++) {
      for (const mutant of mutations(first.frame, i))
        assert.notEqual(verdict(mutant, stateAfter([])), 'accepted', `byte ${i}`);
    }
  });
});

describe('judgeFrame, of the rest', () => {
  const cut = (number: number, changes: Partial<Parameters<typeof buildCut>[0]> = {}) => {
    return buildCut({ log: ORIGIN, member: 'payer', cut: number, signer: payer.batch, ...changes });
  };

  test('the first cut of the next number is accepted, others are noise', () => {
    assert.equal(verdict(cut(5), stateAfter([], 4)), 'accepted');
    assert.equal(verdict(cut(4), stateAfter([], 4)), 'duplicate');
    assert.equal(verdict(cut(6), stateAfter([], 4)), 'gap');
    assert.equal(verdict(cut(5, { log: 'other' }), stateAfter([], 4)), 'wrong-log');
    assert.equal(
      verdict(cut(5, { member: 'clinics', signer: signingMember('clinics').batch }), stateAfter([], 4)),
      'suspended',
    );
  });

  test('a body that the broker put behind a cut changes nothing', () => {
    assert.equal(verdict(Uint8Array.of(...cut(1), 1, 2, 3), stateAfter([])), 'accepted');
  });

  test('governance and genesis are left to who knows them', () => {
    assert.equal(verdict(genesisFrame(exampleGenesis([hospital, payer])), stateAfter([])), 'genesis');
    const header = encodeUtf8('concordat/governance/v1\n');
    assert.equal(verdict(encodeFrame({ kind: 'governance', header, body: header }), stateAfter([])), 'governance');
  });

  test('any bytes get a verdict', () => {
    const titled = fc.constantFrom('concordat/batch/v1\n', 'concordat/cut/v1\n', 'x').chain((title) => {
      return fc
        .string()
        .map((rest) => encodeFrame({ kind: 'batch', header: encodeUtf8(title + rest), body: new Uint8Array(3) }));
    });
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array(), titled), (record) => {
        assert.notEqual(verdict(record, stateAfter([])), 'accepted');
      }),
    );
    assert.equal(verdict(new Uint8Array(0), stateAfter([])), 'void');
    assert.equal(
      verdict(encodeFrame({ kind: 'cut', header: encodeUtf8('hello\n'), body: new Uint8Array(0) }), stateAfter([])),
      'not-canonical',
    );
  });
});
