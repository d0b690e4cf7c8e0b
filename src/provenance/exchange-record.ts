import type { InteractionCode } from '../fhir/interaction.ts';

/** Kinds of events on the ledger (design/ledger "Event"). */
export type EventKind =
  | 'received'
  | 'disclosed'
  | 'rejected'
  | 'denied'
  | 'transformed'
  | 'acknowledged'
  | 'corrected'
  | 'superseded'
  | 'retracted'
  | 'erased'
  | 'checked';

/** Who asks, as the verified token says. */
export interface Caller {
  readonly issuer: string;
  readonly subject: string;
  readonly clientId: string;
  readonly user: string | undefined;
  readonly organisation: string | undefined;
  readonly purpose: string | undefined;
  /** Patient that the token is bound to (SMART launch context); names a patient, so it is stored encrypted only. */
  readonly patient: string | undefined;
  /** Another member of the consortium that this caller belongs to, by the configuration; left out for our own clients. */
  readonly member?: string;
}

/** A disclosure that another member's gateway says it made to us: what its answer's `Concordat-Event` said. */
export interface ReceivedDisclosure {
  readonly upstream: string;
  readonly member: string;
  /** Id of that member's event; whether there is one is not known. */
  readonly event: string;
}

/** Lowercase hex SHA-256 digests (design/ledger "Record"): `b1` of the exact octets, `f1` of the form with servers' own meta left out. */
export interface Digests {
  readonly b1: string;
  readonly f1: string;
}

/** One resource version touched by an exchange. */
export interface RecordEntity {
  readonly upstream: string;
  readonly type: string;
  /** Undefined only for a create that never got an id. */
  readonly id: string | undefined;
  readonly versionId: string | undefined;
  readonly profiles: readonly string[];
  /** Upstream-local Patient ids whose R4 compartment this resource is in; empty where no patient is concerned. */
  readonly patients: readonly string[];
  readonly sent: Digests | undefined;
  readonly stored: Digests | undefined;
  /** The upstream stored something else than it was sent (`isAlteredByUpstream`). */
  readonly altered?: boolean;
  /** `matchDigest` of what is sent in a transaction, so that the reconciler can know it again. */
  readonly match?: string;
  /** Bundle entry index, where the exchange was a bundle. */
  readonly entry: number | undefined;
  readonly interaction: InteractionCode;
}

/** What is known before the upstream is called. */
export interface ExchangeIntent {
  readonly requestId: string;
  readonly caller: Caller;
  readonly interaction: InteractionCode;
  readonly kind: EventKind;
  /** Undefined on the federated address. */
  readonly upstream: string | undefined;
  readonly resourceType: string | undefined;
  readonly resourceId: string | undefined;
  /** Raw query or form text, If-None-Exist and the like; may name patients, so it is stored encrypted only. */
  readonly parameters: string | undefined;
  /** Upstream-local Patients that the request itself names, as far as the gateway can tell (a compartment search, `patient=`). */
  readonly patients?: readonly string[];
  /** Entities about to be written, with `sent` digests. Empty for reads. */
  readonly entities: readonly RecordEntity[];
}

/** What is known once the exchange is over. */
export interface ExchangeOutcome {
  readonly kind: EventKind;
  /** HTTP status that the client will see. */
  readonly status: number;
  /** AuditEvent outcome: 0 success, 4 minor (client's fault), 8 serious (upstream), 12 major; `unknown` where nobody can tell. */
  readonly outcome: '0' | '4' | '8' | '12' | 'unknown';
  readonly entities: readonly RecordEntity[];
  readonly issues: readonly {
    readonly severity: string;
    readonly code: string;
    readonly expression: string | undefined;
    readonly id: string | undefined;
  }[];
  readonly ruleSet: string;
  readonly packages: readonly string[];
  readonly engine: string;
  /** Disclosures of other members that went into this exchange; each is acknowledged by an event of its own. */
  readonly received?: readonly ReceivedDisclosure[];
}

/** An exchange whose event id is already known; the id goes into `Concordat-Event` of every recorded answer. */
export interface OpenExchange {
  readonly eventId: string;
  readonly startedMs: number;
}

/** The write side of provenance that the gateway uses. */
export interface Recorder {
  /**
   * Writes: the intent is durable when this resolves. Reads: only checks that recording is possible (nothing could be left behind by a crash).
   * @throws {ProvenanceError} unavailable (503 no-store) | throttled (503 throttled, Retry-After)
   */
  begin(intent: ExchangeIntent): Promise<OpenExchange>;
  /** The outcome, the record and the event are durable when this resolves. @throws {ProvenanceError} unavailable | throttled */
  complete(exchange: OpenExchange, intent: ExchangeIntent, outcome: ExchangeOutcome): Promise<void>;
  /** The upstream was surely never called and nothing is to be recorded; forgets the intent. */
  abandon(exchange: OpenExchange): Promise<void>;
}
