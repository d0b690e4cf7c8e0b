import { parseBatchHeader } from './batch.ts';
import { BatchBodies } from './batch-bodies.ts';
import { parseEntryBundle } from './entry-bundle.ts';
import { encodeBase64 } from './encoding.ts';
import { engineAlarms } from './engine-alarms.ts';
import { readOrUndefined } from './format-error.ts';
import { governanceReport, type GovernanceReport } from './governance-report.ts';
import { acceptableRuleSets, latestVersion, type AdoptedRuleSet } from './governance-state.ts';
import type { LedgerEngine } from './ledger-engine.ts';
import type {
  LedgerStatus,
  LedgerView,
  MemberView,
  ProofState,
  ReceiptAnswer,
  RuleSetView,
  WriterChain,
} from './ledger-view.ts';
import { cutNumber } from './replica-state.ts';
import { activeMembers } from './membership.ts';
import { buildInclusionProof } from './merkle/proof.ts';
import { leafHash, nodeHash, sameHash } from './merkle/tree-hash.ts';
import { parseSignedCheckpoint } from './checkpoint.ts';
import type { AddCheckpointResult } from './peer.ts';
import { buildPolicy, formatPolicy } from './policy.ts';
import { formatReceipt } from './receipt.ts';
import { eventKey, type EventPlace } from './replica.ts';
import { mayRelay, RecentRelays } from './relay.ts';
import { finalTimeOf } from './final-time.ts';
import { taggedEventsIn, type FinalTime, type TaggedBatch } from './tagged-events.ts';
import { TransportError } from './transport.ts';
import { addCheckpoint } from './witness-server.ts';
import { TILE_WIDTH } from './tree-store.ts';

const EVENT_ID = /^[A-Za-z0-9_-]{21}[AQgw]$/;

/** The read side of one engine. */
export class EngineView implements LedgerView {
  readonly #engine: LedgerEngine;
  readonly #bodies: BatchBodies;
  readonly #relayed = new RecentRelays();
  readonly origin: string;
  readonly member: string | undefined;
  readonly past: readonly LedgerView[];

  /** @param past logs that this one goes on from, oldest first */
  constructor(engine: LedgerEngine, past: readonly LedgerView[] = []) {
    this.#engine = engine;
    this.past = past;
    this.#bodies = new BatchBodies(engine.options.peers);
    this.origin = engine.genesis.origin;
    this.member = engine.options.member;
  }

  get originKey(): string | undefined {
    return this.#engine.membership().members.find(({ name }) => name === this.member)?.originKey.text;
  }

  genesisBytes(): Uint8Array {
    return this.#engine.options.genesis;
  }

  policyFile(): string {
    const membership = this.#engine.governance.membershipAt(Math.max(1, this.#engine.finality.size));
    return formatPolicy(buildPolicy({ members: activeMembers(membership), quorum: membership.quorum }));
  }

  checkpoint(): Uint8Array | undefined {
    const { exchange, finality } = this.#engine;
    return finality.note === undefined ? undefined : exchange.withOutside(finality.note, finality.size);
  }

  tile(level: number, index: number, width?: number): Uint8Array | undefined {
    return this.#engine.replica.tree.tile(level, index, width);
  }

  entryBundle(index: number, width?: number): Uint8Array | undefined {
    return this.#engine.replica.tree.entryBundle(index, width);
  }

  blob(hash: Uint8Array): Uint8Array | undefined {
    return hash.length === 32 ? this.#engine.replica.blob(hash) : undefined;
  }

