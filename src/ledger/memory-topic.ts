import { sha256 } from '../hash.ts';
import { sameHash } from './merkle/tree-hash.ts';
import { TransportError, type Topic, type TopicDescription, type TopicRead } from './transport.ts';

/** What a faulty broker does with one append; each lying form has its honest twin. */
export type AppendFault =
  /** Refused, nothing stored, and said so. */
  | 'refuse'
  /** Acknowledged, never stored. */
  | 'drop'
  /** Stored twice, acknowledged once. */
  | 'duplicate'
  /** Stored, but the answer is lost: `outcome-unknown`. */
  | 'acknowledgement-lost'
  /** Not stored, and the answer is lost. */
  | 'request-lost'
  /** `outcome-unknown` now; stored after the record that is appended next. */
  | 'late'
  /** Acknowledged, stored after the record that is appended next. */
  | 'reorder'
  /** Acknowledged, stored with one bit flipped. */
  | 'alter';

const MAXIMUM_RECORD_BYTES = 1_000_000;

/** The stored side of in-memory topics: one honest log unless told otherwise. Several `MemoryTopic`s share one broker. */
export class MemoryBroker {
  #records: Uint8Array[] = [];
  #start = 0;
  #held: Uint8Array[] = [];
  /** Offsets that a reader is not given, each with what it is told instead. */
  readonly #spoilt = new Map<number, 'gap' | 'transactional'>();
  #nextFault: AppendFault | undefined;
  /** While true nothing is answered: appends and reads are `unavailable`. */
  stalled = false;
  /** How often clients lost their way to it, as `TopicRead` tells. */
  interruptions = 0;
  /** Wakes readers that wait. */
  readonly #waiting = new Set<() => void>();

  get records(): readonly Uint8Array[] {
    return this.#records;
  }

  get start(): number {
    return this.#start;
  }

  /** Arms a fault for the next append. */
  failNext(fault: AppendFault): void {
    this.#nextFault = fault;
  }

  /** Takes an armed fault back. @returns true if it had struck already */
  disarm(): boolean {
    const struck = this.#nextFault === undefined;
    this.#nextFault = undefined;
    return struck;
  }

  append(value: Uint8Array): number {
    if (this.stalled) throw new TransportError('unavailable', 'the broker is stalled');
    const fault = this.#nextFault;
    this.#nextFault = undefined;
    const offset = this.#records.length;
    if (fault === 'refuse') throw new TransportError('unavailable', 'refused');
    if (fault === 'request-lost') throw new TransportError('outcome-unknown', 'no answer');
    if (fault === 'drop') return offset;
    if (fault === 'late' || fault === 'reorder') {
      this.#held.push(value);
      if (fault === 'late') throw new TransportError('outcome-unknown', 'no answer');
      return offset;
    }
    this.#records.push(fault === 'alter' ? flipBit(value) : value);
    if (fault === 'duplicate') this.#records.push(value);
    this.#records.push(...this.#held.splice(0));
    this.#wake();
    if (fault === 'acknowledgement-lost') throw new TransportError('outcome-unknown', 'no answer');
    return offset;
  }

  /** Lets records that a `late` or `reorder` fault holds back land now. */
  landHeld(): void {
    this.#records.push(...this.#held.splice(0));
    this.#wake();
  }

  /** Loses the tail, as after an unclean restart. */
  truncate(length: number): void {
    this.#records.length = Math.min(length, this.#records.length);
    for (const offset of this.#spoilt.keys()) if (offset >= this.#records.length) this.#spoilt.delete(offset);
  }

  /** Loses the beginning, as by retention. */
  trim(start: number): void {
    this.#start = Math.max(this.#start, Math.min(start, this.#records.length));
  }

  /** Replaces or removes (`undefined`) a stored record. */
  alter(offset: number, value: Uint8Array | undefined): void {
    if (value === undefined) this.#records.splice(offset, 1);
    else this.#records[offset] = value;
  }

  /** Leaves a hole where a record stood, as compaction does: the others keep their offsets. */
  compact(offset: number): void {
    this.#spoilt.set(offset, 'gap');
  }

  /** Makes a record one of a transaction, which the broker may show or hide as it likes. */
  hide(offset: number): void {
    this.#spoilt.set(offset, 'transactional');
  }

  /** Why the record at this offset cannot be had; undefined where it can. */
  spoiltAt(offset: number): 'gap' | 'transactional' | undefined {
    return this.#spoilt.get(offset);
  }

  /** A second log that has this one's first `length` records: what a forking broker shows to somebody else. */
  fork(length = this.#records.length): MemoryBroker {
    const other = new MemoryBroker();
    other.#records = this.#records.slice(0, length);
    other.#start = this.#start;
    for (const [offset, code] of this.#spoilt) if (offset < length) other.#spoilt.set(offset, code);
    return other;
  }

  async waitForAppend(waitMs: number, signal?: AbortSignal): Promise<void> {
    if (waitMs <= 0 || signal?.aborted === true) return;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#waiting.delete(done);
        signal?.removeEventListener('abort', done);
        resolve();
      };
      const timer = setTimeout(done, waitMs);
      this.#waiting.add(done);
      signal?.addEventListener('abort', done, { once: true });
    });
  }

  #wake(): void {
    for (const done of [...this.#waiting]) done();
  }
}

