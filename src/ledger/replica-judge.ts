import { sha256 } from '../hash.ts';
import { parseFrame, type Frame } from './frame.ts';
import { takeGovernance, type GovernanceStep } from './governance.ts';
import { batchKeysAt, type GovernanceState } from './governance-state.ts';
import { parseGovernanceHeader } from './governance-record.ts';
import { judgeFrame, type Judgement, type JudgeState } from './judge.ts';
import { leafBytes } from './leaf.ts';
import type { LeafType, LeafVerdict } from './leaf-store.ts';
import type { WriterChain } from './ledger-view.ts';
import { sameHash } from './merkle/tree-hash.ts';
import type { Replica } from './replica.ts';

/** One topic record with all that the replica stores of it. */
export interface JudgedRecord {
  readonly type: LeafType;
  readonly verdict: LeafVerdict;
  readonly leafBytes: Uint8Array;
  /** Empty where the framing is malformed; the body is then the whole record. */
  readonly header: Uint8Array;
  readonly body: Uint8Array;
  readonly headerHash?: Uint8Array;
  readonly bodyHash?: Uint8Array;
  /** Of an accepted batch: 16 bytes for each event. */
  readonly eventIds?: readonly Uint8Array[];
  /** Of an accepted batch: where its chain now stands. */
  readonly chain?: Omit<WriterChain, 'leafIndex'>;
  /** Who the header names, once its signature was checked. */
  readonly member: string | undefined;
  readonly writer: string | undefined;
  /** Of a batch whose chain is named. */
  readonly batch: number | undefined;
  /** Of a governance record: what it does to the state. */
  readonly governance?: GovernanceStep;
  /** The body that this header names is not the one that came with it; a peer may have it. */
  readonly missingBody: Uint8Array | undefined;
}

export interface JudgeContext {
  readonly origin: string;
  /** Bytes of the record that must be leaf 0. */
  readonly genesisFrame: Uint8Array;
  readonly replica: Pick<Replica, 'head' | 'writer' | 'acceptedLeaf'>;
  /** Of a log that goes on from another: where the chains stood in that one, by its genesis. */
  readonly chainStarts?: ReadonlyMap<string, Uint8Array> | undefined;
  /** As it stands before the next leaf. */
  readonly governance: () => GovernanceState;
}

/** Judges the next record of the topic by the state of the replica before it. Pure but for reading the replica; total over all bytes. */
export function judgeRecord(value: Uint8Array, context: JudgeContext): JudgedRecord {
  const frame = parseFrame(value);
  const base = {
    leafBytes: leafBytes(value),
    member: undefined,
    writer: undefined,
    batch: undefined,
    missingBody: undefined,
  };
  if (frame === undefined) {
    return { ...base, type: 'void', verdict: 'void', header: new Uint8Array(), body: value, bodyHash: sha256(value) };
  }
  const judgement = judgeFrame(frame, judgeState(frame, context));
  const framed = { ...base, header: frame.header, body: frame.body };
  switch (judgement.kind) {
    case 'batch':
      return { ...framed, type: 'batch', ...judgedBatch(judgement) };
    case 'cut':
      return {
        ...framed,
        type: 'cut',
        verdict: judgement.verdict,
        headerHash: judgement.headerHash,
        // The leaf does not cover a cut's body: it is not kept, so that it cannot differ between replicas.
        body: new Uint8Array(),
        member: judgement.cut?.member,
      };
    case 'genesis':
      return { ...framed, type: 'genesis', ...judgedGenesis(frame, judgement.headerHash, context) };
    case 'governance':
      return { ...framed, type: 'governance', ...judgedGovernance(frame, judgement.headerHash, context) };
    case 'unknown':
      return { ...framed, type: 'unknown', verdict: 'not-canonical', headerHash: judgement.headerHash };
    case 'void':
      return { ...framed, type: 'void', verdict: 'void' };
  }
}

function judgeState(frame: Frame, { origin, replica, governance, chainStarts }: JudgeContext): JudgeState {
  return {
    origin,
    lastCut: replica.head.cuts,
    member: (name) => batchKeysAt(governance(), name, replica.head.size),
    writerHead: (member, writer) => {
      const chain = `${member}/${writer}`;
      const headerHash = chainStarts?.get(chain);
      const before = headerHash === undefined ? undefined : { batch: 0, headerHash, nextEvent: 0 };
      return replica.writer(chain) ?? before;
    },
    // Only compared with this record's own hash: one look into the index instead of a table of all batches.
    acceptedHeader: () => {
      const headerHash = sha256(frame.header);
      return replica.acceptedLeaf(headerHash) === undefined ? undefined : headerHash;
    },
  };
}

function judgedBatch(
  judgement: Extract<Judgement, { kind: 'batch' }>,
): Omit<JudgedRecord, 'type' | 'leafBytes' | 'header' | 'body'> {
  const { verdict, headerHash, header } = judgement;
  const named = {
    verdict,
    headerHash,
    member: header?.member,
    writer: header?.writer,
    batch: header?.batch,
    missingBody: verdict === 'bad-body' && judgement.bodyMissing ? header?.bodyHash : undefined,
  };
  if (verdict !== 'accepted') return named;
  const { member, writer, batch, firstEvent, count, bodyHash } = judgement.header;
  return {
    ...named,
    bodyHash,
    eventIds: judgement.events.map(({ id }) => Buffer.from(id, 'base64url')),
    chain: { member, writer, batch, headerHash, nextEvent: firstEvent + count },
  };
}

function judgedGovernance(
  frame: Frame,
  headerHash: Uint8Array,
  { replica, governance }: JudgeContext,
): Pick<JudgedRecord, 'verdict' | 'headerHash' | 'member' | 'missingBody' | 'governance'> {
  const step = takeGovernance(governance(), frame, replica.head.size);
  const missingBody = step.bodyMissing ? parseGovernanceHeader(frame.header).bodyHash : undefined;
  return { verdict: step.verdict, headerHash, member: step.record?.member, missingBody, governance: step };
}

function judgedGenesis(
  frame: Frame,
  headerHash: Uint8Array,
  { genesisFrame, replica }: JudgeContext,
): { verdict: LeafVerdict; headerHash: Uint8Array; body: Uint8Array; bodyHash?: Uint8Array } {
  const pinned = parseFrame(genesisFrame);
  if (pinned === undefined || !sameHash(frame.header, pinned.header))
    return { verdict: 'conflict', headerHash, body: frame.body };
  // The pinned bytes are kept, not those that came: the header alone is in the tree.
  if (replica.head.size === 0)
    return { verdict: 'accepted', headerHash, body: pinned.body, bodyHash: sha256(pinned.body) };
  return { verdict: 'duplicate', headerHash, body: new Uint8Array() };
}