  receipt(eventId: string): ReceiptAnswer {
    const place = this.#place(eventId);
    if (place === undefined) return this.#pastOf(eventId)?.receipt(eventId) ?? { state: 'unknown' };
    const checkpoint = this.#checkpointFor(place);
    if (checkpoint === undefined) return { state: 'pending', ...this.#signers(place) };
    const found = this.#found(eventId, place);
    if (found === undefined) return this.#pruned(place, []);
    return { state: 'final', text: this.#receiptText(place, checkpoint, found) };
  }

  async fetchReceipt(eventId: string): Promise<ReceiptAnswer> {
    const here = this.receipt(eventId);
    const place = here.state === 'pruned' ? this.#place(eventId) : undefined;
    const checkpoint = place && this.#checkpointFor(place);
    if (place === undefined || checkpoint === undefined) return here;
    const { body, ...asked } = await this.#bodies.fetch(parseBatchHeader(this.#header(place)).bodyHash);
    const found = body && this.#found(eventId, place, body);
    if (found === undefined) return this.#pruned(place, 'unreachable' in asked ? asked.unreachable : []);
    return { state: 'final', text: this.#receiptText(place, checkpoint, found) };
  }

  /** The final checkpoint that a receipt is made for; undefined while there is none, or not all of what leads to its membership is here. */
  #checkpointFor({ leafIndex }: EventPlace): Uint8Array | undefined {
    const { finality, governance } = this.#engine;
    const checkpoint = finality.covering(leafIndex);
    if (checkpoint === undefined) return undefined;
    const { size } = parseSignedCheckpoint(checkpoint).checkpoint;
    const isWhole = governance.historySizes(size).every((at) => finality.noteAt(at) !== undefined);
    return isWhole ? checkpoint : undefined;
  }

  #receiptText(place: EventPlace, checkpoint: Uint8Array, found: FoundEvent): string {
    const { finality, replica } = this.#engine;
    const { size } = parseSignedCheckpoint(checkpoint).checkpoint;
    const path = buildInclusionProof(place.leafIndex, size, (level, index) => replica.tree.node(level, index));
    const nodes = found.events.map((event) => leafHash(event));
    const eventPath = buildInclusionProof(place.position, nodes.length, (level, index) => subtree(nodes, level, index));
    const history = this.#engine.governance.history(size, (at) => finality.noteAt(at));
    const extra = { event: found.event, header: found.header, path: eventPath, position: place.position, history };
    return formatReceipt({ index: place.leafIndex, path, checkpoint, extra });
  }

  proofState(eventId: string): ProofState {
    const place = this.#place(eventId);
    if (place === undefined) return this.#pastOf(eventId)?.proofState(eventId) ?? { state: 'unknown' };
    const checkpoint = this.#engine.finality.covering(place.leafIndex);
    if (checkpoint === undefined) return { state: 'sequenced', ...place, ...this.#signers(place) };
    return { state: 'final', ...place, checkpointSize: parseSignedCheckpoint(checkpoint).checkpoint.size };
  }

  event(eventId: string): Uint8Array | undefined {
    const place = this.#place(eventId);
    return place === undefined ? this.#pastOf(eventId)?.event(eventId) : this.#found(eventId, place)?.event;
  }

  async fetchEvent(eventId: string): Promise<Uint8Array | undefined> {
    const place = this.#place(eventId);
    if (place === undefined) return this.#pastOf(eventId)?.fetchEvent?.(eventId);
    const found = this.#found(eventId, place);
    if (found !== undefined) return found.event;
    const { body } = await this.#bodies.fetch(parseBatchHeader(this.#header(place)).bodyHash);
    return body && this.#found(eventId, place, body)?.event;
  }

  taggedBatches(from: number, to: number): readonly TaggedBatch[] {
    const { leaves, durableSize } = this.#engine.replica;
    const found: TaggedBatch[] = [];
    for (let leafIndex = from; leafIndex < Math.min(to, durableSize); leafIndex++) {
      const record = leaves.record(leafIndex);
      if (record.type !== 'batch' || record.eventCount === 0) continue;
      const body = leaves.body(record);
      const events = body === undefined ? undefined : taggedEventsIn(body);
      if (events?.length === 0) continue;
      found.push({ leafIndex, member: parseBatchHeader(leaves.header(record)).member, events });
    }
    return found;
  }

  finalTime(leafIndex: number): FinalTime | undefined {
    const note = this.#engine.finality.covering(leafIndex);
    return note === undefined ? undefined : finalTimeOf(note, this.member);
  }

  head(writer: string): WriterChain | undefined {
    const { replica } = this.#engine;
    return replica.writer(writer) ?? [...replica.writers.values()].find((chain) => chain.writer === writer);
  }

  members(): readonly MemberView[] {
    return this.#engine.membership().members.map((member) => ({
      name: member.name,
      active: member.active,
      batchKey: member.batchKey.text,
      originKey: member.originKey.text,
      cosignerKey: member.cosignerKey.text,
      agreementKey: encodeBase64(member.agreementKey),
    }));
  }

  ruleSet(): RuleSetView {
    const sets = latestVersion(this.#engine.governance.state).ruleSets;
    const { index, digest } = sets[sets.length - 1] as AdoptedRuleSet;
    return { index, digest };
  }

  acceptableRuleSets(): readonly RuleSetView[] {
    const { replica, governance, options } = this.#engine;
    const version = latestVersion(governance.state);
    // What came with the genesis has no cut of its own: it counts from the first one.
    const adoptedAtCut = cutNumber(options.storage, version.ruleSets.at(-1)?.from ?? 0) ?? 0;
    return acceptableRuleSets(version, replica.head.cuts - adoptedAtCut).map(({ index, digest }) => ({
      index,
      digest,
    }));
  }

  badBodies(): readonly number[] {
    const { incidents, leaves, durableSize } = this.#engine.replica;
    const told = incidents.filter(({ kind, leafIndex }) => kind === 'bad-body' && leafIndex < durableSize);
    // Where a peer had the body, the incident stands and the leaf is accepted.
    return told.map(({ leafIndex }) => leafIndex).filter((leaf) => leaves.record(leaf).verdict === 'bad-body');
  }

  history(): Uint8Array | undefined {
    const { governance, finality } = this.#engine;
    // One more than the final size: what the final checkpoint itself put in force is part of it.
    return governance.history(finality.size + 1, (size) => finality.noteAt(size));
  }

  governance(): GovernanceReport {
    return governanceReport(this.#engine.governance.state);
  }

  evidenceNames(): readonly string[] {
    return this.#engine.options.storage.state.scan('evidence/').map(({ key }) => key.slice('evidence/'.length));
  }

  evidence(name: string): Uint8Array | undefined {
    return this.#engine.options.storage.state.get(`evidence/${name}`);
  }

  async addCheckpoint(body: Uint8Array): Promise<AddCheckpointResult> {
    const engine = this.#engine;
    const signed: Uint8Array[] = [];
    const result = addCheckpoint(body, {
      origin: this.origin,
      replica: engine.replica,
      finality: engine.finality,
      store: engine.options.cosignerStore,
      cosigner: engine.options.cosigns === false ? undefined : engine.signing?.cosigner,
      maySign: (size) => engine.maySign(size),
      onSigned: (note) => signed.push(note),
    });
    // Anybody may send what was signed already: it is not published once more for each.
    for (const note of signed) if (note !== engine.latestSigned) await engine.publish(note);
    await engine.settle();
    return result;
  }

  async relay(frame: Uint8Array): Promise<boolean> {
    const { replica, governance, options, parameters } = this.#engine;
    if (!mayRelay(frame, { replica, governance: governance.state })) return false;
    const taken = this.#relayed.take(frame, options.clock(), parameters.resendAfterMs);
    if (taken !== 'append') return taken === 'done';
    try {
      await options.topic.append(frame);
      return true;
    } catch (error) {
      // In doubt it may be stored: that is no answer to give.
      if (!(error instanceof TransportError) || error.code === 'outcome-unknown') throw error;
      this.#relayed.remove(frame);
      return false;
    }
  }

  status(): LedgerStatus {
    const engine = this.#engine;
    const { replica, finality } = engine;
    const membership = engine.membership();
    return {
      origin: this.origin,
      member: this.member,
      writer: engine.options.writer,
      size: replica.head.size,
      root: replica.tree.root(),
      finalSize: finality.size,
      finalRoot: finality.root,
      events: replica.head.events,
      cuts: replica.head.cuts,
      signedSize: engine.signing?.cosigner.lastSize ?? 0,
      lagRecords: engine.reader.state.lagRecords,
      incidents: replica.incidents,
      alarms: engineAlarms(engine),
      members: membership.members.map(({ name, active }) => ({ name, active, signedSize: finality.signedSize(name) })),
      quorum: membership.quorum,
    };
  }

  /** The ended log in which an event is final. */
  #pastOf(eventId: string): LedgerView | undefined {
    return this.past.find((view) => view.proofState(eventId).state === 'final');
  }

  #place(eventId: string): EventPlace | undefined {
    if (!EVENT_ID.test(eventId)) return undefined;
    const { replica } = this.#engine;
    const place = replica.place(Buffer.from(eventId, 'base64url'));
    // What a crash may lose is not shown as sequenced.
    return place !== undefined && place.leafIndex < replica.durableSize ? place : undefined;
  }

  #signers(place: EventPlace): { signers: number; members: number } {
    const { finality } = this.#engine;
    return {
      signers: finality.signersOf(place.leafIndex),
      members: activeMembers(this.#engine.membership()).length,
    };
  }

  #header(place: EventPlace): Uint8Array {
    return this.#engine.replica.leaf(place.leafIndex).header;
  }

  #pruned(place: EventPlace, unreachable: readonly string[]): ReceiptAnswer {
    return { state: 'pruned', author: parseBatchHeader(this.#header(place)).member, unreachable };
  }

  /** Undefined when the body is pruned or damaged here. @param fetched the body as a member gave it, which has the hash that the header names */
  #found(eventId: string, place: EventPlace, fetched?: Uint8Array): FoundEvent | undefined {
    const leaf = this.#engine.replica.leaf(place.leafIndex);
    const { header } = leaf;
    const body = fetched ?? leaf.body;
    const events = body && readOrUndefined(() => parseEntryBundle(body, TILE_WIDTH));
    if (events === undefined) return undefined;
    const event = events[place.position];
    if (event === undefined || !sameHash(eventKey(event), Buffer.from(eventId, 'base64url'))) return undefined;
    return { header, event, events };
  }
}

interface FoundEvent {
  readonly header: Uint8Array;
  readonly event: Uint8Array;
  readonly events: readonly Uint8Array[];
}

/** Hash of a complete subtree over leaf hashes that are all at hand. */
function subtree(leaves: readonly Uint8Array[], level: number, index: number): Uint8Array {
  if (level === 0) return leaves[index] as Uint8Array;
  return nodeHash(subtree(leaves, level - 1, 2 * index), subtree(leaves, level - 1, 2 * index + 1));
}
