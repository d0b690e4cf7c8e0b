import type { Definition, PackageScope } from '../packages/definitions.ts';

/** One type that an element may have, under the name that the JSON property then bears. */
export interface ElementVariant {
  /** JSON property, e.g. `valueQuantity`; safe to put into generated code. */
  readonly json: string;
  /** Data type (`HumanName`), primitive (`code`), or the path of a backbone element (`Patient.contact`). */
  readonly type: string;
  readonly primitive: boolean;
}

export interface ModelElement {
  /** Without `[x]`. */
  readonly name: string;
  readonly many: boolean;
  readonly choice: boolean;
  readonly variants: readonly ElementVariant[];
}

/** The types of FHIR R4 as FHIRPath sees them, read from the core StructureDefinitions when first wanted. */
export interface TypeModel {
  /** @param type as in `ElementVariant.type`; undefined for a type or element that does not exist */
  element(type: string, name: string): ModelElement | undefined;
  /** Also under the JSON name of one variant (`valueQuantity`), which published constraints use. */
  elementByJson(type: string, json: string): { element: ModelElement; variant: ElementVariant } | undefined;
  /** In the order of the definition; empty for an unknown type and for primitives' values. */
  elements(type: string): readonly ModelElement[];
  /** The type itself first, then what it specialises: `Patient`, `DomainResource`, `Resource`. */
  ancestry(type: string): readonly string[];
  isPrimitive(type: string): boolean;
  isResource(type: string): boolean;
  exists(type: string): boolean;
}

interface ModelType {
  readonly elements: ReadonlyMap<string, ModelElement>;
  readonly byJson: ReadonlyMap<string, { element: ModelElement; variant: ElementVariant }>;
}

interface RawElement {
  readonly path?: unknown;
  readonly max?: unknown;
  readonly contentReference?: unknown;
  readonly type?: unknown;
}

const safeName = /^[A-Za-z][A-Za-z0-9_]*$/;
const coreTypes = 'http://hl7.org/fhir/StructureDefinition/';
const noType: ModelType = { elements: new Map(), byJson: new Map() };
const slot = {};

/** The model of the core definitions that a scope sees; the same object for the same definitions. */
export function typeModel(scope: PackageScope): TypeModel {
  const anchor = scope.resolve(coreTypes + 'Element', 'StructureDefinition');
  return anchor === undefined ? buildModel(scope) : anchor.remember(slot, () => buildModel(anchor.scope));
}

function buildModel(scope: PackageScope): TypeModel {
  const types = new Map<string, ModelType>();
  const ancestries = new Map<string, readonly string[]>();
  const loaded = new Set<string>();

  const definitionOf = (name: string): Definition | undefined =>
    safeName.test(name) ? scope.resolve(coreTypes + name, 'StructureDefinition') : undefined;

  const typeOf = (type: string): ModelType => {
    const known = types.get(type);
    if (known !== undefined) return known;
    const root = type.split('.', 1)[0] ?? type;
    if (!loaded.has(root)) {
      loaded.add(root);
      const definition = definitionOf(root);
      if (definition !== undefined)
        readTypes(definition, types, (name) => definitionOf(name)?.kind === 'primitive-type');
    }
    return types.get(type) ?? noType;
  };

  const ancestry = (type: string): readonly string[] => {
    const known = ancestries.get(type);
    if (known !== undefined) return known;
    const line: string[] = [type];
    if (type.includes('.')) line.push('BackboneElement', 'Element');
    else {
      let definition = definitionOf(type);
      while (definition?.base !== undefined && line.length < 10) {
        const base = definition.base.slice(definition.base.lastIndexOf('/') + 1);
        if (base === '' || line.includes(base)) break;
        line.push(base);
        definition = definitionOf(base);
      }
    }
    ancestries.set(type, line);
    return line;
  };

  return {
    element: (type, name) => typeOf(type).elements.get(name),
    elementByJson: (type, json) => typeOf(type).byJson.get(json),
    elements: (type) => [...typeOf(type).elements.values()],
    ancestry,
    isPrimitive: (type) => definitionOf(type)?.kind === 'primitive-type' || type === 'xhtml',
    isResource: (type) => definitionOf(type)?.kind === 'resource',
    exists: (type) => types.has(type) || definitionOf(type) !== undefined || typeOf(type) !== noType,
  };
}

/** Fills in the type and its backbone elements. */
function readTypes(
  definition: Definition,
  types: Map<string, ModelType>,
  isPrimitive: (name: string) => boolean,
): void {
  const snapshot = definition.resource['snapshot'] as { element?: unknown } | undefined;
  const raw = Array.isArray(snapshot?.element) ? (snapshot.element as RawElement[]) : [];
  const building = new Map<
    string,
    { elements: Map<string, ModelElement>; byJson: Map<string, { element: ModelElement; variant: ElementVariant }> }
  >();
  const primitives = new Map<string, boolean>();
  const primitive = (name: string): boolean => {
    let known = primitives.get(name);
    if (known === undefined) primitives.set(name, (known = name === 'xhtml' || isPrimitive(name)));
    return known;
  };
  for (const element of raw) {
    if (typeof element.path !== 'string') continue;
    const dot = element.path.lastIndexOf('.');
    if (dot < 0) {
      building.set(element.path, { elements: new Map(), byJson: new Map() });
      continue;
    }
    const parent = element.path.slice(0, dot);
    let owner = building.get(parent);
    if (owner === undefined) building.set(parent, (owner = { elements: new Map(), byJson: new Map() }));
    const made = modelElement(element.path, element.path.slice(dot + 1), element, primitive);
    if (made === undefined || owner.elements.has(made.name)) continue;
    owner.elements.set(made.name, made);
    for (const variant of made.variants) owner.byJson.set(variant.json, { element: made, variant });
  }
  for (const [path, type] of building) types.set(path, type);
}

function modelElement(
  path: string,
  segment: string,
  raw: RawElement,
  primitive: (name: string) => boolean,
): ModelElement | undefined {
  const choice = segment.endsWith('[x]');
  const name = choice ? segment.slice(0, -3) : segment;
  if (!safeName.test(name)) return undefined;
  const many = raw.max !== '0' && raw.max !== '1';
  if (typeof raw.contentReference === 'string') {
    const target = raw.contentReference.slice(raw.contentReference.indexOf('#') + 1);
    return { name, many, choice, variants: [{ json: name, type: target, primitive: false }] };
  }
  const codes = (Array.isArray(raw.type) ? (raw.type as unknown[]) : [])
    .map(typeCode)
    .filter((code) => safeName.test(code));
  const variants = codes.map((code): ElementVariant => {
    const nested = code === 'BackboneElement' || (code === 'Element' && path.includes('.') && !choice);
    return {
      json: choice ? name + code.charAt(0).toUpperCase() + code.slice(1) : name,
      type: nested ? path : code,
      primitive: primitive(code),
    };
  });
  return { name, many, choice, variants };
}

/** `http://hl7.org/fhirpath/System.String` stands for the type that an extension names, else for string. */
function typeCode(raw: unknown): string {
  const type = raw as { code?: unknown; extension?: { url?: unknown; valueUrl?: unknown }[] } | null;
  const code = type?.code;
  if (typeof code !== 'string') return '';
  if (!code.startsWith('http://hl7.org/fhirpath/System.')) return code;
  const named = Array.isArray(type?.extension)
    ? type.extension.find((extension) => String(extension?.url).endsWith('structuredefinition-fhir-type'))?.valueUrl
    : undefined;
  return typeof named === 'string' ? named : 'string';
}
