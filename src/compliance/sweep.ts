import type { Parameters } from '@medplum/fhirtypes';
import type { RecordFilter, RecordPlace, RecordQueries } from '../provenance/record-queries.ts';
import type { OpenedRecord } from '../provenance/record-vault.ts';
import type { VersionAddress } from './compliance.ts';
import type { VerifyReason } from './verify-version.ts';

export interface SweepRequest {
  /** Versions recorded from then on, epoch ms. */
  readonly sinceMs: number;
  /** Versions looked at, at most; a record is looked at as a whole, so it may be some more. */
  readonly limit: number;
  /** Only versions at these upstreams; undefined for all. */
  readonly upstreams?: ReadonlySet<string>;
}

export interface SweepOptions {
  readonly queries: RecordQueries;
  /** `$verify` of one version. */
  readonly verify: (address: VersionAddress) => Promise<Parameters>;
  readonly clock: () => number;
}

type SweepCount = VerifyReason | 'unreachable';

const AT_ONCE = 4;
/** Records opened in one turn of the event loop. */
const PLACES_PER_QUERY = 50;
/** Findings listed; the counts go on. */
const FINDINGS_LISTED = 1000;

/**
 * Compares every version that was written through here since a time with what its upstream has today, newest first, and counts the reasons. A version whose
 * upstream cannot be asked counts as `unreachable`: the sweep goes on. What an erasure has taken the name of is counted as `key-erased` and cannot be listed.
 * @returns Parameters: `checked`, one count for each reason, `coverage` (per cent of the records of that time), `durationMs`, and a `finding` for each that is no match
 */
export async function verifySweep(request: SweepRequest, options: SweepOptions): Promise<Parameters> {
  const startedMs = options.clock();
  const { addresses, erased, coverage } = await versionsSince(request, options.queries);
  const counts = new Map<SweepCount, number>(erased > 0 ? [['key-erased', erased]] : []);
  const findings: { address: VersionAddress; reason: SweepCount }[] = [];
  const left = [...addresses].reverse();
  const work = async (): Promise<void> => {
    for (let address = left.pop(); address !== undefined; address = left.pop()) {
      const reason = await reasonOf(address, options);
      counts.set(reason, (counts.get(reason) ?? 0) + 1);
      if (reason !== 'match' && findings.length < FINDINGS_LISTED) findings.push({ address, reason });
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return {
    resourceType: 'Parameters',
    parameter: [
      { name: 'checked', valueInteger: addresses.length + erased },
      ...[...counts].map(([name, valueInteger]) => ({ name, valueInteger })),
      { name: 'coverage', valueDecimal: coverage },
      { name: 'durationMs', valueInteger: Math.round(options.clock() - startedMs) },
      ...findings.map(({ address, reason }) => ({
        name: 'finding',
        part: [
          {
            name: 'version',
            valueString: `${address.type}/${address.upstream}.${address.id}/_history/${address.versionId}`,
          },
          { name: 'reason', valueCode: reason },
        ],
      })),
    ],
  };
}

async function reasonOf(address: VersionAddress, { verify }: SweepOptions): Promise<SweepCount> {
  try {
    const { parameter } = await verify(address);
    return (parameter?.find(({ name }) => name === 'reason')?.valueCode ?? 'unanchored') as VerifyReason;
  } catch {
    return 'unreachable';
  }
}

interface Swept {
  readonly addresses: readonly VersionAddress[];
  /** Versions, or commitments to them, that nobody can name any more. */
  readonly erased: number;
  /** Per cent of the records of that time. */
  readonly coverage: number;
}

/** Versions written since, each once, newest first, until the limit is reached. */
async function versionsSince(request: SweepRequest, queries: RecordQueries): Promise<Swept> {
  // By kind, because a record of which nothing is left that an erasure did not take is no longer marked as a write.
  const filter: RecordFilter = {
    kinds: [['received']],
    outcomes: [['0']],
    times: [{ fromMs: request.sinceMs }],
    newestFirst: true,
  };
  const seen = new Map<string, VersionAddress>();
  let erased = 0;
  let records = 0;
  let after: RecordPlace | undefined;
  while (seen.size < request.limit) {
    const places = queries.find({ ...filter, ...(after && { after }) }, PLACES_PER_QUERY);
    after = places.at(-1);
    if (after === undefined) break;
    for (const { sequence } of places) {
      if (seen.size >= request.limit) break;
      const opened = queries.open(sequence);
      records += 1;
      if (opened === undefined) continue;
      // Of what is erased not even the upstream is known, so that one sweep of all counts it.
      if (request.upstreams === undefined) erased += opened.erasedEntities;
      for (const address of writtenVersions(opened, request.upstreams)) {
        seen.set(`${address.upstream}/${address.type}/${address.id}/${address.versionId}`, address);
      }
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
  const total = queries.count(filter);
  const coverage = total === 0 ? 100 : Math.min(100, Math.round((records / total) * 1000) / 10);
  return { addresses: [...seen.values()], erased, coverage };
}

function writtenVersions(
  { entities }: OpenedRecord,
  upstreams: ReadonlySet<string> | undefined,
): readonly VersionAddress[] {
  return entities.flatMap(({ upstream, type, id, versionId, stored }) => {
    if (id === undefined || versionId === undefined || stored === undefined) return [];
    return upstreams === undefined || upstreams.has(upstream) ? [{ upstream, type, id, versionId }] : [];
  });
}
