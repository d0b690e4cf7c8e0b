import { sha256 } from '../hash.ts';
import { parseBatchHeader } from './batch.ts';
import { encodeFrame, FRAME_TYPES, type FrameKind } from './frame.ts';
import type { FsckFinding } from './fsck.ts';
import { readOrUndefined } from './format-error.ts';
import { parseGenesisHeader } from './genesis.ts';
import { parseGovernanceHeader } from './governance-record.ts';
import type { LeafRecord } from './leaf-store.ts';
import { sameHash } from './merkle/tree-hash.ts';
import type { Replica } from './replica.ts';
import type { JudgedRecord } from './replica-judge.ts';
import { KEPT_INCIDENTS_PER_KIND } from './replica-state.ts';

/**
 * Checks what a stored replica noted of each leaf, one after the other. Nothing but the leaves says where a part must lie: headers and bodies adjoin without
 * gaps, segments follow one another, topic offsets count up. So each field of a leaf's record follows from the records before it and from the leaf itself,
 * and needs no topic. What only a topic can tell is the hash of a record that the replica did not keep as it came: of a cut or a genesis with a body that
 * is none of theirs, of one whose body is pruned, and of one whose body came from a peer.
 */
export class FsckLeaf {
  readonly #replica: Replica;
  /** Leaves whose body was had from a peer, instead of the one that came. */
  readonly #healed: ReadonlySet<number>;
  #headerEnd = 0;
  /** Where the next body of each segment goes, by its number. */
  readonly #bodyEnds = new Map<number, number>();
  #openSegment = 1;
  #offset = -1n;
  /** False once a leaf could not be judged: no verdict after it is compared. */
  #isJudgeable = true;
  #events = 0;

  constructor(replica: Replica) {
    this.#replica = replica;
    const healed = replica.incidents.filter(({ kind }) => kind === 'bad-body').map(({ leafIndex }) => leafIndex);
    this.#healed = new Set(healed);
  }

  /** Events of accepted batches, as the records count them. */
  get events(): number {
    return this.#events;
  }

