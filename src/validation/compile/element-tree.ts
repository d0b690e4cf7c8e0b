/** A snapshot's flat element list as a tree with slices hung under what they slice. Everything in a definition is untrusted: each field is narrowed here, once. */
import type { JsonObject } from '../checks/report.ts';
import { correctedStrength } from './corrections.ts';

export interface ElementType {
  /** `string`, `Patient`, …; a FHIRPath system type is given as the FHIR type it stands for. */
  readonly code: string;
  readonly profiles: readonly string[];
  readonly targetProfiles: readonly string[];
  /** `contained`, `referenced`, `bundled`. */
  readonly aggregation: readonly string[];
  /** `either`, `independent`, `specific`. */
  readonly versioning: string | undefined;
}

export interface ElementConstraint {
  readonly key: string;
  readonly severity: 'error' | 'warning';
  readonly human: string;
  readonly expression: string | undefined;
  readonly source: string | undefined;
  readonly bestPractice: boolean;
}

export interface ElementBinding {
  readonly strength: string;
  readonly valueSet: string | undefined;
  /** The maximum value set: required even where the binding itself is weaker. */
  readonly maxValueSet: string | undefined;
}

export interface ElementSlicing {
  readonly rules: string;
  readonly ordered: boolean;
  readonly discriminators: readonly { readonly type: string; readonly path: string }[];
}

export interface ElementNode {
  readonly id: string;
  readonly path: string;
  /** Last segment of the path, `value[x]` for choices. */
  readonly name: string;
  readonly sliceName: string | undefined;
  readonly min: number;
  /** Infinity for `*`. */
  readonly max: number;
  /** Whether JSON has an array here: the base definition's max. */
  readonly baseMax: number | undefined;
  readonly types: readonly ElementType[];
  /** Path of the element whose children are these, without `#`. */
  readonly contentReference: string | undefined;
  readonly binding: ElementBinding | undefined;
  readonly fixed: FixedValue | undefined;
  readonly pattern: FixedValue | undefined;
  readonly minValue: FixedValue | undefined;
  readonly maxValue: FixedValue | undefined;
  readonly maxLength: number | undefined;
  readonly constraints: readonly ElementConstraint[];
  readonly slicing: ElementSlicing | undefined;
  readonly isModifier: boolean;
  readonly mustSupport: boolean;
  readonly children: ElementNode[];
  readonly slices: ElementNode[];
  /** The element definition's own extensions, for rules that live there (min/max value sets, regex, …). */
  readonly extensions: readonly JsonObject[];
}

export interface FixedValue {
  /** FHIR type as in the element name: `fixedCodeableConcept` gives `CodeableConcept`. */
  readonly type: string;
  readonly value: unknown;
}

/** A definition so large that it can only be an attack. */
const maximumElements = 20_000;

/**
 * @param elements the snapshot, in order
 * @returns the root node, or undefined where the list is empty or its first path is not a single name
 */
export function elementTree(elements: readonly unknown[]): ElementNode | undefined {
  const open: ElementNode[] = [];
  for (const raw of elements.slice(0, maximumElements)) {
    if (!isObject(raw) || typeof raw['path'] !== 'string') continue;
    const node = elementNode(raw, raw['path']);
    const depth = node.path.split('.').length - 1;
    if (open.length === 0) {
      if (depth !== 0) return undefined;
      open[0] = node;
      continue;
    }
    const parent = open[depth - 1];
    if (depth === 0 || parent === undefined) continue;
    open.length = depth;
    attach(parent, node);
    open[depth] = node;
  }
  return open[0];
}

function attach(parent: ElementNode, node: ElementNode): void {
  const sliced = node.sliceName === undefined ? undefined : slicedSibling(parent, node, node.sliceName);
  if (sliced === undefined) parent.children.push(node);
  else sliced.slices.push(node);
}

/** The sibling a slice belongs to: for a re-slice `a/b` the slice `a`, else the unsliced element of its path, or of the choice it names a type of. */
function slicedSibling(parent: ElementNode, node: ElementNode, sliceName: string): ElementNode | undefined {
  const whole = parent.children.findLast(
    (sibling) => sibling.sliceName === undefined && covers(sibling.name, node.name),
  );
  if (whole === undefined) return undefined;
  let found = whole;
  for (let at = sliceName.indexOf('/'); at > 0; at = sliceName.indexOf('/', at + 1)) {
    const name = sliceName.slice(0, at);
    const slice = found.slices.find((candidate) => candidate.sliceName === name);
    if (slice === undefined) return found;
    found = slice;
  }
  return found;
}

