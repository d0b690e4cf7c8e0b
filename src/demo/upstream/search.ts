import { badRequest, OperationOutcomeError } from '@medplum/core';
import { RESOURCE_TYPES, isResourceType, searchParameter } from '../../fhir/search-parameters.ts';
import { buildTest, splitAlternatives } from './search-criteria.ts';
import type { Criterion } from './search-criteria.ts';
import type { SearchIndex } from './search-index.ts';
import { localReference, parameterType } from './search-values.ts';
import type { SearchValues } from './search-values.ts';
import type { StoredVersion, VersionStore } from './version-store.ts';

/** A search as the query string says it, once parsed. */
export interface Query {
  readonly type: string;
  readonly criteria: readonly Criterion[];
  readonly sort: readonly { readonly name: string; readonly descending: boolean }[];
  readonly count: number;
  readonly offset: number;
  readonly elements: readonly string[] | undefined;
  readonly includes: readonly string[];
  readonly reverseIncludes: readonly string[];
  /** Parameters that were obeyed, for the `self` link. */
  readonly obeyed: readonly (readonly [string, string])[];
}

export interface SearchResult {
  readonly total: number;
  readonly matches: readonly StoredVersion[];
  readonly included: readonly StoredVersion[];
}

const DEFAULT_COUNT = 50;
const MAXIMUM_COUNT = 1_000;
const MAXIMUM_INCLUDED = 5_000;
const IGNORED = new Set(['_format', '_pretty', '_total', '_summary', '_type', '_', '_contained']);

/**
 * Parses the parameters of a search.
 * @param lenient unknown parameters are left out instead of refused
 * @throws {OperationOutcomeError} 400
 */
export function parseQuery(type: string, parameters: Iterable<readonly [string, string]>, lenient: boolean): Query {
  const query = {
    type,
    criteria: [] as Criterion[],
    sort: [] as { name: string; descending: boolean }[],
    count: DEFAULT_COUNT,
    offset: 0,
    elements: undefined as string[] | undefined,
    includes: [] as string[],
    reverseIncludes: [] as string[],
    obeyed: [] as [string, string][],
  };
  for (const [key, value] of parameters) {
    if (value === '') continue;
    if (key === '_count') query.count = Math.min(wholeNumber(key, value), MAXIMUM_COUNT);
    else if (key === '_offset') query.offset = wholeNumber(key, value);
    else if (key === '_summary' && value === 'count') query.count = 0;
    else if (key === '_elements') query.elements = splitAlternatives(value);
    else if (key === '_include' || key === '_include:iterate') query.includes.push(value);
    else if (key === '_revinclude' || key === '_revinclude:iterate') query.reverseIncludes.push(value);
    else if (key === '_sort') query.sort.push(...splitAlternatives(value).map((name) => sortRule(type, name)));
    else if (!IGNORED.has(key)) {
      const criterion = parseCriterion(type, key, value);
      if (criterion === undefined) {
        if (lenient) continue;
        throw new OperationOutcomeError(badRequest(`The search parameter ${key} is not known on ${type}`));
      }
      query.criteria.push(criterion);
    }
    if (key !== '_offset') query.obeyed.push([key, value]);
  }
  return query;
}

/** Finds what a query asks for. Matches come in its order, else in order of first creation. */
export function search(query: Query, store: VersionStore, index: SearchIndex): SearchResult {
  const tests = query.criteria.map((criterion) => versionTest(query.type, criterion, store, index));
  const matches = [...candidates(query, store, index)].filter((version) => tests.every((test) => test(version)));
  for (const { name, descending } of [...query.sort].reverse()) {
    const keys = new Map(matches.map((version) => [version, sortKey(index.values(version, name), version, name)]));
    matches.sort((a, b) => compareKeys(keys.get(a), keys.get(b)) * (descending ? -1 : 1));
  }
  const page = matches.slice(query.offset, query.offset + query.count);
  return { total: matches.length, matches: page, included: included(query, page, store, index) };
}

