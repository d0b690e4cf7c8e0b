import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { kafkaCertificates } from './certificates.ts';
import type { KafkaCluster } from '../../src/demo/kafka-cluster.ts';
import { KafkaTopic, type KafkaTopicOptions } from '../../src/ledger/kafka-topic.ts';
import { makeTopic, readAll, skipOwnBroker, startCluster, withAdmin } from './broker.ts';

describe('a Kafka topic behind SASL and TLS', { skip: skipOwnBroker }, () => {
  const dir = mkdtempSync(join(tmpdir(), 'concordat-pki-'));
  let cluster: KafkaCluster;
  let topic: string;
  let ca: string;
  before(async () => {
    const certificates = kafkaCertificates(dir);
    ca = readFileSync(certificates.authorityPem, 'utf8');
    cluster = await startCluster({
      nodes: 1,
      security: { ...certificates, users: { admin: 'admin-secret', ledger: 'ledger-secret' } },
    });
    topic = await makeTopic(cluster.brokers());
    // The rights that a member needs on the topic, and no more: transactional ids stay forbidden.
    await withAdmin(cluster.brokers(), (admin) =>
      admin.createAcls({
        acl: [3, 4, 8, 10].map((operation) => ({
          resourceType: 2,
          resourceName: topic,
          resourcePatternType: 3,
          principal: 'User:ledger',
          host: '*',
          operation,
          permissionType: 3,
        })),
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
  ];
  for (const [name, options] of cases) {
    test(`${name}: appends and reads`, async () => {
      const opened = new KafkaTopic({ brokers: [], topic, ...options() });
      await opened.connect();
      const offset = await opened.append(Buffer.from(name));
      assert.deepEqual((await readAll(opened, Number(offset), { want: 1 })).values, [name]);
      await opened.close();
    });
  }

  test('a wrong password, an unknown authority or no right to the topic make it unavailable, not a crash', async () => {
    const wrong: Partial<KafkaTopicOptions>[] = [
      { brokers: cluster.brokers('sasl'), sasl: { mechanism: 'plain', username: 'ledger', password: 'wrong' } },
      { brokers: cluster.brokers('tls'), sasl: { mechanism: 'plain', ...user }, tls: true },
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
});
