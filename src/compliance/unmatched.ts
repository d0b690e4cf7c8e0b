import type { LedgerView } from '../ledger/ledger-view.ts';
import type { FinalTime, TaggedBatch, TaggedEvent } from '../ledger/tagged-events.ts';
import type { PeerTags } from '../provenance/peer-tag.ts';
import type { RecordQueries } from '../provenance/record-queries.ts';
import { ComplianceError } from './compliance-error.ts';

export interface UnmatchedRequest {
  /** How long after it became final a disclosure may wait for its acknowledgement. */
  readonly windowMs: number;
  /** Disclosures that became final from then on, epoch ms. */
  readonly sinceMs: number;
  /** Only exchanges with this member; undefined for all. */
  readonly member: string | undefined;
}

export interface UnmatchedOptions {
  /** This member. */
  readonly member: string;
  readonly ledger: LedgerView;
  readonly queries: RecordQueries;
  /** Tags shared with another member. */
  readonly peerTags: (member: string) => PeerTags | undefined;
  readonly clock: () => number;
}

export type Direction = 'to-member' | 'to-us';

/** A disclosure whose other end has said nothing. */
export interface Unmatched {
  readonly event: string;
  readonly member: string;
  readonly direction: Direction;
  readonly finalMs: number;
  readonly leafIndex: number;
}

export interface DirectionCounts {
  disclosed: number;
  acknowledged: number;
  /** Of the acknowledged: after the window. */
  late: number;
  /** Not acknowledged, and not final for as long as the window. */
  open: number;
  unmatched: number;
}

export interface Reconciliation {
  readonly counts: Readonly<Record<Direction, DirectionCounts>>;
  /** In the order of the ledger. */
  readonly unmatched: readonly Unmatched[];
  /** Own tagged disclosures that no key of today explains: the key was rotated since, or the member removed. */
  readonly unrecognised: number;
  /** Batches whose body is not here any more. */
  readonly prunedBatches: number;
}

/** Leaves walked at most, a minute of one core; one is a batch of up to 256 events. */
const MOST_LEAVES = 2_000_000;
/** Members' clocks may differ so much: an acknowledgement may stand before the first disclosure of the time. */
const CLOCK_SLACK_MS = 300_000;
/** Full batches of tagged events take some 15 ms then. */
const LEAVES_PER_TURN = 32;

/**
 * Matches disclosures between this member and others by the tags on the own verified replica: each disclosure for another member should be acknowledged by it, and
 * each that another member says it made to us by us. Walks the ledger from the first leaf of that time; nothing is kept between two reports.
 * @throws {ComplianceError} bad-value: more leaves since then than one report walks
 */
export async function reconcile(request: UnmatchedRequest, options: UnmatchedOptions): Promise<Reconciliation> {
  const { ledger } = options;
  const from = firstLeafSince(ledger, request.sinceMs - CLOCK_SLACK_MS);
  const { size } = ledger.status();
  if (size - from > MOST_LEAVES) {
    throw new ComplianceError('bad-value', 'the ledger since then is too long for one report', { parameter: 'since' });
  }
  const matching = new Matching(request, options);
  for (let leafIndex = from; leafIndex < size; leafIndex += LEAVES_PER_TURN) {
    for (const batch of ledger.taggedBatches(leafIndex, leafIndex + LEAVES_PER_TURN)) matching.takeBatch(batch);
    await new Promise((resolve) => setImmediate(resolve));
  }
  return matching.finish();
}

/** First leaf that became final at that time or later; the whole size where none did. Times of leaves only grow, as far as the own clock does. */
function firstLeafSince(ledger: LedgerView, timeMs: number): number {
  let low = 0;
  let high = ledger.status().finalSize;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const final = ledger.finalTime(middle);
    if (final !== undefined && final.timeMs < timeMs) low = Math.max(middle + 1, final.size);
    else high = middle;
  }
  return Math.min(low, high);
}

interface Waiting {
  readonly event: string;
  readonly member: string;
  readonly direction: Direction;
  /** Who must acknowledge. */
  readonly by: string;
  readonly leafIndex: number;
  readonly finalMs: number | undefined;
}

class Matching {
  readonly #request: UnmatchedRequest;
  readonly #options: UnmatchedOptions;
  readonly #tags: ReadonlyMap<string, PeerTags>;
  readonly #counts: Record<Direction, DirectionCounts> = { 'to-member': noCounts(), 'to-us': noCounts() };
  /** By the tag that an acknowledgement of it has. */
  readonly #waiting = new Map<string, Waiting>();
  /** Acknowledgements that stand before what they acknowledge, or are none of our business: leaf by author and tag. */
  readonly #unclaimed = new Map<string, number>();
  #final: (FinalTime & { readonly from: number }) | undefined;
  #unrecognised = 0;
  #prunedBatches = 0;

