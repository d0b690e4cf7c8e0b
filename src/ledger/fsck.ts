import { sha256 } from '../hash.ts';
import { parseBatchHeader } from './batch.ts';
import { parseSignedCheckpoint } from './checkpoint.ts';
import { CosignaturePool } from './cosignature-pool.ts';
import { decodeBase64 } from './encoding.ts';
import { parseEntryBundle } from './entry-bundle.ts';
import { FormatError, readOrUndefined } from './format-error.ts';
import { parseGenesisHeader } from './genesis.ts';
import { parseGovernanceHeader } from './governance-record.ts';
import { versionAtSize, type GovernanceState } from './governance-state.ts';
import { claimedTree, type LogSource } from './log-source.ts';
import { membershipOf } from './membership.ts';
import { leafHash, nodeHash, sameHash, foldSubtrees } from './merkle/tree-hash.ts';
import { isVoidLeaf, recordOf, Replay } from './replay.ts';
import type { JudgedRecord } from './replica-judge.ts';
import { TILE_WIDTH } from './tile.ts';

export type FsckFault =
  /** No checkpoint, or one that is not signed by a quorum. */
  | 'checkpoint'
  /** The entries do not hash to the tiles, or a tile's hashes to the one above. */
  | 'tile'
  | 'entry'
  /** A header or body is missing or altered. */
  | 'header'
  | 'body'
  /** The tree of all leaves has another root than the checkpoint. */
  | 'root'
  | 'genesis'
  // of a stored replica only
  /** What the replica noted of a leaf, or where it keeps its parts, is not what its record gives. */
  | 'verdict'
  | 'index'
  /** A final checkpoint that the replica keeps does not hold. */
  | 'final'
  | 'state'
  /** The topic has another record there. */
  | 'topic';

export interface FsckFinding {
  readonly fault: FsckFault;
  /** First leaf that is concerned. */
  readonly leafIndex: number;
  readonly detail: string;
}

export interface FsckReport {
  /** Leaves that were checked. */
  readonly size: number;
  /** By leaf index; empty when the log is whole. */
  readonly findings: readonly FsckFinding[];
  readonly events: number;
  /** Bodies of batches that are no longer kept; their headers were checked. */
  readonly prunedBodies: number;
  /** Verdicts other than accepted and duplicate, as judged here. */
  readonly refused: readonly { readonly leafIndex: number; readonly verdict: string }[];
}

export type BodyState = 'kept' | 'pruned' | 'never';

const HASH_BYTES = 32;
const MAXIMUM_FINDINGS = 1000;

/**
 * Checks a whole log from its genesis: entries against tiles, tiles against each other, the root against the checkpoint, the checkpoint against the quorum in
 * force, headers and bodies against the leaves, and judges every record. Needs no trust in the source, and memory only for what is judged.
 * @param options.onLeaf told of each leaf and how it was judged here; not `intact` where its header is missing, so that it could not be
 */
export async function fsckLog(options: {
  readonly source: LogSource;
  readonly genesis: Uint8Array;
  /** Leaves that the source has beyond its checkpoint: no root says anything of them yet, all else is checked. */
  readonly treeSize?: number;
  readonly onLeaf?: (index: number, leaf: JudgedRecord, intact: boolean) => void;
  /** Told once of the governance state after the last leaf. */
  readonly onEnd?: (governance: GovernanceState) => void;
  /** What is known of a body that the source does not give; `pruned` where nothing is. `never`: the record came without the body that its header names. */
  readonly bodyState?: (index: number) => BodyState;
  readonly onProgress?: (checked: number, size: number) => void;
}): Promise<FsckReport> {
  return new Fsck(options).run();
}

class Fsck {
  readonly #options: Parameters<typeof fsckLog>[0];
  readonly #replay: Replay;
  readonly #findings: FsckFinding[] = [];
  readonly #refused: { leafIndex: number; verdict: string }[] = [];
  /** Hashes of complete subtrees of 256^L leaves, level by level, since the last complete tile. */
  readonly #levels: Uint8Array[][] = [[]];
  #events = 0;
  #pruned = 0;
  /** Root that the leaves give for the checkpoint's size. */
  #root: Uint8Array | undefined;

  constructor(options: Parameters<typeof fsckLog>[0]) {
    this.#options = options;
    this.#replay = new Replay(options.genesis);
  }

