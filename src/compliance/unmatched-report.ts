import type { Parameters, ParametersParameter } from '@medplum/fhirtypes';
import type { RecordQueries } from '../provenance/record-queries.ts';
import { csvCell } from './export-rows.ts';
import type { DirectionCounts, Reconciliation, Unmatched, UnmatchedRequest } from './unmatched.ts';

/** Unmatched disclosures listed in one Parameters resource; the counts go on, and the exports have all. */
const LISTED = 1000;

export interface UnmatchedReport {
  readonly parameters: Parameters;
  /** All of them, a chunk of whole lines at a time. */
  lines(format: 'csv' | 'ndjson'): Iterable<string>;
}

const COLUMNS = ['event', 'member', 'direction', 'recorded', 'final', 'state', 'leafIndex'] as const;

/** Renders what `reconcile` found. The counts of what we disclosed stand first; those of what others say that they disclosed to us end in `ToUs`. */
export function unmatchedReport(
  { windowMs, sinceMs }: UnmatchedRequest,
  found: Reconciliation,
  queries: RecordQueries,
): UnmatchedReport {
  const part = (unmatched: Unmatched): ParametersParameter[] => partsOf(unmatched, recordedAt(unmatched, queries));
  return {
    parameters: {
      resourceType: 'Parameters',
      parameter: [
        { name: 'windowSeconds', valueDecimal: windowMs / 1000 },
        { name: 'since', valueInstant: new Date(sinceMs).toISOString() },
        ...countsOf(found.counts['to-member'], ''),
        ...countsOf(found.counts['to-us'], 'ToUs'),
        ...(found.unrecognised > 0 ? [{ name: 'unrecognised', valueInteger: found.unrecognised }] : []),
        ...(found.prunedBatches > 0 ? [{ name: 'prunedBatches', valueInteger: found.prunedBatches }] : []),
        ...found.unmatched.slice(0, LISTED).map((unmatched) => ({ name: 'disclosure', part: part(unmatched) })),
      ],
    },
    *lines(format) {
      if (format === 'csv') yield `${COLUMNS.join(',')}\r\n`;
      for (const unmatched of found.unmatched) {
        yield format === 'ndjson'
          ? `${JSON.stringify({ resourceType: 'Parameters', parameter: part(unmatched) })}\n`
          : csvLine(unmatched, recordedAt(unmatched, queries));
      }
    },
  };
}

function countsOf(counts: DirectionCounts, suffix: string): ParametersParameter[] {
  return Object.entries(counts).map(([name, valueInteger]: [string, number]) => ({
    name: name + suffix,
    valueInteger,
  }));
}

function partsOf(
  { event, member, direction, finalMs, leafIndex }: Unmatched,
  recorded: string | undefined,
): ParametersParameter[] {
  return [
    { name: 'event', valueString: event },
    { name: 'member', valueString: member },
    { name: 'direction', valueCode: direction },
    ...(recorded === undefined ? [] : [{ name: 'recorded', valueInstant: recorded }]),
    { name: 'final', valueInstant: new Date(finalMs).toISOString() },
    { name: 'state', valueCode: 'final' },
    { name: 'leafIndex', valueDecimal: leafIndex },
  ];
}

function csvLine({ event, member, direction, finalMs, leafIndex }: Unmatched, recorded: string | undefined): string {
  const final = new Date(finalMs).toISOString();
  return `${[event, member, direction, recorded, final, 'final', leafIndex].map(csvCell).join(',')}\r\n`;
}

/** When we recorded our own disclosure; another gateway of this member may have it instead. */
function recordedAt({ event, direction }: Unmatched, queries: RecordQueries): string | undefined {
  if (direction === 'to-us') return undefined;
  const sequence = queries.sequenceOf(Buffer.from(event, 'base64url'));
  return sequence === undefined ? undefined : queries.open(sequence)?.record.recorded;
}
