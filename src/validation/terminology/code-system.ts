import type { Definition, FhirDefinition, PackageScope } from '../packages/definitions.ts';
import type { CodingVerdict } from './answers.ts';

export interface Designation {
  readonly language: string | undefined;
  readonly value: string;
}

export interface Concept {
  readonly code: string;
  readonly display: string | undefined;
  readonly designations: readonly Designation[];
  /** Codes of the concepts directly above, by nesting and by the property `parent` or `subsumedBy`. */
  readonly parents: readonly string[];
  readonly inactive: boolean;
  readonly abstract: boolean;
  /** Values as text, in the order given. */
  readonly properties: ReadonlyMap<string, readonly string[]>;
}

/** `CodeSystem.content` without supplement. */
export type SystemContent = 'complete' | 'fragment' | 'example' | 'not-present';

export interface CompiledCodeSystem {
  readonly url: string;
  readonly version: string;
  readonly content: SystemContent;
  readonly status: CodingVerdict['systemStatus'];
  readonly caseSensitive: boolean;
  /** By code; lower case where case does not matter. */
  readonly concepts: ReadonlyMap<string, Concept>;
  /** The concept itself is not among them. Memoised. */
  descendants(code: string): ReadonlySet<string>;
  find(code: string): Concept | undefined;
}

const slot = {};
const noDesignations: readonly Designation[] = [];
const noParents: readonly string[] = [];
const noProperties: ReadonlyMap<string, readonly string[]> = new Map();
/** A concept's `property` values that make it unusable in instances. */
const inactiveStatus: ReadonlySet<string> = new Set([
  'inactive',
  'retired',
  'deprecated',
  'withdrawn',
  'entered-in-error',
]);

/** The code system of a canonical as the scope sees it, its supplements' designations included. */
export function codeSystem(canonical: string, scope: PackageScope): CompiledCodeSystem | undefined {
  const definition = scope.resolve(canonical, 'CodeSystem');
  if (definition === undefined || isSupplement(definition)) return undefined;
  return definition.remember(slot, () => compileCodeSystem(definition.resource, supplementsOf(definition, scope)));
}

/** By its content, or by what it says that it supplements: either way its codes are another system's. */
export function isSupplement(definition: Definition): boolean {
  return definition.kind === 'supplement' || (definition.supplements !== undefined && definition.supplements !== '');
}

function supplementsOf(definition: Definition, scope: PackageScope): readonly FhirDefinition[] {
  const found: FhirDefinition[] = [];
  for (const candidate of scope.list('CodeSystem')) {
    const [url] = (candidate.supplements ?? '').split('|', 1);
    if (url === definition.url && url !== '') found.push(candidate.resource);
  }
  return found;
}

/** @param resource of untrusted shape: what does not fit is left out */
export function compileCodeSystem(
  resource: FhirDefinition,
  supplements: readonly FhirDefinition[] = [],
): CompiledCodeSystem {
  const caseSensitive = resource['caseSensitive'] !== false;
  const key = (code: string): string => (caseSensitive ? code : code.toLowerCase());
  const concepts = new Map<string, Concept>();
  const reader = new ConceptReader(concepts, key);
  reader.read(resource['concept'], undefined);
  for (const supplement of supplements) reader.supplement(supplement['concept']);
  reader.link();
  const children = new Map<string, string[]>();
  for (const concept of concepts.values()) {
    for (const parent of concept.parents) {
      const list = children.get(key(parent));
      if (list === undefined) children.set(key(parent), [concept.code]);
      else list.push(concept.code);
    }
  }
  const below = new Map<string, ReadonlySet<string>>();
  return {
    url: text(resource.url) ?? '',
    version: text(resource.version) ?? '',
    content: contentOf(resource['content']),
    status: statusOf(resource),
    caseSensitive,
    concepts,
    find: (code) => concepts.get(key(code)),
    descendants(code) {
      const known = below.get(code);
      if (known !== undefined) return known;
      const found = new Set<string>();
      const queue = [code];
      for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
        for (const child of children.get(key(next)) ?? []) {
          if (found.has(child)) continue;
          found.add(child);
          queue.push(child);
        }
      }
      below.set(code, found);
      return found;
    },
  };
}

function contentOf(content: unknown): SystemContent {
  return content === 'fragment' || content === 'example' || content === 'not-present' ? content : 'complete';
}

function statusOf(resource: FhirDefinition): CodingVerdict['systemStatus'] {
  const standards = extensionCode(
    resource,
    'http://hl7.org/fhir/StructureDefinition/structuredefinition-standards-status',
  );
  if (standards === 'deprecated' || standards === 'withdrawn') return 'deprecated';
  if (resource['status'] === 'retired') return 'retired';
  if (resource['experimental'] === true) return 'experimental';
  return resource['status'] === 'draft' ? 'draft' : undefined;
}