  async run(): Promise<FsckReport> {
    const { source, onProgress, onEnd } = this.#options;
    const claimed = await this.#claimed();
    const size = Math.max(claimed?.size ?? 0, this.#options.treeSize ?? 0);
    for (let first = 0; first < size; first += TILE_WIDTH) {
      const width = Math.min(TILE_WIDTH, size - first);
      const bundle = await source.entryBundle(first / TILE_WIDTH, width === TILE_WIDTH ? undefined : width);
      const entries = bundle === undefined ? undefined : readOrUndefined(() => parseEntryBundle(bundle, TILE_WIDTH));
      if (entries?.length !== width) {
        this.#find('entry', first, 'the entry bundle is missing or malformed');
        break;
      }
      const hashes = entries.map((entry) => leafHash(entry));
      const left = (claimed?.size ?? 0) - first;
      if (left > 0 && left <= width) this.#root = this.#rootWith(hashes.slice(0, left));
      await this.#checkTile(0, first / TILE_WIDTH, hashes);
      for (const [i, entry] of entries.entries()) await this.#checkEntry(first + i, entry);
      onProgress?.(first + width, size);
    }
    if (this.#replay.size === size) {
      await this.#checkLastTiles(size);
      if (claimed !== undefined) this.#checkCheckpoint(claimed);
      onEnd?.(this.#replay.governance);
    }
    this.#findings.sort((a, b) => a.leafIndex - b.leafIndex);
    const { size: checked } = this.#replay;
    return {
      size: checked,
      findings: this.#findings,
      events: this.#events,
      prunedBodies: this.#pruned,
      refused: this.#refused,
    };
  }

  async #claimed(): Promise<{ note: Uint8Array; size: number; root: Uint8Array } | undefined> {
    try {
      const claimed = await claimedTree(this.#options.source);
      if (claimed === undefined) this.#find('checkpoint', 0, 'there is no checkpoint');
      return claimed;
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      this.#find('checkpoint', 0, 'the checkpoint cannot be read');
      return undefined;
    }
  }

  /** Compares computed hashes of one tile with the stored one, and carries a complete tile's root up. */
  async #checkTile(level: number, index: number, hashes: readonly Uint8Array[]): Promise<void> {
    const width = hashes.length;
    const stored = await this.#options.source.tile(level, index, width === TILE_WIDTH ? undefined : width);
    const leavesEach = TILE_WIDTH ** level;
    const bad = hashes.findIndex((hash, i) => {
      return stored === undefined || !sameHash(hash, stored.subarray(i * HASH_BYTES, (i + 1) * HASH_BYTES));
    });
    if (bad >= 0 || stored?.length !== width * HASH_BYTES) {
      const leafIndex = (index * TILE_WIDTH + Math.max(0, bad)) * leavesEach;
      // A tile above one that is wrong only repeats it.
      const below = this.#findings.some(
        (found) => found.leafIndex >= leafIndex && found.leafIndex < leafIndex + leavesEach,
      );
      if (level === 0 || !below)
        this.#find('tile', leafIndex, `tile ${String(level)}/${String(index)} is not what the leaves give`);
    }
    this.#levels[level] = [...hashes];
    if (width < TILE_WIDTH) return;
    this.#levels[level] = [];
    const above = (this.#levels[level + 1] ??= []);
    above.push(rootOf(hashes));
    if (above.length === TILE_WIDTH) await this.#checkTile(level + 1, Math.floor(index / TILE_WIDTH), above);
  }

  async #checkEntry(index: number, entry: Uint8Array): Promise<void> {
    const hash = readOrUndefined(() => decodeBase64(new TextDecoder().decode(entry).split('\n')[1] ?? ''));
    if (hash?.length !== HASH_BYTES) return this.#find('entry', index, 'the leaf is not one of this log');
    const named = await this.#options.source.blob(hash);
    if (named === undefined || !sameHash(sha256(named), hash)) {
      this.#find('header', index, 'the leaf’s header is missing or altered');
      // Its record cannot be judged: a gap in its writer's chain would only repeat this finding.
      return this.#take(index, new Uint8Array(), { intact: false });
    }
    if (isVoidLeaf(entry)) return this.#take(index, named);
    const { body, assumed } = await this.#bodyOf(index, named);
    this.#take(index, recordOf(named, body), { assumeBody: assumed });
  }

