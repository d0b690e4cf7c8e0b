import { isDeepStrictEqual } from 'node:util';
import { sha256 } from '../hash.ts';
import { parseSignedCheckpoint } from './checkpoint.ts';
import { CosignaturePool } from './cosignature-pool.ts';
import { encodeHex } from './encoding.ts';
import type { FsckFinding } from './fsck.ts';
import { FormatError } from './format-error.ts';
import { parseGenesis } from './genesis.ts';
import { GovernanceLog } from './governance-log.ts';
import { versionAtSize, type GovernanceState } from './governance-state.ts';
import { LedgerError } from './ledger-error.ts';
import type { WriterChain } from './ledger-view.ts';
import { membershipOf } from './membership.ts';
import { sameHash } from './merkle/tree-hash.ts';
import type { Replica } from './replica.ts';
import type { JudgedRecord } from './replica-judge.ts';
import { cutChange, type ReplicaHead } from './replica-state.ts';
import { fromJsonBytes, type LedgerStorage } from './storage.ts';

/** What a whole replica must have in its state store, as its leaves give it. Incidents are what this member saw: no leaf says them again. */
export class FsckState {
  readonly #storage: LedgerStorage;
  readonly #replica: Replica;
  readonly #chains = new Map<string, WriterChain>();
  readonly #cuts = new Map<string, Uint8Array>();
  #lastCut = -1;
  #lastOther = -1;
  #duplicates = 0;

  constructor(storage: LedgerStorage, replica: Replica) {
    this.#storage = storage;
    this.#replica = replica;
  }

  take(index: number, judged: JudgedRecord): void {
    const { type, verdict, chain } = judged;
    if (chain !== undefined) this.#chains.set(`${chain.member}/${chain.writer}`, { ...chain, leafIndex: index });
    if (verdict === 'duplicate') this.#duplicates++;
    if (type !== 'cut') this.#lastOther = index;
    if (type !== 'cut' || verdict !== 'accepted') return;
    this.#lastCut = index;
    this.#cuts.set(...cutChange(index + 1, this.#cuts.size + 1));
  }

  /** To be asked where the leaves themselves are whole. */
  problems(leaves: { events: number; lengths: ReplicaHead['lengths'] }): FsckFinding[] {
    return [
      ...this.#headProblems(leaves),
      ...this.#chainProblems(),
      ...this.#cutProblems(),
      ...this.#indexProblems(),
      ...this.#evidenceProblems(),
    ].map(({ detail, leafIndex }) => ({ fault: 'state' as const, leafIndex, detail }));
  }

  #headProblems(leaves: { events: number; lengths: ReplicaHead['lengths'] }): Problem[] {
    const { head } = this.#replica;
    const last = head.size === 0 ? undefined : this.#replica.leaves.record(head.size - 1);
    const expected: Partial<Record<keyof ReplicaHead, unknown>> = {
      ...leaves,
      cuts: this.#cuts.size,
      lastCut: this.#lastCut,
      lastOther: this.#lastOther,
      duplicates: this.#duplicates,
    };
    // Where the last leaf came from a peer, only the topic says where it is read on.
    if (last !== undefined && last.topicOffset >= 0n) {
      expected.nextOffset = last.topicOffset + 1n;
      expected.anchor = { offset: last.topicOffset, hash: Uint8Array.from(last.valueHash) };
    }
    const actual = { ...head, anchor: head.anchor && { ...head.anchor, hash: Uint8Array.from(head.anchor.hash) } };
    const wrong = Object.entries(expected).filter(
      ([name, value]) => !isDeepStrictEqual(actual[name as keyof ReplicaHead], value),
    );
    const isIndexed = Number.isSafeInteger(head.indexedSize) && head.indexedSize >= 0 && head.indexedSize <= head.size;
    if (!isIndexed) wrong.push(['indexedSize', head.size]);
    return wrong.map(([name]) => ({ leafIndex: Math.max(0, head.size - 1), detail: `the head notes another ${name}` }));
  }

  #chainProblems(): Problem[] {
    const names = new Set([...this.#chains.keys(), ...this.#replica.writers.keys()]);
    return [...names].flatMap((name) => {
      const [noted, given] = [this.#replica.writer(name), this.#chains.get(name)];
      if (isDeepStrictEqual(plain(noted), plain(given))) return [];
      return [{ leafIndex: given?.leafIndex ?? 0, detail: 'a writer’s chain is noted to stand elsewhere' }];
    });
  }

  #cutProblems(): Problem[] {
    const noted = new Map(this.#storage.state.scan('cut/').map(({ key, value }) => [key, value]));
    return [...new Set([...noted.keys(), ...this.#cuts.keys()])].flatMap((key) => {
      const [value, given] = [noted.get(key), this.#cuts.get(key)];
      if (value !== undefined && given !== undefined && sameHash(value, given)) return [];
      const size = Number(key.slice('cut/'.length));
      return [{ leafIndex: Number.isSafeInteger(size) ? Math.max(0, size - 1) : 0, detail: 'a cut is noted wrong' }];
    });
  }

  /** Runs are named in the head: whether what is in them is right shows as events and headers are looked up. */
  #indexProblems(): Problem[] {
    const { eventRuns, blobRuns } = this.#replica.head;
    const wrong = [eventRuns, blobRuns].some(({ runs, nextId }) => {
      const isOne = runs.every(({ id, level, rows }) =>
        [id, level, rows].every((n) => Number.isSafeInteger(n) && n >= 0),
      );
      return !isOne || !Number.isSafeInteger(nextId) || runs.some(({ id }) => id >= nextId);
    });
    return wrong ? [{ leafIndex: 0, detail: 'the index notes runs that cannot be' }] : [];
  }

  #evidenceProblems(): Problem[] {
    return this.#storage.state.scan('evidence/').flatMap(({ key, value }) => {
      const name = `evidence/${encodeHex(sha256(value)).slice(0, 16)}.json`;
      return name === key ? [] : [{ leafIndex: 0, detail: 'an evidence file is altered' }];
    });
  }
}

