import table from './search-parameters.json' with { type: 'json' };

/**
 * The search parameters and resource types of FHIR R4 4.0.1, from `search-parameters.json` (made by `scripts/generate-search-parameters.ts` out of
 * hl7.fhir.r4.core), and what scopes and merges need of them: the values that a parameter sees in a resource.
 */
export type SearchParameterType =
  'number' | 'date' | 'string' | 'token' | 'reference' | 'composite' | 'quantity' | 'uri' | 'special';

export interface SearchParameterDefinition {
  readonly type: SearchParameterType;
  /** Element paths below the resource; a choice element stands without its type. Empty where the expression is no plain path. */
  readonly paths: readonly string[];
}

const BY_TYPE: ReadonlyMap<string, ReadonlyMap<string, SearchParameterDefinition>> = new Map(
  Object.entries(table as unknown as Record<string, Record<string, string[]>>).map(([resourceType, parameters]) => [
    resourceType,
    new Map(
      Object.entries(parameters).map(([name, [type, ...paths]]) => [
        name,
        { type: type as SearchParameterType, paths },
      ]),
    ),
  ]),
);
const ABSTRACT = new Set(['Resource', 'DomainResource']);

/** Every resource type of R4, sorted. */
export const RESOURCE_TYPES: readonly string[] = [...BY_TYPE.keys()].filter((type) => !ABSTRACT.has(type));
const KNOWN = new Set(RESOURCE_TYPES);

export function isResourceType(name: string): boolean {
  return KNOWN.has(name);
}

/** The definition of a parameter on a type, or undefined where R4 has none. */
export function searchParameter(resourceType: string, name: string): SearchParameterDefinition | undefined {
  return (
    BY_TYPE.get(resourceType)?.get(name) ??
    BY_TYPE.get('Resource')?.get(name) ??
    BY_TYPE.get('DomainResource')?.get(name)
  );
}

/** R4's parameters of a type, those of every resource included. */
export function searchParametersOf(resourceType: string): readonly { name: string; type: SearchParameterType }[] {
  const own = BY_TYPE.get(resourceType) ?? new Map<string, SearchParameterDefinition>();
  const common = BY_TYPE.get('Resource') ?? new Map<string, SearchParameterDefinition>();
  return [...common, ...own].map(([name, definition]) => ({ name, type: definition.type }));
}

/** The values that stand at an element path; arrays are flattened and choice elements found under any type. */
export function valuesAt(resource: unknown, path: string): readonly unknown[] {
  let values: unknown[] = [resource];
  for (const step of path.split('.')) values = values.flatMap((value) => childrenOf(value, step));
  return values;
}

function childrenOf(value: unknown, step: string): unknown[] {
  if (value === null || typeof value !== 'object') return [];
  const object = value as Readonly<Record<string, unknown>>;
  const found: unknown[] = [];
  if (Object.hasOwn(object, step)) found.push(object[step]);
  else {
    for (const key of Object.keys(object)) {
      if (key.startsWith(step) && /^[A-Z]/.test(key.slice(step.length))) found.push(object[key]);
    }
  }
  return found.flatMap((child) => (Array.isArray(child) ? (child as unknown[]) : [child]));
}

/**
 * Whether one of the values of a parameter equals one of the alternatives, by the rules of token, reference, uri and string search without modifiers.
 * A parameter whose values cannot be told (composite, special, date, quantity) matches nothing.
 */
export function matchesParameter(resource: unknown, name: string, alternatives: readonly string[]): boolean {
  const resourceType = (resource as { resourceType?: unknown } | null)?.resourceType;
  if (typeof resourceType !== 'string') return false;
  const definition = searchParameter(resourceType, name);
  if (definition === undefined) return false;
  const values = definition.paths.flatMap((path) => valuesAt(resource, path));
  return values.some((value) => alternatives.some((wanted) => matchesValue(value, definition.type, wanted)));
}

function matchesValue(value: unknown, type: SearchParameterType, wanted: string): boolean {
  switch (type) {
    case 'token':
      return tokensOf(value).some((token) => matchesToken(token, wanted));
    case 'reference':
      return matchesReference(value, wanted);
    case 'uri':
      return value === wanted;
    case 'string':
      return typeof value === 'string' && value.toLowerCase().startsWith(wanted.toLowerCase());
    case 'number':
    case 'date':
    case 'composite':
    case 'quantity':
    case 'special':
      return false;
  }
}

interface Token {
  readonly system: string | undefined;
  readonly code: string;
}

/** The tokens of a code, boolean, Coding, CodeableConcept, Identifier or ContactPoint. */
function tokensOf(value: unknown): readonly Token[] {
  if (typeof value === 'string') return [{ system: undefined, code: value }];
  if (typeof value === 'boolean') return [{ system: undefined, code: String(value) }];
  if (value === null || typeof value !== 'object') return [];
  const object = value as Readonly<Record<string, unknown>>;
  if (Array.isArray(object.coding)) return object.coding.flatMap(tokensOf);
  const code = object.code ?? object.value;
  const system = typeof object.system === 'string' ? object.system : undefined;
  return typeof code === 'string' ? [{ system, code }] : [];
}

function matchesToken(token: Token, wanted: string): boolean {
  const bar = wanted.indexOf('|');
  if (bar < 0) return token.code === wanted;
  const system = wanted.slice(0, bar);
  const code = wanted.slice(bar + 1);
  // `|code` asks for a token without system; a bare code element has none in the resource, but one by its binding, so it is let through by its code.
  if (system === '') return token.system === undefined && token.code === code;
  return token.system === system && (code === '' || token.code === code);
}

function matchesReference(value: unknown, wanted: string): boolean {
  const reference = (value as { reference?: unknown } | null)?.reference;
  if (typeof reference !== 'string') return false;
  return reference === wanted || (!wanted.includes('/') && reference.endsWith(`/${wanted}`));
}
