import type { LedgerJson } from '../../../src/ledger/canonical-json.ts';
import { canonicalJsonBytes } from '../../../src/ledger/canonical-json.ts';
import { formatCheckpoint } from '../../../src/ledger/checkpoint.ts';
import { cosign } from '../../../src/ledger/cosignature.ts';
import { decodeUtf8, encodeBase64, encodeUtf8 } from '../../../src/ledger/encoding.ts';
import { formatEvidence } from '../../../src/ledger/evidence-file.ts';
import { changeJson } from '../../../src/ledger/governance-change.ts';
import type { Change } from '../../../src/ledger/governance-change.ts';
import { formatNote, signText } from '../../../src/ledger/note.ts';
import { acceptanceOf, admission, rotation } from './consortium.ts';
import { RawGovernance } from './raw-governance.ts';
import type { RecordChanges } from './raw-governance.ts';
import type { ReceiptCase } from './receipt-cases.ts';
import { exampleEvent, memberOf, ORIGIN, signingMember, SmallLog } from './small-log.ts';

type Json = { readonly [name: string]: LedgerJson };

const names = ['a', 'b', 'c'];
const events = [exampleEvent('a')];
const adopt: Json = { kind: 'adopt-rule-set', digest: 'ab'.repeat(32) };
const parameters = { cutIntervalMs: 1000, freezeAfterMs: 90_000, idleCutIntervalMs: 30_000, ruleSetGraceCuts: 600 };

/** Histories by members that say what no builder of ours writes, each in a log that is whole otherwise; a receipt of `a` beside each. */
export function hostileHistoryCases(): ReceiptCase[] {
  return [...recordCases(), ...changeCases(), ...evidenceCases(), ...noteCases(), ...keyCases()];
}

/** @param act writes the records of the history's one step */
function historyCase(
  name: string,
  expected: ReceiptCase['expected'],
  act: (raw: RawGovernance) => void,
  change: (json: Record<string, unknown>) => void = () => {},
): ReceiptCase {
  const raw = new RawGovernance(names);
  const batch = raw.log.appendBatch('a', events);
  act(raw);
  const history = JSON.parse(decodeUtf8(raw.history())) as Record<string, unknown>;
  change(history);
  return {
    name: `a history with ${name}`,
    receipt: encodeBase64(encodeUtf8(raw.log.receipt(batch, events, 0))),
    genesis: encodeBase64(raw.log.genesis),
    history: encodeBase64(canonicalJsonBytes(history as Json)),
    expected,
  };
}

function refused(name: string, code: string, act: (raw: RawGovernance) => void): ReceiptCase {
  return historyCase(name, { code }, act);
}

/** A rule set that is adopted, by records that are changed so. */
function adopting(changes: RecordChanges): (raw: RawGovernance) => void {
  return (raw) => {
    raw.enact(adopt, changes);
    raw.cut();
  };
}

function recordCases(): ReceiptCase[] {
  const malformed = 'malformed-governance';
  const first = (json: unknown, name: string) => ((json as Record<string, unknown[]>)[name] ?? [])[0];
  return [
    historyCase('a rule set that is adopted', { author: 'a' }, adopting({})),
    refused('a body shorter than its header says', malformed, adopting({ bytes: 500 })),
    refused('a body longer than its header says', malformed, adopting({ bytes: 1 })),
    refused('a proposal with a member too many', 'malformed-json', adopting({ body: { more: 1 } })),
    refused('a proposal with a nonce that is none', malformed, adopting({ body: { nonce: 'x' } })),
    refused('a change with a member too many', 'malformed-json', adopting({ body: { change: { ...adopt, more: 1 } } })),
    refused('an unknown kind of change', malformed, adopting({ body: { change: { ...adopt, kind: 'dissolve' } } })),
    refused('a vote with a member too many', 'malformed-json', (raw) => {
      const id = raw.enact(adopt, {}, ['a', 'b']);
      raw.vote('c', id, { body: { more: 1 } });
      raw.cut();
    }),
    refused('a vote that is neither yes nor no', malformed, (raw) => {
      const id = raw.enact(adopt);
      raw.vote('a', id, { body: { vote: 'perhaps' } });
      raw.cut();
    }),
    refused('a vote before its proposal', 'history-broken', (raw) => {
      raw.vote('b', 'ab'.repeat(32));
      raw.enact(adopt);
      raw.cut();
    }),
    refused('a vote twice', 'history-broken', (raw) => {
      const id = raw.propose('a', adopt);
      for (const name of ['b', 'b', 'c']) raw.vote(name, id);
      raw.cut();
    }),
    refused('a vote twice, once all was decided', 'history-broken', (raw) => {
      const id = raw.propose('a', { kind: 'remove', ground: { freeze: 1 }, member: 'c' });
      for (const name of ['b', 'c', 'c']) raw.vote(name, id);
      raw.cut();
    }),
    refused('a proposal too many by one member', 'history-broken', (raw) => {
      for (let i = 0; i < 17; i++) raw.propose('a', adopt);
      raw.enact(adopt, {}, ['b', 'a', 'c']);
      raw.cut();
    }),
    refused('a record after the log was ended', 'history-broken', (raw) => {
      raw.enact(adopt);
      const [root, genesis] = [raw.log.root(1), new Uint8Array(32)].map(encodeBase64) as [string, string];
      raw.enact({ genesis, kind: 'open-epoch', root, size: 1 }, {}, ['a', 'b']);
      raw.propose('c', adopt);
      raw.cut();
    }),
    historyCase('a member too many', { code: 'malformed-json' }, adopting({}), (json) => (json['more'] = 1)),
    historyCase('a member too many in its step', { code: 'malformed-json' }, adopting({}), (json) => {
      Object.assign(first(json, 'steps') as object, { more: 1 });
    }),
    historyCase('a member too many in its record', { code: 'malformed-json' }, adopting({}), (json) => {
      Object.assign(first(first(json, 'steps'), 'records') as object, { more: 1 });
    }),
    historyCase('the checkpoint of its step missing', { code: 'malformed-json' }, adopting({}), (json) => {
      delete (first(json, 'steps') as Record<string, unknown>)['checkpoint'];
    }),
  ];
}

