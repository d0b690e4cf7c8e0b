/** Children of a leaf, from its type, its profile or the element that it refers to. */
import type { Definition, ElementDefinition } from '../packages/definitions.ts';
import { copyChildren, treeOf } from './element-node.ts';
import type { ElementNode } from './element-node.ts';
import { SnapshotError } from './snapshot-error.ts';

/** @throws {SnapshotError} */
export type SnapshotSource = (definition: Definition) => readonly ElementDefinition[];

/** What is made, and by what. */
export interface Making {
  readonly definition: Definition;
  readonly root: ElementNode;
  /** The base's tree as it was before the differential; undefined where there is no base. */
  readonly base: () => ElementNode | undefined;
  readonly snapshotOf: SnapshotSource;
}

/** @throws {SnapshotError} malformed: a content reference that leads nowhere */
export function unfold(node: ElementNode, making: Making): void {
  const { definition, root } = making;
  const reference = node.element.contentReference;
  if (reference !== undefined) {
    const path = reference.slice(reference.indexOf('#') + 1).split('.');
    const base = making.base();
    const target = (base === undefined ? undefined : findByPath(base, path)) ?? findByPath(root, path);
    if (target === undefined)
      throw new SnapshotError('malformed', `${definition.url} refers to content ${reference}, which is not there`);
    node.children.push(...copyChildren(target, 'unfolded'));
    delete node.element.contentReference;
    if (target.element.type !== undefined) node.element.type = structuredClone(target.element.type);
    return;
  }
  for (const source of definitionsBehind(node.element, definition)) {
    const tree = treeIfAny(source, making);
    if (tree === undefined) continue;
    node.children.push(...copyChildren(tree, 'unfolded'));
    return;
  }
}

/**
 * Of an element with several types, the child that the first of them that has one by this name has. It is no part of the tree: as long as the
 * types are open, nothing can be asked of it.
 */
export function childOfSomeType(node: ElementNode, name: string, making: Making): ElementNode | undefined {
  const types = node.element.type ?? [];
  if (types.length < 2) return undefined;
  for (const { code } of types) {
    const definition = code === undefined ? undefined : making.definition.scope.resolveType(code);
    const tree = definition === undefined ? undefined : treeIfAny(definition, making);
    const child = tree === undefined ? undefined : copyChildren(tree, 'unfolded').find((one) => one.name === name);
    if (child !== undefined) return child;
  }
  return undefined;
}

/** Root of the one profile that an element's type names; undefined where there is none or it is not here. */
export function profileRoot(element: ElementDefinition, making: Making): ElementDefinition | undefined {
  const [type, ...others] = element.type ?? [];
  const [profile, ...more] = type?.profile ?? [];
  if (type === undefined || profile === undefined || others.length > 0 || more.length > 0) return undefined;
  const definition = making.definition.scope.resolve(profile, 'StructureDefinition');
  return definition === undefined ? undefined : treeIfAny(definition, making)?.element;
}

/** A profile that needs the very definition that is being made, or has no base here, gives nothing: then the type alone speaks. */
function treeIfAny(source: Definition, making: Making): ElementNode | undefined {
  try {
    return treeOf(making.snapshotOf(source));
  } catch (error) {
    if (error instanceof SnapshotError) return undefined;
    throw error;
  }
}

/** Best first. Of several types only what all elements have is known. */
function definitionsBehind(element: ElementDefinition, definition: Definition): Definition[] {
  const types = element.type ?? [];
  const [type] = types;
  if (type?.code === undefined) return [];
  const [profile] = type.profile ?? [];
  const isNamed = types.length === 1 && type.profile?.length === 1 && profile !== undefined;
  const named = isNamed ? definition.scope.resolve(profile, 'StructureDefinition') : undefined;
  const general = definition.scope.resolveType(types.length > 1 ? 'Element' : type.code);
  return [named, general].filter((one) => one !== undefined);
}

function findByPath(root: ElementNode, path: readonly string[]): ElementNode | undefined {
  let node: ElementNode | undefined = root;
  for (const name of path.slice(1)) node = node?.children.find((child) => child.name === name);
  return node;
}
