/** What is wrong with a differential against its base: the questions that a snapshot's author should ask (http://hl7.org/fhir/R4/profiling.html). */
import { correctedStrength } from '../compile/corrections.ts';
import type { Definition, ElementDefinition } from '../packages/definitions.ts';
import { findOrCreate } from './differential-place.ts';
import { flattenNodes } from './element-node.ts';
import type { ElementNode } from './element-node.ts';
import { startingTree } from './generate.ts';
import { mergeElement } from './merge-element.ts';
import { differentialElements } from './published.ts';
import { SnapshotError } from './snapshot-error.ts';
import type { Making, SnapshotSource } from './unfold.ts';

export interface DifferentialProblem {
  readonly kind:
    | 'not-generated'
    | 'path-unknown'
    | 'path-order'
    | 'choice-name'
    | 'slicing-missing'
    | 'type-not-allowed'
    | 'target-not-allowed'
    | 'maximum-widened'
    | 'minimum-widened'
    | 'binding-weakened'
    | 'fixed-type';
  /** Position in the differential; undefined where the definition as a whole is meant. */
  readonly index: number | undefined;
  /** What was found: an element path or a type. */
  readonly found: string;
}

/** Problems of a constraint on another definition, in the order of the differential; none where the base is not here. */
export function auditDifferential(definition: Definition, snapshotOf: SnapshotSource): DifferentialProblem[] {
  if (definition.derivation !== 'constraint' || definition.base === undefined) return [];
  if (definition.scope.resolve(definition.base, 'StructureDefinition') === undefined) return [];
  const differential = differentialElements(definition.resource);
  const problems: DifferentialProblem[] = [];
  try {
    const tree = (): ElementNode => startingTree(definition, differential, snapshotOf);
    const making: Making = { definition, root: tree(), base: tree, snapshotOf };
    const placed = placeAll(differential, making, problems);
    problems.push(...outOfOrder(placed, making.root));
  } catch (error) {
    if (!(error instanceof SnapshotError)) throw error;
    problems.push({ kind: 'not-generated', index: undefined, found: error.message });
  }
  return problems;
}

interface Placed {
  readonly index: number;
  readonly path: string;
  readonly node: ElementNode;
}

function placeAll(
  differential: readonly ElementDefinition[],
  making: Making,
  problems: DifferentialProblem[],
): Placed[] {
  const place = findOrCreate(making);
  const placed: Placed[] = [];
  differential.forEach((element, index) => {
    try {
      const node = place(element);
      node.before ??= structuredClone(node.element);
      problems.push(...compareWithBase(element, node.before, index, making.definition));
      if (isUnsliced(node, making.root)) problems.push({ kind: 'slicing-missing', index, found: element.path });
      mergeElement(node.element, element);
      placed.push({ index, path: element.path, node });
    } catch (error) {
      if (!(error instanceof SnapshotError)) throw error;
      problems.push({
        kind: isChoiceName(element, making.root) ? 'choice-name' : 'path-unknown',
        index,
        found: element.path,
      });
    }
  });
  return placed;
}

/** An element that a later one should have followed is not found where it belongs. */
function outOfOrder(placed: readonly Placed[], root: ElementNode): DifferentialProblem[] {
  const positions = new Map(flattenNodes(root).map((node, position) => [node, position]));
  const problems: DifferentialProblem[] = [];
  let lowest = Number.POSITIVE_INFINITY;
  for (const { index, path, node } of placed.toReversed()) {
    const position = positions.get(node) ?? 0;
    if (position > lowest && node.sliceName === undefined) problems.push({ kind: 'path-order', index, found: path });
    else lowest = Math.min(lowest, position);
  }
  return problems.toReversed();
}

/** Whether the node is a slice of an element that nothing says is sliced; extensions are sliced by URL, choices by type, without saying so. */
function isUnsliced(node: ElementNode, root: ElementNode): boolean {
  if (node.sliceName === undefined || node.name.endsWith('xtension') || node.name.endsWith('[x]')) return false;
  const sliced = flattenNodes(root).find((other) => other.slices.includes(node));
  return sliced !== undefined && sliced.element.slicing === undefined;
}

