/** Bundles beyond their invariants (http://hl7.org/fhir/R4/bundle.html): identity of entries, links, and what documents and messages hold together. */
import { isObject, objects } from '../compile/element-tree.ts';
import { isAbsoluteUri } from '../primitives/scanners.ts';
import { checkSearchResults } from './bundle-search.ts';
import { BundleIndex, parseRestReference } from './references.ts';
import type { CheckContext, JsonObject, Rule } from './report.ts';

function rule(id: string, code: string, text: string): Rule {
  return { id, severity: 'error', code, text };
}

const fullUrlMissingRule = rule(
  'bundle-full-url-missing',
  'required',
  'But for transactions and batches each entry must have a fullUrl, which says what resource it is',
);
const fullUrlRelativeRule = rule('bundle-full-url-relative', 'invalid', 'The fullUrl must be an absolute URL');
const fullUrlIdRule = rule(
  'bundle-full-url-id',
  'invalid',
  'A fullUrl that is the URL of a RESTful server must end with the type and id of the resource',
);
const linkTwiceRule = rule('bundle-link-twice', 'invalid', 'A link relation may occur only once');
const noEntryRule = rule('bundle-first-missing', 'invalid', 'A document or message must have at least one entry');
const firstRule = rule(
  'bundle-first-entry',
  'invalid',
  'The first entry of a document must be a Composition, of a message a MessageHeader',
);
const targetRule = rule('bundle-target-missing', 'not-found', 'What is referred to here must be in the bundle');
const orphanRule = rule(
  'bundle-entry-orphan',
  'informational',
  'The entry cannot be reached by references from the Composition',
);

const withoutFullUrl: ReadonlySet<unknown> = new Set([
  'transaction',
  'batch',
  'transaction-response',
  'batch-response',
]);

/** The place is at the Bundle. */
export function checkBundle(value: unknown, c: CheckContext): void {
  const bundle = value as JsonObject;
  const { type } = bundle;
  const entries: unknown[] = Array.isArray(bundle['entry']) ? bundle['entry'] : [];
  entries.forEach((entry, at) => {
    if (isObject(entry)) checkIdentity(entry, type, `.entry[${at}]`, c);
  });
  checkRelativeFullUrls(entries, c);
  checkLinks(bundle, c);
  if (type === 'searchset') checkSearchResults(bundle, c);
  if (type === 'document') checkLinked(bundle, entries, 'Composition', c);
  if (type === 'message') checkLinked(bundle, entries, 'MessageHeader', c);
}

function checkIdentity(entry: JsonObject, type: unknown, place: string, c: CheckContext): void {
  const { fullUrl, resource } = entry;
  if (fullUrl === undefined) {
    if (!withoutFullUrl.has(type) && Object.keys(entry).length > 0) c.report(fullUrlMissingRule, place);
    return;
  }
  if (typeof fullUrl !== 'string') return;
  if (!isAbsoluteUri(fullUrl)) return;
  if (!isObject(resource)) return;
  const rest = parseRestReference(fullUrl);
  if (rest?.base === undefined) return;
  if (rest.version !== undefined || resource['id'] !== rest.id || resource['resourceType'] !== rest.type)
    c.report(fullUrlIdRule, place, fullUrl);
}

/** One finding for the bundle, at the first entry: whoever writes relative fullUrls writes all of them so. */
function checkRelativeFullUrls(entries: readonly unknown[], c: CheckContext): void {
  const relative = (entry: unknown): string | undefined => {
    const fullUrl = isObject(entry) ? entry['fullUrl'] : undefined;
    return typeof fullUrl === 'string' && fullUrl !== '' && !isAbsoluteUri(fullUrl) ? fullUrl : undefined;
  };
  const first = entries.findIndex((entry) => relative(entry) !== undefined);
  if (first >= 0) c.report(fullUrlRelativeRule, `.entry[${first}]`, relative(entries[first]));
}

/** Relations that say one thing about the whole page. */
const singleRelations: ReadonlySet<string> = new Set(['self', 'first', 'last', 'next', 'previous', 'prev']);

function checkLinks(bundle: JsonObject, c: CheckContext): void {
  const seen = new Set<string>();
  objects(bundle['link']).forEach((link, at) => {
    const { relation } = link;
    if (typeof relation !== 'string') return;
    if (seen.has(relation) && singleRelations.has(relation)) c.report(linkTwiceRule, `.link[${at}]`, relation);
    seen.add(relation);
  });
}

