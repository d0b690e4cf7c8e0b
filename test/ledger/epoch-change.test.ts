import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildBatch } from '../../src/ledger/batch.ts';
import { buildGovernance } from '../../src/ledger/governance-record.ts';
import { parseSignerKey } from '../../src/ledger/note-key.ts';
import { genesisState } from '../../src/ledger/governance-state.ts';
import { formatEpoch } from '../../src/ledger/epoch.ts';
import { parseFrame, type Frame } from '../../src/ledger/frame.ts';
import { genesisFrame, genesisHash, parseGenesis } from '../../src/ledger/genesis.ts';
import type { PreviousLog } from '../../src/ledger/genesis-previous.ts';
import { sameHash } from '../../src/ledger/merkle/tree-hash.ts';
import { EMPTY_HEAD } from '../../src/ledger/replica-state.ts';
import { judgeRecord } from '../../src/ledger/replica-judge.ts';
import { verifyReceipt } from '../../src/ledger/verifier.ts';
import { makeConsortium, testEvent } from './consortium.ts';
import { assertOneHistory, incidentsOf, unfinished } from './interleavings/invariants.ts';
import { Random } from './interleavings/random.ts';
import { World, type SimulatedMember } from './interleavings/world.ts';

const NEXT_ORIGIN = 'ledger.example/test-2';

async function running(members = 3, seed = 21): Promise<World> {
  const world = new World(members, new Random(seed));
  for (const member of world.members) await world.start(member, true);
  for (const member of world.members) world.commit(member);
  await world.settle(4, () => false);
  return world;
}

/** Where one member says that the log ended. */
function endAt(member: SimulatedMember, origin: string): PreviousLog {
  const { engine } = member;
  assert.ok(engine !== undefined);
  const { size, root } = engine.finality;
  return { origin, size, root, chains: engine.replica.chainHeads(size), rules: 0 };
}

/** Some members sign for the next log, each after it has durably given up the old one. */
async function openEpoch(world: World, signers: readonly SimulatedMember[], genesis: Uint8Array): Promise<void> {
  const { previous } = parseGenesis(genesis);
  assert.ok(previous !== undefined);
  const change = {
    kind: 'open-epoch',
    size: previous.size,
    root: previous.root,
    genesis: genesisHash(genesis),
  } as const;
  let proposal: string | undefined;
  for (const { identity, topic, cosignerStore } of signers) {
    cosignerStore.closeOrigin(world.consortium.origin);
    const act =
      proposal === undefined
        ? ({ act: 'propose', change, nonce: Buffer.alloc(16, 3).toString('base64url') } as const)
        : ({ act: 'vote', proposal, vote: 'yes' } as const);
    const signer = parseSignerKey(identity.keys.batch);
    const { frame, id } = buildGovernance({ log: world.consortium.origin, member: identity.name, act, signer });
    proposal ??= id;
    await topic.append(frame);
  }
}

/** All go over to the next log with what they have: their outbox, and their cosigner's memory. */
async function goOver(world: World, genesis: Uint8Array, previous: PreviousLog): Promise<World> {
  const consortium = makeConsortium({ members: world.members.length, origin: NEXT_ORIGIN, previous });
  assert.deepEqual(consortium.genesis, genesis);
  const next = new World(world.members.length, world.random, consortium);
  next.nowMs = world.nowMs;
  for (const [i, member] of next.members.entries()) {
    const before = world.members[i];
    assert.ok(before !== undefined);
    const chain = `${before.identity.name}/${before.identity.writer}`;
    const start = previous.chains.get(chain) ?? new Uint8Array(32);
    const last = before.sealStore.batches.find(({ headerHash }) => sameHash(headerHash, start))?.batch ?? 0;
    before.sealStore.enterNextLog(NEXT_ORIGIN, start, ({ batch }) => batch <= last);
    member.sealStore = before.sealStore;
    member.cosignerStore = before.cosignerStore;
    member.watchSealStore();
    await next.start(member);
  }
  next.events.push(
    ...world.events.map(({ id, author }) => ({
      id,
      author: next.members[world.members.indexOf(author)] as SimulatedMember,
    })),
  );
  return next;
}

const isFinal = (member: SimulatedMember | undefined, id: string, size: number): boolean => {
  const proof = member?.view?.proofState(id);
  return proof?.state === 'final' && proof.checkpointSize <= size;
};

