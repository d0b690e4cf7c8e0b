import type { InteractionCode } from '../fhir/interaction.ts';
import type { Digests, ExchangeOutcome, RecordEntity } from './exchange-record.ts';
import { claimVersions, type Claim } from './reconcile-claims.ts';
import type { RecordQueries } from './record-queries.ts';
import type { ExchangeRecorder } from './recorder.ts';

/** A version that an upstream holds, as far as the reconciler looks at it. */
export interface UpstreamVersion {
  readonly type: string;
  readonly id: string;
  readonly versionId: string | undefined;
  /** Epoch ms, the upstream's clock. */
  readonly lastUpdatedMs: number;
  /** A delete: the digests are undefined. */
  readonly deleted: boolean;
  /** `formDigest(node, 'sent')`. */
  readonly sentForm: string | undefined;
  /** `matchDigest(node)`. */
  readonly match: string | undefined;
  /** `digestResource(octets or slice, node, 'stored')`. */
  readonly stored: Digests | undefined;
  readonly profiles: readonly string[];
  readonly patients: readonly string[];
}

/** How the reconciler looks behind an exchange that a crash cut off; the gateway implements it with its upstream client. */
export interface UpstreamHistory {
  /**
   * All versions of a type, or of one resource, since a time: by history, else by search on `_lastUpdated`.
   * Undefined where the upstream offers no way to look; rejects when it cannot be reached now (it is asked again later).
   */
  versionsSince(query: {
    readonly upstream: string;
    readonly type: string;
    readonly id: string | undefined;
    readonly sinceMs: number;
  }): Promise<readonly UpstreamVersion[] | undefined>;
}

export interface ReconcilerOptions {
  readonly recorder: ExchangeRecorder;
  readonly queries: RecordQueries;
  readonly history: UpstreamHistory;
  /** Longest that a call to this upstream may take: until then, and 10 s more, "not there" says nothing. */
  readonly totalTimeoutMs: (upstream: string) => number;
  /** What a record names beside the exchange itself. */
  readonly context: () => Pick<ExchangeOutcome, 'ruleSet' | 'packages' | 'engine'>;
  /** Epoch ms. */
  readonly clock: () => number;
  readonly intervalMs?: number;
  /** How far an upstream's clock may be behind ours. Default 60 s; safe, because a version that a record has is no candidate. */
  readonly skewMs?: number;
  readonly onSettled?: (settled: {
    readonly eventId: string;
    readonly how: 'completed' | 'not-sent' | 'unknown';
  }) => void;
  readonly onError?: (error: unknown) => void;
}

export interface Reconciliation {
  readonly completed: number;
  readonly notSent: number;
  readonly unknown: number;
  /** Left for the next run. */
  readonly waiting: number;
}

const MARGIN_MS = 10_000;

/** Settles the intents that a crash or a full disk left open, by what their upstreams hold. One run at a time. */
export class Reconciler {
  readonly #options: ReconcilerOptions;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<Reconciliation> | undefined;
  #stopped = false;

  constructor(options: ReconcilerOptions) {
    this.#options = options;
  }

  /** Runs at once and then at intervals until stopped. */
  start(): void {
    void this.#turn();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#running?.catch(() => undefined);
  }

  async #turn(): Promise<void> {
    try {
      await this.run();
    } catch (error) {
      this.#options.onError?.(error);
    }
    if (this.#stopped) return;
    this.#timer = setTimeout(() => void this.#turn(), this.#options.intervalMs ?? 5000);
    this.#timer.unref();
  }

  /** One look at every open intent. */
  run(): Promise<Reconciliation> {
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  async #run(): Promise<Reconciliation> {
    const intents = this.#options.recorder.intents.abandoned();
    const counts = { completed: 0, notSent: 0, unknown: 0, waiting: 0 };
    if (intents.length === 0) return counts;
    const claims = await claimVersions(intents, {
      history: this.#options.history,
      isRecorded: (upstream, version) => this.#options.queries.isWriteRecorded(upstream, version),
      underWay: this.#options.recorder.intents.underWay(),
      skewMs: this.#options.skewMs ?? 60_000,
      ...(this.#options.onError && { onError: this.#options.onError }),
    });
    for (const claim of claims) counts[await this.#settle(claim)] += 1;
    return counts;
  }

  async #settle(claim: Claim): Promise<keyof Reconciliation> {
    const { recorder, clock, totalTimeoutMs, onSettled } = this.#options;
    const { open } = claim;
    const upstreams = new Set(open.intent.entities.map((entity) => entity.upstream));
    if (open.intent.upstream !== undefined) upstreams.add(open.intent.upstream);
    const timeoutMs = Math.max(0, ...[...upstreams].map((upstream) => totalTimeoutMs(upstream)));
    const isLate = clock() >= open.startedMs + timeoutMs + MARGIN_MS;
    const isWhole = claim.state === 'found' && claim.found.every((version) => version !== undefined);
    if (claim.state === 'unreachable' || (!isWhole && !isLate)) return 'waiting';
    if (claim.state === 'absent') {
      await recorder.abandon(open);
      onSettled?.({ eventId: open.eventId, how: 'not-sent' });
      return 'notSent';
    }
    const how = claim.state === 'found' ? 'completed' : 'unknown';
    await recorder.completeReconciled(open, this.#outcome(claim));
    onSettled?.({ eventId: open.eventId, how });
    return how;
  }

  #outcome({ open, state, found }: Claim): ExchangeOutcome {
    const entities = open.intent.entities.flatMap((entity, index) => {
      const version = found[index];
      if (version !== undefined) return [foundEntity(entity, version)];
      return state === 'found' ? [] : [entity];
    });
    return {
      kind: open.intent.kind,
      status: state === 'found' ? statusOf(open.intent.interaction) : 500,
      outcome: state === 'found' ? '0' : 'unknown',
      entities,
      issues: [],
      ...this.#options.context(),
    };
  }
}

function foundEntity(entity: RecordEntity, version: UpstreamVersion): RecordEntity {
  return {
    ...entity,
    id: version.id,
    versionId: version.versionId,
    profiles: version.profiles,
    patients: version.patients.length > 0 ? version.patients : entity.patients,
    stored: version.stored,
    altered: entity.sent !== undefined && version.sentForm !== entity.sent.f1,
  };
}

function statusOf(interaction: InteractionCode): number {
  if (interaction === 'create') return 201;
  return interaction === 'delete' ? 204 : 200;
}
