import { parseEntryBundle } from './entry-bundle.ts';
import { readOrUndefined } from './format-error.ts';
import { fsckLog, type BodyState, type FsckFinding, type FsckReport } from './fsck.ts';
import { FsckLeaf } from './fsck-leaf.ts';
import { checkFinals, FsckState } from './fsck-state.ts';
import type { GovernanceState } from './governance-state.ts';
import { LedgerError } from './ledger-error.ts';
import { sameHash } from './merkle/tree-hash.ts';
import { eventKey, Replica, type EventPlace } from './replica.ts';
import type { JudgedRecord } from './replica-judge.ts';
import { findFirstDifference } from './replica-reader.ts';
import { asOfNow } from './storage-snapshot.ts';
import type { LedgerStorage } from './storage.ts';
import { TILE_WIDTH } from './tile.ts';
import { TransportError, type Topic } from './transport.ts';

/** Of a replica that is damaged throughout, the first places tell enough. */
const MAXIMUM_FINDINGS = 1000;

/**
 * Checks a stored replica from its genesis: all that `fsckLog` does, also of leaves that no final checkpoint covers yet, and beside it what the replica noted of
 * each leaf and where it keeps it, the event index, chains, cuts and governance, every final checkpoint that it keeps and, where a topic is given, that the
 * topic still holds the same records.
 * @param options.storage opened read-only where a gateway may be running on it
 * @param options.topic connected
 */
export async function fsckStored(options: {
  readonly storage: LedgerStorage;
  readonly genesis: Uint8Array;
  readonly topic?: Topic;
  readonly onProgress?: (checked: number, size: number) => void;
}): Promise<FsckReport> {
  const { genesis, topic, onProgress } = options;
  const findings: FsckFinding[] = [];
  let replica: Replica;
  let storage: LedgerStorage;
  let last: Uint8Array | undefined;
  try {
    storage = asOfNow(options.storage);
    // Damaged leaves are found, with their place, by the check itself.
    replica = new Replica({ storage, clock: () => 0, seed: 0, onDamagedLeaf: () => {} });
    last = storage.state.scan('final/', { reverse: true, limit: 1 })[0]?.value;
  } catch (error) {
    const detail = error instanceof LedgerError ? error.message : 'the stored state cannot be read';
    return failed({ fault: 'state', leafIndex: 0, detail });
  }
  const leaves = new FsckLeaf(replica);
  const state = new FsckState(storage, replica);
  let governance: GovernanceState | undefined;
  const report = await fsckLog({
    genesis,
    ...(onProgress === undefined ? {} : { onProgress }),
    treeSize: replica.head.size,
    source: {
      checkpoint: () => last,
      tile: (level, index, width) => replica.tree.tile(level, index, width),
      entryBundle: (index, width) => replica.tree.entryBundle(index, width),
      blob: (hash) => blobOrUndefined(replica, hash),
    },
    bodyState: (index) => bodyState(replica, index),
    onLeaf: (index, judged, intact) => {
      state.take(index, judged);
      if (findings.length < MAXIMUM_FINDINGS) findings.push(...checkLeaf({ replica, leaves, index, judged, intact }));
    },
    onEnd: (end) => (governance = end),
  });
  // Where the leaves themselves are damaged, nothing can be compared with them.
  if (report.findings.length === 0 && findings.length === 0 && governance !== undefined) {
    findings.push(...checkFinals({ replica, storage, genesis, governance }));
    findings.push(...state.problems(leaves));
  }
  if (topic !== undefined) findings.push(...(await checkTopic(replica, topic)));
  const all = [...report.findings, ...findings].sort((a, b) => a.leafIndex - b.leafIndex);
  return { ...report, findings: all };
}

/** A row of the index may lead to a leaf that is not there. */
function blobOrUndefined(replica: Replica, hash: Uint8Array): Uint8Array | undefined {
  try {
    return replica.blob(hash);
  } catch (error) {
    if (error instanceof LedgerError) return undefined;
    throw error;
  }
}

function failed(finding: FsckFinding): FsckReport {
  return { size: 0, findings: [finding], events: 0, prunedBodies: 0, refused: [] };
}

function bodyState(replica: Replica, index: number): BodyState {
  try {
    const { record, body } = replica.leaf(index);
    if (record.verdict === 'bad-body') return 'never';
    // A body of no length is one that the peer, from which this replica was filled, no longer had.
    return body === undefined || (record.type === 'batch' && body.length === 0) ? 'pruned' : 'kept';
  } catch (error) {
    if (error instanceof LedgerError) return 'kept';
    throw error;
  }
}

function checkLeaf(options: {
  readonly replica: Replica;
  readonly leaves: FsckLeaf;
  readonly index: number;
  readonly judged: JudgedRecord;
  readonly intact: boolean;
}): FsckFinding[] {
  const { replica, leaves, index, judged, intact } = options;
  try {
    return [...leaves.check(index, judged, intact), ...indexProblem(replica, index, judged)];
  } catch (error) {
    if (!(error instanceof LedgerError)) throw error;
    return [{ fault: 'verdict', leafIndex: index, detail: error.message }];
  }
}

function indexProblem(replica: Replica, index: number, judged: JudgedRecord): FsckFinding[] {
  for (const [position, id] of (judged.eventIds ?? []).entries()) {
    const place = replica.place(id);
    // An id that stood in an earlier batch is found there.
    if (place !== undefined && place.leafIndex <= index && sameHash(idAt(replica, place), id)) continue;
    return [{ fault: 'index', leafIndex: index, detail: `event ${String(position)} is not found by its id` }];
  }
  return [];
}

/** Id of the event at a place; no bytes where there is none. */
function idAt(replica: Replica, { leafIndex, position }: EventPlace): Uint8Array {
  const { record, body = new Uint8Array() } = replica.leaf(leafIndex);
  const events = record.eventCount === 0 ? [] : (readOrUndefined(() => parseEntryBundle(body, TILE_WIDTH)) ?? []);
  const event = events[position];
  return event === undefined ? new Uint8Array() : eventKey(event);
}

async function checkTopic(replica: Replica, topic: Topic): Promise<FsckFinding[]> {
  try {
    const leafIndex = await findFirstDifference(topic, replica);
    if (leafIndex === undefined) return [];
    return [{ fault: 'topic', leafIndex, detail: 'the topic no longer holds the record that was read' }];
  } catch (error) {
    if (!(error instanceof TransportError)) throw error;
    if (error.code === 'unavailable') throw error;
    const leafIndex = error.offset === undefined ? 0 : replica.leafAtOffset(error.offset);
    return [{ fault: 'topic', leafIndex, detail: `the topic is not what was read (${error.code})` }];
  }
}
