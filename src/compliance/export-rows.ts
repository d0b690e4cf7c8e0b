import type { OpenedRecord } from '../provenance/record-vault.ts';
import { federatedReference, shownEntities, shownPatients, type RenderOptions } from './audit-event.ts';
import type { Proof } from './proof.ts';

/** Columns of the CSV export, in their order; lists inside a cell are joined by blanks. */
export const CSV_COLUMNS = [
  'event',
  'recorded',
  'started',
  'kind',
  'interaction',
  'status',
  'outcome',
  'issuer',
  'client',
  'user',
  'subject',
  'organisation',
  'purpose',
  'upstream',
  'type',
  'patients',
  'resources',
  'query',
  'request',
  'issues',
  'ruleSet',
  'packages',
  'engine',
  'altered',
  'erased',
  'state',
  'leafIndex',
  'position',
  'checkpointSize',
  'signers',
  'members',
  'member',
  'acknowledges',
] as const;

export const CSV_HEADER = `${CSV_COLUMNS.join(',')}\r\n`;

/** One record as a line of CSV (RFC 4180). */
export function csvRow(opened: OpenedRecord, proof: Proof, { onlyPatient }: RenderOptions): string {
  const { record, request } = opened;
  const shown = onlyPatient === undefined ? request : undefined;
  const entities = shownEntities(opened, onlyPatient);
  const cells: Record<(typeof CSV_COLUMNS)[number], string | number | undefined> = {
    event: record.id,
    recorded: record.recorded,
    started: record.started,
    kind: record.kind,
    interaction: record.interaction,
    status: record.status,
    outcome: record.outcome,
    issuer: record.caller.issuer,
    client: record.caller.clientId,
    user: record.caller.user ?? shown?.user,
    subject: record.caller.subject ?? shown?.subject,
    organisation: record.caller.organisation,
    purpose: record.caller.purpose,
    upstream: record.upstream,
    type: record.resourceType,
    patients: shownPatients(opened, onlyPatient).join(' '),
    resources: entities.map((entity) => federatedReference(entity) ?? entity.type).join(' '),
    query: shown?.parameters,
    request: record.requestId,
    issues: record.issues
      .map((issue) => [issue.severity, issue.id ?? issue.code, issue.expression ?? ''].join(':'))
      .join(' '),
    ruleSet: record.ruleSet,
    packages: record.packages.join(' '),
    engine: record.engine,
    altered: entities.filter((entity) => entity.altered === true).length,
    erased: opened.erasedEntities,
    state: proof.state,
    leafIndex: proof.leafIndex,
    position: proof.position,
    checkpointSize: proof.checkpointSize,
    signers: proof.signers,
    members: proof.members,
    member: record.caller.member ?? record.acknowledges?.member,
    acknowledges: record.acknowledges?.event,
  };
  return `${CSV_COLUMNS.map((column) => csvCell(cells[column])).join(',')}\r\n`;
}

/**
 * One cell. Who sends a request chooses part of what stands here, so a value that a spreadsheet would run as a formula
 * (`=`, `+`, `-`, `@`, tab or return first) gets an apostrophe before it.
 */
export function csvCell(value: string | number | undefined): string {
  if (value === undefined) return '';
  if (typeof value === 'number') return String(value);
  const safe = /^[=+\-@\t\r\n]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
