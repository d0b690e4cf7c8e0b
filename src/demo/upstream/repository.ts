import { randomUUID } from 'node:crypto';
import {
  OperationOutcomeError,
  allOk,
  applyPatch,
  badRequest,
  created,
  fhirpathPatchTypedValue,
  gone,
  multipleMatches,
  normalizeOperationOutcome,
  notFound,
  parseFhirPathPatchParameters,
  preconditionFailed,
  toTypedValue,
} from '@medplum/core';
import type { Operation, SearchRequest, WithId } from '@medplum/core';
import { MemoryRepository } from '@medplum/fhir-router';
import type { CreateResourceOptions, DeleteResourceOptions, UpdateResourceOptions } from '@medplum/fhir-router';
import type { Bundle, OperationOutcome, Parameters, Reference, Resource } from '@medplum/fhirtypes';
import { parseKeepingLexemes, stringifyWithLexemes } from './lexemes.ts';
import { parseQuery, search } from './search.ts';
import { SearchIndex } from './search-index.ts';
import { ParsedResources } from './version-store.ts';
import type { StoredVersion, VersionStore } from './version-store.ts';

const FHIR_ID = /^[A-Za-z0-9.-]{1,64}$/;

/**
 * The router's memory repository with what it lacks: versions that count from 1, deletions that leave a trace, writes that outlive the process, and
 * content that is read as it was written. What the router asks inside a batch or for a condition comes here too.
 */
export class JournalledRepository extends MemoryRepository {
  readonly store: VersionStore;
  readonly parsed = new ParsedResources();
  readonly index: SearchIndex;

  constructor(store: VersionStore) {
    super();
    this.store = store;
    this.index = new SearchIndex(store, this.parsed);
  }

  override generateId(): string {
    return randomUUID();
  }

  override async createResource<T extends Resource>(resource: T, options?: CreateResourceOptions): Promise<WithId<T>> {
    // R4 has the server ignore an id that comes with a create; inside a bundle the router assigned it.
    const id = options?.assignedId === true && resource.id !== undefined ? resource.id : this.generateId();
    return this.#write(resource, id, 'POST');
  }

  override async updateResource<T extends Resource>(resource: T, options?: UpdateResourceOptions): Promise<WithId<T>> {
    const { id } = resource;
    if (id === undefined || !FHIR_ID.test(id))
      throw new OperationOutcomeError(badRequest('The id is missing or is no FHIR id', `${resource.resourceType}.id`));
    this.#requireVersion(resource.resourceType, id, options?.ifMatch);
    return this.#write(resource, id, 'PUT');
  }

