import type { InteractionCode } from '../fhir/interaction.ts';
import { isWrite } from '../fhir/interaction.ts';
import type { OutcomeIssue } from '../fhir/outcome.ts';
import { ProvenanceError } from '../provenance/provenance-error.ts';
import type {
  Caller,
  EventKind,
  ExchangeIntent,
  ExchangeOutcome,
  OpenExchange,
  RecordEntity,
} from '../provenance/exchange-record.ts';
import { errorAnswer, errorFacts } from './error-response.ts';
import { GatewayError } from './gateway-error.ts';
import type { GatewayParts } from './parts.ts';
import type { GatewayAnswer } from './request.ts';
import { UpstreamError } from './upstream-error.ts';

export const EVENT_HEADER = 'Concordat-Event';

export interface RecordingFacts {
  readonly requestId: string;
  readonly caller: Caller;
  readonly interaction: InteractionCode;
  /** A question to the gateway itself: `$validate`, `$verify`, the audit. */
  readonly isCheck: boolean;
  readonly upstream: string | undefined;
  readonly resourceType: string | undefined;
  readonly resourceId: string | undefined;
  readonly parameters: string | undefined;
  /** Patients that the request names: upstream-local ids where it has one upstream, else `{upstream}.{id}`. */
  readonly patients: readonly string[];
  /** The instance asked for, recorded when it is not reached. */
  readonly attempted: readonly RecordEntity[];
}

/** What an exchange came to. */
export interface Completion {
  readonly status: number;
  readonly entities: readonly RecordEntity[];
  readonly issues: readonly OutcomeIssue[];
}

/** The record of one exchange, from its intent to its outcome; the same for an exchange that is refused on the way. */
export class Recording {
  readonly #parts: GatewayParts;
  #facts: RecordingFacts;
  #open: OpenExchange | undefined;
  #intent: ExchangeIntent;
  #mayStand = false;

  constructor(parts: GatewayParts, facts: RecordingFacts) {
    this.#parts = parts;
    this.#facts = facts;
    this.#intent = this.#makeIntent(this.#kind([]), []);
  }

  /** Adds what only the request's body has told. Before `begin`. */
  know(more: Pick<RecordingFacts, 'interaction' | 'parameters' | 'patients'>): void {
    this.#facts = { ...this.#facts, ...more };
    this.#intent = this.#makeIntent(this.#kind([]), []);
  }

  /** What a refusal that comes now was about, with the patients that it names. */
  attempt(entities: readonly RecordEntity[]): void {
    if (entities.length > 0) this.#facts = { ...this.#facts, attempted: entities };
  }

  get eventId(): string | undefined {
    return this.#open?.eventId;
  }

  /** Before the upstream is called. @throws {ProvenanceError} unavailable | throttled: nothing may be sent or disclosed */
  async begin(entities: readonly RecordEntity[], kind: EventKind = this.#kind(entities)): Promise<void> {
    this.#intent = this.#makeIntent(kind, entities);
    this.#open = await this.#parts.recorder.begin(this.#intent);
    this.#mayStand = entities.length > 0;
  }

  /** Before the client is answered. @throws {ProvenanceError} unavailable | throttled */
  async complete(completion: Completion): Promise<void> {
    const outcome = completion.status < 400 ? '0' : completion.status < 500 ? '4' : '8';
    const entities = completion.entities.length > 0 ? completion.entities : this.#known();
    // An upstream may refuse what the gateway would have let pass.
    const kind = completion.status === 403 ? 'denied' : this.#intent.kind;
    await this.#finish(kind, outcome, { ...completion, entities });
  }

