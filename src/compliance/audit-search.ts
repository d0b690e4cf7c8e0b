import { EVENT_KINDS } from '../ledger/event.ts';
import type { InteractionCode } from '../fhir/interaction.ts';
import type { EventKind } from '../provenance/exchange-record.ts';
import type { IndexCondition, RecordFilter, RecordPlace } from '../provenance/record-queries.ts';
import { actionOf, eventIdOf, EVENT_KIND_SYSTEM, typeOf } from './audit-event.ts';
import { ComplianceError } from './compliance-error.ts';
import { parseDateRange } from './date-range.ts';

export type SearchKind = 'AuditEvent' | 'Provenance';

export interface ParsedSearch {
  readonly filter: RecordFilter;
  readonly count: number;
  /** Only the number of matches is wanted. */
  readonly isCountOnly: boolean;
  readonly wantsTotal: boolean;
  /** The parameters but for the page, for links. */
  readonly text: string;
}

const DEFAULT_COUNT = 50;
const MAXIMUM_COUNT = 1000;
const MAXIMUM_VALUES = 100;
const INTERACTIONS: readonly InteractionCode[] = [
  'read',
  'vread',
  'history-instance',
  'history-type',
  'history-system',
  'search-type',
  'search-system',
  'create',
  'update',
  'patch',
  'delete',
  'batch',
  'transaction',
  'operation',
  'capabilities',
];
/** Presentation, answered by who renders. */
const IGNORED = new Set(['_format', '_pretty']);

/** A filter under construction. */
interface Draft {
  readonly index: (readonly IndexCondition[])[];
  readonly kinds: EventKind[][];
  readonly interactions: string[][];
  readonly outcomes: string[][];
  readonly times: { fromMs?: number; beforeMs?: number; not?: boolean }[];
  readonly events: Uint8Array[][];
}

/**
 * Reads an AuditEvent or Provenance search. Values joined by commas are alternatives, repeated parameters must all hold.
 * @param search raw query or form text, without `?`
 * @throws {ComplianceError} unknown-parameter | bad-value | bad-page, naming the parameter
 */
export function parseSearch(kind: SearchKind, search: string, nowMs: number): ParsedSearch {
  const draft: Draft = { index: [], kinds: [], interactions: [], outcomes: [], times: [], events: [] };
  const kept = new URLSearchParams();
  let count = DEFAULT_COUNT;
  let newestFirst = true;
  let wantsTotal = true;
  let isCountOnly = false;
  let after: RecordPlace | undefined;
  for (const [name, value] of new URLSearchParams(search)) {
    if (IGNORED.has(name)) continue;
    if (name !== '_page') kept.append(name, value);
    switch (name) {
      case '_count':
        if (!/^\d{1,9}$/.test(value)) throw badValue(name);
        count = Math.min(Number(value), MAXIMUM_COUNT);
        break;
      case '_sort':
        newestFirst = parseSort(value);
        break;
      case '_total':
        if (!['none', 'estimate', 'accurate'].includes(value)) throw badValue(name);
        wantsTotal = value !== 'none';
        break;
      case '_summary':
        if (value !== 'count') throw badValue(name);
        isCountOnly = true;
        break;
      case '_page':
        after = parsePage(value);
        break;
      default:
        addCondition(kind, draft, name, value, nowMs);
    }
  }
  return {
    filter: { ...draft, newestFirst, writesOnly: kind === 'Provenance', ...(after !== undefined && { after }) },
    count,
    isCountOnly: isCountOnly || count === 0,
    wantsTotal,
    text: kept.toString(),
  };
}

/** Text of the `_page` parameter that goes on behind a record. */
export function pageAfter({ timeMs, sequence }: RecordPlace): string {
  return `${timeMs}-${sequence}`;
}

/** `{upstream}.{id}` as on the federated address, with or without `Patient/` or a base before it. */
export function parsePatient(value: string): { upstream: string; id: string } | undefined {
  const match = /^(?:.*\/)?(?:Patient\/)?([^./]+)\.([A-Za-z0-9.-]{1,64})$/.exec(value);
  return match === null ? undefined : { upstream: match[1] as string, id: match[2] as string };
}

function addCondition(kind: SearchKind, draft: Draft, parameter: string, value: string, nowMs: number): void {
  const [name = ''] = parameter.split(':');
  const values = value.split(',');
  if (values.length > MAXIMUM_VALUES) throw badValue(parameter);
  if (value === '' || /:(not|missing|text|above|below|in|not-in)$/.test(parameter)) throw badValue(parameter);
  const known = kind === 'AuditEvent' ? addAuditCondition : addProvenanceCondition;
  if (known(draft, name, values)) return;
  if (
    name === (kind === 'AuditEvent' ? 'date' : 'recorded') ||
    name === '_lastUpdated' ||
    (kind === 'Provenance' && name === 'when')
  ) {
    // Several times in one parameter are alternatives, which the index cannot answer: one is what anybody asks.
    const range = values.length === 1 ? parseDateRange(value, nowMs) : undefined;
    if (range === undefined) throw badValue(parameter);
    draft.times.push(range);
    return;
  }
  if (!addSharedCondition(draft, name, values)) {
    throw new ComplianceError('unknown-parameter', 'a search parameter that is not supported', { parameter: name });
  }
}

