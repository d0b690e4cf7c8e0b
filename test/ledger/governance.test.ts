import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { formatEpoch, verifyEpoch } from '../../src/ledger/epoch.ts';
import { formatEvidence } from '../../src/ledger/evidence-file.ts';
import { parseFrame } from '../../src/ledger/frame.ts';
import { DEFAULT_LOG_PARAMETERS, genesisHash, quorumSize, TWO_THIRDS } from '../../src/ledger/genesis.ts';
import { takeGovernance, waitingSince } from '../../src/ledger/governance.ts';
import type { Change } from '../../src/ledger/governance-change.ts';
import { changeJson, parseChange } from '../../src/ledger/governance-change.ts';
import { buildGovernance, proposalNonce } from '../../src/ledger/governance-record.ts';
import {
  acceptableRuleSets,
  batchKeysAt,
  keysInForce,
  latestVersion,
  quorumOf,
  versionAtSize,
  votesNeeded,
} from '../../src/ledger/governance-state.ts';
import { acceptanceOf, admission, Consortium, rotation } from './support/consortium.ts';
import { mutations } from './support/mutations.ts';
import { exampleEvent, exampleGenesis, memberOf, ORIGIN, signingMember, SmallLog } from './support/small-log.ts';

const digest = 'ab'.repeat(32);
const adopt: Change = { kind: 'adopt-rule-set', digest };
const three = ['a', 'b', 'c'];
const four = ['a', 'b', 'c', 'd'];

function lieOf(name: string): Uint8Array {
  const header = (seed: string) => {
    const { built } = new SmallLog(four).appendBatch(name, [exampleEvent(seed)]);
    return built.header;
  };
  return formatEvidence({ kind: 'two-batches', member: name, first: header('x'), second: header('y') });
}

describe('a change', () => {
  test('is decided by the quorum, and in force from the first cut after that', () => {
    const consortium = new Consortium(four);
    const { id, verdict } = consortium.propose('a', adopt);
    assert.equal(verdict, 'accepted');
    assert.equal(consortium.vote('b', id), 'accepted');
    consortium.cut();
    assert.equal(consortium.proposal(id).status, 'open');
    consortium.vote('c', id);
    assert.equal(consortium.proposal(id).status, 'decided');
    assert.equal(waitingSince(consortium.state), consortium.log.size - 1);
    assert.equal(latestVersion(consortium.state).ruleSets.length, 1);
    const size = consortium.cut();
    assert.deepEqual([consortium.proposal(id).status, consortium.proposal(id).inForceFrom], ['in-force', size]);
    assert.deepEqual(latestVersion(consortium.state).ruleSets[1], { index: 1, digest, from: size });
    assert.equal(waitingSince(consortium.state), undefined);
  });

  test('holds for leaves from its size on, and for checkpoints of greater size', () => {
    const consortium = new Consortium(four);
    const { change } = admission('e', consortium.log.origin);
    const size = consortium.enact(change, ['a', 'b', 'c']);
    assert.equal(batchKeysAt(consortium.state, 'e', size - 1), undefined);
    assert.equal(batchKeysAt(consortium.state, 'e', size)?.active, true);
    assert.equal(versionAtSize(consortium.state, size).members.length, 4);
    assert.equal(versionAtSize(consortium.state, size + 1).members.length, 5);
  });

  test('counts each member once, and a repeated record not at all', () => {
    const consortium = new Consortium(four);
    const { id } = consortium.propose('a', adopt);
    assert.equal(consortium.vote('a', id), 'duplicate');
    assert.equal(consortium.vote('b', id), 'accepted');
    assert.equal(consortium.take(consortium.log.records[1] as Uint8Array), 'duplicate');
    assert.equal(consortium.take(consortium.log.records.at(-2) as Uint8Array), 'duplicate');
    assert.equal(consortium.vote('b', id, 'no'), 'duplicate');
    assert.equal(consortium.proposal(id).status, 'open');
  });

  test('is rejected once it can no longer pass', () => {
    const consortium = new Consortium(four);
    const { id } = consortium.propose('a', adopt);
    consortium.vote('b', id, 'no');
    assert.equal(consortium.proposal(id).status, 'open');
    consortium.vote('c', id, 'no');
    assert.equal(consortium.proposal(id).status, 'rejected');
    assert.equal(consortium.vote('d', id), 'accepted');
    assert.equal(consortium.proposal(id).status, 'rejected');
  });

  test('that another made impossible is moot', () => {
    const consortium = new Consortium(four);
    const remove: Change = { kind: 'remove', member: 'd', ground: { freeze: 3 } };
    const one = consortium.propose('a', remove);
    const two = consortium.propose('b', remove);
    for (const { id } of [one, two]) for (const name of ['a', 'b', 'c']) consortium.vote(name, id);
    consortium.cut();
    assert.deepEqual([consortium.proposal(one.id).status, consortium.proposal(two.id).status], ['in-force', 'moot']);
  });

  test('by a stranger, with a foreign key or for another log is refused', () => {
    const consortium = new Consortium(three);
    const act = { act: 'propose', change: adopt, nonce: proposalNonce(new Uint8Array(16)) } as const;
    const record = (log: string, member: string, generation = '') => {
      return buildGovernance({ log, member, act, signer: signingMember(member, ORIGIN, generation).batch }).frame;
    };
    assert.equal(consortium.take(record(ORIGIN, 'z')), 'unknown-member');
    assert.equal(consortium.take(record(ORIGIN, 'a', 'other')), 'bad-signature');
    assert.equal(consortium.take(record('other.example', 'a')), 'wrong-log');
    assert.equal(consortium.vote('a', 'ab'.repeat(32)), 'conflict');
  });

  test('of one member is limited in number', () => {
    const consortium = new Consortium(four);
    const verdicts = Array.from({ length: 17 }, () => consortium.propose('a', adopt).verdict);
    assert.deepEqual([new Set(verdicts.slice(0, 16)), verdicts[16]], [new Set(['accepted']), 'conflict']);
  });

  test('with one byte changed is never accepted as what it was', () => {
    const consortium = new Consortium(three);
    const act = { act: 'propose', change: adopt, nonce: proposalNonce(new Uint8Array(16)) } as const;
    const { frame, id } = buildGovernance({ log: ORIGIN, member: 'a', act, signer: consortium.log.member('a').batch });
    for (let i = 1; i < frame.length; i++) {
      for (const mutant of mutations(frame, i)) {
        const parsed = parseFrame(mutant);
        if (parsed === undefined) continue;
        const step = takeGovernance(consortium.state, parsed, 1);
        assert.ok(step.verdict !== 'accepted' && !step.state.proposals.has(id), `byte ${i}`);
      }
    }
  });
});

