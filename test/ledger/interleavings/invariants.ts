import assert from 'node:assert/strict';
import { parseSignedCheckpoint } from '../../../src/ledger/checkpoint.ts';
import { encodeHex } from '../../../src/ledger/encoding.ts';
import type { Incident } from '../../../src/ledger/ledger-view.ts';
import type { SimulatedMember, World } from './world.ts';

/** No two final checkpoints of the log differ, and each later one contains each earlier one. */
export function assertOneHistory(world: World): void {
  const roots = new Map<number, string>();
  for (const member of world.members) {
    for (const { value } of member.storage.state.scan('final/')) {
      const { size, root } = parseSignedCheckpoint(value).checkpoint;
      const known = roots.get(size);
      assert.ok(known === undefined || known === encodeHex(root), `two final trees of size ${String(size)}`);
      roots.set(size, encodeHex(root));
    }
  }
  for (const member of world.members) {
    const { engine } = member;
    if (engine === undefined) continue;
    for (const [size, root] of roots) {
      if (size > engine.finality.size) continue;
      assert.equal(encodeHex(engine.replica.tree.root(size)), root, 'a final tree does not contain an earlier one');
    }
  }
}

export function incidentsOf(world: World): { member: SimulatedMember; incident: Incident }[] {
  return world.members.flatMap((member) =>
    (member.engine?.replica.incidents ?? []).map((incident) => ({ member, incident })),
  );
}

export function alarmsOf(world: World): string[] {
  return world.members.flatMap((member) => member.view?.status().alarms.map((alarm) => alarm.kind) ?? []);
}

/** Every event that was committed is final for everybody. */
export function unfinished(world: World): string[] {
  const missing: string[] = [];
  for (const { id } of world.events)
    for (const member of world.members)
      if (member.view?.proofState(id).state !== 'final') missing.push(`${id} at ${member.identity.name}`);
  return missing;
}
