import { statfsSync } from 'node:fs';
import { encodeEvent } from '../ledger/event.ts';
import { isWrite } from '../fhir/interaction.ts';
import { acknowledgementDraft, type AcknowledgedFor } from './acknowledgement.ts';
import type {
  ExchangeIntent,
  ExchangeOutcome,
  OpenExchange,
  ReceivedDisclosure,
  RecordEntity,
  Recorder,
} from './exchange-record.ts';
import { newEventId } from './event-id.ts';
import { withHistory } from './entity-history.ts';
import { IntentStore, type OpenIntent } from './intent-store.ts';
import { Outbox } from './outbox.ts';
import type { PeerTags } from './peer-tag.ts';
import { ProvenanceError } from './provenance-error.ts';
import type { ProvenanceStore } from './provenance-store.ts';
import { base64url, COMMITMENT_ALGORITHM } from './record.ts';
import { RecordQueries } from './record-queries.ts';
import { RecordVault, type SealedRecord } from './record-vault.ts';

export interface RecorderOptions {
  readonly store: ProvenanceStore;
  /** Name of this gateway's chain of batches. */
  readonly writer: string;
  /** What the chain's first batch follows, in a log that goes on from another. */
  readonly chainStart?: Uint8Array | undefined;
  /** Events that may wait for the ledger; above, new exchanges are throttled. */
  readonly outboxLimit: number;
  /** Index of the rule set in force, for each event. */
  readonly rules: () => number;
  /** Epoch ms. */
  readonly clock: () => number;
  readonly random: (length: number) => Uint8Array;
  /** Called after each commit that added events: wakes the sealer. */
  readonly onCommitted: () => void;
  /** Below this much free disk no exchange begins, so that those under way can still be recorded. Default 16 MiB, 0 switches it off. */
  readonly minimumFreeBytes?: number;
  /** Folder whose disk is looked at. */
  readonly dataDir?: string;
  /** Tags by which another member's gateway finds an event of ours. Undefined: no such member. */
  readonly peerTags?: (member: string) => PeerTags | undefined;
}

export interface PreparedRecord {
  /** Inside a transaction. */
  readonly insert: () => void;
  /** Once it is committed. */
  readonly committed: () => void;
}

/** Written in one shared transaction; `run` must not throw for anything but the store's own failure. */
interface Work {
  readonly run: () => void;
  /** After the commit. */
  readonly done: () => void;
  readonly failed: (error: unknown) => void;
}

const PROBE_INTERVAL_MS = 500;

/** The write side of provenance: intents, records and events of one gateway, all calls of one turn of the event loop in one durable transaction. */
export class ExchangeRecorder implements Recorder {
  readonly outbox: Outbox;
  readonly vault: RecordVault;
  readonly intents: IntentStore;
  readonly queries: RecordQueries;
  readonly #options: RecorderOptions;
  #queue: Work[] = [];
  #scheduled = false;
  /** Versions that deletes in the queue name: not in the database yet, so that history does not know them. */
  readonly #queuedDeletions = new Set<string>();
  #failure: { readonly error: ProvenanceError; readonly sinceMs: number } | undefined;
  #probedMs = Number.NEGATIVE_INFINITY;
  #closed = false;

  constructor(options: RecorderOptions) {
    this.#options = options;
    this.outbox = new Outbox(options.store, options.writer, options.chainStart);
    this.vault = new RecordVault(options.store);
    this.intents = new IntentStore(options.store);
    this.queries = new RecordQueries(options.store, this.vault);
  }

