import { badRequest, gone, notFound, OperationOutcomeError } from '@medplum/core';
import { patientsOf } from '../../fhir/compartment.ts';
import { isResourceType } from '../../fhir/search-parameters.ts';
import { composePage, subset } from './answers.ts';
import { statusOf } from './repository.ts';
import type { JournalledRepository } from './repository.ts';
import { parseQuery, search } from './search.ts';
import type { StoredVersion } from './version-store.ts';

/** What a read answers: one stored version, or the text of a bundle. */
export type ReadAnswer = { readonly version: StoredVersion } | { readonly bundle: string };

export interface ReadRequest {
  /** Path below the base, e.g. `Patient/1/_history`. */
  readonly path: string;
  readonly parameters: URLSearchParams;
  readonly base: string;
  /** `Prefer: handling=lenient`. */
  readonly lenient: boolean;
}

/** Answers read, vread, histories, searches and `$everything`; undefined for anything else. @throws {OperationOutcomeError} */
export function answerRead(request: ReadRequest, repository: JournalledRepository): ReadAnswer | undefined {
  const parts = request.path.split('/');
  const [type = '', id = '', third, versionId] = parts;
  if (request.path === '_history') return { bundle: history(request, repository.store.log()) };
  if (type !== '' && !isResourceType(type)) return undefined;
  if (parts.length === 1 && type !== '') return { bundle: searchPage(request, type, repository) };
  if (parts.length === 2 && id === '_history') return { bundle: history(request, repository.store.log(type)) };
  if (parts.length === 2 && /^[A-Za-z0-9.-]{1,64}$/.test(id))
    return { version: present(repository.store.current(type, id)) };
  if (parts.length === 3 && third === '$everything' && type === 'Patient')
    return { bundle: everything(request, id, repository) };
  if (third !== '_history') return undefined;
  const versions = repository.store.versions(type, id);
  if (versions.length === 0) throw new OperationOutcomeError(notFound);
  if (parts.length === 3) return { bundle: history(request, versions) };
  if (parts.length === 4)
    return { version: present(versions.find((version) => String(version.versionId) === versionId)) };
  return undefined;
}

function present(version: StoredVersion | undefined): StoredVersion {
  if (version === undefined) throw new OperationOutcomeError(notFound);
  if (version.text === undefined) throw new OperationOutcomeError(gone);
  return version;
}

function searchPage(request: ReadRequest, type: string, repository: JournalledRepository): string {
  const query = parseQuery(type, request.parameters, request.lenient);
  const found = search(query, repository.store, repository.index);
  const entry = (mode: string) => (version: StoredVersion) => ({
    version,
    fullUrl: `${request.base}/${version.type}/${version.id}`,
    rest: { search: { mode } },
    ...(query.elements !== undefined && version.text !== undefined && { text: subset(version.text, query.elements) }),
  });
  const links = pageLinks(`${request.base}/${type}`, query.obeyed, query.offset, query.count, found.total);
  return composePage({
    type: 'searchset',
    total: found.total,
    links,
    entries: [...found.matches.map(entry('match')), ...found.included.map(entry('include'))],
  });
}

function pageLinks(
  url: string,
  obeyed: readonly (readonly [string, string])[],
  offset: number,
  count: number,
  total: number,
) {
  const link = (relation: string, at: number) => {
    const query = new URLSearchParams([
      ...obeyed.map(([name, value]) => [name, value]),
      ...(at > 0 ? [['_offset', String(at)]] : []),
    ]);
    return { relation, url: query.size === 0 ? url : `${url}?${query.toString()}` };
  };
  const links = [link('self', offset)];
  if (count > 0 && offset + count < total) links.push(link('next', offset + count));
  if (count > 0 && offset > 0) links.push(link('previous', Math.max(0, offset - count)));
  return links;
}

function history(request: ReadRequest, versions: readonly StoredVersion[]): string {
  const { parameters, base } = request;
  const since = parameters.get('_since');
  const sinceMs = since === null ? -Infinity : Date.parse(since);
  if (Number.isNaN(sinceMs)) throw new OperationOutcomeError(badRequest('_since is not an instant'));
  const wanted = versions.filter((version) => Date.parse(version.lastUpdated) >= sinceMs).reverse();
  const [count, offset] = [wholeNumber(parameters, '_count', 1_000), wholeNumber(parameters, '_offset', 0)];
  const kept = [...parameters].filter(([name]) => name !== '_offset');
  const entries = wanted.slice(offset, offset + count).map((version) => ({
    version,
    fullUrl: `${base}/${version.type}/${version.id}`,
    rest: {
      request: {
        method: version.method,
        url: version.method === 'POST' ? version.type : `${version.type}/${version.id}`,
      },
      response: { status: statusOf(version), etag: `W/"${version.versionId}"`, lastModified: version.lastUpdated },
    },
  }));
  const links = pageLinks(`${base}/${request.path}`, kept, offset, count, wanted.length);
  return composePage({ type: 'history', total: wanted.length, links, entries });
}

function wholeNumber(parameters: URLSearchParams, name: string, otherwise: number): number {
  const value = parameters.get(name);
  if (value === null) return otherwise;
  if (!/^\d{1,9}$/.test(value)) throw new OperationOutcomeError(badRequest(`${name} is not a whole number`));
  return Math.min(Number(value), 1_000_000);
}

/** The patient and all that is in its compartment, in one page. */
function everything(request: ReadRequest, id: string, repository: JournalledRepository): string {
  const patient = present(repository.store.current('Patient', id));
  const found: StoredVersion[] = [patient];
  for (const type of repository.store.types()) {
    if (type === 'Patient') continue;
    for (const version of repository.store.live(type)) {
      if (version.text?.includes(`Patient/${id}`) === true && patientsOf(repository.parsed.of(version)).includes(id))
        found.push(version);
    }
  }
  const entries = found.map((version) => ({
    version,
    fullUrl: `${request.base}/${version.type}/${version.id}`,
    rest: { search: { mode: 'match' } },
  }));
  const links = [{ relation: 'self', url: `${request.base}/${request.path}` }];
  return composePage({ type: 'searchset', total: entries.length, links, entries });
}