for (const members of [3, 4]) {
  test(`a fork between ${String(members)} members is left by an epoch change: each event is final once, in one of the two logs`, async () => {
    let anew = 0;
    for (let seed = 1; seed <= 12; seed++) {
      const world = await running(members, seed);
      const { random } = world;
      const alone = random.pick(world.members.slice(1));
      alone.topic.broker = world.broker.fork();
      alone.cosignatureTopic.broker = world.cosignatures.fork();
      // With four, the fork cuts the log in two halves, none of which is a quorum.
      const other = members === 4 ? world.members.slice(1).find((member) => member !== alone) : undefined;
      if (other !== undefined) {
        other.topic.broker = alone.topic.broker;
        other.cosignatureTopic.broker = alone.cosignatureTopic.broker;
      }
      for (let i = 0; i < 3; i++) {
        for (const member of world.members) if (random.chance(0.8)) world.commit(member);
        await world.settle(2, () => false);
      }
      const [first] = world.members;
      assert.ok(first !== undefined);
      const previous = endAt(first, world.consortium.origin);
      assert.ok(unfinished(world).length > 0, 'the fork hinders nobody');
      const { genesis } = makeConsortium({ members, origin: NEXT_ORIGIN, previous });
      await openEpoch(
        world,
        world.members.filter((member) => members === 4 || member !== alone),
        genesis,
      );
      await world.settle(2, () => false);
      const next = await goOver(world, genesis, previous);
      for (const member of next.members) if (random.chance(0.5)) next.commit(member);
      const waits = (): string[] =>
        next.events
          .filter(({ id }) => !isFinal(first, id, previous.size))
          .filter(({ id }) => next.members.some((member) => member.view?.proofState(id).state !== 'final'))
          .map(({ id }) => id);
      await next.settle(12, () => waits().length === 0);
      assert.deepEqual(waits(), [], `seed ${String(seed)}`);
      const twice = next.events.filter(
        ({ id }) =>
          isFinal(first, id, previous.size) &&
          next.members.some((member) => member.view?.proofState(id).state === 'final'),
      );
      assert.deepEqual(
        twice.map(({ id }) => id),
        [],
        'what is final is not sealed again',
      );
      anew += world.events.filter(({ id }) => !isFinal(first, id, previous.size)).length;
      assertOneHistory(next);
      assert.deepEqual(incidentsOf(next), []);
    }
    assert.ok(anew > 12, 'hardly anything was sealed anew');
  });
}

test('a receipt of the ended log counts up to the agreed end and not beyond', async () => {
  const world = await running();
  const [first] = world.members;
  assert.ok(first?.view !== undefined);
  const early = endAt(first, world.consortium.origin);
  world.commit(first);
  await world.settle(4, () => false);
  const { genesis } = makeConsortium({ origin: NEXT_ORIGIN, previous: early });
  await openEpoch(world, world.members, genesis);
  const proof = async (id: string, ended?: { epoch: Uint8Array; genesis: Uint8Array }): Promise<string> => {
    const receipt = first.view?.receipt(id);
    assert.ok(receipt?.state === 'final');
    const args = { receipt: Buffer.from(receipt.text), genesis: world.consortium.genesis };
    return verifyReceipt({ ...args, ended }).then(
      ({ author }) => author,
      (error: { code?: string }) => error.code ?? 'unknown',
    );
  };
  const records = world.broker.records.slice(-3).map((record) => parseFrame(record));
  const epoch = formatEpoch(
    records.filter((record) => record !== undefined && record.kind === 'governance') as Frame[],
  );
  const ended = { epoch, genesis };
  const [earlyEvent, lateEvent] = [world.events[0]?.id ?? '', world.events.at(-1)?.id ?? ''];
  assert.equal(await proof(earlyEvent, ended), world.events[0]?.author.identity.name);
  assert.equal(await proof(lateEvent), 'hospital');
  assert.equal(await proof(lateEvent, ended), 'log-ended');
});

test('a chain of the old log goes on in the new one from its last final header, and from nothing else', async () => {
  const world = await running();
  const [first] = world.members;
  assert.ok(first?.engine !== undefined);
  const previous = endAt(first, world.consortium.origin);
  const { name, writer, keys } = first.identity;
  const start = previous.chains.get(`${name}/${writer}`);
  assert.deepEqual(start, first.engine.replica.writer(`${name}/${writer}`)?.headerHash);
  const { genesis, origin } = makeConsortium({ origin: NEXT_ORIGIN, previous });
  const judge = (prev: Uint8Array) => {
    const events = [testEvent('sealed anew').bytes];
    const signer = parseSignerKey(keys.batch);
    const { frame } = buildBatch({ log: origin, member: name, writer, batch: 1, prev, firstEvent: 0, events, signer });
    // The new log names the members that the old one had, with the same keys.
    const state = { ...genesisState(parseGenesis(world.consortium.genesis)), origin };
    const replica = { head: { ...EMPTY_HEAD, size: 1 }, writer: () => undefined, acceptedLeaf: () => undefined };
    const context = {
      origin,
      genesisFrame: genesisFrame(genesis),
      replica,
      governance: () => state,
      chainStarts: parseGenesis(genesis).previous?.chains,
    };
    return judgeRecord(frame, context).verdict;
  };
  assert.equal(judge(start ?? new Uint8Array(32)), 'accepted');
  assert.equal(judge(new Uint8Array(32)), 'conflict');
});

test('once the members have opened another epoch, nobody signs in the old log again, not even after a restart', async () => {
  const world = await running();
  const [first] = world.members;
  assert.ok(first?.engine !== undefined);
  const { genesis } = makeConsortium({ origin: NEXT_ORIGIN, previous: endAt(first, world.consortium.origin) });
  // Two of them: the third learns of it from the log alone.
  await openEpoch(world, world.members.slice(0, 2), genesis);
  await world.settle(3, () => false);
  const signed = world.members.map((member) => member.engine?.signing?.cosigner.lastSize);
  for (const member of world.members) {
    assert.equal(member.cosignerStore.isClosed(world.consortium.origin), true);
    assert.ok(member.view?.status().alarms.some(({ kind }) => kind === 'log-ended'));
    member.stop(1);
  }
  const { length } = world.broker.records;
  for (const member of world.members) world.commit(member);
  await world.settle(4, () => false);
  assert.deepEqual(
    world.members.map((member) => member.engine?.signing?.cosigner.lastSize),
    signed,
  );
  for (const member of world.members) assert.equal(member.engine?.signing?.sealer.allowed, false);
  assert.equal(world.broker.records.length, length, 'neither batches nor cuts come after the end');
});