/** `valueBla` where the base has `value[x]`. */
function isChoiceName(element: ElementDefinition, root: ElementNode): boolean {
  const name = element.path.split('.').at(-1) ?? '';
  const stems = root.children.filter((child) => child.name.endsWith('[x]')).map((child) => child.name.slice(0, -3));
  return (
    element.path.split('.').length === 2 &&
    stems.some((stem) => name.startsWith(stem) && /^[A-Z]/.test(name.slice(stem.length)))
  );
}

function compareWithBase(
  element: ElementDefinition,
  before: ElementDefinition,
  index: number,
  definition: Definition,
): DifferentialProblem[] {
  const problems: DifferentialProblem[] = [];
  const add = (kind: DifferentialProblem['kind'], found: string): void => {
    problems.push({ kind, index, found });
  };
  if (element.max !== undefined && before.max !== undefined && toCount(element.max) > toCount(before.max))
    add('maximum-widened', element.path);
  if (element.sliceName === undefined && element.min !== undefined && element.min < (before.min ?? 0))
    add('minimum-widened', element.path);
  const { strength } = element.binding ?? {};
  const oldStrength = correctedStrength(before.binding?.strength ?? '', before.binding?.valueSet);
  if (strength !== undefined && oldStrength === 'required' && strength !== 'required')
    add('binding-weakened', element.path);
  compareTypes(element, before, definition, add);
  const types = element.type ?? before.type ?? [];
  for (const name of Object.keys(element)) {
    const [, suffix] = /^(?:fixed|pattern)([A-Z]\w*)$/.exec(name) ?? [];
    if (suffix !== undefined && types.length > 0 && !types.some(({ code }) => isNamed(code, suffix)))
      add('fixed-type', suffix);
  }
  return problems;
}

function compareTypes(
  element: ElementDefinition,
  before: ElementDefinition,
  definition: Definition,
  add: (kind: DifferentialProblem['kind'], found: string) => void,
): void {
  const allowed = before.type ?? [];
  if (allowed.length === 0) return;
  for (const type of element.type ?? []) {
    const base = allowed.find(({ code }) => code === type.code || isGeneral(code));
    if (base === undefined) {
      if (type.code !== undefined && !isSystem(type.code) && !allowed.some(({ code }) => isSystem(code)))
        add('type-not-allowed', type.code);
      continue;
    }
    const targets = base.targetProfile ?? [];
    for (const target of type.targetProfile ?? [])
      if (targets.length > 0 && !targets.some((one) => isWithin(target, one, definition)))
        add('target-not-allowed', target);
  }
}

function isSystem(code: string | undefined): boolean {
  return code?.startsWith('http://hl7.org/fhirpath/System.') === true;
}

function isGeneral(code: string | undefined): boolean {
  return code === 'Element' || code === 'Resource' || code === 'DomainResource';
}

/** Whether a target profile is the allowed one, or based on it; one that is not here is given the benefit of the doubt. */
function isWithin(target: string, allowed: string, definition: Definition): boolean {
  const wanted = definition.scope.resolve(allowed, 'StructureDefinition');
  if (wanted === undefined || wanted.constrainedType === 'Resource') return true;
  const seen = new Set<Definition>();
  for (let found = definition.scope.resolve(target, 'StructureDefinition'); ;) {
    if (found === undefined || found === wanted) return true;
    if (seen.has(found) || found.base === undefined) return false;
    seen.add(found);
    const { scope, base } = found;
    const next = scope.resolve(base, 'StructureDefinition');
    if (found.url === wanted.url || next?.url === wanted.url) return true;
    found = next;
  }
}

function isNamed(code: string | undefined, suffix: string): boolean {
  if (code === undefined) return false;
  const name = isSystem(code) ? code.slice(code.lastIndexOf('.') + 1).toLowerCase() : code;
  return isSystem(code) || name.charAt(0).toUpperCase() + name.slice(1) === suffix;
}

function toCount(max: string): number {
  return max === '*' ? Number.POSITIVE_INFINITY : Number(max);
}