export function extensionCode(resource: FhirDefinition, url: string): string | undefined {
  for (const extension of objects(resource['extension']))
    if (extension['url'] === url) return text(extension['valueCode']);
  return undefined;
}

/** Writable while a code system is read. */
interface Draft {
  code: string;
  display: string | undefined;
  designations: Designation[] | readonly Designation[];
  parents: string[] | readonly string[];
  inactive: boolean;
  abstract: boolean;
  properties: ReadonlyMap<string, readonly string[]>;
}

/** Deeper nesting than any published hierarchy; hostile ones stop there. */
const maximumDepth = 200;

class ConceptReader {
  private readonly concepts: Map<string, Concept>;
  private readonly key: (code: string) => string;
  private depth = 0;

  constructor(concepts: Map<string, Concept>, key: (code: string) => string) {
    this.concepts = concepts;
    this.key = key;
  }

  read(list: unknown, parent: string | undefined): void {
    if (this.depth > maximumDepth) return;
    this.depth++;
    for (const raw of objects(list)) {
      const code = text(raw['code']);
      if (code === undefined) continue;
      const draft: Draft = {
        code,
        display: text(raw['display']),
        designations: designationsOf(raw),
        parents: parent === undefined ? noParents : [parent],
        inactive: false,
        abstract: false,
        properties: propertiesOf(raw),
      };
      applyProperties(draft);
      if (!this.concepts.has(this.key(code))) this.concepts.set(this.key(code), draft);
      this.read(raw['concept'], code);
    }
    this.depth--;
  }

  supplement(list: unknown): void {
    for (const raw of objects(list)) {
      const code = text(raw['code']);
      const concept = code === undefined ? undefined : (this.concepts.get(this.key(code)) as Draft | undefined);
      if (concept !== undefined) {
        concept.designations = [...concept.designations, ...designationsOf(raw)];
        const display = text(raw['display']);
        if (display !== undefined)
          concept.designations = [...concept.designations, { language: undefined, value: display }];
      }
      this.supplement(raw['concept']);
    }
  }

  /** The property `child` says the same from the other end. */
  link(): void {
    for (const concept of this.concepts.values()) {
      for (const child of concept.properties.get('child') ?? []) {
        const below = this.concepts.get(this.key(child)) as Draft | undefined;
        if (below !== undefined && !below.parents.includes(concept.code))
          below.parents = [...below.parents, concept.code];
      }
    }
  }
}

function applyProperties(draft: Draft): void {
  const { properties } = draft;
  if (properties === noProperties) return;
  const above = [...(properties.get('parent') ?? []), ...(properties.get('subsumedBy') ?? [])].filter(
    (code) => !draft.parents.includes(code),
  );
  if (above.length > 0) draft.parents = [...draft.parents, ...above];
  const [status] = properties.get('status') ?? [];
  draft.inactive =
    properties.get('inactive')?.[0] === 'true' || (status !== undefined && inactiveStatus.has(status.toLowerCase()));
  draft.abstract = properties.get('notSelectable')?.[0] === 'true' || properties.get('abstract')?.[0] === 'true';
}

function designationsOf(raw: Readonly<Record<string, unknown>>): readonly Designation[] {
  const found: Designation[] = [];
  for (const designation of objects(raw['designation'])) {
    const value = text(designation['value']);
    if (value !== undefined) found.push({ language: text(designation['language']), value });
  }
  return found.length === 0 ? noDesignations : found;
}

function propertiesOf(raw: Readonly<Record<string, unknown>>): ReadonlyMap<string, readonly string[]> {
  const list = objects(raw['property']);
  if (list.length === 0) return noProperties;
  const properties = new Map<string, string[]>();
  for (const property of list) {
    const code = text(property['code']);
    const value = valueOf(property);
    if (code === undefined || value === undefined) continue;
    const values = properties.get(code);
    if (values === undefined) properties.set(code, [value]);
    else values.push(value);
  }
  return properties;
}

function valueOf(property: Readonly<Record<string, unknown>>): string | undefined {
  for (const key in property) {
    if (!key.startsWith('value')) continue;
    const value = property[key];
    if (typeof value === 'string' || typeof value === 'boolean' || typeof value === 'number') return String(value);
    if (key === 'valueCoding') return text((value as { code?: unknown } | null)?.code);
  }
  return undefined;
}

/** The objects of what should be an array of them. */
export function objects(value: unknown): readonly Readonly<Record<string, unknown>>[] {
  if (!Array.isArray(value)) return [];
  return value.filter(
    (item): item is Record<string, unknown> => typeof item === 'object' && item !== null && !Array.isArray(item),
  );
}

export function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