  constructor(request: UnmatchedRequest, options: UnmatchedOptions) {
    this.#request = request;
    this.#options = options;
    const { ledger, peerTags } = options;
    this.#tags = new Map(
      ledger.members().flatMap(({ name }) => {
        const tags = peerTags(name);
        return tags === undefined ? [] : [[name, tags] as const];
      }),
    );
  }

  takeBatch({ leafIndex, member, events }: TaggedBatch): void {
    if (events === undefined) this.#prunedBatches += 1;
    else for (const event of events) this.#take(member, event, leafIndex);
  }

  #take(author: string, event: TaggedEvent, leafIndex: number): void {
    if (event.kind === 'acknowledged') return this.#acknowledged(author, event.peer, leafIndex);
    const isOwn = author === this.#options.member;
    const found = isOwn ? this.#counterpartOf(event) : this.#isTaggedFor(author, event) ? author : undefined;
    const tags = found === undefined ? undefined : this.#tags.get(found);
    if (found === undefined || tags === undefined) {
      if (isOwn) this.#unrecognised += 1;
      return;
    }
    this.#disclosed({ event: event.id, member: found, isOwn, leafIndex }, tags);
  }

  #disclosed(
    found: { readonly event: string; readonly member: string; readonly isOwn: boolean; readonly leafIndex: number },
    tags: PeerTags,
  ): void {
    const { event, member, isOwn, leafIndex } = found;
    if (this.#request.member !== undefined && this.#request.member !== member) return;
    const direction = isOwn ? 'to-member' : 'to-us';
    const finalMs = this.#finalMs(leafIndex);
    if (finalMs !== undefined && finalMs < this.#request.sinceMs) return;
    this.#counts[direction].disclosed += 1;
    const by = isOwn ? member : this.#options.member;
    const tag = tags.acknowledgement(bytesOf(event));
    const waiting: Waiting = { event, member, direction, by, leafIndex, finalMs };
    const early = this.#unclaimed.get(`${by} ${tag}`);
    if (early === undefined) this.#waiting.set(tag, waiting);
    else this.#match(waiting, early);
  }

  finish(): Reconciliation {
    const unmatched: Unmatched[] = [];
    const nowMs = this.#options.clock();
    for (const { event, member, leafIndex, finalMs, direction } of this.#waiting.values()) {
      const counts = this.#counts[direction];
      if (direction === 'to-us' && this.#isAcknowledgementQueued(event)) counts.acknowledged += 1;
      else if (finalMs === undefined || nowMs - finalMs < this.#request.windowMs) counts.open += 1;
      else {
        counts.unmatched += 1;
        unmatched.push({ event, member, direction, finalMs, leafIndex });
      }
    }
    return {
      counts: this.#counts,
      unmatched,
      unrecognised: this.#unrecognised,
      prunedBatches: this.#prunedBatches,
    };
  }

  #acknowledged(author: string, tag: string, leafIndex: number): void {
    const waiting = this.#waiting.get(tag);
    // A tag that somebody else copied from the ledger is nobody's acknowledgement.
    if (waiting?.by !== author) {
      this.#unclaimed.set(`${author} ${tag}`, leafIndex);
      return;
    }
    this.#waiting.delete(tag);
    this.#match(waiting, leafIndex);
  }

  #match({ direction, finalMs }: Waiting, acknowledgedAt: number): void {
    this.#counts[direction].acknowledged += 1;
    const acknowledgedMs = finalMs === undefined ? undefined : this.#finalMs(acknowledgedAt);
    if (finalMs !== undefined && acknowledgedMs !== undefined && acknowledgedMs - finalMs > this.#request.windowMs)
      this.#counts[direction].late += 1;
  }

  #counterpartOf(event: TaggedEvent): string | undefined {
    for (const name of this.#tags.keys()) if (this.#isTaggedFor(name, event)) return name;
    return undefined;
  }

  #isTaggedFor(member: string, { id, peer }: TaggedEvent): boolean {
    return this.#tags.get(member)?.disclosure(bytesOf(id)) === peer;
  }

  /** Leaves come in order, so that one look serves all under one checkpoint. */
  #finalMs(leafIndex: number): number | undefined {
    const known = this.#final;
    if (known !== undefined && leafIndex >= known.from && leafIndex < known.size) return known.timeMs;
    const found = this.#options.ledger.finalTime(leafIndex);
    this.#final = found && { ...found, from: leafIndex };
    return found?.timeMs;
  }

  /** The own records know an acknowledgement before the ledger has it. */
  #isAcknowledgementQueued(event: string): boolean {
    const filter = { index: [[{ field: 'acknowledges' as const, value: event }]], newestFirst: true };
    return this.#options.queries.find(filter, 1).length > 0;
  }
}

function noCounts(): DirectionCounts {
  return { disclosed: 0, acknowledged: 0, late: 0, open: 0, unmatched: 0 };
}

function bytesOf(id: string): Uint8Array {
  return Buffer.from(id, 'base64url');
}
