import { FhirPathError } from './fhirpath-error.ts';
import type { Session } from './session.ts';
import { systemValue } from './system-values.ts';
import { FhirNode, valueOf } from './values.ts';
import type { Item } from './values.ts';
import type { ElementVariant } from './type-model.ts';

type Items = readonly Item[];

const coreDefinitions = 'http://hl7.org/fhir/StructureDefinition/';
type JsonObject = Record<string, unknown>;

/** Nodes that `descendants()` and `repeat()` may visit in one evaluation. */
export const maximumVisits = 1_000_000;

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** An own property; what instances inherit from JavaScript is not there. */
function own(value: unknown, name: string): unknown {
  return isJsonObject(value) && Object.hasOwn(value, name) ? value[name] : undefined;
}

/** The type of a resource at hand; the static type where it states none. */
function actualType(session: Session, value: unknown, type: string): string {
  const stated = own(value, 'resourceType');
  return typeof stated === 'string' && session.model.isResource(type) ? stated : type;
}

export function boxOne(session: Session, item: Item, type: Item): Item {
  if (item === undefined || item === null || item instanceof FhirNode) return item ?? undefined;
  return new FhirNode(actualType(session, item, type as string), item, undefined);
}

export function boxMany(session: Session, items: Item, type: Item): Items {
  const boxed: Item[] = [];
  for (const item of items as Items) if (item !== null && item !== undefined) boxed.push(boxOne(session, item, type));
  return boxed;
}

export function boxResource(_session: Session, value: Item): Item {
  const type = own(value, 'resourceType');
  return isJsonObject(value) ? new FhirNode(typeof type === 'string' ? type : 'Resource', value, undefined) : undefined;
}

function collect(session: Session, into: Item[], object: JsonObject, variant: ElementVariant): void {
  const value = own(object, variant.json);
  const sibling = variant.primitive ? own(object, '_' + variant.json) : undefined;
  if (value === undefined && sibling === undefined) return;
  if (Array.isArray(value) || Array.isArray(sibling)) {
    const values = Array.isArray(value) ? value : [];
    const siblings = Array.isArray(sibling) ? sibling : [];
    const length = Math.max(values.length, siblings.length);
    for (let i = 0; i < length; i++) push(session, into, variant.type, values[i], siblings[i]);
  } else push(session, into, variant.type, value, sibling);
}

function push(session: Session, into: Item[], type: string, value: unknown, sibling: unknown): void {
  if ((value === undefined || value === null) && !isJsonObject(sibling)) return;
  into.push(new FhirNode(actualType(session, value, type), value ?? undefined, sibling ?? undefined));
}

/** The children of that name of boxed items, boxed. */
export function child(session: Session, items: Item, name: Item): Items {
  const found: Item[] = [];
  for (const item of items as Items) if (item instanceof FhirNode) childOf(session, found, item, name as string);
  return found;
}

function childOf(session: Session, into: Item[], node: FhirNode, name: string): void {
  const { model } = session;
  if (!isJsonObject(node.value)) {
    const part = name === 'extension' ? 'Extension' : name === 'id' ? 'string' : undefined;
    if (part !== undefined && isJsonObject(node.sibling))
      collect(session, into, node.sibling, { json: name, type: part, primitive: name === 'id' });
    return;
  }
  const element = model.element(node.type, name);
  if (element === undefined) {
    const narrowed = model.elementByJson(node.type, name);
    if (narrowed !== undefined) collect(session, into, node.value, narrowed.variant);
    return;
  }
  for (const variant of element.variants) collect(session, into, node.value, variant);
}

/** The value of a choice element of plain objects, boxed. */
export function choice(session: Session, objects: Item, type: Item, name: Item): Items {
  const element = session.model.element(type as string, name as string);
  const found: Item[] = [];
  if (element === undefined) return found;
  for (const object of objects as Items) {
    if (!isJsonObject(object)) continue;
    // Extension.value has fifty variants, an object a handful of keys.
    for (const key in object) {
      if (!key.startsWith(element.name) && !key.startsWith('_' + element.name)) continue;
      const sibling = key.charCodeAt(0) === 0x5f;
      const json = sibling ? key.slice(1) : key;
      if (sibling && Object.hasOwn(object, json)) continue;
      const variant = session.model.elementByJson(type as string, json);
      if (variant?.element === element) collect(session, found, object, variant.variant);
    }
  }
  return found;
}