  /** Lengths that the files must have by now. */
  get lengths(): Replica['head']['lengths'] {
    const [kept = 0, bodies = 0] = [0, this.#openSegment].map((segment) => this.#bodyEnds.get(segment) ?? 0);
    return { headers: this.#headerEnd, segment: this.#openSegment, kept, bodies };
  }

  /** @param intact whether the leaf's header was there to be judged @throws {LedgerError} damaged: the record is none */
  check(index: number, judged: JudgedRecord, intact: boolean): FsckFinding[] {
    const { record, header, body } = this.#replica.leaf(index);
    const problems = [
      ...this.#placeProblems(record, intact ? judged.header.length : record.headerLength),
      ...this.#offsetProblems(record, index),
      ...(intact && this.#isJudgeable ? this.#verdictProblems(record, judged) : []),
      ...(intact ? this.#partProblems({ record, header, body, judged, index }) : []),
    ];
    if (!intact) this.#isJudgeable = false;
    this.#events += record.eventCount;
    return problems.map((detail) => ({ fault: 'verdict', leafIndex: index, detail }));
  }

  #placeProblems(record: LeafRecord, headerLength: number): string[] {
    const { type, openSegment, bodySegment, bodyPosition, bodyLength, headerPosition } = record;
    const problems: string[] = [];
    if (headerPosition !== this.#headerEnd || record.headerLength !== headerLength)
      problems.push('its header is noted at another place');
    this.#headerEnd += headerLength;
    const isNext = type === 'batch' && openSegment === this.#openSegment + 1 && this.#bodyEnds.has(this.#openSegment);
    if (openSegment !== this.#openSegment && !isNext) problems.push('its segment is not the one of that time');
    else this.#openSegment = openSegment;
    const segment = type === 'batch' ? this.#openSegment : 0;
    const end = this.#bodyEnds.get(segment) ?? 0;
    if (bodySegment !== segment || bodyPosition !== end) problems.push('its body is noted at another place');
    this.#bodyEnds.set(segment, end + bodyLength);
    return problems;
  }

  /** Every record of the topic is a leaf, so offsets count up by one; -1 stands for a record that came from a peer. */
  #offsetProblems({ topicOffset }: LeafRecord, index: number): string[] {
    const before = this.#offset;
    const follows = before >= 0n ? topicOffset === before + 1n : topicOffset > before;
    const isNext = index === 0 ? topicOffset === 0n : follows;
    this.#offset = topicOffset === -1n ? -1n : isNext ? topicOffset : before + 1n;
    return topicOffset === -1n || isNext ? [] : ['its topic offset does not follow the one before'];
  }

  #verdictProblems(record: LeafRecord, judged: JudgedRecord): string[] {
    const problems: string[] = [];
    if (record.type !== judged.type || record.verdict !== judged.verdict)
      problems.push(`noted as ${record.type} ${record.verdict}, judged ${judged.type} ${judged.verdict}`);
    if (!countsOf(record, judged).includes(record.eventCount)) problems.push('its events are counted wrong');
    return problems;
  }

  #partProblems(leaf: {
    record: LeafRecord;
    header: Uint8Array;
    body: Uint8Array | undefined;
    judged: JudgedRecord;
    index: number;
  }): string[] {
    const { record, header, body, judged, index } = leaf;
    if (!sameHash(sha256(header), sha256(judged.header))) return ['its header is altered or lies elsewhere'];
    if (body === undefined) return [];
    if (body.length !== record.bodyLength) return ['its body is cut off'];
    const fromTopic = record.topicOffset >= 0n;
    if (fromTopic && isValue(record.valueHash, header, body)) return [];
    if (!fromTopic && record.valueHash.some((byte) => byte !== 0)) return ['its hash in the topic is made up'];
    // The record was not kept as it came; then its body must be the one that the header names.
    const named = namedBody(header);
    const isWhole = named === undefined ? body.length === 0 : sameHash(sha256(body), named);
    if (!isWhole && !isAbsent(record, judged)) return ['its body is altered or lies elsewhere'];
    const mayDiffer = !fromTopic || judged.type === 'cut' || judged.type === 'genesis' || this.#isHealed(index);
    return mayDiffer ? [] : ['its hash in the topic is not that of its parts'];
  }

  #isHealed(index: number): boolean {
    // Of a flood of incidents only the first are kept.
    return this.#healed.has(index) || this.#healed.size >= KEPT_INCIDENTS_PER_KIND;
  }
}

/** A peer's replica may have lacked the body, and a repeated genesis is kept without one. */
function isAbsent(record: LeafRecord, judged: JudgedRecord): boolean {
  const isRepeated = judged.type === 'genesis' && judged.verdict === 'duplicate';
  return record.bodyLength === 0 && (isRepeated || record.topicOffset < 0n);
}

function countsOf(record: LeafRecord, judged: JudgedRecord): readonly number[] {
  if (judged.type !== 'batch' || judged.verdict !== 'accepted') return [0];
  if (judged.eventIds !== undefined) return [judged.eventIds.length];
  // The body is no longer here: its events were counted when it was, or it never was here.
  const { count } = parseBatchHeader(judged.header);
  return record.bodyLength === 0 ? [0] : [count];
}

/** Whether some record of the topic with these parts has this hash: which type byte it had is not kept. */
function isValue(valueHash: Uint8Array, header: Uint8Array, body: Uint8Array): boolean {
  if (header.length === 0) return sameHash(sha256(body), valueHash);
  const kinds = Object.keys(FRAME_TYPES) as FrameKind[];
  return kinds.some((kind) => sameHash(sha256(encodeFrame({ kind, header, body })), valueHash));
}

function namedBody(header: Uint8Array): Uint8Array | undefined {
  return (
    readOrUndefined(() => parseBatchHeader(header).bodyHash) ??
    readOrUndefined(() => parseGovernanceHeader(header).bodyHash) ??
    readOrUndefined(() => parseGenesisHeader(new TextDecoder().decode(header)).bodyHash)
  );
}
