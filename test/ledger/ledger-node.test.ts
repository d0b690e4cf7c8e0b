import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { encodeBase64 } from '../../src/ledger/encoding.ts';
import { FileTopic } from '../../src/ledger/file-topic.ts';
import { openLedgerNode, publishGenesis, type LedgerNode } from '../../src/ledger/ledger-node.ts';
import { verifyReceipt } from '../../src/ledger/verifier.ts';
import { eventually, LocalPeer, makeConsortium, SILENT, testEvent } from './consortium.ts';
import { MemorySealStore } from './memory-seal-store.ts';

const PARAMETERS = { cutIntervalMs: 100, idleCutIntervalMs: 2000, lingerMs: 20, readWaitMs: 200, peerIntervalMs: 300 };

describe('three members over a file topic', () => {
  const dir = mkdtempSync(join(tmpdir(), 'concordat-node-'));
  const consortium = makeConsortium();
  const stores = consortium.members.map((member) => new MemorySealStore(member.writer));
  const nodes: (LedgerNode | undefined)[] = [];
  const topics: FileTopic[] = [];

  async function startMember(i: number): Promise<LedgerNode> {
    const member = consortium.members[i];
    const sealStore = stores[i];
    assert.ok(member !== undefined && sealStore !== undefined);
    const topic = new FileTopic({ path: join(dir, 'topic.db') });
    const cosignatureTopic = new FileTopic({ path: join(dir, 'cosignatures.db') });
    topics.push(topic, cosignatureTopic);
    const peers = consortium.members
      .map((other, j) => new LocalPeer(other.name, () => nodes[j]?.view))
      .filter((_, j) => j !== i);
    const node = openLedgerNode({
      genesis: consortium.genesis,
      member: member.name,
      writer: member.writer,
      keys: member.keys,
      sealStore,
      topic,
      cosignatureTopic,
      peers,
      dataDir: join(dir, member.name),
      parameters: PARAMETERS,
      clock: Date.now,
      random: randomBytes,
      log: SILENT,
    });
    nodes[i] = node;
    await topic.connect();
    await publishGenesis(topic, consortium.genesis);
    await node.start();
    return node;
  }

  const view = (i: number) => {
    const node = nodes[i];
    assert.ok(node !== undefined);
    return node.view;
  };

  before(async () => {
    for (const i of consortium.members.keys()) await startMember(i);
  });

  after(async () => {
    for (const node of nodes) await node?.close();
    for (const topic of topics) await topic.close();
    rmSync(dir, { recursive: true, force: true });
  });

  test('an event becomes final for all, and its receipt verifies offline', async () => {
    const event = testEvent('first');
    stores[0]?.commit(event.bytes, Date.now());
    nodes[0]?.notifyCommitted();
    for (const i of [0, 1, 2]) {
      const receipt = await eventually(() => {
        const answer = view(i).receipt(event.id);
        return answer.state === 'final' ? answer.text : undefined;
      });
      const result = await verifyReceipt({ receipt: new TextEncoder().encode(receipt), genesis: consortium.genesis });
      assert.equal(result.author, 'hospital');
    }
    assert.ok((stores[0]?.finalSize ?? 0) > 1);
    assert.deepEqual(stores[0]?.unsequenced(10), []);
  });

  test('many events by all writers become final, in one tree for all', async () => {
    const ids: string[] = [];
    for (const [i, store] of stores.entries()) {
      for (let n = 0; n < 700; n++) {
        const event = testEvent(`bulk ${String(i)} ${String(n)}`);
        ids.push(event.id);
        store.commit(event.bytes, Date.now());
      }
      nodes[i]?.notifyCommitted();
    }
    await eventually(() => ids.every((id) => view(1).proofState(id).state === 'final'));
    const size = view(1).status().finalSize;
    const roots = await eventually(() => {
      const found = [0, 1, 2].map((i) => view(i).status()).filter((status) => status.size >= size);
      return found.length === 3 ? [0, 1, 2].map((i) => nodes[i]?.engine.replica.tree.root(size)) : undefined;
    });
    assert.equal(new Set(roots.map((root) => encodeBase64(root as Uint8Array))).size, 1);
    for (const i of [0, 1, 2]) assert.deepEqual(view(i).status().incidents, []);
    assert.equal(view(2).status().events >= 2101, true);
  });

  test('unknown and malformed event ids are unknown', () => {
    assert.deepEqual(view(0).receipt(testEvent('never').id), { state: 'unknown' });
    assert.deepEqual(view(0).receipt('../../etc/passwd'), { state: 'unknown' });
    assert.deepEqual(view(0).proofState(''), { state: 'unknown' });
  });

  test('a member that restarts goes on with its data', async () => {
    const before = view(2).status();
    await nodes[2]?.close();
    nodes[2] = undefined;
    const event = testEvent('while one is away');
    stores[0]?.commit(event.bytes, Date.now());
    nodes[0]?.notifyCommitted();
    await eventually(() => view(0).proofState(event.id).state === 'sequenced');
    await new Promise((resolve) => setTimeout(resolve, 400));
    const lonely = view(0).receipt(event.id);
    assert.equal(lonely.state, 'pending', 'with three members all must sign');
    await startMember(2);
    assert.ok(view(2).status().size >= before.size);
    await eventually(() => view(0).receipt(event.id).state === 'final');
    await eventually(() => view(2).receipt(event.id).state === 'final');
    for (const i of [0, 1, 2]) assert.deepEqual(view(i).status().incidents, []);
    assert.deepEqual(view(0).status().alarms, []);
  });
});
