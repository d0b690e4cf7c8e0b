import { LedgerError } from './ledger-error.ts';
import type { AppendFile, LedgerStorage } from './storage.ts';

export const LEAF_TYPES = ['void', 'batch', 'cut', 'governance', 'genesis', 'unknown'] as const;
export type LeafType = (typeof LEAF_TYPES)[number];

/** Order is part of the file format: append only. */
export const VERDICTS = [
  'accepted',
  'duplicate',
  'conflict',
  'gap',
  'bad-signature',
  'unknown-member',
  'suspended',
  'bad-body',
  'not-canonical',
  'wrong-log',
  'void',
] as const;
export type LeafVerdict = (typeof VERDICTS)[number];

/** What the replica keeps of one topic record beside its leaf bytes. */
export interface LeafRecord {
  readonly type: LeafType;
  readonly verdict: LeafVerdict;
  /** Events of an accepted batch, else 0. */
  readonly eventCount: number;
  readonly headerPosition: number;
  readonly headerLength: number;
  /** Segment that holds the body; 0: the one that is never pruned. */
  readonly bodySegment: number;
  readonly bodyPosition: number;
  readonly bodyLength: number;
  /** Segment that bodies of batches went to at that time. */
  readonly openSegment: number;
  /** Transport offset; -1 where the record came from a peer. */
  readonly topicOffset: bigint;
  /** SHA-256 of the whole topic record, 32 bytes; zeroes where the record came from a peer. */
  readonly valueHash: Uint8Array;
}

const RECORD_BYTES = 80;
const HASH_BYTES = 32;
const SEGMENT_BYTES = 64 * 1024 * 1024;
const KEPT_SEGMENT = 0;

export interface LeafStoreLengths {
  readonly headers: number;
  /** Segment being written, at least 1, and the lengths of the kept segment and of that one. */
  readonly segment: number;
  readonly kept: number;
  readonly bodies: number;
}

export const NO_LENGTHS: LeafStoreLengths = { headers: 0, segment: 1, kept: 0, bodies: 0 };

/**
 * Headers and bodies, and one fixed record for each leaf that says where they are. Headers and governance bodies are kept for ever; bodies of batches lie in
 * segments, so that pruning removes whole files.
 */
export class LeafStore {
  readonly #storage: LedgerStorage;
  readonly #records: AppendFile;
  readonly #headers: AppendFile;
  readonly #kept: AppendFile;
  #segment: number;
  #bodies: AppendFile;
  /** Segments that were left since the last sync. */
  #unsynced: AppendFile[] = [];

