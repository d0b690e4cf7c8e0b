import { AppError } from '../errors.ts';

/**
 * What a topic may answer wrongly, each with its own kind (design/ledger "Transport"). `outcome-unknown`: the append may or may not be stored;
 * `unavailable`: nothing was stored and trying again later is right. All others say where the topic cannot be what it was.
 */
export type TransportCode =
  | 'outcome-unknown'
  | 'unavailable'
  | 'too-large'
  | 'closed'
  | 'trimmed'
  | 'truncated'
  | 'gap'
  | 'rewound'
  | 'control'
  | 'transactional'
  | 'compressed'
  | 'anchor-mismatch'
  | 'epoch-back'
  | 'topic-missing'
  | 'corrupt';

export class TransportError extends AppError<TransportCode> {
  /** Transport offset at which the fault shows, where there is one: for `trimmed` the first one left, for `truncated` where the topic ends. */
  readonly offset: bigint | undefined;
  constructor(code: TransportCode, message: string, options?: { cause?: unknown; offset?: bigint }) {
    super(code, message, options);
    this.offset = options?.offset;
  }
}

/** One record of the topic. `offset` is the transport's own position: never a leaf index, and it may have holes on Kafka. */
export interface TopicRecord {
  readonly offset: bigint;
  readonly value: Uint8Array;
}

export interface TopicRead {
  readonly records: readonly TopicRecord[];
  /** First offset that the transport still holds. */
  readonly startOffset: bigint;
  /** Offset that the next appended record would get, as known at this read. */
  readonly endOffset: bigint;
  /**
   * How often so far the way to the topic broke or led to another broker. Where it has grown since records were compared, those read now may
   * be of another log: what was accepted is compared first.
   */
  readonly interruptions: number;
}

/** A record already accepted by the replica; the transport reads it again and compares before it reads on. */
export interface TopicAnchor {
  readonly offset: bigint;
  /** SHA-256 of the record's value. */
  readonly hash: Uint8Array;
}

export interface TopicDescription {
  readonly kind: 'file' | 'kafka' | 'memory';
  readonly name: string;
  /** Settings that are not as the ledger needs them, as `setting: found, wanted`; empty when all is well. */
  readonly drift: readonly string[];
}

/**
 * An ordered log of opaque records that nobody needs to believe: six methods, one contract suite over all implementations.
 * An acknowledged append is no evidence; only what the own replica has read back counts.
 */
export interface Topic {
  /** Opens the topic, creating it where the transport allows. @throws {TransportError} unavailable | topic-missing */
  connect(): Promise<void>;
  /**
   * Appends one record and resolves with the offset that the transport says it got.
   * MUST NOT hold a second append on the wire before the first is settled.
   * @throws {TransportError} outcome-unknown | unavailable | too-large | topic-missing | closed
   */
  append(value: Uint8Array): Promise<bigint>;
  /**
   * Reads records from `fromOffset` on, in order. Resolves with no records after `waitMs` when there are none, at once when there are some.
   * @param anchor when given, the record at that offset is read again first and must have that hash
   * @throws {TransportError} trimmed | truncated | gap | … with the offset
   */
  read(args: {
    fromOffset: bigint;
    maximumBytes: number;
    waitMs: number;
    anchor?: TopicAnchor;
    signal?: AbortSignal;
  }): Promise<TopicRead>;
  endOffset(): Promise<bigint>;
  describe(): Promise<TopicDescription>;
  close(): Promise<void>;
}
