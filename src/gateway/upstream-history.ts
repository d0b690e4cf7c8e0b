import { itemsOf, stringMember, viewBundle } from '../fhir/bundle.ts';
import type { BundleEntry } from '../fhir/bundle.ts';
import { patientsOfNode } from '../fhir/compartment.ts';
import type { JsonSlice } from '../fhir/json-edit.ts';
import { memberValue } from '../fhir/json-text.ts';
import type { UpstreamVersionText, VersionAddress } from '../compliance/compliance.ts';
import { digestSlice, formDigest, matchDigest } from '../provenance/digest.ts';
import type { UpstreamHistory, UpstreamVersion } from '../provenance/reconciler.ts';
import { pathBelow } from './search-page.ts';
import { parseAnswer, versionOfEntry } from './upstream-call.ts';
import type { UpstreamClient } from './upstream-client.ts';
import { UpstreamError } from './upstream-error.ts';

const PAGE = '200';
/** So many pages of 200 versions a look may take; a busier upstream is asked in smaller pieces by a narrower time. */
const MOST_PAGES = 500;
const HEADERS = { accept: 'application/fhir+json', 'cache-control': 'no-cache' };

type Upstreams = ReadonlyMap<string, UpstreamClient>;

/** Looks behind exchanges that a crash cut off: by history, and where an upstream has none, by search on `_lastUpdated`. */
export function createUpstreamHistory(upstreams: Upstreams): UpstreamHistory {
  return {
    async versionsSince({ upstream: name, type, id, sinceMs }) {
      const upstream = upstreams.get(name);
      if (upstream === undefined) return undefined;
      const since = new Date(sinceMs).toISOString();
      const history = id === undefined ? `${type}/_history` : `${type}/${id}/_history`;
      const query = new URLSearchParams({ _since: since, _count: PAGE }).toString();
      const found = await pages(upstream, `${history}?${query}`);
      if (found !== undefined) return found.filter((version) => version.lastUpdatedMs >= sinceMs);
      if (id !== undefined) return undefined;
      const search = new URLSearchParams({ _lastUpdated: `ge${since}`, _count: PAGE }).toString();
      return pages(upstream, `${type}?${search}`);
    },
  };
}

/** Every version of all pages; undefined where the upstream does not offer this. @throws {UpstreamError} when it cannot be had now */
async function pages(upstream: UpstreamClient, first: string): Promise<UpstreamVersion[] | undefined> {
  const versions: UpstreamVersion[] = [];
  let path: string | undefined = first;
  for (let page = 0; path !== undefined; page += 1) {
    if (page >= MOST_PAGES) throw new UpstreamError('too-long', upstream.name);
    const answer = await upstream.request({ method: 'GET', path, headers: HEADERS });
    // A resource that was never there has no history: that is an answer, and says that nothing was written.
    if (page === 0 && (answer.status === 404 || answer.status === 410) && first.split('/').length > 2) return [];
    if (page === 0 && answer.status >= 400 && answer.status < 500) return undefined;
    const body = answer.status === 200 ? parseAnswer(answer, upstream.name) : undefined;
    const bundle = body && viewBundle(body.node);
    if (body === undefined || bundle === undefined) throw new UpstreamError('not-fhir', upstream.name);
    for (const entry of bundle.entries) versions.push(...versionIn(body, entry, upstream));
    const next = bundle.links.find(({ relation }) => relation === 'next');
    path = next && pathBelow(next.url, upstream);
    if (next !== undefined && path === undefined) throw new UpstreamError('not-fhir', upstream.name);
  }
  return versions;
}

function versionIn(body: JsonSlice, entry: BundleEntry, upstream: UpstreamClient): UpstreamVersion[] {
  const { resource } = entry;
  const place = versionOfEntry(entry, upstream.base);
  const meta = memberValue(resource, 'meta');
  const type = stringMember(resource, 'resourceType') ?? place.resourceType;
  const id = stringMember(resource, 'id') ?? place.id;
  if (type === undefined || id === undefined) return [];
  const lastUpdated = stringMember(meta, 'lastUpdated') ?? stringMember(entry.response, 'lastModified');
  const time = Date.parse(lastUpdated ?? '');
  return [
    {
      type,
      id,
      versionId: stringMember(meta, 'versionId') ?? place.versionId,
      // A version without a time may be of any time: it stays a candidate.
      lastUpdatedMs: Number.isNaN(time) ? Number.MAX_SAFE_INTEGER : time,
      deleted: resource === undefined,
      sentForm: resource && formDigest(resource, 'sent'),
      match: resource && matchDigest(resource),
      stored: resource && digestSlice(body.text, resource, 'stored'),
      profiles: itemsOf(memberValue(meta, 'profile')).flatMap((profile) =>
        profile.kind === 'string' ? [profile.value] : [],
      ),
      patients: resource === undefined ? [] : patientsOfNode(resource, upstream.base),
    },
  ];
}

/** Reads one version as its upstream has it today, for `$verify` and the tamper sweep. @throws {UpstreamError} when it cannot be had now */
export function createVersionReader(upstreams: Upstreams): (address: VersionAddress) => Promise<UpstreamVersionText> {
  return async ({ upstream: name, type, id, versionId }) => {
    const upstream = upstreams.get(name);
    if (upstream === undefined) return { state: 'missing' };
    const answer = await upstream.request({
      method: 'GET',
      path: `${type}/${id}/_history/${versionId}`,
      headers: HEADERS,
    });
    if (answer.status === 404 || answer.status === 410) return { state: 'missing' };
    const body = answer.status === 200 ? parseAnswer(answer, name) : undefined;
    if (body === undefined) throw new UpstreamError('not-fhir', name);
    return { state: 'found', text: body.text };
  };
}

/** Whether a resource is deleted at its upstream today, for `$verify`. */
export function createDeletionReader(upstreams: Upstreams): (address: VersionAddress) => Promise<boolean> {
  return async ({ upstream: name, type, id }) => {
    const upstream = upstreams.get(name);
    if (upstream === undefined) return true;
    const { status } = await upstream.request({ method: 'GET', path: `${type}/${id}`, headers: HEADERS });
    return status === 404 || status === 410;
  };
}
