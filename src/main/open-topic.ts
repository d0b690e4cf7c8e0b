import { readFileSync } from 'node:fs';
import type { Logger } from 'pino';
import type { TopicConfig } from '../config/config.ts';
import { FileTopic } from '../ledger/file-topic.ts';
import { KafkaTopic } from '../ledger/kafka-topic.ts';
import type { Topic } from '../ledger/transport.ts';

/** The topic that a configuration names; not connected yet. */
export function openTopic(config: TopicConfig, logger: Logger): Topic {
  if (config.kind === 'file') return new FileTopic({ path: config.path });
  const { tls, sasl } = config;
  return new KafkaTopic({
    brokers: config.brokers,
    topic: config.topic,
    clientId: config.clientId,
    create: { replicationFactor: config.replicationFactor, minimumInsyncReplicas: config.minimumInSyncReplicas },
    ...(tls !== undefined && {
      tls: {
        ...(tls.caFile !== undefined && { ca: readFileSync(tls.caFile, 'utf8') }),
        ...(tls.certificateFile !== undefined && { certificate: readFileSync(tls.certificateFile, 'utf8') }),
        ...(tls.key !== undefined && { key: tls.key.reveal() }),
        ...(tls.serverName !== undefined && { serverName: tls.serverName }),
      },
    }),
    ...(sasl !== undefined && { sasl: { ...sasl, password: sasl.password.reveal() } }),
    onNote: ({ what, detail }) => logger.debug({ topic: config.topic, what, detail }, 'topic'),
  });
}
