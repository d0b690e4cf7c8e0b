import { decodeBase64, encodeBase64 } from './encoding.ts';
import { EMPTY_MANIFEST, type IndexManifest } from './event-index.ts';
import { NO_LENGTHS, type LeafStoreLengths } from './leaf-store.ts';
import type { Incident, IncidentKind, WriterChain } from './ledger-view.ts';
import { fromJsonBytes, jsonBytes, sortable, type LedgerStorage } from './storage.ts';
import type { TopicAnchor } from './transport.ts';

/** What one commit of the replica says: everything else in its files is a function of it. */
export interface ReplicaHead {
  readonly size: number;
  /** Where the topic is read on. */
  readonly nextOffset: bigint;
  readonly anchor: TopicAnchor | undefined;
  readonly lengths: LeafStoreLengths;
  readonly eventRuns: IndexManifest;
  readonly blobRuns: IndexManifest;
  /** Leaves from here on are not in the runs and are added again at the next open. */
  readonly indexedSize: number;
  readonly events: number;
  readonly cuts: number;
  /** Leaf index of the last accepted cut, -1 before the first. */
  readonly lastCut: number;
  /** Leaf index of the last leaf that is no cut. */
  readonly lastOther: number;
  readonly incidents: number;
  readonly duplicates: number;
}

export const EMPTY_HEAD: ReplicaHead = {
  size: 0,
  nextOffset: 0n,
  anchor: undefined,
  lengths: NO_LENGTHS,
  eventRuns: EMPTY_MANIFEST,
  blobRuns: EMPTY_MANIFEST,
  indexedSize: 0,
  events: 0,
  cuts: 0,
  lastCut: -1,
  lastOther: -1,
  incidents: 0,
  duplicates: 0,
};

/** A flood of faulty records must not fill the disk: of each kind by each member the first ones are kept, the rest is only in the leaves. */
export const KEPT_INCIDENTS_PER_KIND = 100;

/** Verdicts that come before the signature is checked: the member that such a record names is anybody's word. */
const UNSIGNED: ReadonlySet<IncidentKind> = new Set(['bad-signature', 'unknown-member', 'wrong-log']);

/** What shares one allowance of kept incidents: a member that floods the log takes nobody else's. */
export function incidentSource({ kind, member }: Pick<Incident, 'kind' | 'member'>): string {
  return UNSIGNED.has(kind) || member === undefined ? kind : `${kind} ${member}`;
}

type StoredHead = Omit<ReplicaHead, 'nextOffset' | 'anchor'> & {
  readonly nextOffset: string;
  readonly anchor: { readonly offset: string; readonly hash: string } | null;
};

type StoredWriter = Omit<WriterChain, 'headerHash'> & { readonly headerHash: string };

export function readHead(storage: LedgerStorage): ReplicaHead {
  const bytes = storage.state.get('head');
  if (bytes === undefined) return EMPTY_HEAD;
  const { nextOffset, anchor, ...rest } = fromJsonBytes<StoredHead>(bytes);
  return {
    ...rest,
    nextOffset: BigInt(nextOffset),
    anchor: anchor === null ? undefined : { offset: BigInt(anchor.offset), hash: decodeBase64(anchor.hash) },
  };
}

export function headBytes(head: ReplicaHead): Uint8Array {
  const { nextOffset, anchor, ...rest } = head;
  const stored: StoredHead = {
    ...rest,
    nextOffset: String(nextOffset),
    anchor: anchor === undefined ? null : { offset: String(anchor.offset), hash: encodeBase64(anchor.hash) },
  };
  return jsonBytes(stored);
}

export function readWriters(storage: LedgerStorage): Map<string, WriterChain> {
  const writers = new Map<string, WriterChain>();
  for (const { value } of storage.state.scan('writer/')) {
    const stored = fromJsonBytes<StoredWriter>(value);
    writers.set(`${stored.member}/${stored.writer}`, { ...stored, headerHash: decodeBase64(stored.headerHash) });
  }
  return writers;
}

export function writerChange(chain: WriterChain): [string, Uint8Array] {
  const stored: StoredWriter = { ...chain, headerHash: encodeBase64(chain.headerHash) };
  return [`writer/${chain.member}/${chain.writer}`, jsonBytes(stored)];
}

/** Sizes of accepted cuts: the only sizes that members sign. */
export function cutChange(size: number, number: number): [string, Uint8Array] {
  return [`cut/${sortable(size)}`, jsonBytes(number)];
}

export function isCutSize(storage: LedgerStorage, size: number): boolean {
  return storage.state.get(`cut/${sortable(size)}`) !== undefined;
}

/** Number of the accepted cut of this size; undefined when there is none. */
export function cutNumber(storage: LedgerStorage, size: number): number | undefined {
  const stored = storage.state.get(`cut/${sortable(size)}`);
  return stored === undefined ? undefined : fromJsonBytes<number>(stored);
}

export function readIncidents(storage: LedgerStorage): Incident[] {
  return storage.state.scan('incident/').map(({ value }) => {
    const stored = fromJsonBytes<Incident>(value);
    return { ...stored, member: stored.member, writer: stored.writer, evidence: stored.evidence };
  });
}

export function incidentChange(number: number, incident: Incident): [string, Uint8Array] {
  return [`incident/${sortable(number)}`, jsonBytes(incident)];
}
