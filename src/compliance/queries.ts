import type { AuditEvent, Bundle, Parameters, Provenance } from '@medplum/fhirtypes';
import type { LedgerView } from '../ledger/ledger-view.ts';
import { ERASURE_GROUNDS, erasePatient } from '../provenance/erasure.ts';
import type { ExchangeOutcome } from '../provenance/exchange-record.ts';
import type { PeerTags } from '../provenance/peer-tag.ts';
import { ProvenanceError } from '../provenance/provenance-error.ts';
import type { ProvenanceStore } from '../provenance/provenance-store.ts';
import type { RecordFilter, RecordPlace, RecordQueries } from '../provenance/record-queries.ts';
import type { OpenedRecord } from '../provenance/record-vault.ts';
import type { ExchangeRecorder } from '../provenance/recorder.ts';
import { eventIdOf, renderAuditEvent, type RenderOptions } from './audit-event.ts';
import { pageAfter, parsePatient, parseSearch, type ParsedSearch, type SearchKind } from './audit-search.ts';
import { ComplianceError } from './compliance-error.ts';
import type {
  Compliance,
  ComplianceView,
  ErasureAnswer,
  ErasureRequest,
  UpstreamVersionText,
  VersionAddress,
} from './compliance.ts';
import { CSV_HEADER, csvRow } from './export-rows.ts';
import { proofOf, type Proof } from './proof.ts';
import { renderProvenance } from './provenance-resource.ts';
import { verifySweep } from './sweep.ts';
import { unmatchedReport } from './unmatched-report.ts';
import { reconcile } from './unmatched.ts';
import { verifyVersion } from './verify-version.ts';

export interface ComplianceOptions {
  /** This member's name in the consortium. */
  readonly member: string;
  readonly store: ProvenanceStore;
  readonly recorder: ExchangeRecorder;
  readonly queries: RecordQueries;
  readonly ledger: LedgerView;
  /** A vread at the upstream as it is today, unchanged text. Rejects when it cannot be had now. */
  readonly readVersion: (address: VersionAddress) => Promise<UpstreamVersionText>;
  /** Whether the resource is deleted at its upstream today. */
  readonly isDeleted?: (address: VersionAddress) => Promise<boolean>;
  readonly upstreamBase?: (upstream: string) => string | undefined;
  /** Tags shared with another member, by which its events for us and ours for it are known. */
  readonly peerTags: (member: string) => PeerTags | undefined;
  /** What the record of an erasure names beside itself. */
  readonly context: () => Pick<ExchangeOutcome, 'ruleSet' | 'packages' | 'engine'>;
  /** Epoch ms. */
  readonly clock: () => number;
  readonly random: (length: number) => Uint8Array;
}

const PLACES_PER_QUERY = 2000;
/** Opening a record takes a tenth of a millisecond; a turn of the event loop should not take ten. */
const ROWS_PER_TURN = 50;

/** The read side over one gateway's own records. */
export function createCompliance(options: ComplianceOptions): Compliance {
  const { queries, recorder, ledger, clock } = options;

  const proof = (opened: OpenedRecord): Proof => proofOf(recorder.outbox, ledger, opened.record.id, opened.sequence);
  const rendering = (view: ComplianceView): RenderOptions => ({
    member: options.member,
    onlyPatient: view.onlyPatient?.replace('.', '/'),
  });
  const auditEvent = (opened: OpenedRecord, view: ComplianceView): AuditEvent =>
    renderAuditEvent(opened, proof(opened), rendering(view));
  const provenance = (opened: OpenedRecord, view: ComplianceView): Provenance | undefined =>
    renderProvenance(opened, proof(opened), rendering(view));

  const search = async <R extends AuditEvent | Provenance>(
    kind: SearchKind,
    text: string,
    view: ComplianceView,
    render: (opened: OpenedRecord, view: ComplianceView) => R | undefined,
  ): Promise<Bundle<R>> => {
    const parsed = parseSearch(kind, text, clock());
    const filter = restrict(parsed.filter, view);
    const { places, hasMore } = page(queries, filter, parsed);
    const resources = places
      .map(({ sequence }) => queries.open(sequence))
      .flatMap((opened) => (opened === undefined ? [] : (render(opened, view) ?? [])));
    const last = places.at(-1);
    return {
      resourceType: 'Bundle',
      type: 'searchset',
      ...(parsed.wantsTotal && { total: queries.count(filter) }),
      link: links(kind, parsed, view, hasMore ? last : undefined),
      ...(!parsed.isCountOnly && {
        entry: resources.map((resource) => ({
          fullUrl: `${view.auditUrl}/${kind}/${resource.id}`,
          resource,
          search: { mode: 'match' as const },
        })),
      }),
    };
  };

  const verify = (address: VersionAddress): Promise<Parameters> =>
    guarded(() => verifyVersion(address, { ...options, outbox: recorder.outbox }));

  const read = (id: string, view: ComplianceView): OpenedRecord | undefined => {
    const idBytes = Buffer.from(eventIdOf(id), 'base64url');
    const filter = restrict({ events: [[idBytes]], newestFirst: true }, view);
    const place = queries.find(filter, 1)[0];
    return place === undefined ? undefined : queries.open(place.sequence);
  };

  return {
    searchAuditEvents: (text, view) => guarded(() => search('AuditEvent', text, view, auditEvent)),
    searchProvenance: (text, view) => guarded(() => search('Provenance', text, view, provenance)),
    readAuditEvent: (id, view) =>
      guarded(async () => {
        const opened = read(id, view);
        return opened === undefined ? undefined : auditEvent(opened, view);
      }),
    readProvenance: (id, view) =>
      guarded(async () => {
        const opened = read(id, view);
        return opened === undefined || opened.record.outcome !== '0' ? undefined : provenance(opened, view);
      }),
    hasEvent: (eventId) =>
      queries.find({ events: [[Buffer.from(eventId, 'base64url')]], newestFirst: true }, 1).length > 0,
    exportRows: (kind, format, text, view) =>
      guarded(async () => {
        const filter = restrict(parseSearch(kind, text, clock()).filter, view);
        const render = kind === 'AuditEvent' ? auditEvent : provenance;
        const row = (opened: OpenedRecord): string => {
          if (format === 'csv') return csvRow(opened, proof(opened), rendering(view));
          const resource = render(opened, view);
          return resource === undefined ? '' : `${JSON.stringify(resource)}\n`;
        };
        return rows(queries, filter, format === 'csv' ? CSV_HEADER : '', row);
      }),
    verifyVersion: verify,
    verifySweep: (request) => guarded(() => verifySweep(request, { queries, verify, clock })),
    unmatched: (request) =>
      guarded(async () => {
        const { member, peerTags } = options;
        const found = await reconcile(request, { member, ledger, queries, peerTags, clock });
        return unmatchedReport(request, found, queries);
      }),
    erasePatient: (request) => erase(request, options),
  };
}