  /** The body that a header names; empty where it names none or it is not to be had. */
  async #bodyOf(index: number, header: Uint8Array): Promise<{ body: Uint8Array; assumed: boolean }> {
    const none = new Uint8Array();
    const batch = readOrUndefined(() => parseBatchHeader(header));
    const bodyHash =
      batch?.bodyHash ??
      readOrUndefined(() => parseGovernanceHeader(header).bodyHash) ??
      readOrUndefined(() => parseGenesisHeader(new TextDecoder().decode(header)).bodyHash);
    if (bodyHash === undefined) return { body: none, assumed: false };
    const body = await this.#options.source.blob(bodyHash);
    if (body !== undefined && sameHash(sha256(body), bodyHash)) return { body, assumed: false };
    const state = body === undefined ? (this.#options.bodyState?.(index) ?? 'pruned') : 'kept';
    if (state === 'never') return { body: none, assumed: false };
    if (state === 'pruned' && batch !== undefined) this.#pruned++;
    else this.#find('body', index, 'the body is missing or altered');
    return { body: none, assumed: true };
  }

  #take(index: number, record: Uint8Array, how: { assumeBody?: boolean; intact?: boolean } = {}): void {
    const judged = this.#replay.take(record, how.assumeBody);
    if (index === 0 && judged.verdict !== 'accepted') this.#find('genesis', 0, 'leaf 0 is not the pinned genesis');
    if (judged.verdict === 'accepted') this.#events += judged.eventIds?.length ?? 0;
    else if (judged.verdict !== 'duplicate' && this.#refused.length < MAXIMUM_FINDINGS)
      this.#refused.push({ leafIndex: index, verdict: judged.verdict });
    this.#options.onLeaf?.(index, judged, how.intact ?? true);
  }

  async #checkLastTiles(size: number): Promise<void> {
    for (let level = 1; level < this.#levels.length; level++) {
      const hashes = this.#levels[level] ?? [];
      const index = Math.floor(size / TILE_WIDTH ** (level + 1));
      if (hashes.length > 0) await this.#checkTile(level, index, hashes);
    }
  }

  /** Root of all complete tiles so far and these leaves of the next one. */
  #rootWith(leaves: readonly Uint8Array[]): Uint8Array {
    const above = this.#levels.slice(1).toReversed();
    return foldSubtrees([...above, leaves].flatMap((hashes) => completeSubtrees(hashes)));
  }

  #checkCheckpoint({ note, size, root }: { note: Uint8Array; size: number; root: Uint8Array }): void {
    // Damage that was found with its place explains another root.
    const isExplained = this.#findings.some(({ leafIndex }) => leafIndex < size);
    if (!isExplained && (this.#root === undefined || !sameHash(this.#root, root)))
      this.#find('root', 0, 'the leaves give another root than the checkpoint');
    const membership = membershipOf(versionAtSize(this.#replay.governance, size));
    const pool = new CosignaturePool(parseSignedCheckpoint(note).checkpoint.origin);
    const learnt = pool.add(note, membership);
    const isFinal =
      learnt?.originSigned === true && pool.cosigners(learnt.signed, membership).length >= membership.quorum;
    if (!isFinal) this.#find('checkpoint', size - 1, 'the checkpoint is not signed by a quorum');
  }

  #find(fault: FsckFault, leafIndex: number, detail: string): void {
    if (this.#findings.length < MAXIMUM_FINDINGS) this.#findings.push({ fault, leafIndex, detail });
  }
}

/** Root of a complete tile. */
function rootOf(hashes: readonly Uint8Array[]): Uint8Array {
  return completeSubtrees(hashes)[0] ?? new Uint8Array(HASH_BYTES);
}

/** Roots of the largest complete subtrees over these nodes, left to right. */
function completeSubtrees(hashes: readonly Uint8Array[]): Uint8Array[] {
  const stack: { hash: Uint8Array; width: number }[] = [];
  for (const hash of hashes) {
    let node = { hash, width: 1 };
    for (let left = stack.at(-1); left?.width === node.width; left = stack.at(-1)) {
      stack.pop();
      node = { hash: nodeHash(left.hash, node.hash), width: 2 * node.width };
    }
    stack.push(node);
  }
  return stack.map(({ hash }) => hash);
}
