import { BodyHealing } from './body-healing.ts';
import { formatEvidence } from './evidence-file.ts';
import { saveEvidence } from './fork-watch.ts';
import { encodeFrame, parseFrame } from './frame.ts';
import { parseBatchHeader } from './batch.ts';
import { FormatError } from './format-error.ts';
import type { GovernanceLog } from './governance-log.ts';
import { LedgerError } from './ledger-error.ts';
import type { IncidentKind } from './ledger-view.ts';
import { sameHash } from './merkle/tree-hash.ts';
import type { PeerClient } from './peer.ts';
import type { Replica } from './replica.ts';
import { judgedWithoutBody } from './replay.ts';
import { judgeRecord, type JudgeContext, type JudgedRecord } from './replica-judge.ts';
import type { ReadBack, Sealer } from './sealer.ts';
import type { Topic, TopicRecord } from './transport.ts';

export interface IntakeOptions {
  readonly context: JudgeContext & { readonly replica: Replica };
  readonly governance: GovernanceLog;
  readonly peers: readonly PeerClient[];
  readonly clock: () => number;
  /** Undefined for a reader. `exactSends`: the topic whose appends store at most one record each, if they do. */
  readonly own:
    | { readonly member: string; readonly writer: string; readonly sealer: Sealer; readonly exactSends: Topic }
    | undefined;
}

/** How far back the accepted header is looked for that a conflicting one contradicts. */
const CONFLICT_SEARCH_LEAVES = 100_000;
/** Leaves between two turns of the event loop. */
const CONFLICT_SEARCH_SLICE = 512;
/** One is enough to suspend a member: whoever signs a flood of them must not keep the others searching. */
const MOST_CONFLICTS_PROVEN = 8;

/** Judges each record of the topic, appends it to the replica and draws the conclusions: incidents, evidence, read-back of own batches. */
export class Intake {
  readonly #options: IntakeOptions;
  readonly #healing: BodyHealing;
  readonly #readBack: ReadBack[] = [];
  #exactSends: boolean | undefined;
  #firstOtherMs: number | undefined;
  #lastCutMs: number;
  #seenOwnBatch = 0;

  constructor(options: IntakeOptions) {
    this.#options = options;
    this.#healing = new BodyHealing(options.peers);
    this.#lastCutMs = options.clock();
    const { head } = options.context.replica;
    if (head.lastOther > head.lastCut) this.#firstOtherMs = this.#lastCutMs;
    const { own } = options;
    if (own === undefined) return;
    this.#seenOwnBatch = options.context.replica.writer(`${own.member}/${own.writer}`)?.batch ?? 0;
    // A crash between the replica's commit and the outbox's leaves batches that were read back and are not marked so.
    for (const { batch, headerHash } of own.sealer.unsequenced()) this.#noteEarlier(batch, headerHash);
  }

  get firstOtherMs(): number | undefined {
    return this.#firstOtherMs;
  }

  get lastCutMs(): number {
    return this.#lastCutMs;
  }

  /** Greatest number that this writer signed, as the topic shows so far, whatever the verdict. */
  get seenOwnBatch(): number {
    return this.#seenOwnBatch;
  }

