import { canonicalJson } from './canonical-json.ts';
import { readOrUndefined } from './format-error.ts';
import { assertDistinctMembers } from './genesis.ts';
import type { Member } from './genesis.ts';
import type { Change } from './governance-change.ts';
import { activeMembers, latestVersion } from './governance-state.ts';
import type { GovernanceState, GovernanceVersion } from './governance-state.ts';
import { sameHash } from './merkle/tree-hash.ts';

/** The version that a change would make of the newest one, in force from `from`; undefined where the change is not possible. */
export function changedVersion(state: GovernanceState, change: Change, from: number): GovernanceVersion | undefined {
  const version = latestVersion(state);
  const changed = { ...version, from };
  switch (change.kind) {
    case 'admit':
      if (state.removedNames.includes(change.member.name)) return undefined;
      return withMembers(changed, [...version.members, { ...change.member, active: true, formerBatchKeys: [] }]);
    case 'rotate-key': {
      const { member, graceLeaves } = change;
      const old = version.members.find(({ name }) => name === member.name);
      if (old === undefined || sameKeys(old, member)) return undefined;
      const rotated =
        old.batchKey.text === member.batchKey.text ? [] : [{ key: old.batchKey, until: from + graceLeaves }];
      const kept = old.formerBatchKeys.filter(({ until }) => until > from);
      const renewed = { ...member, active: old.active, formerBatchKeys: [...rotated, ...kept] };
      return withMembers(
        changed,
        version.members.map((each) => (each === old ? renewed : each)),
      );
    }
    case 'suspend':
    case 'accept-evidence':
      if (!activeMembers(version).some(({ name }) => name === change.member)) return undefined;
      return withMembers(
        changed,
        version.members.map((each) => (each.name === change.member ? { ...each, active: false } : each)),
      );
    case 'remove':
      if (!version.members.some(({ name }) => name === change.member)) return undefined;
      return withMembers(
        changed,
        version.members.filter(({ name }) => name !== change.member),
      );
    case 'change-quorum':
      return sameJson(version.quorum, change.quorum) ? undefined : { ...changed, quorum: change.quorum };
    case 'change-parameters':
      if (sameJson(version.parameters, change.parameters)) return undefined;
      return { ...changed, parameters: change.parameters };
    case 'adopt-rule-set': {
      const current = version.ruleSets[version.ruleSets.length - 1];
      if (current === undefined || current.digest === change.digest) return undefined;
      return { ...changed, ruleSets: [...version.ruleSets, { index: current.index + 1, digest: change.digest, from }] };
    }
    case 'open-epoch':
      return changed;
  }
}

function withMembers(version: GovernanceVersion, members: GovernanceVersion['members']): GovernanceVersion | undefined {
  const changed = { ...version, members };
  if (activeMembers(changed).length === 0) return undefined;
  return readOrUndefined(() => {
    assertDistinctMembers(members);
    return changed;
  });
}

function sameJson(a: object, b: object): boolean {
  return canonicalJson(a) === canonicalJson(b);
}

function sameKeys(a: Member, b: Member): boolean {
  return (
    a.batchKey.text === b.batchKey.text &&
    a.originKey.text === b.originKey.text &&
    a.cosignerKey.text === b.cosignerKey.text &&
    sameHash(a.agreementKey, b.agreementKey)
  );
}