describe('membership', () => {
  test('a new member joins with its own acceptance, and counts from then on', () => {
    const consortium = new Consortium(three);
    const { change } = admission('d', consortium.log.origin);
    consortium.enact(change, three);
    assert.equal(quorumOf(latestVersion(consortium.state)), 3);
    assert.deepEqual(
      keysInForce(consortium.state, consortium.log.size).map(({ name }) => name),
      four,
    );
  });

  test('nobody is admitted without acceptance, with keys of another, or under a name that was removed', () => {
    const consortium = new Consortium(four);
    const { member, change } = admission('e', consortium.log.origin);
    assert.ok(change.kind === 'admit');
    const foreign = acceptanceOf(member, 'other.example/log');
    assert.equal(consortium.propose('a', { ...change, acceptance: foreign }).verdict, 'bad-signature');
    const byAnother = acceptanceOf({ ...member, origin: signingMember('x').origin }, consortium.log.origin);
    assert.equal(consortium.propose('a', { ...change, acceptance: byAnother }).verdict, 'bad-signature');
    const twin = admission('a', consortium.log.origin);
    assert.equal(consortium.propose('b', twin.change).verdict, 'conflict');
    consortium.enact({ kind: 'remove', member: 'd', ground: { freeze: 1 } }, ['a', 'b', 'c']);
    assert.equal(consortium.propose('a', admission('d', consortium.log.origin).change).verdict, 'conflict');
  });

  test('with three members both others remove the third, whose vote does not count', () => {
    const consortium = new Consortium(three);
    const { id } = consortium.propose('a', { kind: 'remove', member: 'c', ground: { freeze: 9 } });
    consortium.vote('c', id);
    assert.equal(consortium.proposal(id).status, 'open');
    consortium.vote('b', id);
    assert.equal(consortium.proposal(id).status, 'decided');
    consortium.cut();
    assert.deepEqual(
      latestVersion(consortium.state).members.map(({ name }) => name),
      ['a', 'b'],
    );
  });

  test('accepted evidence suspends by rule', () => {
    const consortium = new Consortium(four);
    const change: Change = { kind: 'accept-evidence', member: 'd', evidence: lieOf('d') };
    const size = consortium.enact(change, ['a', 'b', 'c']);
    assert.equal(batchKeysAt(consortium.state, 'd', size - 1)?.active, true);
    assert.equal(batchKeysAt(consortium.state, 'd', size)?.active, false);
    assert.equal(quorumOf(latestVersion(consortium.state)), 3);
    assert.equal(consortium.propose('d', adopt).verdict, 'suspended');
  });

  test('evidence about another, or that shows nothing, carries no proposal', () => {
    const consortium = new Consortium(four);
    const evidence = lieOf('d');
    assert.equal(
      consortium.propose('a', { kind: 'suspend', member: 'b', ground: { evidence } }).verdict,
      'bad-signature',
    );
    const { built } = new SmallLog(four).appendBatch('d', [exampleEvent('x')]);
    const nothing = formatEvidence({ kind: 'two-batches', member: 'd', first: built.header, second: built.header });
    assert.equal(
      consortium.propose('a', { kind: 'accept-evidence', member: 'd', evidence: nothing }).verdict,
      'bad-signature',
    );
    assert.equal(consortium.propose('a', { kind: 'suspend', member: 'd', ground: { evidence } }).verdict, 'accepted');
  });

  test('the last active member is not suspended', () => {
    const consortium = new Consortium(['a', 'b']);
    consortium.enact({ kind: 'suspend', member: 'b', ground: { freeze: 1 } }, ['a']);
    assert.equal(consortium.propose('a', { kind: 'suspend', member: 'a', ground: { freeze: 1 } }).verdict, 'conflict');
  });
});