  /** @throws {LedgerError} genesis-mismatch: leaf 0 is not the pinned genesis */
  async take(record: TopicRecord, valueHash: Uint8Array): Promise<void> {
    const { context } = this.#options;
    const index = context.replica.head.size;
    let judged = judgeRecord(record.value, context);
    if (index === 0 && judged.verdict !== 'accepted') {
      throw new LedgerError('genesis-mismatch', 'the topic does not begin with the pinned genesis');
    }
    const first = judged;
    const { missingBody, member = '' } = judged;
    if (missingBody !== undefined) judged = (await this.#heal(record.value, missingBody, member)) ?? judged;
    context.replica.append(judged, { offset: record.offset, valueHash });
    this.#noteGovernance(index, judged);
    await this.#noteFaults(index, first, judged);
    this.#noteTime(judged);
    this.#noteOwn(index, record.offset, judged);
  }

  /**
   * Takes the record of the next leaf as a peer gave it; the caller has checked it against the leaf.
   * @param bodyMissing the peer no longer keeps the body that the header names: the header alone decides
   */
  async takeFromPeer(record: Uint8Array, bodyMissing: boolean): Promise<void> {
    const { context } = this.#options;
    const index = context.replica.head.size;
    const strict = judgeRecord(record, context);
    if (index === 0 && strict.verdict !== 'accepted')
      throw new LedgerError('genesis-mismatch', 'the peer’s log does not begin with the pinned genesis');
    const judged = bodyMissing && strict.missingBody !== undefined ? judgedWithoutBody(strict) : strict;
    context.replica.append(judged, undefined);
    this.#noteGovernance(index, judged);
    await this.#noteFaults(index, judged, judged);
    this.#noteTime(judged);
    this.#noteOwn(index, -1n, judged);
  }

  /** Tells the sealer of own batches below `durableSize`. */
  settleOwn(durableSize: number): 'ok' | 'foreign-signer' {
    const { own, context } = this.#options;
    if (own === undefined) return 'ok';
    for (
      let found = this.#readBack[0];
      found !== undefined && found.leafIndex < durableSize;
      [found] = this.#readBack
    ) {
      // Taken off only once the outbox has it: a full disk fails here, and nothing else would tell of this batch again.
      const isOwn = own.sealer.readBack(found);
      this.#readBack.shift();
      if (!isOwn) return 'foreign-signer';
    }
    if (this.#exactSends !== true) return 'ok';
    for (const { batch, offset } of own.sealer.sends.takeLost(context.replica.durableOffset)) {
      const detail = `batch ${String(batch)} was acknowledged at offset ${String(offset)} and does not stand there`;
      this.#incident('dropped', context.replica.leafAtOffset(offset), own, detail);
    }
    return 'ok';
  }

  /** Asks once whether each append stores at most one record, so that copies and losses can be blamed on the broker. */
  async learnTransport(): Promise<void> {
    const { own } = this.#options;
    if (own === undefined || this.#exactSends !== undefined) return;
    // The Kafka client sends again by itself when an answer is lost.
    this.#exactSends = (await own.exactSends.describe()).kind !== 'kafka';
  }

  #noteGovernance(index: number, judged: JudgedRecord): void {
    const { governance } = this.#options;
    if (judged.governance !== undefined) governance.taken(judged.governance, index);
    if (judged.type === 'cut' && judged.verdict === 'accepted') governance.cut(index + 1);
  }

  #noteTime(judged: JudgedRecord): void {
    const nowMs = this.#options.clock();
    if (judged.type !== 'cut') this.#firstOtherMs ??= nowMs;
    else if (judged.verdict === 'accepted') {
      this.#firstOtherMs = undefined;
      this.#lastCutMs = nowMs;
    }
  }

  #noteOwn(index: number, offset: bigint, judged: JudgedRecord): void {
    const { own } = this.#options;
    const { batch } = judged;
    if (own === undefined || batch === undefined || judged.member !== own.member || judged.writer !== own.writer)
      return;
    const { verdict, headerHash } = judged;
    // Before the signature check the words of a header are anybody's, unless they are those that this process saved: it was removed, or its key rotated out.
    const isSaved = (): boolean =>
      own.sealer.unsequenced().some((saved) => headerHash !== undefined && sameHash(saved.headerHash, headerHash));
    if (['bad-signature', 'unknown-member', 'wrong-log'].includes(verdict) && !isSaved()) return;
    this.#seenOwnBatch = Math.max(this.#seenOwnBatch, batch);
    if (verdict === 'accepted' && headerHash !== undefined) {
      this.#readBack.push({ batch, headerHash, leafIndex: index });
      own.sealer.sends.forgetBelow(batch - 256);
    }
    // A repeated one is as good: the process that read the first may have died before the outbox knew.
    if (verdict === 'duplicate' && headerHash !== undefined) this.#noteEarlier(batch, headerHash);
    if (this.#exactSends !== true || offset < 0n) return;
    if (!own.sealer.sends.seen(batch, offset)) {
      const detail = `batch ${String(batch)} stands where no send of it was acknowledged`;
      this.#incident('duplicated', index, own, detail);
    }
  }

  /** Leaves an own batch for `settleOwn`, if the replica accepted it some time ago. */
  #noteEarlier(batch: number, headerHash: Uint8Array): void {
    const leafIndex = this.#options.context.replica.acceptedLeaf(headerHash);
    if (leafIndex !== undefined) this.#readBack.push({ batch, headerHash, leafIndex });
  }