function enacting(change: Json): (raw: RawGovernance) => void {
  return (raw) => {
    raw.enact(change);
    raw.cut();
  };
}

function changeCases(): ReceiptCase[] {
  const same = signingMember('b');
  const rotate = changeJson(rotation('b', ORIGIN, 'new').change);
  const acceptance = encodeBase64(acceptanceOf(same, ORIGIN));
  const unchanged = { ...changeJson({ ...rotation('b', ORIGIN, '').change }), acceptance };
  const mixed = { ...signingMember('d'), cosigner: signingMember('b').cosigner };
  return [
    refused('a rotation to the keys in force', 'history-broken', enacting(unchanged)),
    refused(
      'the quorum rule in force',
      'history-broken',
      enacting({ kind: 'change-quorum', quorum: { denominator: 3, numerator: 2 } }),
    ),
    refused('the parameters in force', 'history-broken', enacting({ kind: 'change-parameters', parameters })),
    refused('a name that was removed', 'history-broken', (raw) => {
      raw.enact({ kind: 'remove', ground: { freeze: 1 }, member: 'c' }, {}, ['a', 'b']);
      raw.cut();
      raw.log.members.pop();
      raw.enact(changeJson({ ...rotation('c', ORIGIN, 'again').change, kind: 'admit' } as Change), {}, ['a', 'b']);
      raw.cut();
    }),
    refused('a grace of too many leaves', 'malformed-governance', enacting({ ...rotate, graceLeaves: 10_000_001 })),
    refused('a ground that is none', 'malformed-json', enacting({ kind: 'suspend', member: 'c', ground: {} })),
    refused(
      'two grounds',
      'malformed-json',
      enacting({ kind: 'suspend', member: 'c', ground: { evidence: '', freeze: 1 } }),
    ),
    refused(
      'an admission under a cosigner key of another name',
      'malformed-key',
      enacting({
        ...changeJson(admission('d', ORIGIN).change),
        member: {
          ...(changeJson(admission('d', ORIGIN).change)['member'] as Json),
          cosignerKey: mixed.cosigner.key.text,
        },
      }),
    ),
    refused(
      'an admission under a name in capitals',
      'malformed-genesis',
      enacting({
        ...changeJson(admission('d', ORIGIN).change),
        member: { ...(changeJson(admission('d', ORIGIN).change)['member'] as Json), name: 'D' },
      }),
    ),
  ];
}

function lieOf(name: string, seeds: readonly [string, string]): string {
  const [first, second] = seeds.map((seed) => new SmallLog(names).appendBatch(name, [exampleEvent(seed)]).built.header);
  return encodeBase64(
    formatEvidence({ kind: 'two-batches', member: name, first: first as Uint8Array, second: second as Uint8Array }),
  );
}

function evidenceCases(): ReceiptCase[] {
  const suspending =
    (evidence: string, member = 'c') =>
    (raw: RawGovernance) => {
      const other = member === 'c' ? 'b' : 'c';
      raw.enact({ kind: 'accept-evidence', member, evidence }, {}, ['a', other]);
      raw.cut();
    };
  const lie = lieOf('c', ['x', 'y']);
  const edited = decodeUtf8(Buffer.from(lie, 'base64')).replace('"member":"c"', '"member":"c","more":1');
  return [
    historyCase('a member that lied', { author: 'a' }, suspending(lie)),
    refused('a lie that is none', 'no-contradiction', suspending(lieOf('c', ['x', 'x']))),
    refused('a lie by somebody else', 'unknown-member', suspending(lie, 'b')),
    refused('evidence that cannot be read', 'malformed-json', suspending(encodeBase64(encodeUtf8(edited)))),
    refused('a lie that the member never signed', 'bad-signature', suspending(forgedLie())),
    ...treeCases(suspending),
  ];
}