export function children(session: Session, items: Item): Items {
  const found: Item[] = [];
  for (const item of items as Items) childrenOf(session, found, item);
  return found;
}

function childrenOf(session: Session, into: Item[], item: Item): void {
  if (!(item instanceof FhirNode)) return;
  const object = isJsonObject(item.value) ? item.value : item.sibling;
  if (!isJsonObject(object)) return;
  const type = isJsonObject(item.value) ? item.type : 'Element';
  for (const key of Object.keys(object)) {
    const json = key.charCodeAt(0) === 0x5f ? key.slice(1) : key;
    if (json !== key && Object.hasOwn(object, json)) continue;
    const found = session.model.elementByJson(type, json);
    if (found !== undefined) collect(session, into, object, found.variant);
  }
}

export function descendants(session: Session, items: Item): Items {
  const found: Item[] = [];
  for (const item of items as Items) childrenOf(session, found, item);
  for (let i = 0; i < found.length; i++) {
    if (found.length > maximumVisits) throw new FhirPathError('evaluation', 'too many descendants');
    childrenOf(session, found, found[i]);
  }
  return found;
}

/** `extension(url)` on boxed items. */
export function extensionsByUrl(session: Session, items: Item, url: Item): Items {
  return child(session, items, 'extension').filter(
    (extension) => extension instanceof FhirNode && own(extension.value, 'url') === valueOf(url),
  );
}

export function hasValue(_session: Session, item: Item): boolean {
  const value = systemValue(item);
  return value !== undefined && (!(value instanceof FhirNode) || !isJsonObject(value.value));
}

export function hasValueMany(session: Session, items: Item): boolean {
  return (items as Items).length === 1 && hasValue(session, (items as Items)[0]);
}

export function getValue(session: Session, item: Item): Item {
  return hasValue(session, item) ? systemValue(item) : undefined;
}

/** References, canonicals and uris to the resources they name; what is not found is left out. */
export function resolve(session: Session, items: Item): Items {
  const found: Item[] = [];
  for (const item of items as Items) {
    const value = valueOf(item);
    const reference = isJsonObject(value) ? own(value, 'reference') : value;
    if (typeof reference !== 'string') continue;
    const resource = boxResource(session, session.environment.resolve?.(reference));
    if (resource !== undefined) found.push(resource);
  }
  return found;
}

/** `memberOf(valueset)` on a code, Coding or CodeableConcept; what cannot be told counts as a member: it must not fail an invariant. */
export function memberOf(session: Session, item: Item, valueSet: Item): Item {
  const ask = session.environment.memberOf;
  const canonical = valueOf(valueSet);
  const value = valueOf(item);
  if (item === undefined || typeof canonical !== 'string' || ask === undefined) return undefined;
  if (typeof value === 'string') return ask(canonical, undefined, value) !== 'no';
  const codings = isJsonObject(value) && Array.isArray(value['coding']) ? (value['coding'] as unknown[]) : [value];
  return codings.some((coding) => {
    const code = own(coding, 'code');
    const system = own(coding, 'system');
    return typeof code === 'string' && ask(canonical, typeof system === 'string' ? system : undefined, code) !== 'no';
  });
}

export function conformsTo(session: Session, item: Item, profile: Item): Item {
  const canonical = valueOf(profile);
  if (item === undefined || typeof canonical !== 'string') return undefined;
  const asked = session.environment.conformsTo?.(valueOf(item), canonical);
  if (asked !== undefined) return asked;
  const name = canonical.startsWith(coreDefinitions) ? canonical.slice(coreDefinitions.length) : '';
  if (!session.model.exists(name)) throw new FhirPathError('evaluation', 'an unknown profile');
  return item instanceof FhirNode && session.model.ancestry(item.type).includes(name);
}

export function resourceVariable(session: Session): Item {
  return boxResource(session, session.environment.resource);
}

export function rootResourceVariable(session: Session): Item {
  return boxResource(session, session.environment.rootResource);
}

export function contextVariable(session: Session): Item {
  return session.context;
}

export function namedVariable(session: Session, name: Item): Items {
  const found = session.variables?.get(name as string);
  if (found === undefined) throw new FhirPathError('evaluation', 'unknown variable');
  return found;
}