  async #noteFaults(index: number, first: JudgedRecord, judged: JudgedRecord): Promise<void> {
    const { verdict, type, member, writer } = first;
    if (verdict === 'accepted' || verdict === 'duplicate') return;
    // Cuts with a number too large are noise like stale ones; a governance record in `conflict` came too late or is not possible, which is no fault.
    if ((type === 'cut' && verdict === 'gap') || (type === 'governance' && verdict === 'conflict')) return;
    const { replica } = this.#options.context;
    if (!replica.isNewIncident({ kind: verdict, leafIndex: index, member })) return;
    const healed = judged.verdict === 'accepted' ? '; the body was had from a peer' : '';
    const detail = `${type === 'void' || type === 'unknown' ? 'record' : type} is ${verdict}${healed}`;
    const evidence = verdict === 'conflict' && type === 'batch' ? await this.#twoBatches(first) : undefined;
    const name = evidence === undefined ? undefined : saveEvidence(replica, evidence);
    replica.addIncident({ kind: verdict, leafIndex: index, member, writer, detail, evidence: name });
  }

  #incident(
    kind: IncidentKind,
    leafIndex: number,
    { member, writer }: { member: string; writer: string },
    detail: string,
  ): void {
    this.#options.context.replica.addIncident({ kind, leafIndex, member, writer, detail, evidence: undefined });
  }

  /** Evidence that a writer signed two batches of one number, where the accepted one is found. */
  async #twoBatches(judged: JudgedRecord): Promise<Uint8Array | undefined> {
    const { replica } = this.#options.context;
    const { member, writer, batch, header } = judged;
    const before = replica.incidents.filter((other) => other.kind === 'conflict' && other.member === member).length;
    if (member === undefined || before >= MOST_CONFLICTS_PROVEN) return undefined;
    const end = Math.max(0, replica.head.size - CONFLICT_SEARCH_LEAVES);
    for (let index = replica.head.size - 1; index >= end; index--) {
      if (index % CONFLICT_SEARCH_SLICE === 0) await new Promise((resolve) => setImmediate(resolve));
      const record = replica.leaves.record(index);
      if (record.type !== 'batch' || record.verdict !== 'accepted') continue;
      const accepted = replica.leaves.header(record);
      const parsed = parseBatchHeader(accepted);
      if (parsed.member !== member || parsed.writer !== writer || parsed.batch !== batch) continue;
      return formatEvidence({ kind: 'two-batches', member, first: accepted, second: header });
    }
    return undefined;
  }

  async #heal(value: Uint8Array, bodyHash: Uint8Array, member: string): Promise<JudgedRecord | undefined> {
    const frame = parseFrame(value);
    if (frame === undefined) return undefined;
    const body = await this.#healing.find(bodyHash, member);
    if (body === undefined) return undefined;
    try {
      return judgeRecord(encodeFrame({ ...frame, body }), this.#options.context);
    } catch (error) {
      if (error instanceof FormatError) return undefined;
      throw error;
    }
  }
}