function page(
  queries: RecordQueries,
  filter: RecordFilter,
  { count, isCountOnly }: ParsedSearch,
): { places: RecordPlace[]; hasMore: boolean } {
  if (isCountOnly) return { places: [], hasMore: false };
  const places = queries.find(filter, count + 1);
  return { places: places.slice(0, count), hasMore: places.length > count };
}

/** A patient's own token sees entries of that Patient and of nobody else. */
function restrict(filter: RecordFilter, { onlyPatient }: ComplianceView): RecordFilter {
  if (onlyPatient === undefined) return filter;
  const patient = parsePatient(onlyPatient);
  if (patient === undefined) throw new ComplianceError('bad-value', 'the Patient of the token has no upstream', {});
  return { ...filter, index: [[{ field: 'patient', ...patient }], ...(filter.index ?? [])] };
}

function links(
  kind: SearchKind,
  { text }: ParsedSearch,
  { auditUrl }: ComplianceView,
  next: RecordPlace | undefined,
): NonNullable<Bundle['link']> {
  const base = `${auditUrl}/${kind}?`;
  const self = [{ relation: 'self', url: `${base}${text}` }];
  if (next === undefined) return self;
  const parameters = new URLSearchParams(text);
  parameters.append('_page', pageAfter(next));
  return [...self, { relation: 'next', url: `${base}${parameters.toString()}` }];
}

/** Pages through the matches without holding them, giving the event loop a turn in between. */
async function* rows(
  queries: RecordQueries,
  filter: RecordFilter,
  header: string,
  row: (opened: OpenedRecord) => string,
): AsyncGenerator<string, void, undefined> {
  if (header !== '') yield header;
  let after: RecordPlace | undefined;
  for (;;) {
    const places = queries.find(after === undefined ? filter : { ...filter, after }, PLACES_PER_QUERY);
    after = places.at(-1);
    if (after === undefined) return;
    for (let at = 0; at < places.length; at += ROWS_PER_TURN) {
      const opened = places.slice(at, at + ROWS_PER_TURN).flatMap(({ sequence }) => queries.open(sequence) ?? []);
      yield opened.map(row).join('');
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}

async function erase(request: ErasureRequest, options: ComplianceOptions): Promise<ErasureAnswer> {
  const ground = ERASURE_GROUNDS.find((one) => one === request.ground) ?? 'unstated';
  const { eventId, erasedParts } = await erasePatient(options, { ...request, ...options.context(), ground });
  const parameters: Parameters = {
    resourceType: 'Parameters',
    parameter: [
      { name: 'event', valueString: eventId },
      { name: 'erasedParts', valueInteger: erasedParts },
      { name: 'ground', valueCode: ground },
    ],
  };
  return { eventId, erasedParts, parameters };
}

/** What goes wrong in the store is `unavailable` to who asks. */
async function guarded<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (!(cause instanceof ProvenanceError)) throw cause;
    throw new ComplianceError('unavailable', 'the records cannot be read', { cause });
  }
}