function checkLinked(bundle: JsonObject, entries: readonly unknown[], firstType: string, c: CheckContext): void {
  if (entries.length === 0) {
    c.report(noEntryRule);
    return;
  }
  const first = isObject(entries[0]) ? entries[0]['resource'] : undefined;
  if (!isObject(first) || first['resourceType'] !== firstType) {
    c.report(firstRule, '.entry[0].resource');
    return;
  }
  const graph = new EntryGraph(bundle, entries, c);
  for (const { place, reference } of firstType === 'Composition'
    ? compositionReferences(first)
    : focusReferences(first)) {
    if (!reference.startsWith('#') && graph.target(reference, 0) === undefined)
      c.report(targetRule, `.entry[0].resource${place}`, reference);
  }
  if (firstType === 'Composition') graph.orphans().forEach((at) => c.report(orphanRule, `.entry[${at}]`));
}

interface PlacedReference {
  readonly place: string;
  readonly reference: string;
}

function placed(value: unknown, place: string): PlacedReference[] {
  if (Array.isArray(value)) return value.flatMap((item, at) => placed(item, `${place}[${at}]`));
  const reference = isObject(value) ? value['reference'] : undefined;
  return typeof reference === 'string' && reference !== '' ? [{ place, reference }] : [];
}

function compositionReferences(composition: JsonObject): PlacedReference[] {
  return [
    ...['subject', 'encounter', 'author', 'custodian'].flatMap((name) => placed(composition[name], '.' + name)),
    ...objects(composition['attester']).flatMap((attester, at) => placed(attester['party'], `.attester[${at}].party`)),
    ...objects(composition['event']).flatMap((event, at) => placed(event['detail'], `.event[${at}].detail`)),
    ...sectionReferences(composition['section'], '.section', 0),
  ];
}

const maximumSectionDepth = 50;

function sectionReferences(sections: unknown, place: string, depth: number): PlacedReference[] {
  if (depth > maximumSectionDepth) return [];
  return objects(sections).flatMap((section, at) => [
    ...['author', 'focus', 'entry'].flatMap((name) => placed(section[name], `${place}[${at}].${name}`)),
    ...sectionReferences(section['section'], `${place}[${at}].section`, depth + 1),
  ]);
}

function focusReferences(header: JsonObject): PlacedReference[] {
  return placed(header['focus'], '.focus');
}

/** Which entries refer to which, by fullUrl. */
class EntryGraph {
  private readonly entries: readonly unknown[];
  private readonly index = new BundleIndex();
  private readonly bundle: JsonObject;
  private readonly c: CheckContext;

  constructor(bundle: JsonObject, entries: readonly unknown[], c: CheckContext) {
    this.bundle = bundle;
    this.entries = entries;
    this.c = c;
  }

  /** @param from position of the entry that the reference stands in */
  target(reference: string, from: number): JsonObject | undefined {
    const { bundle, entryIndex } = this.c;
    this.c.bundle = this.bundle;
    this.c.entryIndex = from;
    const found = this.index.find(reference, this.c);
    this.c.bundle = bundle;
    this.c.entryIndex = entryIndex;
    return found;
  }

  /** Positions of entries with no path of references, in either direction, to the first. */
  orphans(): number[] {
    const resources = this.entries.map((entry) =>
      isObject(entry) && isObject(entry['resource']) ? entry['resource'] : undefined,
    );
    const position = new Map(
      resources.flatMap((resource, at) => (resource === undefined ? [] : [[resource, at] as const])),
    );
    const neighbours = resources.map(() => new Set<number>());
    resources.forEach((resource, from) => {
      const references = new Set<string>();
      collectReferences(resource, references, 0);
      for (const reference of references) {
        const found = this.target(reference, from);
        const to = found === undefined ? undefined : position.get(found);
        if (to === undefined) continue;
        neighbours[from]?.add(to);
        neighbours[to]?.add(from);
      }
    });
    const reached = new Set([0]);
    for (const at of reached) for (const next of neighbours[at] ?? []) reached.add(next);
    return resources.flatMap((resource, at) => (resource === undefined || reached.has(at) ? [] : [at]));
  }
}

function collectReferences(value: unknown, into: Set<string>, depth: number): void {
  if (typeof value !== 'object' || value === null || depth > 200) return;
  if (Array.isArray(value)) {
    for (const item of value) collectReferences(item, into, depth + 1);
    return;
  }
  for (const [key, child] of Object.entries(value)) {
    if (key === 'reference' && typeof child === 'string') into.add(child);
    else collectReferences(child, into, depth + 1);
  }
}