describe('keys', () => {
  test('rotate, and the former one lasts for its grace', () => {
    const consortium = new Consortium(three);
    const { member, change } = rotation('b', consortium.log.origin, 'new', 5);
    const size = consortium.enact(change, three);
    const old = consortium.log.member('b').batch.key.text;
    const texts = (leaf: number) => batchKeysAt(consortium.state, 'b', leaf)?.batchKeys.map(({ text }) => text);
    assert.deepEqual(texts(size - 1), [old]);
    assert.deepEqual(texts(size), [member.batch.key.text, old]);
    assert.deepEqual(texts(size + 4), [member.batch.key.text, old]);
    assert.deepEqual(texts(size + 5), [member.batch.key.text]);
  });

  test('that change nothing, or that the member does not hold, are no rotation', () => {
    const consortium = new Consortium(three);
    const same = consortium.log.member('b');
    const acceptance = acceptanceOf(same, consortium.log.origin);
    assert.equal(
      consortium.propose('a', { kind: 'rotate-key', member: memberOf(same), acceptance, graceLeaves: 0 }).verdict,
      'conflict',
    );
    const { change } = rotation('b', consortium.log.origin, 'new');
    assert.ok(change.kind === 'rotate-key');
    assert.equal(consortium.propose('a', { ...change, acceptance }).verdict, 'bad-signature');
  });
});

describe('the rest', () => {
  test('quorum and parameters change', () => {
    const consortium = new Consortium(four);
    consortium.enact({ kind: 'change-quorum', quorum: { numerator: 99, denominator: 100 } }, ['a', 'b', 'c']);
    assert.equal(quorumOf(latestVersion(consortium.state)), 4);
    const parameters = { ...DEFAULT_LOG_PARAMETERS, cutIntervalMs: 500 };
    consortium.enact({ kind: 'change-parameters', parameters }, four);
    assert.equal(latestVersion(consortium.state).parameters.cutIntervalMs, 500);
  });

  test('a rule set that is in force is not adopted again, and the one before lasts for its grace', () => {
    const consortium = new Consortium(three);
    consortium.enact(adopt, three);
    assert.equal(consortium.propose('a', adopt).verdict, 'conflict');
    const version = latestVersion(consortium.state);
    assert.deepEqual(
      acceptableRuleSets(version, 600).map(({ index }) => index),
      [0, 1],
    );
    assert.deepEqual(
      acceptableRuleSets(version, 601).map(({ index }) => index),
      [1],
    );
  });

  test('an open epoch needs the others only, does not wait for a checkpoint, and ends the log', () => {
    const consortium = new Consortium(three);
    const change: Change = { kind: 'open-epoch', size: 1, root: consortium.log.root(1), genesis: new Uint8Array(32) };
    const { id } = consortium.propose('a', change);
    assert.equal(Boolean(consortium.state.closed), false);
    consortium.vote('b', id);
    assert.equal(consortium.state.closed?.proposal, id);
    assert.equal(consortium.propose('c', adopt).verdict, 'conflict');
  });

  test('every kind of change is read back as what was written', () => {
    const evidence = lieOf('d');
    const changes: Change[] = [
      admission('e', ORIGIN).change,
      rotation('a', ORIGIN, 'new', 3).change,
      { kind: 'suspend', member: 'a', ground: { freeze: 3 } },
      { kind: 'remove', member: 'a', ground: { evidence } },
      { kind: 'change-quorum', quorum: TWO_THIRDS },
      adopt,
      { kind: 'change-parameters', parameters: DEFAULT_LOG_PARAMETERS },
      { kind: 'accept-evidence', member: 'd', evidence },
      { kind: 'open-epoch', size: 1, root: new Uint8Array(32), genesis: new Uint8Array(32) },
    ];
    for (const change of changes) assert.deepEqual(parseChange(changeJson(change), ORIGIN), change);
    assert.equal(new Set(changes.map(({ kind }) => kind)).size, 9);
  });
});