  constructor(storage: LedgerStorage, size: number, lengths: LeafStoreLengths) {
    this.#storage = storage;
    this.#records = storage.file('leaves');
    this.#headers = storage.file('headers');
    this.#kept = storage.file(segmentName(KEPT_SEGMENT));
    this.#segment = lengths.segment;
    this.#bodies = storage.file(segmentName(lengths.segment));
    cut(this.#records, size * RECORD_BYTES);
    cut(this.#headers, lengths.headers);
    cut(this.#kept, lengths.kept);
    cut(this.#bodies, lengths.bodies);
    for (const name of storage.fileNames()) {
      const later = /^bodies-(\d+)$/.exec(name);
      if (later !== null && Number(later[1]) > this.#segment) storage.remove(name);
    }
  }

  get lengths(): LeafStoreLengths {
    return {
      headers: this.#headers.length,
      segment: this.#segment,
      kept: this.#kept.length,
      bodies: this.#bodies.length,
    };
  }

  append(leaf: {
    type: LeafType;
    verdict: LeafVerdict;
    eventCount: number;
    header: Uint8Array;
    body: Uint8Array;
    topicOffset: bigint;
    valueHash: Uint8Array;
  }): void {
    const prunable = leaf.type === 'batch';
    if (prunable && this.#bodies.length >= SEGMENT_BYTES) {
      this.#unsynced.push(this.#bodies);
      this.#bodies = this.#storage.file(segmentName(++this.#segment));
    }
    const headerPosition = this.#headers.append(leaf.header);
    const bodyPosition = (prunable ? this.#bodies : this.#kept).append(leaf.body);
    this.#records.append(
      encodeRecord({
        ...leaf,
        headerPosition,
        headerLength: leaf.header.length,
        bodySegment: prunable ? this.#segment : KEPT_SEGMENT,
        bodyPosition,
        bodyLength: leaf.body.length,
        openSegment: this.#segment,
      }),
    );
  }

  record(index: number): LeafRecord {
    const bytes = this.#records.read(index * RECORD_BYTES, RECORD_BYTES);
    if (bytes.length !== RECORD_BYTES) throw new LedgerError('damaged', `leaf record ${String(index)} is missing`);
    return decodeRecord(bytes);
  }

  header(record: LeafRecord): Uint8Array {
    return this.#headers.read(record.headerPosition, record.headerLength);
  }

  /** Undefined once pruned. */
  body(record: LeafRecord): Uint8Array | undefined {
    const name = segmentName(record.bodySegment);
    if (record.bodyLength > 0 && record.bodySegment !== this.#segment && !this.#storage.hasFile(name)) return undefined;
    return this.#storage.file(name).read(record.bodyPosition, record.bodyLength);
  }

  /** Removes body segments that hold only leaves below `index`; returns how many. */
  prune(index: number): number {
    if (index < 1) return 0;
    const first = this.record(index - 1).openSegment;
    let removed = 0;
    for (const name of this.#storage.fileNames()) {
      const number = Number(/^bodies-(\d+)$/.exec(name)?.[1] ?? KEPT_SEGMENT);
      if (number === KEPT_SEGMENT || number >= first || number >= this.#segment) continue;
      this.#storage.remove(name);
      removed++;
    }
    return removed;
  }

  async sync(): Promise<void> {
    const files = [this.#records, this.#headers, this.#kept, this.#bodies, ...this.#unsynced.splice(0)];
    await Promise.all(files.map((file) => file.sync()));
  }
}

function segmentName(segment: number): string {
  return `bodies-${String(segment)}`;
}

function encodeRecord(record: LeafRecord): Uint8Array {
  const bytes = new Uint8Array(RECORD_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, LEAF_TYPES.indexOf(record.type));
  view.setUint8(1, VERDICTS.indexOf(record.verdict));
  view.setUint16(2, record.eventCount);
  view.setUint32(4, record.headerLength);
  view.setUint32(8, record.bodyLength);
  view.setUint32(12, record.bodySegment);
  view.setBigUint64(16, BigInt(record.headerPosition));
  view.setBigUint64(24, BigInt(record.bodyPosition));
  view.setBigInt64(32, record.topicOffset);
  view.setUint32(40, record.openSegment);
  bytes.set(record.valueHash, 44);
  return bytes;
}

function decodeRecord(bytes: Uint8Array): LeafRecord {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const type = LEAF_TYPES[view.getUint8(0)];
  const verdict = VERDICTS[view.getUint8(1)];
  if (type === undefined || verdict === undefined) throw new LedgerError('damaged', 'a leaf record is not one');
  return {
    type,
    verdict,
    eventCount: view.getUint16(2),
    headerLength: view.getUint32(4),
    bodyLength: view.getUint32(8),
    bodySegment: view.getUint32(12),
    headerPosition: Number(view.getBigUint64(16)),
    bodyPosition: Number(view.getBigUint64(24)),
    openSegment: view.getUint32(40),
    topicOffset: view.getBigInt64(32),
    valueHash: bytes.subarray(44, 44 + HASH_BYTES),
  };
}

function cut(file: AppendFile, length: number): void {
  if (file.length < length) throw new LedgerError('damaged', 'a blob file is shorter than what was committed');
  file.truncate(length);
}
