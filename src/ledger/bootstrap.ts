import { sha256 } from '../hash.ts';
import { parseBatchHeader } from './batch.ts';
import { decodeBase64, encodeBase64 } from './encoding.ts';
import { parseEntryBundle } from './entry-bundle.ts';
import { readOrUndefined } from './format-error.ts';
import { parseGenesisHeader } from './genesis.ts';
import { parseGovernanceHeader } from './governance-record.ts';
import { leafBytes } from './leaf.ts';
import type { LedgerEngine } from './ledger-engine.ts';
import { LedgerError } from './ledger-error.ts';
import { claimedTree, type LogSource } from './log-source.ts';
import { activeMembers } from './membership.ts';
import { sameHash } from './merkle/tree-hash.ts';
import type { PeerClient } from './peer.ts';
import { isVoidLeaf, recordOf } from './replay.ts';
import { fromJsonBytes, jsonBytes, type LedgerStorage } from './storage.ts';
import { TILE_WIDTH } from './tile.ts';
import { TransportError, type Topic } from './transport.ts';

/** State key that stands while leaves came from a peer and no quorum has vouched for them yet; its value is the size that was there before. */
const UNVERIFIED = 'bootstrap';
const FLUSH_LEAVES = 512;

/**
 * Fills a replica that the topic can no longer serve (a new member, a lost disk, a cut retention) from any one peer. The peer is not trusted: every blob
 * is checked against its leaf, every record is judged here, and the whole counts only if its root is in a checkpoint that a quorum signed, under the
 * membership that the records themselves give from the genesis on.
 *
 * A crash on the way, or a peer that lied, leaves a replica that is marked unverified: the next open empties it if it held nothing before, and else
 * refuses it. Where the topic begins after the peer's final tree, the leaves stay and the rest is done once that tree has grown.
 * @throws {LedgerError} unavailable: the peer lacks something | damaged: what it gave does not hold
 */
export async function bootstrapFrom(engine: LedgerEngine, source: LogSource): Promise<void> {
  const { replica } = engine;
  const claimed = await claimedTree(source);
  if (claimed === undefined || claimed.size < replica.head.size)
    throw new LedgerError('unavailable', 'the peer’s tree is smaller than the own one');
  if (claimed.size > replica.head.size) await fetchLeaves(engine, source, claimed);
  await alignTopic(engine);
  await replica.flush();
}

/** Makes an unverified replica empty again, if it was. @throws {LedgerError} damaged: it held leaves that would be lost */
export function dropUnverified(storage: LedgerStorage): void {
  const before = storage.state.get(UNVERIFIED);
  if (before === undefined) return;
  if (fromJsonBytes<number>(before) > 0)
    throw new LedgerError('damaged', 'the replica was filled from a peer that no quorum vouches for: remove it');
  for (const name of storage.fileNames()) storage.remove(name);
  storage.state.commit(new Map(storage.state.scan('').map(({ key }) => [key, undefined])));
}

async function fetchLeaves(
  engine: LedgerEngine,
  source: LogSource,
  claimed: { readonly note: Uint8Array; readonly size: number; readonly root: Uint8Array },
): Promise<void> {
  const { replica } = engine;
  const others = engine.options.peers.filter((peer) => peer !== source).map(blobsOf);
  replica.put(UNVERIFIED, jsonBytes(replica.head.size));
  const neverHad = await leavesWithoutBody(engine);
  while (replica.head.size < claimed.size) {
    const index = Math.floor(replica.head.size / TILE_WIDTH);
    const width = Math.min(TILE_WIDTH, claimed.size - index * TILE_WIDTH);
    const bundle = await source.entryBundle(index, width === TILE_WIDTH ? undefined : width);
    const entries = bundle === undefined ? undefined : readOrUndefined(() => parseEntryBundle(bundle, TILE_WIDTH));
    if (entries?.length !== width) throw new LedgerError('unavailable', 'the peer lacks an entry bundle');
    for (const entry of entries.slice(replica.head.size % TILE_WIDTH)) {
      const { record, bodyMissing } = await fetchRecord([source, ...others], entry);
      if (!sameHash(leafBytes(record), entry)) throw new LedgerError('damaged', 'a leaf is not what its header gives');
      await engine.intake.takeFromPeer(record, bodyMissing && !neverHad.has(replica.head.size));
      if (replica.head.size % FLUSH_LEAVES === 0) await replica.flush();
    }
  }
  await replica.flush();
  if (!sameHash(replica.tree.root(claimed.size), claimed.root))
    throw new LedgerError('damaged', 'the leaves give another root than the checkpoint');
  engine.finality.absorb(claimed.note);
  if (engine.finality.size < claimed.size) throw new LedgerError('damaged', 'no quorum signed this tree');
  replica.put(UNVERIFIED, undefined);
  await replica.flush();
}

/**
 * Leaves that the members refused because nobody had the body that the header names. A body that is not to be had now may also have been pruned since, and
 * that nobody can tell from the log: so many members must say it that one of them is honest.
 */
