import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { refusalOf } from '../../src/cli/governance-refusal.ts';
import { encodeUtf8 } from '../../src/ledger/encoding.ts';
import type { Change } from '../../src/ledger/governance-change.ts';
import type { GovernanceAct } from '../../src/ledger/governance-record.ts';
import { latestVersion } from '../../src/ledger/governance-state.ts';
import { admission, Consortium, rotation } from '../ledger/support/consortium.ts';
import { signingMember } from '../ledger/support/small-log.ts';

const QUORUM: Change = { kind: 'change-quorum', quorum: { numerator: 3, denominator: 4 } };

/** What is said of an act, and, of the signed record, what the ledger says. */
function judged(consortium: Consortium, member: string, act: GovernanceAct): { said: string; verdict: string } {
  const { state, log } = consortium;
  const said = refusalOf({ state, size: log.size, cuts: 0 }, { member, act }) ?? '';
  return { said, verdict: consortium.act(member, act, signingMember(member)).verdict };
}

const propose = (change: Change): GovernanceAct => ({ act: 'propose', change, nonce: 'A'.repeat(22) });
const vote = (proposal: string, word: 'yes' | 'no' = 'yes'): GovernanceAct => ({ act: 'vote', proposal, vote: word });

describe('an act of governance that every member would refuse', () => {
  const make = (): Consortium => new Consortium(['a', 'b', 'c']);
  const { origin } = make().log;
  const { parameters, ruleSets } = latestVersion(make().state);
  const stolen = admission('d', origin).change as Extract<Change, { kind: 'admit' }>;
  const freeze = { freeze: 1 };
  const cases: readonly (readonly [string, Change, RegExp])[] = [
    ['evidence that is none', { kind: 'accept-evidence', member: 'b', evidence: encodeUtf8('x') }, /--evidence/],
    ['an admission signed by nobody', { ...stolen, acceptance: encodeUtf8('x\n') }, /--member-file/],
    ['another’s acceptance', { ...stolen, kind: 'rotate-key', graceLeaves: 0 }, /d is no member/],
    ['keys in force', rotation('b', origin, '').change, /in force already/],
    ['a member again', admission('b', origin).change, /b is a member already/],
    ['suspension of nobody', { kind: 'suspend', member: 'x', ground: freeze }, /x is no member/],
    ['removal of nobody', { kind: 'remove', member: 'x', ground: freeze }, /x is no member/],
    ['the quorum in force', { kind: 'change-quorum', quorum: latestVersion(make().state).quorum }, /in force already/],
    ['the parameters in force', { kind: 'change-parameters', parameters }, /in force already/],
    ['the rule set in force', { kind: 'adopt-rule-set', digest: ruleSets[0]?.digest ?? '' }, /in force already/],
  ];
  for (const [name, change, words] of cases) {
    test(`is told by its rule: ${name}`, () => {
      const { said, verdict } = judged(make(), 'a', propose(change));
      assert.match(said, words);
      assert.notEqual(verdict, 'accepted');
    });
  }

  test('is told of who is no member, is suspended, or acts in a log that has ended', () => {
    const consortium = make();
    const stranger = judged(consortium, 'd', propose(QUORUM));
    assert.match(stranger.said, /d is no member/);
    assert.equal(stranger.verdict, 'unknown-member');
    consortium.enact({ kind: 'suspend', member: 'c', ground: freeze }, ['a', 'b']);
    const suspended = judged(consortium, 'c', propose(QUORUM));
    assert.match(suspended.said, /c is suspended/);
    assert.equal(suspended.verdict, 'suspended');
    assert.match(
      judged(consortium, 'a', propose({ kind: 'suspend', member: 'c', ground: freeze })).said,
      /suspended already/,
    );
    const end = { size: 1, root: new Uint8Array(32), genesis: new Uint8Array(32) };
    consortium.enact({ kind: 'open-epoch', ...end }, ['a', 'b']);
    const late = judged(consortium, 'a', propose(QUORUM));
    assert.match(late.said, /ended by proposal [0-9a-f]{64}/);
    assert.equal(late.verdict, 'conflict');
  });

  test('is told of a name that was removed, and of a member with too many open proposals', () => {
    const consortium = make();
    consortium.enact({ kind: 'remove', member: 'c', ground: freeze }, ['a', 'b']);
    assert.match(judged(consortium, 'a', propose(admission('c', origin).change)).said, /never given again/);
    for (let i = 0; i < 16; i++) consortium.propose('a', QUORUM);
    const one = judged(consortium, 'a', propose(QUORUM));
    assert.match(one.said, /too many open proposals/);
    assert.equal(one.verdict, 'conflict');
    assert.deepEqual(judged(consortium, 'b', propose(QUORUM)), { said: '', verdict: 'accepted' });
  });

  test('is told of votes: on what is unknown, again, and too late', () => {
    const consortium = make();
    assert.match(judged(consortium, 'a', vote('0'.repeat(64))).said, /no such proposal/);
    const { id } = consortium.propose('a', QUORUM);
    assert.deepEqual(judged(consortium, 'b', vote(id)), { said: '', verdict: 'accepted' });
    assert.equal(judged(consortium, 'b', vote(id)).said, `already voted yes on ${id}`);
    assert.match(judged(consortium, 'b', vote(id, 'no')).said, /^already voted yes on [0-9a-f]+: the first word/);
    consortium.vote('c', id);
    consortium.cut();
    const second = consortium.propose('a', { kind: 'change-quorum', quorum: { numerator: 4, denominator: 5 } }).id;
    consortium.vote('b', second, 'no');
    // Noted by the ledger all the same, but it changes nothing.
    const late = judged(consortium, 'c', vote(second));
    assert.match(late.said, /no vote counts any more: .* is rejected/);
    assert.equal(late.verdict, 'accepted');
    const third = consortium.propose('a', { kind: 'suspend', member: 'b', ground: freeze }).id;
    consortium.vote('c', third);
    assert.match(judged(consortium, 'b', vote(third)).said, /is decided and waits/);
  });

  test('is none where an act is possible', () => {
    for (const change of [
      QUORUM,
      stolen,
      rotation('b', origin, ' next').change,
      { kind: 'suspend', member: 'b', ground: freeze } as const,
    ])
      assert.deepEqual(judged(make(), 'a', propose(change)), { said: '', verdict: 'accepted' });
  });
});