/** A client of a `MemoryBroker`; `broker` may be changed while in use, which is how a fork is staged. */
export class MemoryTopic implements Topic {
  broker: MemoryBroker;
  #connected = false;

  constructor(broker: MemoryBroker) {
    this.broker = broker;
  }

  async connect(): Promise<void> {
    this.#connected = true;
  }

  async append(value: Uint8Array): Promise<bigint> {
    this.#assertConnected();
    if (value.length > MAXIMUM_RECORD_BYTES)
      throw new TransportError('too-large', `record of ${String(value.length)} bytes`);
    return BigInt(this.broker.append(value.slice()));
  }

  async read(args: Parameters<Topic['read']>[0]): Promise<TopicRead> {
    this.#assertConnected();
    if (args.anchor !== undefined) this.#checkAnchor(args.anchor.offset, args.anchor.hash);
    const found = this.#readOnce(args.fromOffset, args.maximumBytes);
    if (found.records.length > 0 || args.waitMs <= 0) return found;
    await this.broker.waitForAppend(args.waitMs, args.signal);
    this.#assertConnected();
    return this.#readOnce(args.fromOffset, args.maximumBytes);
  }

  #readOnce(fromOffset: bigint, maximumBytes: number): TopicRead {
    if (this.broker.stalled) throw new TransportError('unavailable', 'the broker is stalled');
    const { records: stored, start } = this.broker;
    const from = Number(fromOffset);
    if (from < start) throw new TransportError('trimmed', 'records are gone', { offset: BigInt(start) });
    if (from > stored.length)
      throw new TransportError('truncated', 'records are gone', { offset: BigInt(stored.length) });
    const records = [];
    let bytes = 0;
    for (let offset = from; offset < stored.length; offset++) {
      const value = stored[offset] as Uint8Array;
      const code = this.broker.spoiltAt(offset);
      // What comes before a bad record is given first, so that the fault is told at its own place.
      if (code !== undefined && records.length > 0) break;
      if (code !== undefined) throw new TransportError(code, 'this record cannot be had', { offset: BigInt(offset) });
      if (records.length > 0 && bytes + value.length > maximumBytes) break;
      bytes += value.length;
      records.push({ offset: BigInt(offset), value });
    }
    const { interruptions } = this.broker;
    return { records, startOffset: BigInt(start), endOffset: BigInt(stored.length), interruptions };
  }

  #checkAnchor(offset: bigint, hash: Uint8Array): void {
    if (this.broker.stalled) throw new TransportError('unavailable', 'the broker is stalled');
    const { records, start } = this.broker;
    if (offset < start) throw new TransportError('trimmed', 'the anchor is gone', { offset: BigInt(start) });
    const value = records[Number(offset)];
    if (this.broker.spoiltAt(Number(offset)) === 'gap')
      throw new TransportError('gap', 'the anchor is gone', { offset });
    if (value === undefined)
      throw new TransportError('truncated', 'the anchor is gone', { offset: BigInt(records.length) });
    if (!sameHash(sha256(value), hash))
      throw new TransportError('anchor-mismatch', 'another record stands there', { offset });
  }

  async endOffset(): Promise<bigint> {
    this.#assertConnected();
    if (this.broker.stalled) throw new TransportError('unavailable', 'the broker is stalled');
    return BigInt(this.broker.records.length);
  }

  async describe(): Promise<TopicDescription> {
    return { kind: 'memory', name: 'memory', drift: [] };
  }

  async close(): Promise<void> {
    this.#connected = false;
  }

  #assertConnected(): void {
    if (!this.#connected) throw new TransportError('closed', 'topic is not connected');
  }
}

function flipBit(value: Uint8Array): Uint8Array {
  const altered = value.slice();
  const at = altered.length >> 1;
  if (altered.length > 0) altered[at] = (altered[at] ?? 0) ^ 1;
  return altered;
}
