import assert from 'node:assert/strict';
import { sha256 } from '../../../src/hash.ts';
import { encodeHex, encodeUtf8 } from '../../../src/ledger/encoding.ts';
import { DEFAULT_LOG_PARAMETERS } from '../../../src/ledger/genesis.ts';
import type { Change } from '../../../src/ledger/governance-change.ts';
import { buildAcceptance, proposalNonce } from '../../../src/ledger/governance-record.ts';
import { parseSignerKey } from '../../../src/ledger/note-key.ts';
import { memberKeys } from '../consortium.ts';
import type { Scenario } from './scenario.ts';
import type { SimulatedMember, World } from './world.ts';

const KINDS = ['adopt-rule-set', 'change-parameters', 'rotate-key', 'change-quorum'] as const;

/** Old batch keys stay good for longer than any run. */
const GRACE_LEAVES = 10_000;

function changeOf(kind: (typeof KINDS)[number], world: World, member: SimulatedMember): Change {
  const { random, consortium } = world;
  const { origin } = consortium;
  const label = String(random.below(1 << 30));
  switch (kind) {
    case 'adopt-rule-set':
      return { kind, digest: encodeHex(sha256(encodeUtf8(`rules ${label}`))) };
    case 'change-parameters':
      return { kind, parameters: { ...DEFAULT_LOG_PARAMETERS, ruleSetGraceCuts: 700 + world.governanceRecords } };
    case 'change-quorum':
      return { kind, quorum: { numerator: 3 + world.governanceRecords, denominator: 4 + world.governanceRecords } };
    case 'rotate-key': {
      const { keys, member: renewed } = memberKeys(member.identity.name, origin, label);
      const acceptance = buildAcceptance({
        origin,
        member: renewed,
        batch: parseSignerKey(keys.batch),
        originSigner: parseSignerKey(keys.origin),
      });
      world.preparedKeys.set(renewed.batchKey.text, { ...member.identity, keys });
      return { kind, member: renewed, acceptance, graceLeaves: GRACE_LEAVES };
    }
  }
}

/** Proposals of each kind, with votes for and against, at random times and by members that are killed in between. */
export const governance: Scenario = {
  name: 'governance',
  kinds: KINDS,
  strikes: (world) => 1 + world.random.below(3),
  settleRounds: 12,
  strike: async (world, member) => {
    const { random } = world;
    const kind = random.pick(KINDS);
    const passes = random.chance(0.75);
    const change = changeOf(kind, world, member);
    const nonce = proposalNonce(Buffer.from(Array.from({ length: 16 }, () => random.below(256))));
    const proposal = world.act(member, { act: 'propose', change, nonce });
    for (const voter of world.members) {
      if (voter === member) continue;
      if (random.chance(0.5)) await world.step(random.pick(['read', 'cut', 'sign']), random.pick(world.members));
      world.act(voter, { act: 'vote', proposal, vote: passes ? 'yes' : 'no' });
      // Once is enough; the second vote is a duplicate.
      if (random.chance(0.2)) world.act(voter, { act: 'vote', proposal, vote: 'no' });
    }
    const check = (): boolean => {
      for (const { engine, identity } of world.members) {
        const status = engine?.governance.state.proposals.get(proposal)?.status;
        assert.equal(status, passes ? 'in-force' : 'rejected', `${kind} at ${identity.name}`);
      }
      return passes;
    };
    return { kind, what: `${kind} is ${passes ? 'adopted' : 'refused'}`, harmless: true, check };
  },
};
