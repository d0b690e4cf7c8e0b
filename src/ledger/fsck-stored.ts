import { parseSignedCheckpoint } from './checkpoint.ts';
import { CosignaturePool } from './cosignature-pool.ts';
import { fsckLog, type BodyState, type FsckFinding, type FsckReport } from './fsck.ts';
import { FormatError } from './format-error.ts';
import { versionAtSize } from './governance-state.ts';
import { GovernanceLog } from './governance-log.ts';
import { parseGenesis } from './genesis.ts';
import { LedgerError } from './ledger-error.ts';
import { membershipOf } from './membership.ts';
import { sameHash } from './merkle/tree-hash.ts';
import { Replica } from './replica.ts';
import type { JudgedRecord } from './replica-judge.ts';
import { findFirstDifference } from './replica-reader.ts';
import type { LedgerStorage } from './storage.ts';
import { TransportError, type Topic } from './transport.ts';

/**
 * Checks a stored replica from its genesis, up to its latest final checkpoint: all that `fsckLog` does, and beside it what the replica noted of each leaf, the
 * event index, every final checkpoint that it keeps and, where a topic is given, that the topic still holds the same records.
 * @param options.storage opened read-only where a gateway may be running on it
 * @param options.topic connected
 */
export async function fsckStored(options: {
  readonly storage: LedgerStorage;
  readonly genesis: Uint8Array;
  readonly topic?: Topic;
  readonly onProgress?: (checked: number, size: number) => void;
}): Promise<FsckReport> {
  const findings: FsckFinding[] = [];
  let replica: Replica;
  let finals: readonly Uint8Array[];
  try {
    // Damaged leaves are found, with their place, by the check itself.
    replica = new Replica({ storage: options.storage, clock: () => 0, seed: 0, onDamagedLeaf: () => {} });
    finals = options.storage.state.scan('final/').map(({ value }) => value);
  } catch (error) {
    const detail = error instanceof LedgerError ? error.message : 'the stored state cannot be read';
    return failed({ fault: 'state', leafIndex: 0, detail });
  }
  const last = finals.at(-1);
  const report = await fsckLog({
    genesis: options.genesis,
    ...(options.onProgress === undefined ? {} : { onProgress: options.onProgress }),
    source: {
      checkpoint: () => last,
      tile: (level, index, width) => replica.tree.tile(level, index, width),
      entryBundle: (index, width) => replica.tree.entryBundle(index, width),
      blob: (hash) => replica.blob(hash),
    },
    bodyState: (index) => bodyState(replica, index),
    onLeaf: (index, judged) => findings.push(...checkLeaf(replica, index, judged)),
  });
  // Where the tree itself is damaged, no root says anything.
  if (report.findings.length === 0) findings.push(...checkFinals(replica, options, finals));
  if (options.topic !== undefined) findings.push(...(await checkTopic(replica, options.topic)));
  const all = [...report.findings, ...findings].sort((a, b) => a.leafIndex - b.leafIndex);
  return { ...report, findings: all };
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

function checkLeaf(replica: Replica, index: number, judged: JudgedRecord): FsckFinding[] {
  const found: FsckFinding[] = [];
  try {
    const record = replica.leaves.record(index);
    const noted = record.type === judged.type && record.verdict === judged.verdict;
    if (!noted) {
      const detail = `noted as ${record.type} ${record.verdict}, judged ${judged.type} ${judged.verdict}`;
      found.push({ fault: 'verdict', leafIndex: index, detail });
    }
    for (const [position, id] of (judged.eventIds ?? []).entries()) {
      const place = replica.place(id);
      const isFirst = place !== undefined && place.leafIndex <= index;
      if (isFirst && (place.leafIndex < index || place.position === position)) continue;
      found.push({ fault: 'index', leafIndex: index, detail: `event ${String(position)} is not found by its id` });
      break;
    }
  } catch (error) {
    if (!(error instanceof LedgerError)) throw error;
    found.push({ fault: 'verdict', leafIndex: index, detail: error.message });
  }
  return found;
}

function checkFinals(
  replica: Replica,
  { genesis, storage }: { genesis: Uint8Array; storage: LedgerStorage },
  finals: readonly Uint8Array[],
): FsckFinding[] {
  const parsed = parseGenesis(genesis);
  const found: FsckFinding[] = [];
  let governance: GovernanceLog;
  try {
    governance = new GovernanceLog(parsed, replica, storage);
  } catch (error) {
    if (!(error instanceof LedgerError)) throw error;
    return [{ fault: 'state', leafIndex: 0, detail: error.message }];
  }
  let before = 0;
  for (const note of finals) {
    const problem = problemOf(note, replica, governance, parsed.origin);
    if (problem !== undefined) found.push({ fault: 'final', leafIndex: before, detail: problem });
    else before = parseSignedCheckpoint(note).checkpoint.size;
  }
  return found;
}

function problemOf(note: Uint8Array, replica: Replica, governance: GovernanceLog, origin: string): string | undefined {
  try {
    const { size, root } = parseSignedCheckpoint(note).checkpoint;
    if (size < 1 || size > replica.head.size) return 'a final checkpoint is larger than the replica';
    if (!sameHash(replica.tree.root(size), root))
      return `the final checkpoint of size ${String(size)} has another root`;
    const membership = membershipOf(versionAtSize(governance.state, size));
    const pool = new CosignaturePool(origin);
    const learnt = pool.add(note, membership);
    const signers = learnt === undefined ? 0 : pool.cosigners(learnt.signed, membership).length;
    return signers < membership.quorum ? `the final checkpoint of size ${String(size)} lacks signatures` : undefined;
  } catch (error) {
    if (error instanceof FormatError || error instanceof LedgerError) return 'a final checkpoint cannot be read';
    throw error;
  }
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
