import type { Parameters } from '@medplum/fhirtypes';
import type { RecordPlace, RecordQueries } from '../provenance/record-queries.ts';
import type { VersionAddress } from './compliance.ts';
import type { VerifyReason } from './verify-version.ts';

export interface SweepRequest {
  /** Versions recorded from then on, epoch ms. */
  readonly sinceMs: number;
  /** Versions looked at, at most. */
  readonly limit: number;
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
 * upstream cannot be asked counts as `unreachable`: the sweep goes on.
 * @returns Parameters: `checked`, one count for each reason, `coverage` (per cent of the versions in that time), `durationMs`, and a `finding` for each that is no match
 */
export async function verifySweep(request: SweepRequest, options: SweepOptions): Promise<Parameters> {
  const startedMs = options.clock();
  const { addresses, total } = await versionsSince(request, options.queries);
  const counts = new Map<SweepCount, number>();
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
      { name: 'checked', valueInteger: addresses.length },
      ...[...counts].map(([name, valueInteger]) => ({ name, valueInteger })),
      { name: 'coverage', valueDecimal: total === 0 ? 100 : Math.round((addresses.length / total) * 1000) / 10 },
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

/** Versions written since, each once, up to the limit, and how many there are in all. */
async function versionsSince(
  { sinceMs, limit }: SweepRequest,
  queries: RecordQueries,
): Promise<{ addresses: readonly VersionAddress[]; total: number }> {
  const seen = new Map<string, VersionAddress>();
  let after: RecordPlace | undefined;
  for (;;) {
    const places = queries.find(
      { writesOnly: true, times: [{ fromMs: sinceMs }], newestFirst: true, ...(after && { after }) },
      PLACES_PER_QUERY,
    );
    after = places.at(-1);
    if (after === undefined) break;
    for (const entity of places.flatMap(({ sequence }) => queries.open(sequence)?.entities ?? [])) {
      const { upstream, type, id, versionId } = entity;
      if (id === undefined || versionId === undefined || entity.stored === undefined) continue;
      seen.set(`${upstream}/${type}/${id}/${versionId}`, { upstream, type, id, versionId });
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
  return { addresses: [...seen.values()].slice(0, limit), total: seen.size };
}
