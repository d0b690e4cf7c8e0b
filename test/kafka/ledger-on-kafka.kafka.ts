import assert from 'node:assert/strict';
import { readFileSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { KafkaCluster } from '../../src/demo/kafka-cluster.ts';
import { SingleGateway } from '../support/single-gateway.ts';
import { fill, makeTopic, series, skipOwnBroker, startCluster, trimTopic, until, withAdmin } from './broker.ts';

interface Health {
  readonly ledger: {
    readonly size: number;
    readonly finalSize: number;
    readonly incidents: readonly { readonly kind: string; readonly leafIndex: number }[];
  };
  readonly alarms: readonly { readonly kind: string; readonly text: string }[];
}

interface Written {
  readonly status: number;
  readonly event: string | null;
  readonly retryAfter: string | null;
  readonly issue: string | undefined;
}

describe('a gateway whose ledger is on three real brokers', { skip: skipOwnBroker, timeout: 600_000 }, () => {
  let cluster: KafkaCluster;
  let gateway: SingleGateway;
  let token = '';
  const acknowledged = new Set<string>();

  before(async () => {
    cluster = await startCluster({ nodes: 3 });
    gateway = new SingleGateway({ brokers: cluster.brokers() });
    await gateway.start();
    token = gateway.token();
  });
  after(async () => {
    await gateway?.close();
    await cluster?.close({ wipe: true });
  });

  const healthOf = async ({ url }: SingleGateway): Promise<Health> =>
    (await (await fetch(`${url}/health/ready`)).json()) as Health;
  const health = (): Promise<Health> => healthOf(gateway);
  const topicOf = ({ dir }: SingleGateway): string => `${basename(dir)}-ledger`;
  const ledgerTopic = (): string => topicOf(gateway);

  /** One write. @returns its status, the event that was acknowledged, and what an error says */
  async function write(to: SingleGateway, bearer: string): Promise<Written> {
    const reply = await fetch(`${to.url}/fhir/ehr/Patient`, {
      method: 'POST',
      headers: { authorization: `Bearer ${bearer}`, 'content-type': 'application/fhir+json' },
      body: JSON.stringify({ resourceType: 'Patient', active: true }),
      signal: AbortSignal.timeout(10_000),
    });
    const body = (await reply.json()) as { issue?: { code: string }[] };
    const event = reply.status === 201 ? reply.headers.get('concordat-event') : null;
    const issue = body.issue?.[0]?.code;
    return { status: reply.status, event, retryAfter: reply.headers.get('retry-after'), issue };
  }

  /** Clients write without pause while something happens to the brokers or the gateway. */
  async function underLoad(happening: () => Promise<void>): Promise<void> {
    let running = true;
    const client = async (): Promise<void> => {
      while (running) {
        try {
          const { event } = await write(gateway, token);
          if (event !== null) acknowledged.add(event);
        } catch {
          await delay(50);
        }
        await delay(5);
      }
    };
    const clients = [client(), client(), client()];
    const count = acknowledged.size;
    await until(() => acknowledged.size > count + 10, 60_000);
    await happening();
    const after = acknowledged.size;
    await until(() => acknowledged.size > after + 10, 60_000);
    running = false;
    await Promise.all(clients);
  }

  async function everythingIsFinal(at: SingleGateway, events: ReadonlySet<string>): Promise<void> {
    assert.ok(events.size > 0);
    await until(async () => {
      for (const event of events) {
        const reply = await fetch(`${at.url}/ledger/receipt/${event}`);
        await reply.arrayBuffer();
        if (reply.status !== 200) return false;
      }
      return true;
    }, 120_000);
    assert.deepEqual((await healthOf(at)).ledger.incidents, []);
  }
  const everythingAcknowledgedIsFinal = (): Promise<void> => everythingIsFinal(gateway, acknowledged);

  const roles = (): Promise<{ leader: number; controller: number }> =>
    withAdmin(
      cluster.nodes.filter((node) => cluster.alive(node)).map((node) => `127.0.0.1:${cluster.port(node)}`),
      async (admin) => {
        const { topics } = await admin.fetchTopicMetadata({ topics: [ledgerTopic()] });
        const { controller } = await admin.describeCluster();
        return { leader: topics[0]?.partitions[0]?.leader ?? 1, controller: controller ?? 1 };
      },
    );

  async function killAndRestart(nodes: readonly number[], downMs: number): Promise<void> {
    await Promise.all(nodes.map((node) => cluster.kill(node)));
    await delay(downMs);
    await Promise.all(nodes.map((node) => cluster.startNode(node)));
  }

  test('the leader killed: nothing acknowledged is lost', async () => {
    await underLoad(async () => killAndRestart([(await roles()).leader], 1_500));
    await everythingAcknowledgedIsFinal();
  });

  test('the controller killed: nothing acknowledged is lost', async () => {
    await underLoad(async () => killAndRestart([(await roles()).controller], 1_500));
    await everythingAcknowledgedIsFinal();
  });

  test('two of three brokers killed: events wait durably and become final afterwards', async () => {
    await underLoad(() => killAndRestart([1, 2], 3_000));
    await everythingAcknowledgedIsFinal();
  });

  test('all brokers killed at once and started again: nothing acknowledged is lost', async () => {
    await underLoad(() => killAndRestart([1, 2, 3], 500));
    await everythingAcknowledgedIsFinal();
  });

  test('the gateway, and with it the replica, killed: it goes on where it was', async () => {
    await underLoad(async () => {
      await gateway.killGateway();
      await gateway.startGateway();
    });
    await everythingAcknowledgedIsFinal();
  });

  test('records trimmed that the replica has: it goes on', async () => {
    await trimTopic(cluster.brokers(), ledgerTopic(), 5);
    await underLoad(() => delay(500));
    await everythingAcknowledgedIsFinal();
  });

  test('a replica that has lost its disk says that the topic is trimmed, and believes nothing', async () => {
    await gateway.stopGateway();
    rmSync(join(gateway.dataDir, 'ledger'), { recursive: true });
    await gateway.startGateway();
    // It has lost nothing that it ever vouched for, so this is an alarm and no incident: with other members it begins from one of them.
    await until(
      async () => (await health()).alarms.some(({ kind, text }) => kind === 'topic-halted' && text.includes('trimmed')),
      40_000,
    );
    const { ledger } = await health();
    assert.equal(ledger.size, 0);
    assert.deepEqual(ledger.incidents, []);
  });

  test('a topic made anew under a running replica is told apart from leaf 0, and nothing of the new one is taken', async () => {
    const other = new SingleGateway({ brokers: cluster.brokers() });
    await other.start();
    try {
      await until(async () => (await healthOf(other)).ledger.finalSize > 1, 40_000);
      const { size } = (await healthOf(other)).ledger;
      const topic = topicOf(other);
      await withAdmin(cluster.brokers(), (admin) => admin.deleteTopics({ topics: [topic] }));
      await delay(2_000);
      await makeTopic(cluster.brokers(), {}, { name: topic, replicationFactor: 3 });
      await fill(cluster.brokers(), topic, series('other', 0, size + 20));
      let found: Health | undefined;
      await until(async () => {
        found = await healthOf(other);
        return found.ledger.incidents.length > 0;
      }, 60_000);
      const { ledger, alarms } = found as Health;
      for (const { kind, leafIndex } of ledger.incidents) {
        assert.ok(['truncated', 'anchor-mismatch', 'topic-missing'].includes(kind), kind);
        assert.equal(leafIndex, 0);
      }
      assert.ok(ledger.size <= size + 2, `${ledger.size} leaves of ${size}`);
      for (const kind of ['incident', 'topic-halted'])
        assert.ok(
          alarms.some((alarm) => alarm.kind === kind),
          kind,
        );
    } finally {
      await other.close();
    }
  });

  test('with all brokers away it answers 503 throttled at the outbox limit, also after kill -9, and nothing acknowledged is lost', async () => {
    const limit = 100;
    const small = new SingleGateway({ brokers: cluster.brokers(), outboxLimit: limit });
    await small.start();
    const bearer = small.token();
    const events = new Set<string>();
    const writeUntilThrottled = async (): Promise<Written> => {
      for (let i = 0; i <= limit; i++) {
        const written = await write(small, bearer);
        if (written.status !== 201) return written;
        events.add(written.event ?? '');
      }
      return assert.fail('it took more than its limit');
    };
    const assertThrottled = ({ status, issue, retryAfter }: Written): void => {
      assert.deepEqual([status, issue], [503, 'throttled']);
      assert.match(retryAfter ?? '', /^[1-9]\d*$/);
    };
    try {
      await until(async () => (await healthOf(small)).ledger.finalSize > 0, 40_000);
      await Promise.all(cluster.nodes.map((node) => cluster.kill(node)));
      assertThrottled(await writeUntilThrottled());
      assert.equal(events.size, limit);
      // The limit may be reached before the client has given the brokers up.
      await until(async () => {
        const kinds = (await healthOf(small)).alarms.map(({ kind }) => kind);
        return ['outbox', 'topic-unavailable'].every((kind) => kinds.includes(kind));
      }, 40_000);
      await small.killGateway();
      await small.startGateway();
      assertThrottled(await write(small, bearer));
      await Promise.all(cluster.nodes.map((node) => cluster.startNode(node)));
      await until(async () => {
        const { event } = await write(small, bearer);
        if (event !== null) events.add(event);
        return event !== null;
      }, 60_000);
      await everythingIsFinal(small, events);
      assert.equal(events.size, limit + 1);
    } finally {
      await small.close();
    }
  });

  test('without brokers it stops within ten seconds: dead or hanging ones, in the middle of sending or before it ever reached them', async () => {
    const small = new SingleGateway({ brokers: cluster.brokers() });
    const stopMs = async (): Promise<number> => {
      const startedMs = performance.now();
      await small.stopGateway();
      return performance.now() - startedMs;
    };
    const tookMs: Record<string, number> = {};
    await small.start();
    const bearer = small.token();
    try {
      await until(async () => (await healthOf(small)).ledger.finalSize > 0, 40_000);
      await Promise.all(cluster.nodes.map((node) => cluster.pause(node)));
      const { event } = await write(small, bearer);
      assert.ok(event !== null);
      const events = new Set([event ?? '']);
      await delay(500);
      tookMs['hanging, sending'] = await stopMs();
      await small.startGateway();
      tookMs['hanging, from the start'] = await stopMs();
      for (const node of cluster.nodes) cluster.resume(node);
      await small.startGateway();
      await everythingIsFinal(small, events);
      await Promise.all(cluster.nodes.map((node) => cluster.kill(node)));
      await write(small, bearer);
      await delay(500);
      tookMs['dead, sending'] = await stopMs();
      await small.startGateway();
      tookMs['dead, from the start'] = await stopMs();
      assert.deepEqual(
        Object.entries(tookMs).filter(([, ms]) => ms > 10_000),
        [],
      );
    } finally {
      await small.close();
    }
  });

  test('no broker address, token or record content stands in the log', () => {
    const log = readFileSync(gateway.logFile, 'utf8');
    assert.ok(log.length > 0);
    for (const secret of [token, 'resourceType', ...cluster.brokers()]) assert.ok(!log.includes(secret), secret);
  });
});
