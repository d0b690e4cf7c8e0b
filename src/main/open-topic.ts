import { readFileSync } from 'node:fs';
import type { Logger } from 'pino';
import type { TopicConfig } from '../config/config.ts';
import { FileTopic } from '../ledger/file-topic.ts';
import { KafkaTopic } from '../ledger/kafka-topic.ts';
import type { Topic } from '../ledger/transport.ts';

/** Cosignatures of old trees are of no use, and members make them each second: the second topic keeps a week of them, or this many in a file. */
const COSIGNATURE_RETENTION_MS = 7 * 24 * 3_600_000;
const COSIGNATURE_RECORDS = 16_384;

/** The topic that a configuration names; not connected yet. @param holds records of the ledger are kept for ever, cosignatures are not */
export function openTopic(config: TopicConfig, logger: Logger, holds: 'records' | 'cosignatures' = 'records'): Topic {
  const isKept = holds === 'records';
  if (config.kind === 'file')
    return new FileTopic({ path: config.path, ...(!isKept && { keepRecords: COSIGNATURE_RECORDS }) });
  const { tls, sasl } = config;
  return new KafkaTopic({
    brokers: config.brokers,
    topic: config.topic,
    clientId: config.clientId,
    create: {
      replicationFactor: config.replicationFactor,
      minimumInsyncReplicas: config.minimumInSyncReplicas,
      ...(!isKept && { retentionMs: COSIGNATURE_RETENTION_MS }),
    },
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