interface Problem {
  readonly leafIndex: number;
  readonly detail: string;
}

/** Buffers and arrays of bytes are the same to a comparison. */
function plain(chain: WriterChain | undefined): unknown {
  return chain && { ...chain, headerHash: encodeHex(chain.headerHash) };
}

/**
 * Checks the places of governance records that a replica notes, and every final checkpoint that it keeps.
 * @param governance the state that the leaves give
 */
export function checkFinals(options: {
  readonly replica: Replica;
  readonly storage: LedgerStorage;
  readonly genesis: Uint8Array;
  readonly governance: GovernanceState;
}): FsckFinding[] {
  const { replica, storage, governance } = options;
  const genesis = parseGenesis(options.genesis);
  const found: FsckFinding[] = governanceProblem(options);
  let before = 0;
  for (const { key, value } of storage.state.scan('final/')) {
    const problem = finalProblem(key, value, { replica, governance, origin: genesis.origin });
    if (problem !== undefined) found.push({ fault: 'final', leafIndex: before, detail: problem });
    else before = parseSignedCheckpoint(value).checkpoint.size;
  }
  return found;
}

function governanceProblem(options: {
  readonly replica: Replica;
  readonly storage: LedgerStorage;
  readonly genesis: Uint8Array;
  readonly governance: GovernanceState;
}): FsckFinding[] {
  const { replica, storage, genesis, governance } = options;
  const notes = storage.state.scan('governance/');
  try {
    const noted = new GovernanceLog(parseGenesis(genesis), replica, storage).state;
    const isPlaced = notes.every(({ key, value }) => {
      const note = fromJsonBytes<{ leaf?: number; activate?: number }>(value);
      return Number(key.split('/')[1]) === (note.leaf ?? note.activate);
    });
    if (isPlaced && isDeepStrictEqual(noted, governance)) return [];
  } catch (error) {
    if (!(error instanceof LedgerError || error instanceof FormatError || error instanceof SyntaxError)) throw error;
  }
  const leafIndex = notes.length === 0 ? 0 : Number(notes[0]?.key.split('/')[1]);
  return [{ fault: 'state', leafIndex, detail: 'governance is noted otherwise than the leaves give it' }];
}

function finalProblem(
  key: string,
  note: Uint8Array,
  { replica, governance, origin }: { replica: Replica; governance: GovernanceState; origin: string },
): string | undefined {
  try {
    const parsed = parseSignedCheckpoint(note);
    const { size, root } = parsed.checkpoint;
    if (size < 1 || size > replica.head.size) return 'a final checkpoint is larger than the replica';
    if (Number(key.slice('final/'.length)) !== size) return 'a final checkpoint is kept under another size';
    if (!sameHash(replica.tree.root(size), root))
      return `the final checkpoint of size ${String(size)} has another root`;
    const membership = membershipOf(versionAtSize(governance, size));
    const pool = new CosignaturePool(origin);
    const learnt = pool.add(note, membership);
    const isFinal =
      learnt?.originSigned === true && pool.cosigners(learnt.signed, membership).length >= membership.quorum;
    if (!isFinal) return `the final checkpoint of size ${String(size)} lacks signatures`;
    // A replica keeps only lines that it has checked.
    const valid = [...learnt.signed.signatures.values()].flatMap((line) => [line.origin, line.cosignature]);
    if (valid.filter((line) => line !== undefined).length < parsed.note.signatures.length)
      return `the final checkpoint of size ${String(size)} has an altered signature`;
    return undefined;
  } catch (error) {
    if (error instanceof FormatError || error instanceof LedgerError) return 'a final checkpoint cannot be read';
    throw error;
  }
}
