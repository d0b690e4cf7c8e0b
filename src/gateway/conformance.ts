import { isResourceType, searchParametersOf } from '../fhir/search-parameters.ts';
import type { UpstreamClient } from './upstream-client.ts';

/** What an upstream says that it can do (http://hl7.org/fhir/R4/capabilitystatement.html), as far as the gateway acts on it. */
export interface TypeConformance {
  readonly interactions: ReadonlySet<string>;
  /** Empty where the upstream names none, which says nothing. */
  readonly searchParameters: ReadonlyMap<string, string>;
  readonly includes: readonly string[];
  readonly reverseIncludes: readonly string[];
  readonly profiles: readonly string[];
  readonly conditionalCreate: boolean;
}

export interface Conformance {
  /** The base that the upstream believes to have, where it says so. */
  readonly ownBase: string | undefined;
  readonly types: ReadonlyMap<string, TypeConformance>;
  readonly interactions: ReadonlySet<string>;
}

const KEPT_MS = 10 * 60_000;
const RETRIED_MS = 10_000;

interface Cached {
  readonly untilMs: number;
  readonly conformance: Promise<Conformance | undefined>;
}

/** The capability statements of the upstreams, read when first needed and again after ten minutes. */
export class ConformanceCache {
  readonly #clock: () => number;
  readonly #cached = new Map<string, Cached>();

  constructor(clock: () => number) {
    this.#clock = clock;
  }

  /** Undefined while the upstream's statement cannot be had; never rejects. */
  of(upstream: UpstreamClient): Promise<Conformance | undefined> {
    const cached = this.#cached.get(upstream.name);
    if (cached !== undefined && this.#clock() < cached.untilMs) return cached.conformance;
    const conformance = readConformance(upstream);
    this.#cached.set(upstream.name, { untilMs: this.#clock() + KEPT_MS, conformance });
    void conformance.then((found) => {
      upstream.ownBase = found?.ownBase;
      if (found === undefined) this.#cached.set(upstream.name, { untilMs: this.#clock() + RETRIED_MS, conformance });
    });
    return conformance;
  }
}

async function readConformance(upstream: UpstreamClient): Promise<Conformance | undefined> {
  try {
    const answer = await upstream.request({
      method: 'GET',
      path: 'metadata',
      headers: { accept: 'application/fhir+json' },
    });
    if (answer.status !== 200) return undefined;
    return parseConformance(JSON.parse(Buffer.from(answer.body).toString('utf8')));
  } catch {
    // Not knowing is an answer here: what is asked is then passed on and judged by the upstream.
    return undefined;
  }
}

interface StatementRest {
  readonly mode?: unknown;
  readonly interaction?: unknown;
  readonly resource?: unknown;
}

/** Reads a CapabilityStatement; undefined for anything else. */
export function parseConformance(statement: unknown): Conformance | undefined {
  if (!isObject(statement) || statement['resourceType'] !== 'CapabilityStatement') return undefined;
  const rest = objects(statement['rest']).find((one) => one['mode'] === 'server') as StatementRest | undefined;
  const types = new Map<string, TypeConformance>();
  for (const resource of objects(rest?.resource)) {
    const type = resource['type'];
    if (typeof type === 'string' && isResourceType(type)) types.set(type, typeConformance(resource));
  }
  const own = isObject(statement['implementation']) ? statement['implementation']['url'] : undefined;
  const ownBase = typeof own === 'string' && /^https?:\/\/[^/]/.test(own) ? own.replace(/\/+$/, '') : undefined;
  return { ownBase, types, interactions: codes(rest?.interaction) };
}

function typeConformance(resource: Readonly<Record<string, unknown>>): TypeConformance {
  const parameters = objects(resource['searchParam']).map(
    (parameter) => [String(parameter['name']), String(parameter['type'])] as const,
  );
  return {
    interactions: codes(resource['interaction']),
    searchParameters: new Map(parameters),
    includes: texts(resource['searchInclude']),
    reverseIncludes: texts(resource['searchRevInclude']),
    profiles: texts(resource['supportedProfile']),
    conditionalCreate: resource['conditionalCreate'] === true,
  };
}

/** Whether a parameter, without modifier and chain, can be searched by on the upstream's word, or on R4's where the upstream gives none. */
export function knowsParameter(conformance: Conformance | undefined, resourceType: string, name: string): boolean {
  const named = conformance?.types.get(resourceType)?.searchParameters;
  if (named !== undefined && named.size > 0) return named.has(name);
  return searchParametersOf(resourceType).some((parameter) => parameter.name === name);
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return value !== null && typeof value === 'object';
}

function objects(value: unknown): readonly Readonly<Record<string, unknown>>[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}

function texts(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
}

function codes(value: unknown): ReadonlySet<string> {
  return new Set(objects(value).map((one) => String(one['code'])));
}
