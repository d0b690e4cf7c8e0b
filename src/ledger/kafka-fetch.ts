import { TransportError, type TopicRecord } from './transport.ts';

/** One message as kafkajs's broker-level fetch hands it out; only what is looked at. */
export interface FetchedMessage {
  readonly offset: string;
  readonly value: Uint8Array | null;
  readonly isControlRecord?: boolean;
  readonly batchContext?: { readonly inTransaction?: boolean; readonly partitionLeaderEpoch?: number };
}

export interface JudgedFetch {
  /** The good records before the first odd one. */
  readonly records: readonly TopicRecord[];
  readonly nextOffset: bigint;
  /** Leader epoch of the last good record; epochs never go back in one log. */
  readonly leaderEpoch: number;
  /** What is odd behind the good records, to be thrown once those are consumed. */
  readonly odd: TransportError | undefined;
}

/**
 * Takes the records of one fetch in order and stops at the first thing that an honest, untouched topic cannot contain.
 * The broker controls every field here, so each offset is compared with the one that must come next.
 */
export function judgeFetch(messages: readonly FetchedMessage[], fromOffset: bigint, leaderEpoch: number): JudgedFetch {
  const records: TopicRecord[] = [];
  let nextOffset = fromOffset;
  let epoch = leaderEpoch;
  for (const message of messages) {
    const offset = BigInt(message.offset);
    // A fetch begins with the whole stored batch that holds the offset: its head may lie before what was asked.
    if (offset < fromOffset) continue;
    const odd = oddity(message, offset, nextOffset, epoch);
    if (odd !== undefined) return { records, nextOffset, leaderEpoch: epoch, odd };
    epoch = message.batchContext?.partitionLeaderEpoch ?? epoch;
    nextOffset = offset + 1n;
    records.push({ offset, value: message.value ?? new Uint8Array(0) });
  }
  return { records, nextOffset, leaderEpoch: epoch, odd: undefined };
}

function oddity(message: FetchedMessage, offset: bigint, wanted: bigint, epoch: number): TransportError | undefined {
  if (offset > wanted) return new TransportError('gap', `wanted offset ${wanted}, got ${offset}`, { offset: wanted });
  if (offset < wanted)
    return new TransportError('rewound', `wanted offset ${wanted}, got ${offset}`, { offset: wanted });
  const found = message.batchContext?.partitionLeaderEpoch ?? epoch;
  if (found < epoch) return new TransportError('epoch-back', `leader epoch ${epoch}, then ${found}`, { offset });
  if (message.isControlRecord === true) return new TransportError('control', 'transaction marker', { offset });
  if (message.batchContext?.inTransaction === true) {
    return new TransportError('transactional', 'record of a transaction', { offset });
  }
  return undefined;
}

/** What kafkajs says at the bottom of its chain of causes: the broker's error type, or the client's own error name. */
export interface ClientFailure {
  readonly name: string;
  readonly type: string | undefined;
  readonly code: string | undefined;
  readonly host: string | undefined;
  readonly port: number | undefined;
  readonly message: string;
}

export function clientFailure(error: unknown): ClientFailure {
  let current: unknown = error;
  while (current instanceof Error && current.cause instanceof Error && current.cause !== current)
    current = current.cause;
  const fields = (typeof current === 'object' && current !== null ? current : {}) as Record<string, unknown>;
  const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);
  return {
    name: text(fields.name) ?? 'Error',
    type: text(fields.type),
    code: text(fields.code),
    host: text(fields.host),
    port: typeof fields.port === 'number' ? fields.port : undefined,
    message: text(fields.message) ?? 'unknown failure',
  };
}

/** Broker answers after which a record is surely not stored by that attempt, and trying again will not help. */
const REFUSALS = new Set([
  'TOPIC_AUTHORIZATION_FAILED',
  'CLUSTER_AUTHORIZATION_FAILED',
  'INVALID_TOPIC_EXCEPTION',
  'INVALID_RECORD',
  'UNSUPPORTED_FOR_MESSAGE_FORMAT',
  'POLICY_VIOLATION',
  'INVALID_TIMESTAMP',
]);

/** The broker no longer follows this producer's numbering: going on with it could lose the next record. */
const PRODUCER_LOST = new Set([
  'OUT_OF_ORDER_SEQUENCE_NUMBER',
  'UNKNOWN_PRODUCER_ID',
  'INVALID_PRODUCER_EPOCH',
  'DUPLICATE_SEQUENCE_NUMBER',
]);

export type AppendFailure = 'too-large' | 'refused' | 'not-stored' | 'doubt' | 'producer-lost';

/** Sorts a failed attempt to append by what it leaves behind. */
export function classifyAppendFailure(failure: ClientFailure): AppendFailure {
  const type = failure.type ?? '';
  if (type === 'MESSAGE_TOO_LARGE' || type === 'RECORD_LIST_TOO_LARGE') return 'too-large';
  if (REFUSALS.has(type)) return 'refused';
  // Checked before writing; a NOT_ENOUGH_REPLICAS_AFTER_APPEND, on the other hand, is stored and stays in doubt.
  if (type === 'NOT_ENOUGH_REPLICAS') return 'not-stored';
  if (PRODUCER_LOST.has(type)) return 'producer-lost';
  return 'doubt';
}