function addSharedCondition(draft: Draft, name: string, values: readonly string[]): boolean {
  switch (name) {
    case 'patient':
    case 'patient.identifier':
      draft.index.push(
        values.map((value) => ({ field: 'patient' as const, ...(parsePatient(afterBar(value)) ?? fail('patient')) })),
      );
      return true;
    case 'agent':
    case 'agent.identifier':
    case 'agent-name':
      draft.index.push(values.map(afterBar).flatMap((value) => agentConditions(value)));
      return true;
    case 'user':
      draft.index.push(
        values.map(afterBar).flatMap((value) => [
          { field: 'user' as const, value },
          { field: 'subject' as const, value },
        ]),
      );
      return true;
    case 'client':
      draft.index.push(values.map((value) => ({ field: 'client' as const, value: afterBar(value) })));
      return true;
    case 'organisation':
    case 'organization':
      draft.index.push(values.map((value) => ({ field: 'organisation' as const, value: afterBar(value) })));
      return true;
    case '_id':
      draft.events.push(values.map((value) => Buffer.from(eventIdOf(value), 'base64url')));
      return true;
    default:
      return false;
  }
}

function addAuditCondition(draft: Draft, name: string, values: readonly string[]): boolean {
  switch (name) {
    case 'entity':
      draft.index.push(values.flatMap((value) => resourceConditions('entity', value)));
      return true;
    case 'outcome':
      if (!values.every((value) => ['0', '4', '8', '12', 'unknown'].includes(afterBar(value)))) throw badValue(name);
      // What nobody knows is shown as 8, so 8 finds it.
      draft.outcomes.push(values.map(afterBar).flatMap((value) => (value === '8' ? ['8', 'unknown'] : [value])));
      return true;
    case 'action':
      draft.interactions.push(INTERACTIONS.filter((interaction) => values.includes(actionOf(interaction))));
      return true;
    case 'kind':
      draft.kinds.push(values.map((value) => EVENT_KINDS.find((kind) => kind === value) ?? fail(name)));
      return true;
    case 'type':
      draft.kinds.push(EVENT_KINDS.filter((kind) => values.some((value) => isType(value, kind))));
      return true;
    case 'subtype':
      addSubtype(draft, values);
      return true;
    default:
      return false;
  }
}

function addProvenanceCondition(draft: Draft, name: string, values: readonly string[]): boolean {
  if (name !== 'target') return false;
  draft.index.push(values.flatMap((value) => resourceConditions(name, value)));
  return true;
}

/** By kind where all values are kinds of events, else by interaction; `search` and `history` stand for all of theirs. */
function addSubtype(draft: Draft, values: readonly string[]): void {
  const codes = values.map(afterBar);
  const kinds = EVENT_KINDS.filter((kind) => codes.includes(kind));
  if (kinds.length > 0 || values.every((value) => value.startsWith(`${EVENT_KIND_SYSTEM}|`))) {
    draft.kinds.push(kinds);
    return;
  }
  draft.interactions.push(
    INTERACTIONS.filter((interaction) =>
      codes.some((code) => interaction === code || interaction.startsWith(`${code}-`)),
    ),
  );
}

function isType(value: string, kind: EventKind): boolean {
  const coding = typeOf(kind);
  const [system, code] = value.includes('|') ? value.split('|') : [undefined, value];
  if (code === kind) return system === undefined || system === EVENT_KIND_SYSTEM;
  return code === coding.code && (system === undefined || system === coding.system);
}

/** A Patient is asked for both as the resource and as the one whose data it is. */
function resourceConditions(parameter: string, value: string): IndexCondition[] {
  const match =
    /^(?:.*\/)?([A-Z][A-Za-z]+)\/([^./]+)\.([A-Za-z0-9.-]{1,64})(?:\/_history\/([A-Za-z0-9.-]{1,64}))?$/.exec(value);
  if (match === null) throw badValue(parameter);
  const [, type, upstream, id, versionId] = match as unknown as [string, string, string, string, string | undefined];
  const resource: IndexCondition = {
    field: 'resource',
    upstream,
    type,
    id,
    ...(versionId !== undefined && { versionId }),
  };
  if (parameter !== 'entity' || type !== 'Patient' || versionId !== undefined) return [resource];
  return [resource, { field: 'patient', upstream, id }];
}

function agentConditions(value: string): IndexCondition[] {
  return (['user', 'subject', 'client', 'organisation'] as const).map((field) => ({ field, value }));
}

/** The code or value of a token, whatever system stands before it. */
function afterBar(value: string): string {
  return value.slice(value.lastIndexOf('|') + 1);
}

function parseSort(value: string): boolean {
  if (/^-(date|recorded|_lastUpdated)$/.test(value)) return true;
  if (/^(date|recorded|_lastUpdated)$/.test(value)) return false;
  throw badValue('_sort');
}

function parsePage(value: string): RecordPlace {
  const match = /^(\d{1,16})-(\d{1,16})$/.exec(value);
  if (match === null)
    throw new ComplianceError('bad-page', 'a paging link that was not made here', { parameter: '_page' });
  return { timeMs: Number(match[1]), sequence: Number(match[2]) };
}

function badValue(parameter: string): ComplianceError {
  return new ComplianceError('bad-value', 'a search value that cannot be read', { parameter });
}

function fail(parameter: string): never {
  throw badValue(parameter);
}
