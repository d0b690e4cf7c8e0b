/** FHIR XML to FHIR JSON (http://hl7.org/fhir/R4/xml.html), by the structure of the type, for supporting files of conformance suites. */
import { DOMParser, XMLSerializer } from '@xmldom/xmldom';
import type { Element } from '@xmldom/xmldom';
import type { ElementDefinition, PackageScope } from '../src/validation/packages/definitions.ts';
import { snapshotOf } from '../src/validation/snapshot/snapshot.ts';

type Json = { [name: string]: unknown };

const fhirNamespace = 'http://hl7.org/fhir';
const numberTypes = new Set(['integer', 'positiveInt', 'unsignedInt', 'decimal']);

/** Where in the definitions the walk is: the elements of a type's snapshot and the path in it. */
interface Place {
  readonly elements: readonly ElementDefinition[];
  readonly path: string;
}

/**
 * @param scope has the types; elements that a type does not know (a later FHIR release) are read by their look
 * @throws {Error} not XML, or not a FHIR resource
 */
export function resourceFromXml(text: string, scope: PackageScope): Json {
  const parser = new DOMParser({
    onError: (level, message) => {
      if (level !== 'warning') throw new Error(`not XML: ${message}`);
    },
  });
  const document = parser.parseFromString(text.replace(/^\uFEFF/, ''), 'application/xml');
  const root = document.documentElement;
  if (root === null || root.namespaceURI !== fhirNamespace) throw new Error('not a FHIR resource in XML');
  return readResource(root, scope);
}

function readResource(element: Element, scope: PackageScope): Json {
  const type = element.localName ?? '';
  return { resourceType: type, ...readObject(element, placeOf(type, scope), scope) };
}

function placeOf(type: string, scope: PackageScope): Place | undefined {
  const definition = scope.resolveType(type);
  const elements = definition === undefined ? undefined : snapshotOf(definition);
  const path = elements?.[0]?.path;
  return elements === undefined || path === undefined ? undefined : { elements, path };
}

function readObject(element: Element, place: Place | undefined, scope: PackageScope): Json {
  const result: Json = {};
  for (const attribute of Array.from(element.attributes))
    if (attribute.name === 'id' || attribute.name === 'url') result[attribute.name] = attribute.value;
  const children = childElements(element);
  for (const child of children) {
    const name = child.localName ?? '';
    const known = place === undefined ? undefined : findChild(name, place);
    const type = known === undefined ? undefined : typeOf(name, known);
    const repeats =
      known === undefined
        ? looksRepeating(name, children)
        : known.base?.max !== undefined
          ? known.base.max !== '1'
          : known.max !== '1';
    addValue(result, name, readValue(child, known, type, place, scope), repeats);
  }
  return result;
}

function looksRepeating(name: string, children: readonly Element[]): boolean {
  return name === 'extension' || children.filter((child) => child.localName === name).length > 1;
}

interface ReadValue {
  readonly value: unknown;
  /** `id` and `extension` of a primitive. */
  readonly beside: Json | undefined;
}

function readValue(
  child: Element,
  known: ElementDefinition | undefined,
  type: string | undefined,
  place: Place | undefined,
  scope: PackageScope,
): ReadValue {
  if (child.localName === 'div' && child.namespaceURI !== fhirNamespace)
    return { value: new XMLSerializer().serializeToString(child), beside: undefined };
  const inner = childElements(child);
  if (
    type === 'Resource' ||
    (known === undefined && inner.length === 1 && scope.resolveType(inner[0]?.localName ?? '')?.kind === 'resource')
  ) {
    const resource = inner[0];
    return { value: resource === undefined ? undefined : readResource(resource, scope), beside: undefined };
  }
  const isPrimitive = type === undefined ? child.hasAttribute('value') || known === undefined : /^[a-z]/.test(type);
  if (isPrimitive && (child.hasAttribute('value') || inner.every((one) => one.localName === 'extension'))) {
    const beside = readObject(child, placeOf('Element', scope), scope);
    const text = child.getAttribute('value');
    return {
      value: text === null ? undefined : primitiveValue(text, type),
      beside: Object.keys(beside).length > 0 ? beside : undefined,
    };
  }
  return { value: readObject(child, innerPlace(known, type, place, scope), scope), beside: undefined };
}

function innerPlace(
  known: ElementDefinition | undefined,
  type: string | undefined,
  place: Place | undefined,
  scope: PackageScope,
): Place | undefined {
  if (known === undefined || place === undefined) return undefined;
  if (known.contentReference !== undefined) {
    const path = known.contentReference.slice(known.contentReference.indexOf('#') + 1);
    return { elements: place.elements, path };
  }
  const isInline = type === 'BackboneElement' || type === 'Element';
  return isInline || type === undefined ? { elements: place.elements, path: known.path } : placeOf(type, scope);
}

function primitiveValue(text: string, type: string | undefined): unknown {
  if (type === 'boolean') return text === 'true';
  if (type !== undefined && numberTypes.has(type) && /^-?\d/.test(text)) return Number(text);
  if (type === undefined && /^(true|false)$/.test(text)) return text === 'true';
  return text;
}

function addValue(result: Json, name: string, read: ReadValue, repeats: boolean): void {
  if (!repeats) {
    if (read.value !== undefined) result[name] = read.value;
    if (read.beside !== undefined) result[`_${name}`] = read.beside;
    return;
  }
  const values = (result[name] ??= []) as unknown[];
  values.push(read.value ?? null);
  const besides = result[`_${name}`] as unknown[] | undefined;
  if (read.beside !== undefined || besides !== undefined) {
    const filled = besides ?? [];
    while (filled.length < values.length - 1) filled.push(null);
    filled.push(read.beside ?? null);
    result[`_${name}`] = filled;
  }
}

function findChild(name: string, place: Place): ElementDefinition | undefined {
  const prefix = `${place.path}.`;
  return place.elements.find((element) => {
    if (!element.path.startsWith(prefix)) return false;
    const tail = element.path.slice(prefix.length);
    return (
      tail === name ||
      (tail.endsWith('[x]') &&
        !tail.includes('.') &&
        name.startsWith(tail.slice(0, -3)) &&
        typeOf(name, element) !== undefined)
    );
  });
}

/** The type that an element of this name has; of a choice the one that the name ends with. */
function typeOf(name: string, element: ElementDefinition): string | undefined {
  const types = element.type ?? [];
  const last = element.path.slice(element.path.lastIndexOf('.') + 1);
  if (!last.endsWith('[x]')) return systemType(types[0]?.code);
  const suffix = name.slice(last.length - 3);
  return types
    .map((type) => type.code)
    .find((code) => code !== undefined && code.charAt(0).toUpperCase() + code.slice(1) === suffix);
}

function systemType(code: string | undefined): string | undefined {
  return code?.startsWith('http://hl7.org/fhirpath/System.') === true ? 'string' : code;
}

function childElements(element: Element): Element[] {
  return Array.from(element.childNodes).filter((node): node is Element => node.nodeType === 1);
}
