import assert from 'node:assert/strict';
import { readFileSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { KafkaCluster } from '../../src/demo/kafka-cluster.ts';
import { SingleGateway } from '../support/single-gateway.ts';
import { makeTopic, skipOwnBroker, startCluster, trimTopic, until, withAdmin } from './broker.ts';

interface Health {
  readonly ledger: {
    readonly size: number;
    readonly finalSize: number;
    readonly incidents: readonly { readonly kind: string; readonly leafIndex: number }[];
  };
  readonly alarms: readonly { readonly kind: string; readonly text: string }[];
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

  const health = async (): Promise<Health> => (await (await fetch(`${gateway.url}/health/ready`)).json()) as Health;
  const ledgerTopic = (): string => `${basename(gateway.dir)}-ledger`;

  /** Clients write without pause while something happens to the brokers or the gateway. */
  async function underLoad(happening: () => Promise<void>): Promise<void> {
    let running = true;
    const client = async (): Promise<void> => {
      while (running) {
        try {
          const reply = await fetch(`${gateway.url}/fhir/ehr/Patient`, {
            method: 'POST',
            headers: { authorization: `Bearer ${token}`, 'content-type': 'application/fhir+json' },
            body: JSON.stringify({ resourceType: 'Patient', active: true }),
            signal: AbortSignal.timeout(10_000),
          });
          await reply.arrayBuffer();
          const event = reply.headers.get('concordat-event');
          if (reply.status === 201 && event !== null) acknowledged.add(event);
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

  async function everythingAcknowledgedIsFinal(): Promise<void> {
    await until(async () => {
      for (const event of acknowledged) {
        const reply = await fetch(`${gateway.url}/ledger/receipt/${event}`);
        await reply.arrayBuffer();
        if (reply.status !== 200) return false;
      }
      return true;
    }, 120_000);
    assert.deepEqual((await health()).ledger.incidents, []);
  }

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

  test('a topic made anew under a running replica is told apart with the first bad index', async () => {
    const other = new SingleGateway({ brokers: cluster.brokers() });
    await other.start();
    try {
      await until(
        async () => ((await (await fetch(`${other.url}/health/ready`)).json()) as Health).ledger.finalSize > 1,
        40_000,
      );
      const topic = `${basename(other.dir)}-ledger`;
      await withAdmin(cluster.brokers(), (admin) => admin.deleteTopics({ topics: [topic] }));
      await delay(2_000);
      await makeTopic(cluster.brokers(), {}, { name: topic, replicationFactor: 3 });
      const kinds = ['truncated', 'anchor-mismatch', 'genesis-mismatch', 'rewound', 'topic-missing'];
      let found: Health | undefined;
      await until(async () => {
        found = (await (await fetch(`${other.url}/health/ready`)).json()) as Health;
        return found.ledger.incidents.some(({ kind }) => kinds.includes(kind));
      }, 60_000);
      assert.ok(found?.alarms.some(({ kind }) => kind === 'incident'));
    } finally {
      await other.close();
    }
  });

  test('no broker address, token or record content stands in the log', () => {
    const log = readFileSync(gateway.logFile, 'utf8');
    assert.ok(!log.includes(token) && !log.includes('resourceType'));
  });
});
