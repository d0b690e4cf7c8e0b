import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { bootstrapFrom } from '../../src/ledger/bootstrap.ts';
import { encodeFrame, parseFrame } from '../../src/ledger/frame.ts';
import { fsckStored } from '../../src/ledger/fsck-stored.ts';
import { LedgerError } from '../../src/ledger/ledger-error.ts';
import type { LogSource } from '../../src/ledger/log-source.ts';
import { MemoryTopic } from '../../src/ledger/memory-topic.ts';
import { assertOneHistory, incidentsOf, unfinished } from './interleavings/invariants.ts';
import { Random } from './interleavings/random.ts';
import { World, type SimulatedMember } from './interleavings/world.ts';
import { SoloLog } from './solo-log.ts';

async function grown(members = 3): Promise<{ world: World; lost: SimulatedMember }> {
  const world = new World(members, new Random(11));
  for (const member of world.members) await world.start(member, true);
  for (let i = 0; i < 5; i++) {
    for (const member of world.members) world.commit(member);
    await world.settle(4, () => false);
  }
  assert.deepEqual(unfinished(world), []);
  const lost = world.members[1];
  assert.ok(lost !== undefined);
  return { world, lost };
}

async function goesOn(world: World, lost: SimulatedMember): Promise<void> {
  await world.settle(8, () => false);
  world.commit(lost);
  await world.settle(8, () => false);
  assert.deepEqual(unfinished(world), []);
  assertOneHistory(world);
  assert.equal(incidentsOf(world).length, 0);
  const report = await fsckStored({ storage: lost.storage, genesis: world.consortium.genesis });
  assert.deepEqual(report.findings, []);
}

describe('a member whose replica is gone', () => {
  test('reads the topic again from its beginning, and signs nothing before it knows what it signed', async () => {
    const { world, lost } = await grown();
    const signed = lost.engine?.signing?.cosigner.lastSize ?? 0;
    lost.loseDisk();
    await world.start(lost);
    await world.step('read', lost);
    await world.step('sign', lost);
    assert.equal(lost.engine?.signing?.cosigner.allowed, false);
    await world.step('cosignatures', lost);
    await world.step('sign', lost);
    assert.ok((lost.engine?.signing?.cosigner.lastSize ?? 0) >= signed);
    await goesOn(world, lost);
  });

  test('begins from a peer where the topic no longer holds the beginning', async () => {
    const { world, lost } = await grown();
    const { records } = world.broker;
    world.broker.trim(records.length - 3);
    lost.loseDisk();
    await goesOn(world, lost);
  });

  for (const [name, kept] of [
    ['after the retention cut records that it had not read', 0.5],
    ['after it was killed on the way', 0],
  ] as const) {
    test(`goes on from a peer ${name}`, async () => {
      // Four members: the others' final tree grows to where the topic now begins.
      const { world, lost } = await grown(4);
      world.broker.trim(world.broker.records.length - 2);
      lost.loseDisk();
      await world.start(lost);
      if (kept === 0) {
        lost.killAfter(8);
        await world.step('read', lost);
        assert.equal(lost.engine, undefined, 'it died');
      }
      await goesOn(world, lost);
    });
  }
});

