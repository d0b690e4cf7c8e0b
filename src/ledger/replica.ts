import { sha256 } from '../hash.ts';
import { parseBatchHeader } from './batch.ts';
import { EventIndex } from './event-index.ts';
import { parseEntryBundle } from './entry-bundle.ts';
import { FormatError } from './format-error.ts';
import { LedgerError } from './ledger-error.ts';
import { LeafStore, type LeafRecord, type LeafType, type LeafVerdict } from './leaf-store.ts';
import type { Incident, WriterChain } from './ledger-view.ts';
import { sameHash } from './merkle/tree-hash.ts';
import {
  cutChange,
  headBytes,
  incidentChange,
  incidentSource,
  KEPT_INCIDENTS_PER_KIND,
  readHead,
  readIncidents,
  readWriters,
  writerChange,
  type ReplicaHead,
} from './replica-state.ts';
import type { JudgedRecord } from './replica-judge.ts';
import type { LedgerStorage } from './storage.ts';
import { TreeStore } from './tree-store.ts';

export interface ReplicaOptions {
  readonly storage: LedgerStorage;
  readonly clock: () => number;
  /** Random 32-bit number, secret to this process. */
  readonly seed: number;
  /** Given by checkers only: a leaf that cannot be read is told and left out, instead of failing the open. */
  readonly onDamagedLeaf?: (index: number) => void;
}

/** An event's place: its batch's leaf, and its position in the batch. */
export interface EventPlace {
  readonly leafIndex: number;
  readonly position: number;
}

const POSITIONS = 256;
/** Looked at for one that is still kept: a member may put the same events into batches without end. */
const EQUAL_BLOBS = 64;
const NO_HASH = new Uint8Array(32);
/** At each level of the index: merging keeps ahead of what is added. */
const MERGE_ROWS_PER_ROW = 2;

/**
 * One member's verified copy of the ledger: tree, headers, bodies, verdicts, writers' chains and the event index.
 *
 * Durable order: files are appended to and synced, then one transaction of the state store says how far they count. A crash in between leaves longer files, which
 * the next open cuts; the topic is read on from the offset of that same transaction, so nothing is skipped or taken twice.
 */
export class Replica {
  readonly #options: ReplicaOptions;
  readonly tree: TreeStore;
  readonly leaves: LeafStore;
  readonly #events: EventIndex;
  readonly #blobs: EventIndex;
  readonly #writers: Map<string, WriterChain>;
  readonly #incidents: Incident[];
  /** By `incidentSource`. */
  readonly #incidentCounts = new Map<string, number>();
  #head: ReplicaHead;
  #durableSize: number;
  #durableOffset: bigint;
  #changes = new Map<string, Uint8Array | undefined>();
  #rowsSinceMerge = 0;
  #flushing: Promise<unknown> = Promise.resolve();

