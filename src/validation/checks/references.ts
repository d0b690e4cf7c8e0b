/** References: what they name inside the instance, and whether it is of an allowed type (http://hl7.org/fhir/R4/references.html). */
import { hasNoWhitespace, isAbsoluteUri } from '../primitives/scanners.ts';
import { isObject } from '../compile/element-tree.ts';
import type { CheckContext, JsonObject, Rule } from './report.ts';

const restForm =
  /^(?:(https?:\/\/.+)\/)?([A-Z][A-Za-z]{1,40})\/([A-Za-z0-9\-.]{1,64})(?:\/_history\/([A-Za-z0-9\-.]{1,64}))?$/;

export interface RestReference {
  /** Server base, undefined for a relative reference. */
  readonly base: string | undefined;
  readonly type: string;
  readonly id: string;
  readonly version: string | undefined;
}

/** `[base/]Type/id[/_history/version]`, or undefined for anything else. */
export function parseRestReference(reference: string): RestReference | undefined {
  if (reference.length > 2000) return undefined;
  const match = restForm.exec(reference);
  if (match === null) return undefined;
  return { base: match[1], type: match[2] as string, id: match[3] as string, version: match[4] };
}

const typedForm = /(?:^|\/)([A-Z][A-Za-z]{1,40})\/[^/?#\s]+(?:\/_history\/[^/]+)?$/;

/** The type that a reference's text names before its last id, whatever stands before it. */
export function typeInReference(reference: string): string | undefined {
  return reference.length > 2000 ? undefined : typedForm.exec(reference)?.[1];
}

/** The resource with that id among the contained ones of the resource around the focus. */
export function findContained(id: string, c: CheckContext): JsonObject | undefined {
  const contained = c.container['contained'];
  if (!Array.isArray(contained)) return undefined;
  return contained.find((item): item is JsonObject => isObject(item) && item['id'] === id);
}

/** Resources of a Bundle by fullUrl; made once for each Bundle met. */
export class BundleIndex {
  private readonly byBundle = new WeakMap<JsonObject, Map<string, JsonObject[]>>();

  /** Entries with that fullUrl. */
  entries(bundle: JsonObject, fullUrl: string): readonly JsonObject[] {
    let index = this.byBundle.get(bundle);
    if (index === undefined) {
      index = new Map();
      const entries: unknown = bundle['entry'];
      for (const entry of Array.isArray(entries) ? entries : []) {
        if (!isObject(entry) || typeof entry['fullUrl'] !== 'string') continue;
        const known = index.get(entry['fullUrl']);
        if (known === undefined) index.set(entry['fullUrl'], [entry]);
        else known.push(entry);
      }
      this.byBundle.set(bundle, index);
    }
    return index.get(fullUrl) ?? [];
  }

  /** The resource a reference names by the rules for Bundles: its own URL, or relative to the fullUrl of the entry it stands in. */
  find(reference: string, c: CheckContext): JsonObject | undefined {
    const { bundle } = c;
    if (bundle === undefined) return undefined;
    const rest = parseRestReference(reference);
    const version = rest?.version;
    const plain = version === undefined ? reference : reference.slice(0, reference.indexOf('/_history/'));
    let fullUrl = plain;
    if (!isAbsoluteUri(plain)) {
      const base = entryBase(c);
      if (base === undefined && this.entries(bundle, plain).length === 0) return this.byTypeAndId(rest, bundle);
      // Where fullUrls are relative themselves, against the rules, the same text still names the same entry.
      fullUrl = (base ?? '') + plain;
    }
    for (const entry of this.entries(bundle, fullUrl)) {
      const resource = entry['resource'];
      if (!isObject(resource)) continue;
      const meta = resource['meta'];
      if (version === undefined || !isObject(meta) || meta['versionId'] === undefined || meta['versionId'] === version)
        return resource;
    }
    return undefined;
  }

  /** Where the entry has no RESTful fullUrl there is no base: an entry without fullUrl may still be meant by type and id. */
  private byTypeAndId(rest: RestReference | undefined, bundle: JsonObject): JsonObject | undefined {
    const entries: unknown = bundle['entry'];
    if (rest === undefined || !Array.isArray(entries)) return undefined;
    for (const entry of entries) {
      if (!isObject(entry) || entry['fullUrl'] !== undefined || !isObject(entry['resource'])) continue;
      if (entry['resource']['resourceType'] === rest.type && entry['resource']['id'] === rest.id)
        return entry['resource'];
    }
    return undefined;
  }
}

/** Base URL, with its slash, of the server that the entry around the focus is from. */
function entryBase(c: CheckContext): string | undefined {
  const entries: unknown = c.bundle?.['entry'];
  const entry: unknown = Array.isArray(entries) ? entries[c.entryIndex] : undefined;
  const fullUrl = isObject(entry) ? entry['fullUrl'] : undefined;
  if (typeof fullUrl !== 'string') return undefined;
  const rest = parseRestReference(fullUrl);
  return rest?.base === undefined ? undefined : rest.base + '/';
}

/** The resource that a reference text names: contained, in the Bundle, or by the caller's resolver. */
export function resolveReference(reference: string, c: CheckContext, index: BundleIndex): JsonObject | undefined {
  if (reference.charCodeAt(0) === 35 /* # */) return resolveInside(reference, c, index);
  return resolveInside(reference, c, index) ?? c.services.resolveReference?.(reference);
}

/** The same without leaving the instance. */
export function resolveInside(reference: string, c: CheckContext, index: BundleIndex): JsonObject | undefined {
  if (reference === '#') return c.container;
  if (reference.charCodeAt(0) === 35 /* # */) return findContained(reference.slice(1), c);
  return index.find(reference, c);
}

const danglingRule: Rule = {
  id: 'reference-contained-missing',
  severity: 'error',
  code: 'not-found',
  text: 'No contained resource has that id (ref-1)',
};
const spaceRule: Rule = {
  id: 'reference-format',
  severity: 'error',
  code: 'value',
  text: 'A reference has no white space',
};
const queryRule: Rule = {
  id: 'reference-format',
  severity: 'error',
  code: 'value',
  text: 'A reference is no search: a query is allowed in transactions only',
};
const typeMismatchRule: Rule = {
  id: 'reference-type-mismatch',
  severity: 'error',
  code: 'value',
  text: 'Reference.type differs from the type in the URL',
};

/** What every Reference must be, whatever its targets. */
export function checkReference(value: unknown, c: CheckContext): void {
  const object = value as JsonObject;
  const reference = object['reference'];
  if (typeof reference !== 'string' || reference === '') return;
  if (reference.charCodeAt(0) === 35) {
    if (reference === '#' ? c.container === c.resource : findContained(reference.slice(1), c) === undefined)
      c.report(danglingRule, '', reference);
    return;
  }
  if (!hasNoWhitespace(reference)) c.report(spaceRule, '', reference);
  else if (reference.includes('?') && !isTransaction(c.bundle)) c.report(queryRule, '', reference);
  const { type } = object;
  if (typeof type === 'string' && type !== '') {
    const rest = parseRestReference(reference);
    if (rest !== undefined && rest.type !== type) c.report(typeMismatchRule, '', type);
  }
}

function isTransaction(bundle: JsonObject | undefined): boolean {
  return bundle !== undefined && (bundle['type'] === 'transaction' || bundle['type'] === 'batch');
}