  override async patchResource<T extends Resource>(
    type: T['resourceType'],
    id: string,
    patch: Operation[] | Parameters,
    options?: UpdateResourceOptions,
  ): Promise<WithId<T>> {
    const copy = parseKeepingLexemes(this.#live(type, id).text ?? '') as T;
    try {
      if (Array.isArray(patch)) {
        const failed = applyPatch(copy, patch).some(Boolean);
        if (failed) throw new OperationOutcomeError(badRequest('The patch cannot be applied'));
      } else fhirpathPatchTypedValue(toTypedValue(copy), parseFhirPathPatchParameters(patch));
    } catch (error) {
      throw error instanceof OperationOutcomeError
        ? error
        : new OperationOutcomeError(normalizeOperationOutcome(error));
    }
    if (copy.id !== id || copy.resourceType !== type)
      throw new OperationOutcomeError(badRequest('A patch changes neither type nor id'));
    return this.updateResource(copy, options);
  }

  override async deleteResource(type: string, id: string, options?: DeleteResourceOptions): Promise<void> {
    const current = this.store.current(type, id);
    if (current === undefined) throw new OperationOutcomeError(notFound);
    if (current.text === undefined) return;
    this.#requireVersion(type, id, options?.ifMatch);
    const { versionId, lastUpdated } = this.store.next(type, id);
    await this.store.atomically(async () => {
      this.store.add({ type, id, versionId, lastUpdated, method: 'DELETE', created: false, text: undefined });
    });
  }

  override async readResource<T extends Resource>(type: string, id: string): Promise<T> {
    return this.#resource<T>(this.#live(type, id));
  }

  override async readReference<T extends Resource>(reference: Reference<T>): Promise<WithId<T>> {
    const [type = '', id = ''] = (reference.reference ?? '').split('/');
    return this.#resource<WithId<T>>(this.#live(type, id));
  }

  override async readVersion<T extends Resource>(type: string, id: string, versionId: string): Promise<T> {
    const version = this.store.versions(type, id).find((candidate) => String(candidate.versionId) === versionId);
    if (version === undefined) throw new OperationOutcomeError(notFound);
    if (version.text === undefined) throw new OperationOutcomeError(gone);
    return this.#resource<T>(version);
  }

  override async readHistory<T extends Resource>(type: string, id: string): Promise<Bundle<T>> {
    const versions = [...this.store.versions(type, id)].reverse();
    if (versions.length === 0) throw new OperationOutcomeError(notFound);
    const entry = versions.map((version) => ({
      ...(version.text === undefined ? {} : { resource: this.#resource<T>(version) }),
      request: { method: version.method, url: version.method === 'POST' ? type : `${type}/${id}` },
      response: { status: statusOf(version), etag: `W/"${version.versionId}"`, lastModified: version.lastUpdated },
    }));
    return { resourceType: 'Bundle', type: 'history', total: entry.length, entry };
  }

  override async search<T extends Resource>(request: SearchRequest<T>): Promise<Bundle<WithId<T>>> {
    const parameters = (request.filters ?? []).map(({ code, operator, value }) =>
      filterParameter(code, operator, value),
    );
    const paging: [string, string][] = [
      ['_count', String(request.count ?? 1_000)],
      ['_offset', String(request.offset ?? 0)],
    ];
    const found = search(parseQuery(request.resourceType, [...parameters, ...paging], false), this.store, this.index);
    const entry = found.matches.map((version) => ({
      resource: this.#resource<WithId<T>>(version),
      search: { mode: 'match' as const },
    }));
    return { resourceType: 'Bundle', type: 'searchset', total: found.total, ...(entry.length > 0 && { entry }) };
  }

  override async conditionalCreate<T extends Resource>(
    resource: T,
    condition: SearchRequest<T>,
    options?: CreateResourceOptions,
  ): Promise<{ resource: WithId<T>; outcome: OperationOutcome }> {
    const [match] = await this.#atMostOne(condition);
    if (match !== undefined) return { resource: match, outcome: allOk };
    return { resource: await this.createResource(resource, options), outcome: created };
  }

  override async conditionalUpdate<T extends Resource>(
    resource: T,
    condition: SearchRequest,
    options?: CreateResourceOptions & UpdateResourceOptions,
  ): Promise<{ resource: WithId<T>; outcome: OperationOutcome }> {
    const [match] = await this.#atMostOne<T>(condition as SearchRequest<T>);
    if (match !== undefined && resource.id !== undefined && resource.id !== match.id) {
      throw new OperationOutcomeError(badRequest('The id is not that of the match', `${resource.resourceType}.id`));
    }
    if (match !== undefined)
      return { resource: await this.updateResource({ ...resource, id: match.id }, options), outcome: allOk };
    if (resource.id === undefined || options?.assignedId === true)
      return { resource: await this.createResource(resource, options), outcome: created };
    return { resource: await this.updateResource(resource, options), outcome: created };
  }

  /** `Type/id` of the first two matches of a search such as `Patient?identifier=x`. */
  references(reference: string): string[] {
    const [type = '', parameters = ''] = reference.split('?', 2);
    const query = parseQuery(type, [...new URLSearchParams(parameters), ['_count', '2']], false);
    return search(query, this.store, this.index).matches.map((version) => `${version.type}/${version.id}`);
  }

  override withTransaction<R>(callback: (repository: this) => Promise<R>): Promise<R> {
    return this.store.atomically(() => callback(this));
  }

  async #atMostOne<T extends Resource>(condition: SearchRequest<T>): Promise<WithId<T>[]> {
    const matches = await this.searchResources({ ...condition, count: 2, offset: 0 });
    if (matches.length > 1) throw new OperationOutcomeError(multipleMatches);
    return matches;
  }

  async #write<T extends Resource>(resource: T, id: string, method: 'POST' | 'PUT'): Promise<WithId<T>> {
    const type = resource.resourceType;
    const before = this.store.current(type, id);
    if (method === 'POST' && before?.text !== undefined) throw new OperationOutcomeError(badRequest('The id is taken'));
    const { versionId, lastUpdated } = this.store.next(type, id);
    const { resourceType, id: sentId, meta, ...content } = resource;
    const stored = { resourceType, id, meta: { ...meta, versionId: String(versionId), lastUpdated }, ...content };
    void sentId;
    const text = stringifyWithLexemes(stored);
    const version: StoredVersion = {
      type,
      id,
      versionId,
      lastUpdated,
      method,
      created: before?.text === undefined,
      text,
    };
    await this.store.atomically(async () => this.store.add(version));
    return this.#resource<WithId<T>>(version);
  }

  #live(type: string, id: string): StoredVersion {
    const current = this.store.current(type, id);
    if (current === undefined) throw new OperationOutcomeError(notFound);
    if (current.text === undefined) throw new OperationOutcomeError(gone);
    return current;
  }

  #requireVersion(type: string, id: string, ifMatch: string | undefined): void {
    if (ifMatch === undefined) return;
    const current = this.store.current(type, id);
    if (current?.text === undefined || String(current.versionId) !== ifMatch)
      throw new OperationOutcomeError(preconditionFailed);
  }

  #resource<T>(version: StoredVersion): T {
    return this.parsed.of(version) as T;
  }
}

export function statusOf(version: StoredVersion): string {
  if (version.method === 'DELETE') return '204';
  return version.created ? '201' : '200';
}

const PREFIXES = new Set(['ne', 'gt', 'lt', 'ge', 'le', 'sa', 'eb', 'ap', 'sw']);

/** The query parameter that the router parsed a filter from. */
function filterParameter(code: string, operator: string, value: string): [string, string] {
  if (operator === 'eq') return [code, value];
  return PREFIXES.has(operator) ? [code, `${operator}${value}`] : [`${code}:${operator}`, value];
}