function wholeNumber(name: string, value: string): number {
  if (!/^\d{1,9}$/.test(value)) throw new OperationOutcomeError(badRequest(`${name} is not a whole number`));
  return Number(value);
}

function sortRule(type: string, text: string): { name: string; descending: boolean } {
  const name = text.replace(/^-/, '');
  if (parameterType(type, name) === undefined)
    throw new OperationOutcomeError(badRequest(`Cannot sort ${type} by ${name}`));
  return { name, descending: text.startsWith('-') };
}

function parseCriterion(type: string, key: string, value: string): Criterion | undefined {
  const alternatives = splitAlternatives(value);
  if (key.startsWith('_has:') || key.includes('.')) return { name: key, modifier: undefined, alternatives };
  const colon = key.indexOf(':');
  const name = colon < 0 ? key : key.slice(0, colon);
  const modifier = colon < 0 ? undefined : key.slice(colon + 1);
  return parameterType(type, name) === undefined ? undefined : { name, modifier, alternatives };
}

/** A small set that surely holds all matches where an index can give one, else everything of the type. */
function candidates(query: Query, store: VersionStore, index: SearchIndex): Iterable<StoredVersion> {
  for (const { name, modifier, alternatives } of query.criteria) {
    if (modifier !== undefined || name.includes('.') || name.startsWith('_has:')) continue;
    if (name === '_id') {
      return [...new Set(alternatives)].flatMap((id) => {
        const version = store.current(query.type, id);
        return version?.text === undefined ? [] : [version];
      });
    }
    const type = parameterType(query.type, name);
    const keys = alternatives.map((wanted) =>
      type === 'reference' ? referenceKey(name, wanted) : type === 'token' ? tokenKey(wanted) : undefined,
    );
    if (keys.every((key) => key !== undefined))
      return new Set(keys.flatMap((key) => index.lookup(query.type, name, key)));
  }
  return store.live(query.type);
}

function referenceKey(name: string, wanted: string): string | undefined {
  if (wanted.includes('/')) return localReference(wanted);
  return name === 'patient' ? `Patient/${wanted}` : undefined;
}

function tokenKey(wanted: string): string | undefined {
  return wanted.endsWith('|') ? undefined : wanted;
}

function versionTest(
  type: string,
  criterion: Criterion,
  store: VersionStore,
  index: SearchIndex,
): (version: StoredVersion) => boolean {
  const { name, alternatives } = criterion;
  if (name === '_id') return (version) => alternatives.includes(version.id) !== (criterion.modifier === 'not');
  if (name.startsWith('_has:')) return hasTest(criterion, store, index);
  if (name.includes('.')) return chainTest(type, criterion, store, index);
  const parameter = parameterType(type, name);
  if (parameter === undefined)
    throw new OperationOutcomeError(badRequest(`The search parameter ${name} is not known on ${type}`));
  const test = buildTest(criterion, parameter);
  return (version) => test(index.values(version, name));
}

/** `subject:Patient.name=x`: those whose reference points at a match of the rest. */
function chainTest(
  type: string,
  criterion: Criterion,
  store: VersionStore,
  index: SearchIndex,
): (version: StoredVersion) => boolean {
  const dot = criterion.name.indexOf('.');
  const [name = '', targetType] = criterion.name.slice(0, dot).split(':');
  const rest = criterion.name.slice(dot + 1);
  if (parameterType(type, name) !== 'reference')
    throw new OperationOutcomeError(badRequest(`${name} is no reference of ${type}`));
  const types = targetType === undefined ? RESOURCE_TYPES : [targetType];
  const targets = new Set<string>();
  for (const target of types) {
    const inner = parseCriterion(target, rest, '');
    if (inner === undefined) continue;
    const result = search(
      { ...EMPTY_QUERY, type: target, criteria: [{ ...inner, alternatives: criterion.alternatives }] },
      store,
      index,
    );
    for (const version of result.matches) targets.add(`${target}/${version.id}`);
  }
  return (version) => index.values(version, name).references.some((reference) => targets.has(reference.target));
}

