import type { ComplianceView } from '../compliance/compliance.ts';
import type { Access } from './auth/access.ts';
import { GatewayError } from './gateway-error.ts';
import { FHIR_JSON } from './negotiate.ts';
import type { GatewayParts } from './parts.ts';
import { EVENT_HEADER } from './recording.ts';
import type { Recording } from './recording.ts';
import type { GatewayAnswer, GatewayRequest } from './request.ts';

export const CSV = 'text/csv; charset=utf-8; header=present';
export const NDJSON = 'application/fhir+ndjson';

export type AuditType = 'AuditEvent' | 'Provenance';

/** One question to the audit, on its way to an answer. */
export interface AuditQuestion {
  readonly parts: GatewayParts;
  readonly request: GatewayRequest;
  readonly access: Access;
  readonly recording: Recording;
  readonly caller: ConstructorParameters<typeof Recording>[1]['caller'];
  readonly auditUrl: string;
}

/** What is sent: a whole answer, or lines as they are made. */
export type Given =
  | GatewayAnswer
  | { readonly headers: Readonly<Record<string, string>>; readonly lines: AsyncIterable<string> | Iterable<string> };

/** What the token may see of the records. @throws {GatewayError} forbidden */
export function viewFor({ access, auditUrl }: AuditQuestion, type: AuditType): ComplianceView {
  if (access.allowsAllOf('s', type) && access.allowsAllOf('r', type)) return { auditUrl, onlyPatient: undefined };
  const patient = access.allowsType('r', type) ? access.launchPatientId : undefined;
  if (patient === undefined) {
    throw new GatewayError('forbidden', {
      external: `The audit needs a scope of its own, system/${type}.rs, or a patient's own token with patient/${type}.rs.`,
      reason: 'scope',
    });
  }
  return { auditUrl, onlyPatient: patient };
}

/** The record of the question, durable before its answer is shown. */
export async function completeQuestion(recording: Recording): Promise<void> {
  await recording.begin([]);
  await recording.complete({ status: 200, entities: [], issues: [] });
}

export function answerHeaders(recording: Recording): Record<string, string> {
  return { 'Content-Type': FHIR_JSON, 'Cache-Control': 'no-store', [EVENT_HEADER]: recording.eventId ?? '' };
}

/** `_format` as the exports know it; anything else is left for content negotiation. */
export function exportFormat(given: string | undefined): string | undefined {
  return (
    { 'application/fhir ndjson': 'ndjson', 'application/ndjson': 'ndjson', 'text/csv': 'csv' }[given ?? ''] ?? given
  );
}