  constructor(options: ReplicaOptions) {
    const { storage, seed } = options;
    this.#options = options;
    this.#head = readHead(storage);
    this.#durableSize = this.#head.size;
    this.#durableOffset = this.#head.nextOffset;
    this.tree = new TreeStore(storage, this.#head.size);
    this.leaves = new LeafStore(storage, this.#head.size, this.#head.lengths);
    this.#events = new EventIndex({ storage, name: 'events', manifest: this.#head.eventRuns, seed });
    this.#blobs = new EventIndex({ storage, name: 'blobs', manifest: this.#head.blobRuns, seed });
    this.#writers = readWriters(storage);
    this.#incidents = readIncidents(storage);
    for (const incident of this.#incidents) this.#countIncident(incident);
    for (let index = this.#head.indexedSize; index < this.#head.size; index++) this.#reindexLeaf(index);
  }

  get head(): ReplicaHead {
    return this.#head;
  }

  /** Leaves below this survive a crash: only such a tree may be signed. */
  get durableSize(): number {
    return this.#durableSize;
  }

  /** Where a restart would read the topic on. */
  get durableOffset(): bigint {
    return this.#durableOffset;
  }

  get incidents(): readonly Incident[] {
    return this.#incidents;
  }

  writer(name: string): WriterChain | undefined {
    return this.#writers.get(name);
  }

  get writers(): ReadonlyMap<string, WriterChain> {
    return this.#writers;
  }

  /**
   * Takes the next record into the tree with the verdict that was passed on it. Durable only after `flush`.
   * @param at where the topic is read on, and the anchor; undefined for a record that came from a peer
   * @returns its leaf index
   */
  append(judged: JudgedRecord, at: { offset: bigint; valueHash: Uint8Array } | undefined): number {
    const { head } = this;
    const index = this.tree.append(judged.leafBytes);
    const eventCount = judged.verdict === 'accepted' ? (judged.eventIds?.length ?? 0) : 0;
    this.leaves.append({ ...judged, eventCount, topicOffset: at?.offset ?? -1n, valueHash: at?.valueHash ?? NO_HASH });
    const isCut = judged.type === 'cut' && judged.verdict === 'accepted';
    this.#head = {
      ...head,
      size: index + 1,
      nextOffset: at === undefined ? head.nextOffset : at.offset + 1n,
      anchor: at === undefined ? head.anchor : { offset: at.offset, hash: at.valueHash },
      events: head.events + eventCount,
      cuts: isCut ? head.cuts + 1 : head.cuts,
      lastCut: isCut ? index : head.lastCut,
      lastOther: judged.type === 'cut' ? head.lastOther : index,
      duplicates: head.duplicates + (judged.verdict === 'duplicate' ? 1 : 0),
    };
    if (isCut) this.#change(cutChange(index + 1, this.#head.cuts));
    if (judged.chain !== undefined) {
      const chain = { ...judged.chain, leafIndex: index };
      this.#writers.set(`${chain.member}/${chain.writer}`, chain);
      this.#change(writerChange(chain));
    }
    this.#indexRecord(index, judged);
    return index;
  }

  /** Saves a fact beside the leaves, with the next `flush`. */
  put(key: string, value: Uint8Array | undefined): void {
    this.#changes.set(key, value);
  }

  /** Where the topic is read on, for a replica that was filled from a peer. */
  setTopicPosition(nextOffset: bigint, anchor: { offset: bigint; hash: Uint8Array } | undefined): void {
    this.#head = { ...this.#head, nextOffset, anchor };
  }

  /** Whether `addIncident` would note it: the same kind at the same leaf is not noted again, and a flood only in part. */
  isNewIncident(incident: Pick<Incident, 'kind' | 'leafIndex' | 'member'>): boolean {
    const { kind, leafIndex, member } = incident;
    if ((this.#incidentCounts.get(incidentSource(incident)) ?? 0) >= KEPT_INCIDENTS_PER_KIND) return false;
    return !this.#incidents.some(
      (other) => other.kind === kind && other.leafIndex === leafIndex && other.member === member,
    );
  }

  /** Notes a fault once. Durable with the next `flush`. */
  addIncident(incident: Omit<Incident, 'atMs'>): boolean {
    if (!this.isNewIncident(incident)) return false;
    const noted = { ...incident, atMs: this.#options.clock() };
    this.#incidents.push(noted);
    this.#countIncident(noted);
    this.#head = { ...this.#head, incidents: this.#head.incidents + 1 };
    this.#change(incidentChange(this.#head.incidents, noted));
    return true;
  }

  #countIncident(incident: Incident): void {
    const source = incidentSource(incident);
    this.#incidentCounts.set(source, (this.#incidentCounts.get(source) ?? 0) + 1);
  }

  /** Makes everything taken so far durable. */
  flush(): Promise<void> {
    const flushed = this.#flushing.then(() => this.#flushOnce());
    this.#flushing = flushed.catch(() => undefined);
    return flushed;
  }

  async #flushOnce(): Promise<void> {
    const { size, nextOffset } = this.#head;
    if (size === this.#durableSize && nextOffset === this.#durableOffset && this.#changes.size === 0) return;
    this.#mergeSome();
    const changes = this.#changes;
    const head = {
      ...this.#head,
      lengths: this.leaves.lengths,
      eventRuns: this.#events.manifest,
      blobRuns: this.#blobs.manifest,
    };
    this.#changes = new Map();
    try {
      await Promise.all([this.tree.sync(), this.leaves.sync(), this.#events.sync(), this.#blobs.sync()]);
      // A crash before this line leaves files that are longer than the state says: the next open cuts them.
      this.#options.storage.state.commit(new Map([...changes, ['head', headBytes(head)]]));
    } catch (error) {
      this.#changes = new Map([...changes, ...this.#changes]);
      throw error;
    }
    this.#durableSize = head.size;
    this.#durableOffset = head.nextOffset;
    this.#events.removeMerged();
    this.#blobs.removeMerged();
  }

  /** A header, body or void record by its SHA-256; undefined when it is not here, was pruned, or no longer has that hash. */
  blob(hash: Uint8Array): Uint8Array | undefined {
    for (const value of this.#blobs.lookup(hash, EQUAL_BLOBS)) {
      const record = this.leaves.record(Math.floor(value / 2));
      const bytes = value % 2 === 0 ? this.leaves.header(record) : this.leaves.body(record);
      if (bytes !== undefined && sameHash(sha256(bytes), hash)) return bytes;
    }
    return undefined;
  }

  /** The first place that an event id has. @param key 16 bytes */
  place(key: Uint8Array): EventPlace | undefined {
    const value = this.#events.lookup(key, 1)[0];
    if (value === undefined) return undefined;
    return { leafIndex: Math.floor(value / POSITIONS), position: value % POSITIONS };
  }

  /** Whether a header was accepted. @param headerHash SHA-256, 32 bytes */
  acceptedLeaf(headerHash: Uint8Array): number | undefined {
    for (const value of this.#blobs.lookup(headerHash)) {
      if (value % 2 === 1) continue;
      const index = Math.floor(value / 2);
      const record = this.leaves.record(index);
      if (record.verdict === 'accepted' && sameHash(sha256(this.leaves.header(record)), headerHash)) return index;
    }
    return undefined;
  }

  /** Header, body and verdict of a leaf; the body is undefined once pruned. */
  leaf(index: number): { record: LeafRecord; header: Uint8Array; body: Uint8Array | undefined } {
    const record = this.leaves.record(index);
    return { record, header: this.leaves.header(record), body: this.leaves.body(record) };
  }

  /** First leaf whose record stood at `offset` of the topic or later. */
  leafAtOffset(offset: bigint): number {
    let low = 0;
    let high = this.#head.size;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      if (this.leaves.record(middle).topicOffset < offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /**
   * Where each writer's chain stood in the tree of `size` leaves: SHA-256 of its last header there, by `<member>/<writer>`. In a log that goes on from this one
   * after an epoch change, that is the `prev` of the writer's batch 1, so that nothing final can be left out on the way.
   */
  chainHeads(size: number): ReadonlyMap<string, Uint8Array> {
    const heads = new Map<string, Uint8Array>();
    for (let index = 0; index < size; index++) {
      const record = this.leaves.record(index);
      if (record.type !== 'batch' || record.verdict !== 'accepted') continue;
      const header = this.leaves.header(record);
      const { member, writer } = parseBatchHeader(header);
      heads.set(`${member}/${writer}`, sha256(header));
    }
    return heads;
  }

  #change([key, value]: [string, Uint8Array]): void {
    this.#changes.set(key, value);
  }

  #indexRecord(index: number, judged: JudgedRecord): void {
    if (hasOwnBlobs(judged)) {
      if (judged.headerHash !== undefined) this.#addBlob(judged.headerHash, 2 * index, judged);
      if (judged.body.length > 0) this.#addBlob(judged.bodyHash ?? sha256(judged.body), 2 * index + 1, judged);
    }
    if (judged.verdict !== 'accepted' || judged.eventIds === undefined) return;
    judged.eventIds.forEach((id, position) => this.#addRow(this.#events, id, POSITIONS * index + position, index));
  }

  #reindexLeaf(index: number): void {
    const { onDamagedLeaf } = this.#options;
    if (onDamagedLeaf === undefined) return this.#indexLeaf(index);
    try {
      this.#indexLeaf(index);
    } catch (error) {
      if (!(error instanceof LedgerError || error instanceof FormatError)) throw error;
      onDamagedLeaf(index);
    }
  }

  /** Adds the rows of a committed leaf again: the table in memory does not survive. */
  #indexLeaf(index: number): void {
    const { record, header, body } = this.leaf(index);
    if (hasOwnBlobs(record)) {
      if (header.length > 0) this.#addBlob(sha256(header), 2 * index, record);
      if (body !== undefined && body.length > 0) this.#addBlob(sha256(body), 2 * index + 1, record);
    }
    if (record.eventCount === 0 || body === undefined) return;
    parseEntryBundle(body, POSITIONS).forEach((event, position) =>
      this.#addRow(this.#events, eventKey(event), POSITIONS * index + position, index),
    );
  }

  /** Refused records are anybody's, and the same one may stand in the topic without end: its bytes are found once. */
  #addBlob(hash: Uint8Array, value: number, { verdict }: { readonly verdict: LeafVerdict }): void {
    if (verdict !== 'accepted' && this.#blobs.lookup(hash, 1).length > 0) return;
    this.#addRow(this.#blobs, hash, value, Math.floor(value / 2));
  }

  #addRow(target: EventIndex, key: Uint8Array, value: number, leafIndex: number): void {
    if (target.full) {
      // Both tables are spilled together, so that one number says how far the runs cover; the leaf at hand may come in twice, which is harmless.
      this.#events.spill();
      this.#blobs.spill();
      this.#head = { ...this.#head, indexedSize: leafIndex };
    }
    target.add(key, value);
    this.#rowsSinceMerge++;
  }

  #mergeSome(): void {
    const rows = MERGE_ROWS_PER_ROW * this.#rowsSinceMerge;
    this.#rowsSinceMerge = 0;
    if (rows === 0) return;
    this.#events.mergeSome(rows);
    this.#blobs.mergeSome(rows);
  }
}

/** The 16 bytes that an accepted event is found by. */
export function eventKey(event: Uint8Array): Uint8Array {
  const id = /"id":"([A-Za-z0-9_-]{22})"/.exec(
    Buffer.from(event.buffer, event.byteOffset, event.length).toString('latin1'),
  );
  return Buffer.from(id?.[1] ?? '', 'base64url');
}

/** A repeated batch is the same bytes as the first; a late cut, of the same number by another member, is not. */
function hasOwnBlobs({ type, verdict }: { readonly type: LeafType; readonly verdict: LeafVerdict }): boolean {
  return verdict !== 'duplicate' || type !== 'batch';
}