test('a body that nobody ever had is told from one that was pruned since', async () => {
  const { world, lost } = await grown(4);
  const [author] = world.members;
  assert.ok(author !== undefined && author !== lost);
  world.commit(author);
  world.nowMs += 100;
  world.broker.failNext('drop');
  await world.step('seal', author);
  const sealed = parseFrame(author.sealStore.batches.at(-1)?.frame ?? new Uint8Array());
  assert.ok(sealed !== undefined);
  const leaf = world.broker.append(encodeFrame({ ...sealed, body: Buffer.from('not the body') }));
  await world.settle(8, () => false);
  assert.deepEqual(author.view?.badBodies(), [leaf]);
  // All others have pruned what is final by now.
  for (const peer of lost.peers) {
    const { blob } = peer;
    peer.blob = async (hash) => {
      const found = await blob(hash);
      const isBody =
        found !== undefined && !found.subarray(0, 10).every((byte, i) => byte === 'concordat/'.charCodeAt(i));
      return isBody && !Buffer.from(found).includes('concordat/genesis') ? undefined : found;
    };
  }
  world.broker.trim(world.broker.records.length - 2);
  lost.loseDisk();
  await world.settle(8, () => false);
  const verdicts = (member: SimulatedMember): string[] => {
    const leaves = member.engine?.replica.leaves;
    return Array.from({ length: leaf + 6 }, (_, index) => leaves?.record(index).verdict ?? 'none');
  };
  assert.equal(verdicts(lost)[leaf], 'bad-body');
  assert.deepEqual(verdicts(lost), verdicts(author));
  assert.equal(lost.engine?.finality.size, author.engine?.finality.size);
});

test('a kill at every durable step of a bootstrap leaves nothing that is taken for a fault', async () => {
  let steps = 0;
  for (let alive = false; !alive;) {
    const { world, lost } = await grown();
    world.broker.trim(world.broker.records.length - 3);
    lost.loseDisk();
    await world.start(lost);
    lost.killAfter(++steps);
    await world.step('read', lost);
    alive = lost.engine !== undefined;
    // The last time it comes through, and is killed behind it: where the topic goes on is durable.
    if (alive) {
      assert.equal(lost.engine?.replica.durableOffset, lost.engine?.replica.head.nextOffset);
      lost.stop(0);
    }
    await goesOn(world, lost);
  }
  assert.ok(steps > 8, `it was killed at ${String(steps - 1)} steps only`);
});

describe('a peer that lies', () => {
  async function bootstrapWith(alter: (source: LogSource) => LogSource): Promise<unknown> {
    const log = new SoloLog();
    await log.start();
    for (let i = 0; i < 20; i++) await log.addBatch(3);
    await log.finalise();
    log.broker.trim(log.broker.records.length - 2);
    const fresh = new SoloLog({ topic: new MemoryTopic(log.broker) });
    await fresh.topic.connect();
    const { view } = log;
    const source: LogSource = {
      checkpoint: () => view.checkpoint(),
      tile: (level, index, width) => view.tile(level, index, width),
      entryBundle: (index, width) => view.entryBundle(index, width),
      blob: (hash) => view.blob(hash),
    };
    return bootstrapFrom(fresh.engine, alter(source)).then(
      () => fresh.view.status().finalSize,
      (error: unknown) => (error instanceof LedgerError ? error.code : error),
    );
  }

  const flipped = (bytes: Uint8Array | undefined, position: number): Uint8Array | undefined => {
    const copy = bytes?.slice();
    if (copy !== undefined) copy[position] = (copy[position] ?? 0) ^ 1;
    return copy;
  };

  test('an honest one fills the replica', async () => {
    assert.equal(await bootstrapWith((source) => source), 22);
  });
  test('an altered header is not taken', async () => {
    const got = await bootstrapWith((source) => ({
      ...source,
      blob: async (hash) => flipped(await source.blob(hash), 30),
    }));
    assert.equal(got, 'unavailable');
  });
  test('an altered entry is not taken', async () => {
    const got = await bootstrapWith((source) => ({
      ...source,
      entryBundle: async (index, width) => flipped(await source.entryBundle(index, width), 65 * 5 + 30),
    }));
    assert.ok(got === 'unavailable' || got === 'damaged');
  });
  test('leaves left out are seen by the root', async () => {
    const got = await bootstrapWith((source) => ({
      ...source,
      entryBundle: async (index, width) => {
        const bundle = await source.entryBundle(index, width);
        // The third entry takes the place of the fourth.
        bundle?.set(bundle.slice(65 * 3, 65 * 4), 65 * 4);
        return bundle;
      },
    }));
    assert.equal(got, 'damaged');
  });
});