  async begin(intent: ExchangeIntent): Promise<OpenExchange> {
    if (this.outbox.waiting >= this.#options.outboxLimit) {
      throw new ProvenanceError('throttled', `${this.outbox.waiting} events wait for the ledger`);
    }
    await this.#assertRecordable();
    const idBytes = newEventId(this.#options.random);
    const exchange = { eventId: base64url(idBytes), startedMs: this.#options.clock() };
    if (isWrite(intent.interaction)) {
      // Durable before the upstream is called: a crash from here on leaves an intent that the reconciler settles.
      const sealed = this.intents.seal(idBytes, intent);
      this.intents.opened(exchange.eventId, intent);
      try {
        await this.#commit(() => this.intents.insert(idBytes, exchange.startedMs, sealed));
      } catch (error) {
        this.intents.settled(exchange.eventId);
        throw error;
      }
    }
    return exchange;
  }

  async complete(exchange: OpenExchange, intent: ExchangeIntent, outcome: ExchangeOutcome): Promise<void> {
    await this.#record(exchange, intent, outcome, {});
  }

  async abandon(exchange: OpenExchange): Promise<void> {
    await this.#commit(() => this.intents.remove(Buffer.from(exchange.eventId, 'base64url')));
    this.intents.settled(exchange.eventId);
  }

  /** Settles an exchange that a crash or a full disk cut off, from what was found at the upstream. */
  async completeReconciled(open: OpenIntent, outcome: ExchangeOutcome): Promise<void> {
    await this.#record(open, open.intent, outcome, { reconciled: true });
  }

  /** Acknowledges disclosures that went into no exchange: what the gateway asked for itself. @throws {ProvenanceError} unavailable */
  async acknowledge(received: readonly ReceivedDisclosure[], context: AcknowledgedFor['context']): Promise<void> {
    const nowMs = this.#options.clock();
    const requestId = base64url(newEventId(this.#options.random));
    const prepared = received.map((one) =>
      this.#prepareAcknowledgement(
        one,
        { exchange: undefined, requestId, interaction: 'read', startedMs: nowMs, context },
        nowMs,
      ),
    );
    await this.#commit(() => prepared.forEach(({ insert }) => insert()));
    for (const { committed } of prepared) committed();
    this.#options.onCommitted();
  }

  /**
   * The record and event of an erasure, for the erasure's own transaction: `insert` inside it, `committed` after it.
   */
  prepareErasure(
    exchange: OpenExchange,
    intent: ExchangeIntent,
    outcome: ExchangeOutcome,
    ground: string,
  ): PreparedRecord {
    return this.#prepare(exchange, intent, outcome, { ground });
  }

  /** Set while nothing can be recorded; for the alarm. */
  get failing(): { readonly sinceMs: number } | undefined {
    return this.#failure;
  }

  async #record(
    exchange: OpenExchange,
    intent: ExchangeIntent,
    outcome: ExchangeOutcome,
    marks: { reconciled?: boolean },
  ): Promise<void> {
    try {
      const prepared = this.#prepare(exchange, intent, outcome, marks);
      await this.#commit(prepared.insert);
      prepared.committed();
    } catch (error) {
      // The intent, if any, stays on the disk: the reconciler settles it once there is room again.
      this.intents.settled(exchange.eventId);
      throw asProvenanceError(error);
    }
  }

  #prepare(
    exchange: OpenExchange,
    intent: ExchangeIntent,
    outcome: ExchangeOutcome,
    marks: { reconciled?: boolean; ground?: string },
  ): PreparedRecord {
    const idBytes = Buffer.from(exchange.eventId, 'base64url');
    const recordedMs = this.#options.clock();
    const entities = this.#eachDeletionOnce(withHistory(outcome.entities, this.queries));
    const sealed = this.vault.sealRecord({
      idBytes,
      eventId: exchange.eventId,
      startedMs: exchange.startedMs,
      recordedMs,
      intent,
      outcome: { ...outcome, entities },
      reconciled: marks.reconciled === true,
      ...(marks.ground !== undefined && { ground: marks.ground }),
    });
    const event = this.#event(sealed, this.#disclosureTag(idBytes, intent, outcome));
    const { interaction, requestId } = intent;
    const acknowledged = { exchange: exchange.eventId, startedMs: exchange.startedMs, requestId, interaction };
    const acknowledgements = (outcome.received ?? []).map((received) =>
      this.#prepareAcknowledgement(received, { ...acknowledged, context: outcome }, recordedMs),
    );
    return {
      // Record, event, acknowledgements and the end of the intent in one transaction: a crash leaves all of them or the intent alone.
      insert: () => {
        this.outbox.insertPending(this.vault.insert(sealed), recordedMs, event);
        for (const { insert } of acknowledgements) insert();
        if (isWrite(interaction)) this.intents.remove(idBytes);
      },
      committed: () => {
        this.intents.settled(exchange.eventId);
        this.outbox.added(1);
        for (const { committed } of acknowledgements) committed();
        this.#options.onCommitted();
      },
    };
  }

  #prepareAcknowledgement(
    received: ReceivedDisclosure,
    acknowledged: AcknowledgedFor,
    recordedMs: number,
  ): PreparedRecord {
    const idBytes = newEventId(this.#options.random);
    const { writer, peerTags } = this.#options;
    const { ruleSet, packages, engine } = acknowledged.context;
    const sealed = this.vault.sealRecord(
      acknowledgementDraft(
        received,
        { ...acknowledged, context: { ruleSet, packages, engine } },
        { idBytes, eventId: base64url(idBytes), recordedMs, writer },
      ),
    );
    const tags = peerTags?.(received.member);
    const event = this.#event(sealed, tags?.acknowledgement(Buffer.from(received.event, 'base64url')));
    return {
      insert: () => this.outbox.insertPending(this.vault.insert(sealed), recordedMs, event),
      committed: () => this.outbox.added(1),
    };
  }

  /** Only what was given to another member, and was given, is tagged for it. */
  #disclosureTag(idBytes: Uint8Array, { caller }: ExchangeIntent, outcome: ExchangeOutcome): string | undefined {
    if (caller.member === undefined || outcome.kind !== 'disclosed' || outcome.outcome !== '0') return undefined;
    return this.#options.peerTags?.(caller.member)?.disclosure(idBytes);
  }