function covers(whole: string, name: string): boolean {
  return whole === name || (whole.endsWith('[x]') && name.startsWith(whole.slice(0, -3)));
}

function elementNode(raw: JsonObject, path: string): ElementNode {
  const base = raw['base'];
  const extensions = objects(raw['extension']);
  return {
    id: text(raw['id']) ?? path,
    path,
    name: path.slice(path.lastIndexOf('.') + 1),
    sliceName: text(raw['sliceName']),
    min: typeof raw['min'] === 'number' ? raw['min'] : 0,
    max: maximum(raw['max']) ?? Infinity,
    baseMax: isObject(base) ? maximum(base['max']) : undefined,
    types: objects(raw['type']).map(elementType),
    contentReference: contentReference(raw['contentReference']),
    binding: elementBinding(raw['binding']),
    fixed: valueOf(raw, 'fixed'),
    pattern: valueOf(raw, 'pattern'),
    minValue: valueOf(raw, 'minValue'),
    maxValue: valueOf(raw, 'maxValue'),
    maxLength: typeof raw['maxLength'] === 'number' ? raw['maxLength'] : undefined,
    constraints: objects(raw['constraint']).flatMap(elementConstraint),
    slicing: elementSlicing(raw['slicing']),
    isModifier: raw['isModifier'] === true,
    mustSupport: raw['mustSupport'] === true,
    children: [],
    slices: [],
    extensions,
  };
}

function elementType(raw: JsonObject): ElementType {
  const code = text(raw['code']) ?? '';
  const fhirType = objects(raw['extension']).find((extension) => extension['url'] === fhirTypeUrl);
  return {
    code: code.startsWith(systemTypes)
      ? (text(fhirType?.['valueUrl']) ?? text(fhirType?.['valueUri']) ?? 'string')
      : code,
    profiles: strings(raw['profile']),
    targetProfiles: strings(raw['targetProfile']),
    aggregation: strings(raw['aggregation']),
    versioning: text(raw['versioning']),
  };
}

const fhirTypeUrl = 'http://hl7.org/fhir/StructureDefinition/structuredefinition-fhir-type';
const systemTypes = 'http://hl7.org/fhirpath/System.';
const maxValueSetUrl = 'http://hl7.org/fhir/StructureDefinition/elementdefinition-maxValueSet';
const bestPracticeUrl = 'http://hl7.org/fhir/StructureDefinition/elementdefinition-bestpractice';

function elementBinding(raw: unknown): ElementBinding | undefined {
  if (!isObject(raw)) return undefined;
  const maximumSet = objects(raw['extension']).find((extension) => extension['url'] === maxValueSetUrl);
  const valueSet = text(raw['valueSet']);
  return {
    strength: correctedStrength(text(raw['strength']) ?? 'example', valueSet),
    valueSet,
    maxValueSet:
      maximumSet === undefined ? undefined : (text(maximumSet['valueCanonical']) ?? text(maximumSet['valueUri'])),
  };
}

function elementConstraint(raw: JsonObject): ElementConstraint[] {
  const key = text(raw['key']);
  if (key === undefined) return [];
  return [
    {
      key,
      severity: raw['severity'] === 'warning' ? 'warning' : 'error',
      human: text(raw['human']) ?? '',
      expression: text(raw['expression']),
      source: text(raw['source']),
      bestPractice: objects(raw['extension']).some(
        (extension) => extension['url'] === bestPracticeUrl && extension['valueBoolean'] === true,
      ),
    },
  ];
}

function elementSlicing(raw: unknown): ElementSlicing | undefined {
  if (!isObject(raw)) return undefined;
  return {
    rules: text(raw['rules']) ?? 'open',
    ordered: raw['ordered'] === true,
    discriminators: objects(raw['discriminator']).map((entry) => ({
      type: text(entry['type']) ?? '',
      path: text(entry['path']) ?? '',
    })),
  };
}

function valueOf(raw: JsonObject, prefix: string): FixedValue | undefined {
  for (const key of Object.keys(raw)) {
    if (!key.startsWith(prefix)) continue;
    const type = key.slice(prefix.length);
    if (!/^[A-Z][A-Za-z0-9]*$/.test(type)) continue;
    return { type, value: raw[key] };
  }
  return undefined;
}

function contentReference(raw: unknown): string | undefined {
  const reference = text(raw);
  return reference === undefined ? undefined : reference.slice(reference.indexOf('#') + 1);
}

function maximum(raw: unknown): number | undefined {
  if (raw === '*') return Infinity;
  return typeof raw === 'string' && /^\d{1,9}$/.test(raw) ? Number(raw) : undefined;
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function objects(value: unknown): JsonObject[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

function strings(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
}
