import assert from 'node:assert/strict';
import { sha256 } from '../../../src/hash.ts';
import type { IncidentKind } from '../../../src/ledger/ledger-view.ts';
import { sameHash } from '../../../src/ledger/merkle/tree-hash.ts';
import type { SimulatedMember, World } from './world.ts';

/** Incidents that say that the topic is not what was read: their leaf is checked at the moment that they are raised. */
const TOPIC_INCIDENTS: readonly IncidentKind[] = [
  'trimmed',
  'truncated',
  'anchor-mismatch',
  'offset-gap',
  'transactional',
];

/**
 * The slow way to the first leaf of a member that its topic no longer gives as it was read: all of them, one by one. The next leaf to come
 * where all still stand.
 */
function firstBadLeaf({ engine, topic }: SimulatedMember): number {
  if (engine === undefined) return 0;
  const { replica } = engine;
  for (let index = 0; index < replica.head.size; index++) {
    const { topicOffset, valueHash } = replica.leaves.record(index);
    // Leaves that came from a peer have no place in the topic, trimmed ones no longer.
    if (topicOffset < BigInt(topic.broker.start)) continue;
    if (!standsAt(topic.broker, topicOffset, valueHash)) return index;
  }
  return replica.head.size;
}

function standsAt(broker: SimulatedMember['topic']['broker'], offset: bigint, hash: Uint8Array): boolean {
  const value = broker.records[Number(offset)];
  return broker.spoiltAt(Number(offset)) === undefined && value !== undefined && sameHash(sha256(value), hash);
}

/** Watches each member's incidents as they are raised, and compares the leaf that they name with what stands in the broker's memory. */
export function watchPlaces(world: World): void {
  const seen = new Set<string>();
  world.afterStep = (member) => {
    const { name } = member.identity;
    for (const { kind, leafIndex, atMs } of member.engine?.replica.incidents ?? []) {
      const key = [name, kind, leafIndex, atMs].join(' ');
      // One of an earlier step, which a kill ended, was right then: meanwhile what was lost may have been sent again.
      const isNew = atMs === world.nowMs && !seen.has(key);
      seen.add(key);
      if (!isNew || !TOPIC_INCIDENTS.includes(kind)) continue;
      const expected = kind === 'trimmed' ? 0 : firstBadLeaf(member);
      assert.equal(leafIndex, expected, `${name} tells ${kind} of another leaf than the first bad one`);
    }
  };
}

/** Whoever's last accepted record no longer stands in the topic has told so, and reads no further. */
export function assertContradictionsTold(world: World): void {
  for (const member of world.members) {
    const { engine, topic, identity } = member;
    const anchor = engine?.replica.head.anchor;
    if (engine === undefined || anchor === undefined || anchor.offset < BigInt(topic.broker.start)) continue;
    if (standsAt(topic.broker, anchor.offset, anchor.hash)) continue;
    const told = engine.replica.incidents.some(({ kind }) => TOPIC_INCIDENTS.includes(kind));
    assert.ok(told, `${identity.name} read a record that is gone, and does not tell`);
    assert.equal(engine.reader.state.state, 'halted');
  }
}
