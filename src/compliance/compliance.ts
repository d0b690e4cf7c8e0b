import type { AuditEvent, Bundle, Parameters, Provenance } from '@medplum/fhirtypes';
import type { Caller } from '../provenance/exchange-record.ts';
import type { SweepRequest } from './sweep.ts';
import type { UnmatchedReport } from './unmatched-report.ts';
import type { UnmatchedRequest } from './unmatched.ts';

/** Where answers point to, and what they may show. */
export interface ComplianceView {
  /** Base of the AuditEvent and Provenance search as the client sees it, without a final slash; for `fullUrl` and paging links. */
  readonly auditUrl: string;
  /** `{upstream}.{id}` of the only Patient whose entries may be shown (a patient's own token); undefined shows all. */
  readonly onlyPatient: string | undefined;
}

export interface VersionAddress {
  readonly upstream: string;
  readonly type: string;
  readonly id: string;
  readonly versionId: string;
}

/** A version as the upstream has it today; its text is the exact body, before any rewriting. */
export type UpstreamVersionText = { readonly state: 'found'; readonly text: string } | { readonly state: 'missing' };

export interface ErasureRequest {
  readonly upstream: string;
  /** Upstream-local Patient id. */
  readonly patient: string;
  readonly caller: Caller;
  readonly requestId: string;
  /** Class of legal ground, from a closed list: `consent-withdrawn`, `objection`, `unlawful`, `legal-obligation`, `not-needed`; else `unstated`. */
  readonly ground: string | undefined;
}

export interface ErasureAnswer {
  /** The `erased` event, for `Concordat-Event`. */
  readonly eventId: string;
  /** Parts of records that nobody can open any more; 0 when nothing was held about this patient. */
  readonly erasedParts: number;
  readonly parameters: Parameters;
}

/**
 * The read side of provenance: what the gateway mounts under `/audit` and `$verify`. Search strings are raw query or form text without `?`;
 * an unknown parameter is an error, never ignored. Asking is recorded by the caller (kind `checked`), except `erasePatient`, which writes its own event.
 * Made by `createCompliance` in queries.ts.
 */
export interface Compliance {
  /**
   * AuditEvent search set: `patient date agent entity outcome type subtype action _id _lastUpdated _sort(date|-date) _count _total`, and `client`, `kind`,
   * `user`, `organisation`. @throws {ComplianceError} unknown-parameter | bad-value | bad-page | unavailable
   */
  searchAuditEvents(search: string, view: ComplianceView): Promise<Bundle<AuditEvent>>;
  /** @param id an AuditEvent id: the event id with `_` written as `.` */
  readAuditEvent(id: string, view: ComplianceView): Promise<AuditEvent | undefined>;
  /** Whether this gateway wrote an event of this id, wherever it is on its way to the ledger. @param eventId base64url of 16 bytes */
  hasEvent(eventId: string): boolean;
  /** Provenance search set: `target recorded agent patient _id _sort(recorded|-recorded) _count _total`. */
  searchProvenance(search: string, view: ComplianceView): Promise<Bundle<Provenance>>;
  readProvenance(id: string, view: ComplianceView): Promise<Provenance | undefined>;
  /**
   * All rows of a search (`_count` and paging do not apply), one chunk of whole lines at a time. CSV has a header line and cannot be run by a
   * spreadsheet. Errors of the search are thrown by the call itself, before the first chunk.
   */
  exportRows(
    kind: 'AuditEvent' | 'Provenance',
    format: 'ndjson' | 'csv',
    search: string,
    view: ComplianceView,
  ): Promise<AsyncIterable<string>>;
  /**
   * Compares the digest recorded for a version with the upstream's version today: Parameters with `verified` (boolean), `reason` (match, changed, missing,
   * unanchored, key-erased) and, where there is one, `event`, `state`, `leafIndex`, `position`, `checkpointSize`, `recorded`.
   * @throws {ComplianceError} upstream | unavailable
   */
  verifyVersion(address: VersionAddress): Promise<Parameters>;
  /**
   * Verifies every version written through here since a time: Parameters with `checked`, a count for each reason, `coverage`, `durationMs` and a `finding` for each
   * that is no match. @throws {ComplianceError} unavailable
   */
  verifySweep(request: SweepRequest): Promise<Parameters>;
  /**
   * Disclosures between this member and others whose other end has said nothing for longer than a window, with counts.
   * @throws {ComplianceError} bad-value | unavailable
   */
  unmatched(request: UnmatchedRequest): Promise<UnmatchedReport>;
  /** Destroys what opens the records of one Patient and writes the `erased` event. @throws {ProvenanceError} unavailable */
  erasePatient(request: ErasureRequest): Promise<ErasureAnswer>;
}