/** `_has:Observation:patient:code=x`: those at which a match of the rest points. */
function hasTest(criterion: Criterion, store: VersionStore, index: SearchIndex): (version: StoredVersion) => boolean {
  const [, type = '', reference = '', ...rest] = criterion.name.split(':');
  const inner = parseCriterion(type, rest.join(':'), '');
  if (inner === undefined || parameterType(type, reference) !== 'reference')
    throw new OperationOutcomeError(badRequest(`${criterion.name} is not known`));
  const found = search(
    { ...EMPTY_QUERY, type, criteria: [{ ...inner, alternatives: criterion.alternatives }] },
    store,
    index,
  );
  const targets = new Set(
    found.matches.flatMap((version) => index.values(version, reference).references.map(({ target }) => target)),
  );
  return (version) => targets.has(`${version.type}/${version.id}`);
}

const EMPTY_QUERY = {
  sort: [],
  count: Infinity,
  offset: 0,
  elements: undefined,
  includes: [],
  reverseIncludes: [],
  obeyed: [],
} as const;

/** Follows `_include` and `_revinclude`, from what they added too, until nothing new comes or the bound is met. */
function included(
  query: Query,
  page: readonly StoredVersion[],
  store: VersionStore,
  index: SearchIndex,
): StoredVersion[] {
  if (query.includes.length + query.reverseIncludes.length === 0) return [];
  const seen = new Set(page);
  const found: StoredVersion[] = [];
  let round: readonly StoredVersion[] = page;
  for (let depth = 0; depth < 5 && round.length > 0; depth++) {
    const next = round.flatMap((version) => [
      ...query.includes.flatMap((rule) => referencedBy(version, rule, store, index)),
      ...query.reverseIncludes.flatMap((rule) => referencing(version, rule, index)),
    ]);
    round = [...new Set(next)].filter((version) => !seen.has(version));
    for (const version of round) seen.add(version);
    found.push(...round);
    if (found.length > MAXIMUM_INCLUDED)
      throw new OperationOutcomeError(badRequest('The search includes too many resources'));
  }
  return found;
}

function referencedBy(version: StoredVersion, rule: string, store: VersionStore, index: SearchIndex): StoredVersion[] {
  const [type = '', name = '', target] = includeRule(rule);
  if (version.type !== type) return [];
  return index.values(version, name).references.flatMap((reference) => {
    const [targetType = '', id = ''] = reference.target.split('/');
    const current = target === undefined || target === targetType ? store.current(targetType, id) : undefined;
    return current?.text === undefined ? [] : [current];
  });
}

function referencing(version: StoredVersion, rule: string, index: SearchIndex): StoredVersion[] {
  const [type = '', name = ''] = includeRule(rule);
  return index.lookup(type, name, `${version.type}/${version.id}`);
}

function includeRule(rule: string): string[] {
  const parts = rule.split(':');
  const [type = '', name = ''] = parts;
  if (!isResourceType(type) || searchParameter(type, name)?.type !== 'reference') {
    throw new OperationOutcomeError(badRequest('_include and _revinclude take Type:reference-parameter'));
  }
  return parts;
}

function sortKey(values: SearchValues, version: StoredVersion, name: string): string | number | undefined {
  if (name === '_id') return version.id;
  if (values.periods[0] !== undefined) return values.periods[0].start;
  return values.quantities[0]?.value ?? values.strings[0] ?? values.references[0]?.target ?? values.tokens[0]?.code;
}

/** Missing values go last. */
function compareKeys(a: string | number | undefined, b: string | number | undefined): number {
  if (a === b) return 0;
  if (a === undefined) return 1;
  if (b === undefined) return -1;
  return a < b ? -1 : 1;
}