/** Two trees that `c` signed, the first of two leaves. @param lines beyond the third, in the second */
function treesBy(first: SmallLog, second: SmallLog, connection?: { root: Uint8Array; path: Uint8Array[] }, lines = '') {
  const signed = (log: SmallLog, more: string): Uint8Array => {
    const text = `${formatCheckpoint({ origin: ORIGIN, size: log.size, root: log.root() })}${more}`;
    return formatNote(text, [cosign(text, log.member('c').cosigner, 7)]);
  };
  const sides = { first: signed(first, ''), second: signed(second, lines) };
  return encodeBase64(formatEvidence({ kind: 'two-trees', member: 'c', ...sides, connection }));
}

function treeCases(suspending: (evidence: string) => (raw: RawGovernance) => void): ReceiptCase[] {
  const [left, right, longer] = [new SmallLog(names), new SmallLog(names), new SmallLog(names)];
  left.appendCut('a');
  right.appendCut('b');
  longer.appendCut('b');
  longer.appendCut('a');
  const path = longer.consistencyProof(2);
  const there = { root: longer.root(2), path };
  return [
    historyCase('two trees of one size', { author: 'a' }, suspending(treesBy(left, right))),
    historyCase(
      'two trees, one with a line too many',
      { author: 'a' },
      suspending(treesBy(left, right, undefined, 'more\n')),
    ),
    historyCase('two trees of two sizes', { author: 'a' }, suspending(treesBy(left, longer, there))),
    refused('one tree twice', 'no-contradiction', suspending(treesBy(left, left))),
    refused(
      'two trees of which one begins with the other',
      'no-contradiction',
      suspending(treesBy(right, longer, there)),
    ),
    refused('two trees that nothing connects', 'no-contradiction', suspending(treesBy(left, longer))),
    refused(
      'two trees and a wrong connection',
      'root-mismatch',
      suspending(treesBy(left, longer, { root: left.root(), path })),
    ),
    refused('two trees in the wrong order', 'size-range', suspending(treesBy(longer, left, there))),
  ];
}

function forgedLie(): string {
  const forger = new SmallLog(names);
  Object.assign(forger.members, { 2: { ...forger.member('c'), batch: signingMember('c', ORIGIN, 'forged').batch } });
  const first = forger.appendBatch('c', [exampleEvent('x')], 'c-1').built.header;
  const second = new SmallLog(names).appendBatch('c', [exampleEvent('y')], 'c-1').built.header;
  return encodeBase64(formatEvidence({ kind: 'two-batches', member: 'c', first, second }));
}

function noteCases(): ReceiptCase[] {
  const { member, change } = rotation('b', ORIGIN, 'new');
  const padded = (lines: number, name: string): Json => {
    const acceptance = decodeUtf8(acceptanceOf(member, ORIGIN)) + `— ${name} AAAAAQECAwQ=\n`.repeat(lines);
    return { ...changeJson(change), acceptance: encodeBase64(encodeUtf8(acceptance)) };
  };
  const extended = (raw: RawGovernance, size: number): Uint8Array => {
    const text = `${decodeUtf8(raw.log.checkpoint(size)).split('\n').slice(0, 3).join('\n')}\nmore\n`;
    return formatNote(text, [
      ...raw.log.members.map(({ origin }) => signText(text, origin)),
      ...raw.log.members.map(({ cosigner }) => cosign(text, cosigner, 1_790_000_000)),
    ]);
  };
  return [
    refused('a checkpoint with an extension line', 'malformed-checkpoint', (raw) => {
      raw.enact(adopt);
      raw.cut((size) => extended(raw, size));
    }),
    refused('an acceptance of more lines than a note may have', 'too-large', enacting(padded(99, 'stranger'))),
    refused('an acceptance with a line by a stranger', 'bad-signature', enacting(padded(1, 'stranger'))),
  ];
}

/** `b` takes new keys and, while the former ones are still valid, goes back to them. */
function keyCases(): ReceiptCase[] {
  const raw = new RawGovernance(names);
  const old = raw.log.member('b');
  const there = rotation('b', ORIGIN, 'new', 1000);
  const back = {
    kind: 'rotate-key',
    member: memberOf(old),
    acceptance: acceptanceOf(old, ORIGIN),
    graceLeaves: 1000,
  } as const;
  for (const [change, next] of [
    [there.change, there.member],
    [back, old],
  ] as const) {
    raw.enact(changeJson(change));
    raw.cut();
    Object.assign(raw.log.members, { 1: next });
  }
  const batch = raw.log.appendBatch('b', events);
  return [
    {
      name: 'a history with a member that goes back to its former keys',
      receipt: encodeBase64(encodeUtf8(raw.log.receipt(batch, events, 0))),
      genesis: encodeBase64(raw.log.genesis),
      history: encodeBase64(raw.history()),
      expected: { author: 'b' },
    },
  ];
}
