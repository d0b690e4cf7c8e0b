/**
 * Snapshot of a StructureDefinition from its base's snapshot and its differential (http://hl7.org/fhir/R4/profiling.html#snapshot).
 * Works on a tree: the differential's elements are found or unfolded one after another, then merged.
 */
import type { Definition, ElementDefinition } from '../packages/definitions.ts';
import { findOrCreate } from './differential-place.ts';
import { flatten, nodeOf, treeOf } from './element-node.ts';
import type { ElementNode } from './element-node.ts';
import { mergeElement, overlayProfile, withSource } from './merge-element.ts';
import { differentialElements } from './published.ts';
import { SnapshotError } from './snapshot-error.ts';
import { profileRoot } from './unfold.ts';
import type { Making, SnapshotSource } from './unfold.ts';

/** Longer than any real one by far; a longer one is an attack on memory. */
const maximumElements = 50_000;

/**
 * @param snapshotOf gives the snapshots of other definitions that this one needs
 * @throws {SnapshotError} base-missing | malformed, and what `snapshotOf` throws for the base
 */
export function generateSnapshot(definition: Definition, snapshotOf: SnapshotSource): readonly ElementDefinition[] {
  const differential = differentialElements(definition.resource);
  if (differential.length > maximumElements)
    throw new SnapshotError('malformed', `${definition.url} has too many elements`);
  const making = {
    definition,
    root: startingTree(definition, differential, snapshotOf),
    base: () => (definition.base === undefined ? undefined : startingTree(definition, differential, snapshotOf)),
    snapshotOf,
  };
  const place = findOrCreate(making);
  for (const element of differential) {
    const node = placeIfPossible(element, place);
    if (node === undefined) continue;
    node.before ??= structuredClone(node.element);
    const profile = profileRoot(element, making);
    if (profile !== undefined) overlayProfile(node.element, profile);
    mergeElement(node.element, element);
    settle(node, element, making);
  }
  settleTree(making.root, definition.derivation === 'specialization' && definition.kind === 'resource');
  const elements = flatten(making.root);
  if (elements.length > maximumElements)
    throw new SnapshotError('malformed', `${definition.url} unfolds to too many elements`);
  return elements;
}

/**
 * An element that the base does not have constrains nothing that could be there: it is left out, as HL7's own generator does.
 * `auditDifferential` names it for whoever writes the profile.
 */
function placeIfPossible(
  element: ElementDefinition,
  place: (element: ElementDefinition) => ElementNode,
): ElementNode | undefined {
  try {
    return place(element);
  } catch (error) {
    if (error instanceof SnapshotError && error.code === 'malformed') return undefined;
    throw error;
  }
}

/** The base's tree under this definition's root name; a type without a base starts with its own root. */
export function startingTree(
  definition: Definition,
  differential: readonly ElementDefinition[],
  snapshotOf: SnapshotSource,
): ElementNode {
  const rootName = differential[0]?.path.split('.', 1)[0] ?? definition.constrainedType ?? definition.id;
  const rootBase = { path: rootName, min: 0, max: '*' };
  if (definition.base === undefined) return nodeOf({ ...rootBase, base: rootBase }, rootName, undefined);
  const base = definition.scope.resolve(definition.base, 'StructureDefinition');
  if (base === undefined)
    throw new SnapshotError(
      'base-missing',
      `${definition.url} has the base ${definition.base}, which is in no package it sees`,
    );
  const tree = treeOf(snapshotOf(base));
  if (tree === undefined) throw new SnapshotError('malformed', `the snapshot of ${base.url} is not in order`);
  const root: ElementNode = { ...tree, name: rootName };
  nameSources(root, base.url);
  if (definition.derivation === 'specialization') root.element.base = rootBase;
  return root;
}

/** Constraints inherited from a definition that does not say so itself are that definition's. */
function nameSources(node: ElementNode, source: string): void {
  const constraint = withSource(node.element.constraint, source);
  if (constraint !== undefined) node.element.constraint = constraint;
  for (const below of [...node.children, ...node.slices]) nameSources(below, source);
}

/** What follows from a merge beyond the merged element itself. */
function settle(node: ElementNode, differential: ElementDefinition, making: Making): void {
  const { element } = node;
  if (node.sliceName !== undefined) element.sliceName = node.sliceName;
  if (differential.contentReference !== undefined) delete element.type;
  if (node.origin === 'created' && node.sliceName === undefined) settleNew(element, differential, making);
  else if (differential.constraint !== undefined)
    element.constraint = withSource(element.constraint, making.definition.url) ?? [];
}

/** What only the whole tree shows. */
function settleTree(root: ElementNode, isResourceType: boolean): void {
  const visit = (node: ElementNode): void => {
    const isExtension = node.name === 'extension' || node.name === 'modifierExtension';
    if (isResourceType && isExtension && node.slices.length === 0) delete node.element.slicing;
    dropUselessBinding(node.element);
    for (const below of [...node.children, ...node.slices]) visit(below);
  };
  visit(root);
  if (root.name !== 'Extension') return;
  const nested = root.children.find((child) => child.name === 'extension');
  if (nested === undefined) return;
  const needed = nested.slices.reduce((sum, slice) => sum + (slice.element.min ?? 0), 0);
  if (needed > (nested.element.min ?? 0)) nested.element.min = needed;
}

/** Only what can hold a code can be bound; `xhtml` and the like cannot. */
function dropUselessBinding(element: ElementDefinition): void {
  const types = element.type ?? [];
  if (types.length > 0 && types.every(({ code }) => code !== undefined && unbindable.has(code))) delete element.binding;
}

const unbindable = new Set([
  'xhtml',
  'Narrative',
  'boolean',
  'decimal',
  'integer',
  'Reference',
  'BackboneElement',
  'Identifier',
  'Period',
]);

/** An element that a type defines: it is its own base, and it has the constraints that hold for everything of its type. */
function settleNew(element: ElementDefinition, differential: ElementDefinition, making: Making): void {
  element.base = { path: differential.path, min: element.min ?? 0, max: element.max ?? '*' };
  element.isModifier ??= false;
  element.isSummary ??= false;
  if (making.definition.kind === 'logical') return;
  const types = element.type ?? [];
  const isBare = types.some(({ code }) => code === 'Resource' || code?.startsWith('http://hl7.org/fhirpath/') === true);
  if (isBare || (types.length === 0 && element.contentReference === undefined)) return;
  const general = making.definition.scope.resolveType(
    types.length === 1 && types[0]?.code === 'Extension' ? 'Extension' : 'Element',
  );
  const inherited =
    general === undefined || general.url === making.definition.url
      ? undefined
      : making.snapshotOf(general)[0]?.constraint;
  element.constraint = [...(withSource(inherited, general?.url ?? '') ?? []), ...(element.constraint ?? [])];
}
