import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import kafkajs from 'kafkajs';
import { kafkaCertificates } from './certificates.ts';
import type { KafkaCluster } from '../../src/demo/kafka-cluster.ts';
import { KafkaTopic, type KafkaTopicOptions } from '../../src/ledger/kafka-topic.ts';
import { makeTopic, plainClient, readAll, skipOwnBroker, startCluster, withAdmin } from './broker.ts';

const { READ, WRITE, DESCRIBE, DESCRIBE_CONFIGS } = kafkajs.AclOperationTypes;

describe('a Kafka topic behind SASL and TLS', { skip: skipOwnBroker }, () => {
  const dir = mkdtempSync(join(tmpdir(), 'concordat-pki-'));
  let cluster: KafkaCluster;
  let topic: string;
  let ca: string;
  let client: { certificate: string; key: string };
  before(async () => {
    const certificates = kafkaCertificates(dir);
    ca = readFileSync(certificates.authorityPem, 'utf8');
    client = {
      certificate: readFileSync(certificates.clientPem, 'utf8'),
      key: readFileSync(certificates.clientKey, 'utf8'),
    };
    cluster = await startCluster({
      nodes: 1,
      security: { ...certificates, users: { admin: 'admin-secret', ledger: 'ledger-secret' } },
    });
    topic = await makeTopic(cluster.brokers());
    // The rights that a member needs on the topic, and no more: transactional ids stay forbidden.
    await withAdmin(cluster.brokers(), (admin) =>
      admin.createAcls({
        acl: ['User:ledger', 'User:CN=member'].flatMap((principal) =>
          [READ, WRITE, DESCRIBE, DESCRIBE_CONFIGS].map((operation) => ({
            resourceType: kafkajs.AclResourceTypes.TOPIC,
            resourceName: topic,
            resourcePatternType: kafkajs.ResourcePatternTypes.LITERAL,
            principal,
            host: '*',
            operation,
            permissionType: kafkajs.AclPermissionTypes.ALLOW,
          })),
        ),
      }),
    );
  });
  after(async () => {
    await cluster?.close({ wipe: true });
    rmSync(dir, { recursive: true, force: true });
  });

  const user = { username: 'ledger', password: 'ledger-secret' };
  const cases: [string, () => Partial<KafkaTopicOptions>][] = [
    ['SASL PLAIN', () => ({ brokers: cluster.brokers('sasl'), sasl: { mechanism: 'plain', ...user } })],
    ['SASL SCRAM-SHA-256', () => ({ brokers: cluster.brokers('sasl'), sasl: { mechanism: 'scram-sha-256', ...user } })],
    [
      'SASL SCRAM-SHA-512 over TLS',
      () => ({ brokers: cluster.brokers('tls'), sasl: { mechanism: 'scram-sha-512', ...user }, tls: { ca } }),
    ],
    ['TLS with a client certificate', () => ({ brokers: cluster.brokers('mtls'), tls: { ca, ...client } })],
  ];
  for (const [name, options] of cases) {
    test(`${name}: appends and reads`, async () => {
      const opened = new KafkaTopic({ brokers: [], topic, ...options() });
      await opened.connect();
      const offset = await opened.append(Buffer.from(name));
      assert.deepEqual((await readAll(opened, Number(offset), { want: 1 })).values, [name]);
      assert.equal(await opened.endOffset(), offset + 1n);
      assert.ok((await opened.describe()).drift.includes('retention.ms: 604800000, wanted -1'));
      await opened.close();
    });
  }

  test('a wrong password, an unknown authority, no client certificate or no right to the topic make it unavailable, not a crash', async () => {
    const wrong: Partial<KafkaTopicOptions>[] = [
      { brokers: cluster.brokers('sasl'), sasl: { mechanism: 'plain', username: 'ledger', password: 'wrong' } },
      { brokers: cluster.brokers('tls'), sasl: { mechanism: 'plain', ...user }, tls: true },
      { brokers: cluster.brokers('mtls'), tls: { ca } },
    ];
    for (const options of wrong) {
      const opened = new KafkaTopic({ brokers: [], topic, connectTimeoutMs: 1_500, ...options });
      await assert.rejects(
        opened.connect(),
        (error: Error & { code?: string }) => error.code === 'unavailable' && !error.message.includes('wrong'),
      );
      await opened.close();
    }
    const other = new KafkaTopic({
      brokers: cluster.brokers('sasl'),
      topic: 'not-allowed',
      sasl: { mechanism: 'plain', ...user },
      connectTimeoutMs: 1_500,
    });
    await assert.rejects(other.connect(), (error: { code?: string }) =>
      ['unavailable', 'topic-missing'].includes(error.code ?? ''),
    );
    await other.close();
  });

  test('these rights do not let a member begin a transaction, which an administrator can', async () => {
    const begin = async (username: string, password: string): Promise<void> => {
      const sasl = { mechanism: 'plain' as const, username, password };
      const producer = plainClient(cluster.brokers('sasl'), { sasl }).producer({
        transactionalId: `by-${username}`,
        maxInFlightRequests: 1,
        idempotent: true,
        retry: { retries: 3 },
      });
      await producer.connect();
      try {
        await (await producer.transaction()).abort();
      } finally {
        await producer.disconnect();
      }
    };
    await begin('admin', 'admin-secret');
    // kafkajs hides the broker's refusal behind an error of its own.
    await assert.rejects(begin('ledger', 'ledger-secret'));
  });
});