  /** Records a refusal or failure and makes the answer to it. A crash before this ends leaves the intent to the reconciler. */
  async refuse(error: unknown): Promise<GatewayAnswer> {
    if (error instanceof ProvenanceError) return this.#unrecorded(error);
    const facts = errorFacts(error);
    const issues = error instanceof GatewayError ? (error.detail.found ?? facts.issues) : facts.issues;
    try {
      this.#open ??= await this.#parts.recorder.begin({ ...this.#intent, kind: this.#refusalKind(error) });
      await this.#finish(this.#refusalKind(error), this.#outcomeOf(error, facts.status), {
        status: facts.status,
        entities: this.#known(),
        issues,
      });
    } catch (failure) {
      return this.#unrecorded(failure);
    }
    return this.#answerTo(error);
  }

  #known(): readonly RecordEntity[] {
    if (this.#intent.entities.length > 0) return this.#intent.entities;
    return this.#facts.attempted;
  }

  #kind(entities: readonly RecordEntity[]): EventKind {
    return this.#facts.isCheck ? 'checked' : kindOf(this.#facts.interaction, entities);
  }

  #refusalKind(error: unknown): EventKind {
    if (!(error instanceof GatewayError)) return this.#intent.kind;
    if (error.code === 'forbidden') return 'denied';
    return error.code === 'profile' ? 'rejected' : this.#intent.kind;
  }

  #outcomeOf(error: unknown, status: number): ExchangeOutcome['outcome'] {
    if (error instanceof UpstreamError) return this.#mayStand && error.mayHaveHappened ? 'unknown' : '8';
    return status < 500 ? '4' : '12';
  }

  async #finish(kind: EventKind, outcome: ExchangeOutcome['outcome'], completion: Completion): Promise<void> {
    const { recorder, ruleSet, validator } = this.#parts;
    if (this.#open === undefined) throw new TypeError('an exchange ends after it has begun');
    const intent = { ...this.#intent, kind };
    const received = this.#parts.disclosures?.take() ?? [];
    await recorder.complete(this.#open, intent, {
      kind,
      status: completion.status,
      outcome,
      entities: completion.entities,
      issues: completion.issues.map(recordedIssue),
      ruleSet: ruleSet.digest,
      packages: validator.context.packages,
      engine: validator.context.engine,
      ...(received.length > 0 && { received }),
    });
    this.#mayStand = false;
  }

  /** What cannot be recorded is not disclosed. A write that the upstream has taken cannot be undone, so that much is said. */
  #unrecorded(error: unknown): GatewayAnswer {
    if (!this.#mayStand) return errorAnswer(error);
    const uncertain = new GatewayError('uncertain', {
      external:
        'The upstream may have carried out this write, but its outcome could not be recorded yet. Look for it before you send it again; ' +
        'the record will be settled under the event id of this answer.',
      cause: error,
    });
    return this.#answerTo(uncertain);
  }

  #answerTo(error: unknown): GatewayAnswer {
    const answer = errorAnswer(error);
    if (this.#open === undefined) return answer;
    return { ...answer, headers: { ...answer.headers, [EVENT_HEADER]: this.#open.eventId } };
  }

  #makeIntent(kind: EventKind, entities: readonly RecordEntity[]): ExchangeIntent {
    const { requestId, caller, interaction, upstream, resourceType, resourceId, parameters, patients } = this.#facts;
    return {
      requestId,
      caller,
      interaction,
      kind,
      upstream,
      resourceType,
      resourceId,
      parameters,
      patients,
      entities,
    };
  }
}

function recordedIssue(issue: OutcomeIssue): ExchangeOutcome['issues'][number] {
  return { severity: issue.severity, code: issue.code, expression: issue.expression?.[0], id: issue.id };
}

/** What an event is called (docs/ledger-format.md, "What makes an event"); a Bundle is known by what it writes. */
export function kindOf(interaction: InteractionCode, entities: readonly RecordEntity[]): EventKind {
  switch (interaction) {
    case 'create':
    case 'update':
    case 'patch':
      return 'received';
    case 'delete':
      return 'retracted';
    case 'batch':
    case 'transaction':
      return entities.some((entity) => isWrite(entity.interaction)) ? 'received' : 'disclosed';
    case 'read':
    case 'vread':
    case 'history-instance':
    case 'history-type':
    case 'history-system':
    case 'search-type':
    case 'search-system':
    case 'operation':
    case 'capabilities':
      return 'disclosed';
  }
}