describe('thresholds', () => {
  const names = Array.from({ length: 9 }, (_, i) => `m${i}`);
  const setting = fc.record({
    count: fc.integer({ min: 1, max: 9 }),
    votes: fc.array(fc.tuple(fc.nat(8), fc.boolean()), { maxLength: 20 }),
  });

  test('a change of rules is decided exactly when a quorum of distinct members said yes', () => {
    fc.assert(
      fc.property(setting, ({ count, votes }) => {
        const consortium = new Consortium(names.slice(0, count));
        const { id } = consortium.propose('m0', adopt);
        const first = new Map<string, boolean>([['m0', true]]);
        let open = count > 1;
        for (const [who, yes] of votes) {
          const name = `m${who % count}`;
          consortium.vote(name, id, yes ? 'yes' : 'no');
          if (open && !first.has(name)) first.set(name, yes);
          const said = [...first.values()];
          const needed = quorumSize(count, TWO_THIRDS);
          if (said.filter(Boolean).length >= needed || count - said.filter((vote) => !vote).length < needed)
            open = false;
        }
        const yes = [...first.values()].filter(Boolean).length;
        assert.equal(consortium.proposal(id).status === 'decided', yes >= quorumSize(count, TWO_THIRDS));
      }),
      { numRuns: 40 },
    );
  });

  test('a member is removed exactly when floor(2 (n - 1) / 3) + 1 of the others said yes', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 9 }), fc.integer({ min: 1, max: 8 }), (count, agreeing) => {
        const consortium = new Consortium(names.slice(0, count));
        const target = `m${count - 1}`;
        const { id } = consortium.propose('m0', { kind: 'remove', member: target, ground: { freeze: 1 } });
        consortium.vote(target, id);
        const said = Math.min(agreeing, count - 1);
        for (let i = 1; i < said; i++) consortium.vote(`m${i}`, id);
        assert.equal(consortium.proposal(id).status === 'decided', said >= Math.floor((2 * (count - 1)) / 3) + 1);
      }),
      { numRuns: 40 },
    );
  });

  test('an epoch is opened by so many that no two can be, and that those left by tolerated faults are enough', () => {
    const change: Change = { kind: 'open-epoch', size: 1, root: new Uint8Array(32), genesis: new Uint8Array(32) };
    for (let count = 1; count <= names.length; count++) {
      const needed = votesNeeded(latestVersion(new Consortium(names.slice(0, count)).state), change);
      const liars = Math.floor((count - 1) / 3);
      assert.ok(needed >= 1 && needed <= Math.max(1, count - Math.max(1, liars)), `${count}: ${needed}`);
      if (count >= 4) assert.ok(2 * needed - count > liars, `${count}: ${needed}`);
    }
  });

  test('of five members, one that signs both cannot have two epochs opened', async () => {
    const five = names.slice(0, 5);
    const consortium = new Consortium(five);
    const opened = async (members: readonly string[], origin: string): Promise<unknown> => {
      const { log } = consortium;
      const next = exampleGenesis(
        five.map((name) => signingMember(name, origin)),
        { origin, previous: { origin: log.origin, size: 1, root: log.root(1), chains: new Map(), rules: 0 } },
      );
      const change: Change = { kind: 'open-epoch', size: 1, root: log.root(1), genesis: genesisHash(next) };
      const fork = new Consortium(five);
      const [first = '', ...others] = members;
      const { id } = fork.propose(first, change);
      for (const name of others) fork.vote(name, id);
      const records = fork.log.records.map(parseFrame).filter((frame) => frame?.kind === 'governance');
      const epoch = formatEpoch(records.filter((frame) => frame !== undefined));
      return verifyEpoch({ epoch, state: consortium.state, genesis: next });
    };
    for (const members of [
      ['m0', 'm1', 'm4'],
      ['m2', 'm3', 'm4'],
    ])
      await assert.rejects(opened(members, `log.example/${members.join('')}`), { code: 'no-quorum' });
    await opened(['m0', 'm1', 'm2', 'm4'], 'log.example/next');
  });
});
