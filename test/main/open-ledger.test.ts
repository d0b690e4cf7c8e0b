import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test, type TestContext } from 'node:test';
import { pino } from 'pino';
import { FileTopic } from '../../src/ledger/file-topic.ts';
import { KafkaTopic } from '../../src/ledger/kafka-topic.ts';
import { LedgerError } from '../../src/ledger/ledger-error.ts';
import { openLedgerNode, publishGenesis } from '../../src/ledger/ledger-node.ts';
import type { Topic } from '../../src/ledger/transport.ts';
import { LedgerStart } from '../../src/main/open-ledger.ts';
import { topicReason } from '../../src/main/topic-reason.ts';
import { eventually, makeConsortium, SILENT } from '../ledger/consortium.ts';
import { MemorySealStore } from '../ledger/memory-seal-store.ts';

const dir = mkdtempSync(join(tmpdir(), 'concordat-start-'));
after(() => rmSync(dir, { recursive: true, force: true }));
const logger = pino({ level: 'silent' });
let opened = 0;

function start(t: TestContext, topic: Topic): { ledgerStart: LedgerStart; run: () => Promise<void> } {
  const consortium = makeConsortium();
  const [member] = consortium.members;
  assert.ok(member !== undefined);
  const home = join(dir, String(opened++));
  const ledger = openLedgerNode({
    genesis: consortium.genesis,
    member: member.name,
    writer: member.writer,
    keys: member.keys,
    sealStore: new MemorySealStore(member.writer),
    topic,
    cosignatureTopic: new FileTopic({ path: join(home, 'cosignatures.db') }),
    peers: [],
    dataDir: join(home, 'data'),
    parameters: {},
    clock: Date.now,
    random: randomBytes,
    log: SILENT,
  });
  const closers: (() => Promise<void> | void)[] = [() => ledger.close()];
  t.after(async () => {
    for (const close of closers.reverse()) await close();
  });
  const ledgerStart = new LedgerStart({ ledger, topic, logger });
  return { ledgerStart, run: () => ledgerStart.run(closers) };
}

describe('a ledger that cannot start', () => {
  test('raises topic-unavailable with the reason, and no address, until its topic answers', async (t) => {
    const topic = new KafkaTopic({ brokers: ['127.0.0.1:9'], topic: 'none', connectTimeoutMs: 100 });
    const { ledgerStart, run } = start(t, topic);
    void run().catch(() => undefined);
    const alarm = await eventually(() => ledgerStart.alarm);
    assert.equal(alarm.kind, 'topic-unavailable');
    assert.match(alarm.text, /\(ECONNREFUSED\)$/);
    assert.doesNotMatch(alarm.text, /127\.0\.0\.1/);
  });

  test('raises ledger-stopped where the topic begins with another genesis', async (t) => {
    const path = join(dir, 'other.db');
    const other = new FileTopic({ path });
    await other.connect();
    await publishGenesis(other, makeConsortium({ origin: 'other.example/log' }).genesis);
    await other.close();
    const { ledgerStart, run } = start(t, new FileTopic({ path }));
    await assert.rejects(run(), (error) => error instanceof LedgerError && error.code === 'genesis-mismatch');
    assert.equal(ledgerStart.alarm?.kind, 'ledger-stopped');
    assert.match(ledgerStart.alarm?.text ?? '', /genesis-mismatch/);
  });

  test('has no alarm once it has started', async (t) => {
    const { ledgerStart, run } = start(t, new FileTopic({ path: join(dir, 'own.db') }));
    await run();
    assert.equal(ledgerStart.alarm, undefined);
  });
});

describe('the reason why a topic cannot be reached', () => {
  const reasonOf = async (options: Partial<ConstructorParameters<typeof KafkaTopic>[0]>): Promise<string> => {
    const topic = new KafkaTopic({ brokers: [], topic: 'none', connectTimeoutMs: 1, ...options });
    try {
      await topic.connect();
    } catch (error) {
      return topicReason(error);
    } finally {
      await topic.close();
    }
    return 'connected';
  };

  test('is a name that nobody knows', async () => {
    assert.match(await reasonOf({ brokers: ['broker.invalid:9092'] }), /^(ENOTFOUND|EAI_AGAIN)$/);
  });

  test('is a port that closes what it is asked', async (t) => {
    const server = createServer((socket) => socket.destroy());
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    t.after(() => server.close());
    const address = server.address();
    assert.ok(typeof address === 'object' && address !== null);
    const brokers = [`127.0.0.1:${address.port}`];
    assert.match(await reasonOf({ brokers }), /^(KafkaJSConnectionClosedError|ECONNRESET|EPIPE)$/);
    assert.equal(await reasonOf({ brokers, tls: true }), 'ECONNRESET');
  });

  test('is the first of several, and never a message or an address', () => {
    const part = Object.assign(new Error('of kafka-1:9092'), { type: 'TOPIC_AUTHORIZATION_FAILED' });
    const several = Object.assign(new Error('several'), { errors: [part, new Error('another')] });
    assert.equal(topicReason(new Error('outer', { cause: several })), 'TOPIC_AUTHORIZATION_FAILED');
    assert.equal(topicReason(Object.assign(new Error('x'), { code: 'kafka-1:9092' })), 'Error');
    assert.equal(topicReason('text'), 'unknown');
  });
});