  #event(sealed: SealedRecord, peer: string | undefined): Uint8Array {
    return encodeEvent({
      id: base64url(sealed.idBytes),
      kind: sealed.kind,
      alg: COMMITMENT_ALGORITHM,
      commit: base64url(sealed.commit),
      rules: this.#options.rules(),
      links: [],
      ...(peer !== undefined && { peer }),
    });
  }

  /** Two deletes of one resource that end in the same turn are told the same version by the server; only one of them made it. */
  #eachDeletionOnce(entities: readonly RecordEntity[]): readonly RecordEntity[] {
    return entities.map((entity) => {
      const { interaction, upstream, type, id, versionId } = entity;
      if (interaction !== 'delete' || id === undefined || versionId === undefined) return entity;
      const key = `${upstream}/${type}/${id}/${versionId}`;
      if (this.#queuedDeletions.has(key)) return { ...entity, versionId: undefined };
      this.#queuedDeletions.add(key);
      return entity;
    });
  }

  /** Resolves once the work is durable; shares its transaction with all that is asked for in this turn of the event loop. */
  #commit(run: () => void): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#closed) {
        reject(new ProvenanceError('unavailable', 'the recorder is closed'));
        return;
      }
      this.#queue.push({ run, done: resolve, failed: reject });
      if (this.#scheduled) return;
      this.#scheduled = true;
      setImmediate(() => this.flush());
    });
  }

  /** Commits at once what is queued; an erasure must find nothing half-way. */
  flush(): void {
    this.#scheduled = false;
    const works = this.#queue;
    this.#queue = [];
    if (works.length > 0) this.#runTogether(works);
    this.#queuedDeletions.clear();
  }

  #runTogether(works: readonly Work[]): void {
    try {
      this.#options.store.transaction(() => {
        for (const { run } of works) run();
      });
    } catch (error) {
      const failure = asProvenanceError(error);
      if (failure !== error && works.length > 1) {
        // One caller's fault must not fail the others: each again on its own.
        for (const work of works) this.#runTogether([work]);
        return;
      }
      // What is one exchange's own fault is not the store's: it alone is refused.
      if (failure === error) this.#failure ??= { error: failure, sinceMs: this.#options.clock() };
      for (const { failed } of works) failed(failure);
      return;
    }
    this.#failure = undefined;
    for (const { done } of works) done();
  }

  /** Reads leave nothing behind until they are complete, so whether that will be possible is asked of the disk beforehand. */
  async #assertRecordable(): Promise<void> {
    const now = this.#options.clock();
    if (now - this.#probedMs < PROBE_INTERVAL_MS && now >= this.#probedMs) {
      if (this.#failure !== undefined) throw unavailable(this.#failure.error);
      return;
    }
    this.#probedMs = now;
    const { minimumFreeBytes = 16 * 1024 * 1024, dataDir } = this.#options;
    if (dataDir !== undefined && minimumFreeBytes > 0 && freeBytes(dataDir) < minimumFreeBytes) {
      const error = new ProvenanceError('unavailable', 'the disk is nearly full');
      this.#failure ??= { error, sinceMs: now };
      throw error;
    }
    if (this.#failure !== undefined) await this.#commit(() => this.intents.probe(now));
  }

  /** Commits what is queued and refuses what comes after. */
  close(): void {
    this.flush();
    this.#closed = true;
  }
}

/** What cannot be recorded, for whatever reason, may neither be disclosed nor sent on. */
function asProvenanceError(error: unknown): ProvenanceError {
  if (error instanceof ProvenanceError) return error;
  return new ProvenanceError('unavailable', 'an exchange cannot be recorded', { cause: error });
}

function unavailable(cause: ProvenanceError): ProvenanceError {
  return new ProvenanceError('unavailable', 'nothing can be recorded now', { cause });
}

/** Free for this process; zero where the folder is not to be had. */
function freeBytes(folder: string): number {
  try {
    const { bavail, bsize } = statfsSync(folder);
    return bavail * bsize;
  } catch {
    return 0;
  }
}