async function leavesWithoutBody(engine: LedgerEngine): Promise<ReadonlySet<number>> {
  const membership = engine.membership();
  const needed = activeMembers(membership).length - membership.quorum + 1;
  const said = new Map<number, number>();
  const answers = await Promise.all(engine.options.peers.map((peer) => peer.badBodies?.().catch(() => undefined)));
  for (const leaves of answers) for (const leaf of new Set(leaves)) said.set(leaf, (said.get(leaf) ?? 0) + 1);
  return new Set([...said].filter(([, count]) => count >= needed).map(([leaf]) => leaf));
}

type BlobSource = Pick<LogSource, 'blob'>;

/** @param sources the one whose leaves are taken first; bodies that it lacks may be had from the others */
async function fetchRecord(
  sources: readonly [BlobSource, ...BlobSource[]],
  entry: Uint8Array,
): Promise<{ record: Uint8Array; bodyMissing: boolean }> {
  const hash = readOrUndefined(() => decodeBase64(new TextDecoder().decode(entry).split('\n')[1] ?? ''));
  const named = hash === undefined ? undefined : await fetchBlob(sources[0], hash);
  if (named === undefined) throw new LedgerError('unavailable', 'the peer lacks a header');
  if (isVoidLeaf(entry)) return { record: named, bodyMissing: false };
  const bodyHash =
    readOrUndefined(() => parseBatchHeader(named).bodyHash) ??
    readOrUndefined(() => parseGovernanceHeader(named).bodyHash) ??
    readOrUndefined(() => parseGenesisHeader(new TextDecoder().decode(named)).bodyHash);
  if (bodyHash === undefined) return { record: recordOf(named, new Uint8Array()), bodyMissing: false };
  let body: Uint8Array | undefined;
  for (const source of sources) if ((body = await fetchBlob(source, bodyHash)) !== undefined) break;
  return { record: recordOf(named, body ?? new Uint8Array()), bodyMissing: body === undefined };
}

/** A peer that cannot be reached only lacks what is asked: it is not the one that the replica is filled from. To wait for it at each pruned body would take days. */
function blobsOf(peer: PeerClient): BlobSource {
  let isReachable = true;
  return {
    blob: async (hash) => {
      if (!isReachable) return undefined;
      try {
        return await peer.blob(hash);
      } catch {
        isReachable = false;
        return undefined;
      }
    },
  };
}

async function fetchBlob(source: BlobSource, hash: Uint8Array): Promise<Uint8Array | undefined> {
  const blob = await source.blob(hash);
  return blob !== undefined && sameHash(sha256(blob), hash) ? blob : undefined;
}

/**
 * Finds where the topic is to be read on. Offsets say nothing about leaf indexes, so what is left of the topic is matched with the leaves: all of the
 * records that both have must be the same.
 */
async function alignTopic({ options, replica }: LedgerEngine): Promise<void> {
  const { topic } = options;
  const { size } = replica.head;
  const left = await readLeft(topic, size);
  const leaves = left.map(({ leaf }) => leaf);
  const own = Array.from({ length: leaves.length }, (_, i) =>
    encodeBase64(replica.tree.leafBytes(size - leaves.length + i)),
  );
  const last = left[longestOverlap(own, leaves) - 1];
  if (last === undefined) throw new LedgerError('unavailable', 'the topic goes on from no leaf of the peer’s tree');
  replica.setTopicPosition(last.offset + 1n, { offset: last.offset, hash: last.valueHash });
}

/**
 * How many elements at the end of one list are those at the beginning of the other; the most, because a record that was sent twice could match a few by chance.
 * In one pass (Knuth, Morris and Pratt): a topic may hold one record a hundred thousand times.
 */
function longestOverlap(ending: readonly string[], beginning: readonly string[]): number {
  const shorter = [0];
  const extend = (matched: number, next: string | undefined): number => {
    let length = matched;
    while (length > 0 && (length === beginning.length || beginning[length] !== next)) length = shorter[length - 1] ?? 0;
    return beginning[length] === next ? length + 1 : length;
  };
  for (let i = 1; i < beginning.length; i++) shorter.push(extend(shorter[i - 1] ?? 0, beginning[i]));
  return ending.reduce(extend, 0);
}

/** What is kept of a record that is left in the topic: all of them may be more than fits into memory. */
interface LeftRecord {
  readonly offset: bigint;
  readonly valueHash: Uint8Array;
  readonly leaf: string;
}

async function readLeft(topic: Topic, limit: number): Promise<LeftRecord[]> {
  const left: LeftRecord[] = [];
  let next = 0n;
  try {
    next = (await topic.read({ fromOffset: 0n, maximumBytes: 1, waitMs: 0 })).startOffset;
  } catch (error) {
    if (!(error instanceof TransportError) || error.code !== 'trimmed') throw error;
    next = error.offset ?? 0n;
  }
  while (left.length < limit) {
    const { records } = await topic.read({ fromOffset: next, maximumBytes: 1 << 20, waitMs: 0 });
    const last = records.at(-1);
    if (last === undefined) break;
    for (const { offset, value } of records)
      left.push({ offset, valueHash: sha256(value), leaf: encodeBase64(leafBytes(value)) });
    next = last.offset + 1n;
  }
  return left.slice(0, limit);
}
