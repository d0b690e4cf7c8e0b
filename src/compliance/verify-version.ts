import type { Parameters } from '@medplum/fhirtypes';
import { patientsOfNode } from '../fhir/compartment.ts';
import { parseJsonText, type JsonNode } from '../fhir/json-text.ts';
import { parseEvent } from '../ledger/event.ts';
import { LedgerError } from '../ledger/ledger-error.ts';
import type { LedgerView } from '../ledger/ledger-view.ts';
import { formDigest } from '../provenance/digest.ts';
import type { Outbox } from '../provenance/outbox.ts';
import { base64url, recordCommitment } from '../provenance/record.ts';
import type { RecordQueries } from '../provenance/record-queries.ts';
import type { OpenedRecord } from '../provenance/record-vault.ts';
import { ComplianceError } from './compliance-error.ts';
import type { UpstreamVersionText, VersionAddress } from './compliance.ts';
import { proofOf } from './proof.ts';

export type VerifyReason = 'match' | 'changed' | 'missing' | 'unanchored' | 'key-erased';

export interface VerifyOptions {
  readonly queries: RecordQueries;
  readonly outbox: Outbox;
  readonly ledger: LedgerView;
  readonly readVersion: (address: VersionAddress) => Promise<UpstreamVersionText>;
  /** Whether the resource is deleted at its upstream today, although earlier versions may still be read. Left out: only the version is looked at. */
  readonly isDeleted?: (address: VersionAddress) => Promise<boolean>;
  /** Base URL of an upstream, so that absolute references to its own Patients are seen. */
  readonly upstreamBase?: (upstream: string) => string | undefined;
  readonly clock: () => number;
}

interface Anchor {
  readonly opened: OpenedRecord;
  /** `f1` of what the upstream stored. */
  readonly form: string;
}

const RECORDS_LOOKED_AT = 1000;

/**
 * Compares what was recorded when a version passed through here with what the upstream has today. The earliest record counts; it must itself be the one that its
 * event on the ledger commits to, else the version is unanchored.
 * @throws {ComplianceError} upstream: the version cannot be had now | unavailable: too many events are being fetched from other members
 */
export async function verifyVersion(address: VersionAddress, options: VerifyOptions): Promise<Parameters> {
  const today = await readToday(address, options);
  const anchor = await findAnchor(address, options);
  const found = judge(address, today, anchor, options);
  const reason = found === 'match' && (await isDeletedBehindUs(address, options)) ? 'missing' : found;
  return {
    resourceType: 'Parameters',
    parameter: [
      { name: 'verified', valueBoolean: reason === 'match' },
      { name: 'reason', valueCode: reason },
      ...anchorParameters(anchor, options),
      { name: 'checkedAt', valueInstant: new Date(options.clock()).toISOString() },
    ],
  };
}

function judge(
  address: VersionAddress,
  today: JsonNode | undefined,
  anchor: Anchor | undefined,
  { queries, upstreamBase }: VerifyOptions,
): VerifyReason {
  if (anchor !== undefined) {
    if (today === undefined) return 'missing';
    return formDigest(today, 'stored') === anchor.form ? 'match' : 'changed';
  }
  const patients = today === undefined ? [] : patientsOfNode(today, upstreamBase?.(address.upstream));
  if (address.type === 'Patient') patients.push(address.id);
  if (patients.some((patient) => queries.isErased(address.upstream, patient))) return 'key-erased';
  return today === undefined ? 'missing' : 'unanchored';
}

async function readToday(address: VersionAddress, { readVersion }: VerifyOptions): Promise<JsonNode | undefined> {
  try {
    const answer = await readVersion(address);
    return answer.state === 'missing' ? undefined : parseJsonText(answer.text).root;
  } catch (cause) {
    throw new ComplianceError('upstream', 'the version cannot be read at its upstream', { cause });
  }
}

/** A server keeps the versions of what was deleted; that it was deleted past the gateway must show all the same. */
async function isDeletedBehindUs(address: VersionAddress, { isDeleted, queries }: VerifyOptions): Promise<boolean> {
  if (isDeleted === undefined || wasDeletedHere(address, queries)) return false;
  try {
    return await isDeleted(address);
  } catch (cause) {
    throw new ComplianceError('upstream', 'the resource cannot be read at its upstream', { cause });
  }
}

function wasDeletedHere({ upstream, type, id }: VersionAddress, queries: RecordQueries): boolean {
  const filter = { index: [[{ field: 'resource' as const, upstream, type, id }]], writesOnly: true, newestFirst: true };
  return queries
    .find(filter, RECORDS_LOOKED_AT)
    .some(({ sequence }) =>
      queries
        .open(sequence)
        ?.entities.some(
          (one) => one.upstream === upstream && one.type === type && one.id === id && one.interaction === 'delete',
        ),
    );
}

async function findAnchor(address: VersionAddress, options: VerifyOptions): Promise<Anchor | undefined> {
  const { upstream, type, id, versionId } = address;
  const places = options.queries.find(
    { index: [[{ field: 'resource', upstream, type, id, versionId }]], newestFirst: false },
    RECORDS_LOOKED_AT,
  );
  for (const { sequence } of places) {
    const opened = options.queries.open(sequence);
    const entity = opened?.entities.find(
      (one) => one.upstream === upstream && one.type === type && one.id === id && one.versionId === versionId,
    );
    if (opened === undefined || entity?.stored === undefined || !(await isCommitted(opened, options.ledger))) continue;
    return { opened, form: entity.stored.f1 };
  }
  return undefined;
}

/**
 * Whether the record is still the one that its event commits to. An event that has not reached the ledger yet says nothing against it; one that is there, but in a
 * batch whose body is kept nowhere any more, can no longer be compared and says nothing for it.
 */
async function isCommitted({ record, recordText, salt }: OpenedRecord, ledger: LedgerView): Promise<boolean> {
  const event = ledger.event(record.id) ?? (await fetchedEvent(record.id, ledger));
  if (event === undefined) return ledger.proofState(record.id).state === 'unknown';
  return parseEvent(event).commit === base64url(recordCommitment(salt, recordText));
}

async function fetchedEvent(eventId: string, ledger: LedgerView): Promise<Uint8Array | undefined> {
  try {
    return await ledger.fetchEvent?.(eventId);
  } catch (cause) {
    if (!(cause instanceof LedgerError)) throw cause;
    throw new ComplianceError('unavailable', 'the event cannot be had from other members now', { cause });
  }
}

function anchorParameters(
  anchor: Anchor | undefined,
  { outbox, ledger }: VerifyOptions,
): NonNullable<Parameters['parameter']> {
  if (anchor === undefined) return [];
  const { record, sequence } = anchor.opened;
  const { state, ...numbers } = proofOf(outbox, ledger, record.id, sequence);
  return [
    { name: 'event', valueString: record.id },
    { name: 'kind', valueCode: record.kind },
    { name: 'recorded', valueInstant: record.recorded },
    { name: 'state', valueCode: state },
    ...Object.entries(numbers).map(([name, value]) => ({ name, valueDecimal: value })),
  ];
}
