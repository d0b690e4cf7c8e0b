import { z } from 'zod';
import { existingPath, httpUrl, integer, memberName, path, secret } from './schema-parts.ts';
import type { SchemaContext } from './schema-parts.ts';

function kafkaTopic(context: SchemaContext) {
  const tls = z.strictObject({
    caFile: existingPath(context)
      .exactOptional()
      .describe("PEM of the authorities that sign the brokers; the system's own when left out"),
    certificateFile: existingPath(context).exactOptional().describe('PEM of the client certificate'),
    key: secret(context).exactOptional().describe("PEM of the client certificate's key"),
    serverName: z.string().min(1).exactOptional().describe("name to expect in the brokers' certificates"),
  });
  const sasl = z.strictObject({
    mechanism: z.enum(['plain', 'scram-sha-256', 'scram-sha-512']),
    username: z.string().min(1),
    password: secret(context),
  });
  return z
    .strictObject({
      kind: z.literal('kafka'),
      brokers: z.array(z.string().regex(/^[^\s:/]+:\d{1,5}$|^\[[0-9a-f:]+\]:\d{1,5}$/i, 'host:port')).min(1),
      topic: z.string().regex(/^[a-zA-Z0-9._-]{1,249}$/, 'a Kafka topic name'),
      clientId: z.string().min(1).max(249).default('concordat'),
      tls: tls.exactOptional().describe('TLS to the brokers; plain text when left out'),
      sasl: sasl.exactOptional(),
      replicationFactor: integer(1, 32_767).default(3).describe('of the topic, which is made when it is missing'),
      minimumInSyncReplicas: integer(1, 32_767).default(2).describe('`min.insync.replicas` of the topic'),
    })
    .describe('one Kafka topic with one partition');
}

function topic(context: SchemaContext) {
  const file = z
    .strictObject({
      kind: z.literal('file'),
      path: path(context).describe('SQLite file that all members on this machine share'),
    })
    .describe('a topic in a file, for members on one machine');
  return z.discriminatedUnion('kind', [file, kafkaTopic(context)], { error: 'kind is file or kafka' });
}

/** The part `ledger`: this member's keys, how records travel, and who else takes part. */
export function ledgerSchema(context: SchemaContext) {
  const keys = () =>
    z.strictObject({
      batch: secret(context).describe("signs this writer's batches and cuts"),
      origin: secret(context).describe('signs checkpoints (key name = origin)'),
      cosigner: secret(context).describe('cosigns checkpoints (key name = member/cosigner)'),
      agreement: secret(context).describe('X25519 key for tags that only the counterpart recognises'),
    });
  const parameters = z.strictObject({
    cutIntervalMs: integer(50, 600_000)
      .exactOptional()
      .describe('until a cut when a leaf waits for one; left out: as in the genesis file'),
    idleCutIntervalMs: integer(1_000, 86_400_000)
      .exactOptional()
      .describe('between cuts when nothing waits; left out: as in the genesis file'),
    lingerMs: integer(1, 60_000).default(100).describe('a batch waits this long for more events'),
    resendAfterMs: integer(500, 600_000)
      .default(5_000)
      .describe('a batch not read back within this time is sent again, with all that follow'),
    freezeAfterMs: integer(1_000, 86_400_000)
      .exactOptional()
      .describe('alarm when no checkpoint became final for this long; left out: as in the genesis file'),
    peerIntervalMs: integer(100, 600_000).default(2_000).describe('between questions to other members for checkpoints'),
    keepBodiesLeaves: integer(1_000, Number.MAX_SAFE_INTEGER)
      .exactOptional()
      .describe('batch bodies are dropped this many leaves below the final size; left out: all are kept'),
  });
  const previous = z.strictObject({
    genesis: existingPath(context).describe('genesis file of the ended log'),
    epoch: existingPath(context).describe('epoch file by which its members opened the next one'),
    history: existingPath(context)
      .exactOptional()
      .describe('governance history of the ended log, where its membership had changed and its replica is not here'),
  });
  const peer = z.strictObject({
    member: memberName,
    url: httpUrl().describe("base of that member's ledger, e.g. https://clinics.example/ledger"),
  });
  const witness = z.strictObject({
    name: z.string().min(1).max(255),
    url: httpUrl().describe('base of a C2SP tlog-witness'),
    verifierKey: z.string().min(1).describe('C2SP verifier key (vkey)'),
  });
  return z.strictObject({
    genesis: existingPath(context).describe('genesis file made by `concordat init`, the same at every member'),
    keys: keys(),
    nextKeys: keys()
      .exactOptional()
      .describe('keys that a `rotate-key` names: used from the moment that it is in force, then to be moved to `keys`'),
    cosign: z
      .boolean()
      .default(true)
      .describe('false at every gateway of a member but one: all have its cosigner key, and only one may use it'),
    previous: z
      .array(previous)
      .default([])
      .describe('ended logs that this one goes on from after epoch changes, oldest first'),
    topic: topic(context),
    cosignatureTopic: topic(context),
    peers: z.array(peer).default([]),
    witnesses: z
      .array(witness)
      .default([])
      .describe('outside witnesses that cosign checkpoints; they do not count towards finality'),
    parameters: parameters.prefault({}),
  });
}
