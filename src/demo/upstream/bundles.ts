import type { Bundle, BundleEntry, OperationOutcome, Resource } from '@medplum/fhirtypes';
import type { ParsedResources } from './version-store.ts';

/** Index of the first entry that changes what an earlier entry of the transaction changes too, as far as their addresses say. */
export function repeatedTarget(bundle: Bundle): number | undefined {
  const seen = new Set<string>();
  const index = (bundle.entry ?? []).findIndex((entry) => {
    const { method, url } = entry.request ?? {};
    if (url === undefined || !url.includes('/') || method === 'GET' || method === 'POST') return false;
    if (seen.has(url)) return true;
    seen.add(url);
    return false;
  });
  return index < 0 ? undefined : index;
}

/** The first entry of a response bundle that failed, with its place in the outcome. */
export function failedEntry(
  result: Resource | undefined,
): { readonly status: number; readonly outcome: OperationOutcome } | undefined {
  const entries = entriesOf(result);
  const index = entries.findIndex((entry) => statusOf(entry) >= 400);
  if (index < 0) return undefined;
  const found = entries[index]?.response?.outcome as OperationOutcome | undefined;
  const issue = (found?.issue ?? []).map((item) => ({ ...item, expression: [`Bundle.entry[${index}]`] }));
  return { status: statusOf(entries[index]), outcome: { resourceType: 'OperationOutcome', issue } };
}

/** Completes the router's response entries: status with 201 for what was created, versioned location, etag, time; content of writes only if asked for. */
export function finishResponses(
  result: Resource,
  request: Bundle,
  parsed: ParsedResources,
  representation: boolean,
): void {
  entriesOf(result).forEach((entry, index) => {
    const version = entry?.resource === undefined ? undefined : parsed.versionOf(entry.resource);
    if (entry?.response === undefined || version === undefined) return;
    const { response } = entry;
    response.location = `${version.type}/${version.id}/_history/${version.versionId}`;
    response.etag = `W/"${version.versionId}"`;
    response.lastModified = version.lastUpdated;
    const method = request.entry?.[index]?.request?.method;
    if (method === 'GET' || method === 'HEAD') return;
    if (method === 'PUT' && version.created) response.status = '201';
    if (!representation) delete entry.resource;
  });
}

function entriesOf(result: Resource | undefined): readonly (BundleEntry | null | undefined)[] {
  return result?.resourceType === 'Bundle' ? (result.entry ?? []) : [];
}

/** The router leaves no entry where it could make no answer. */
function statusOf(entry: BundleEntry | null | undefined): number {
  return Number.parseInt(entry?.response?.status ?? '500', 10);
}
