import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { buildCut } from '../../src/ledger/cut.ts';
import { encodeUtf8 } from '../../src/ledger/encoding.ts';
import { parseGenesis } from '../../src/ledger/genesis.ts';
import { governanceAfter, type GovernancePlace } from '../../src/ledger/governance-ahead.ts';
import { buildGovernance, type GovernanceAct } from '../../src/ledger/governance-record.ts';
import { genesisState, latestVersion } from '../../src/ledger/governance-state.ts';
import { SmallLog } from './support/small-log.ts';

describe('governance ahead of the replica', () => {
  const log = new SmallLog(['a', 'b']);
  const act = (member: string, said: GovernanceAct) =>
    buildGovernance({ log: log.origin, member, act: said, signer: log.member(member).batch });
  const quorum = { numerator: 3, denominator: 4 };
  const change = { kind: 'change-quorum', quorum } as const;
  const { frame, id } = act('a', { act: 'propose', change, nonce: 'A'.repeat(22) });
  const cut = (number: number) =>
    buildCut({ log: log.origin, member: 'a', cut: number, signer: log.member('a').batch });
  const start: GovernancePlace = { state: genesisState(parseGenesis(log.genesis)), size: 1, cuts: 0 };
  const after = (records: readonly Uint8Array[]) => records.reduce(governanceAfter, start);
  const yes = act('b', { act: 'vote', proposal: id, vote: 'yes' }).frame;

  test('is decided by votes and in force with the next accepted cut', () => {
    const decided = after([frame, encodeUtf8('no record'), yes]);
    assert.equal(decided.state.proposals.get(id)?.status, 'decided');
    const inForce = governanceAfter(decided, cut(1));
    assert.deepEqual([inForce.size, inForce.cuts], [5, 1]);
    assert.deepEqual(latestVersion(inForce.state).quorum, quorum);
    assert.equal(inForce.state.proposals.get(id)?.inForceFrom, 5);
  });

  test('stays as it is by a cut that is not the next, and by copies', () => {
    const decided = after([frame, yes, frame, yes, cut(2)]);
    assert.equal(decided.state.proposals.get(id)?.status, 'decided');
    assert.equal(decided.cuts, 0);
  });
});
