/**
 * Snapshot of a StructureDefinition from its base's snapshot and its differential (http://hl7.org/fhir/R4/profiling.html#snapshot).
 * Works on a tree: the differential's elements are found or unfolded one after another, then merged.
 */
import type { Definition, ElementDefinition } from '../packages/definitions.ts';
import { findOrCreate } from './differential-place.ts';
import type { SnapshotSource } from './differential-place.ts';
import { flatten, nodeOf, treeOf } from './element-node.ts';
import type { ElementNode } from './element-node.ts';
import { mergeElement, withSource } from './merge-element.ts';
import { differentialElements } from './published.ts';
import { SnapshotError } from './snapshot-error.ts';

/** Longer than any real one by far; a longer differential is an attack on memory. */
const maximumElements = 50_000;

/**
 * @param snapshotOf gives the snapshots of other definitions that this one needs
 * @throws {SnapshotError} base-missing | malformed, and what `snapshotOf` throws for the base
 */
export function generateSnapshot(definition: Definition, snapshotOf: SnapshotSource): readonly ElementDefinition[] {
  const differential = differentialElements(definition.resource);
  if (differential.length > maximumElements)
    throw new SnapshotError('malformed', `${definition.url} has too many elements`);
  const root = startingTree(definition, differential, snapshotOf);
  const place = findOrCreate(definition, root, snapshotOf);
  for (const element of differential) {
    const node = place(element);
    mergeElement(node.element, element);
    settleMerged(node, element, definition);
  }
  const elements = flatten(root);
  if (elements.length > maximumElements)
    throw new SnapshotError('malformed', `${definition.url} unfolds to too many elements`);
  return elements;
}

/** The base's tree under this definition's root name; a type without a base starts with its own root. */
function startingTree(
  definition: Definition,
  differential: readonly ElementDefinition[],
  snapshotOf: SnapshotSource,
): ElementNode {
  const rootName = differential[0]?.path.split('.', 1)[0] ?? definition.constrainedType ?? definition.id;
  if (definition.base === undefined) {
    const element = { path: rootName, min: 0, max: '*', base: { path: rootName, min: 0, max: '*' } };
    return nodeOf(element, rootName, undefined);
  }
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
  if (definition.derivation === 'specialization') root.element.base = { path: rootName, min: 0, max: '*' };
  return root;
}

/** Constraints inherited from a definition that does not say so itself are that definition's. */
function nameSources(node: ElementNode, source: string): void {
  const constraint = withSource(node.element.constraint, source);
  if (constraint !== undefined) node.element.constraint = constraint;
  for (const below of [...node.children, ...node.slices]) nameSources(below, source);
}

function settleMerged(node: ElementNode, differential: ElementDefinition, definition: Definition): void {
  const { element } = node;
  if (node.sliceName !== undefined) element.sliceName = node.sliceName;
  if (differential.contentReference !== undefined) delete element.type;
  const own = differential.constraint;
  if (own !== undefined && definition.derivation !== 'specialization')
    element.constraint = withSource(element.constraint, definition.url) ?? [];
}
