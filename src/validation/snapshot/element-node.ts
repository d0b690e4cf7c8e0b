/** Elements of a StructureDefinition as a tree: children by name, slices beside what they slice. Order is that of the snapshot. */
import type { ElementDefinition } from '../packages/definitions.ts';

export interface ElementNode {
  /** Owned by this tree: merging changes it. */
  element: ElementDefinition;
  /** Last part of the path, e.g. `value[x]`. */
  readonly name: string;
  readonly sliceName: string | undefined;
  readonly children: ElementNode[];
  /** Slices of this element, in order; a re-slice `a/b` follows `a`. Slices have none themselves. */
  readonly slices: ElementNode[];
  /** The element before the differential touched it; undefined while untouched. */
  before: ElementDefinition | undefined;
  /** `inherited` from the base, `unfolded` from a type or profile, `created` by the differential. */
  readonly origin: NodeOrigin;
}

export type NodeOrigin = 'inherited' | 'unfolded' | 'created';

export function nodeOf(
  element: ElementDefinition,
  name: string,
  sliceName: string | undefined,
  origin: NodeOrigin = 'inherited',
): ElementNode {
  return { element, name, sliceName, children: [], slices: [], before: undefined, origin };
}

/** Undefined when the list is not in the order of a snapshot (an element before its parent). */
export function treeOf(elements: readonly ElementDefinition[]): ElementNode | undefined {
  const [first] = elements;
  if (first === undefined) return undefined;
  const root = nodeOf(copyElement(first), first.path, undefined);
  const open: ElementNode[] = [root];
  for (const element of elements.slice(1)) {
    const parts = element.path.split('.');
    const parent = open[parts.length - 2];
    if (parent === undefined || parts.length < 2) return undefined;
    const name = parts.at(-1) ?? '';
    const base = element.sliceName === undefined ? undefined : parent.children.find((child) => child.name === name);
    const node = nodeOf(copyElement(element), name, base === undefined ? undefined : element.sliceName);
    (base === undefined ? parent.children : base.slices).push(node);
    open.length = parts.length - 1;
    open.push(node);
  }
  return root;
}

/** Every element in order, with paths and ids made from its place. */
export function flatten(root: ElementNode): ElementDefinition[] {
  const elements: ElementDefinition[] = [];
  const visit = (node: ElementNode, path: string, id: string): void => {
    elements.push({ ...node.element, id, path });
    for (const child of node.children) {
      const childPath = `${path}.${child.name}`;
      const childId = `${id}.${child.name}`;
      visit(child, childPath, childId);
      for (const slice of child.slices) visit(slice, childPath, `${childId}:${slice.sliceName ?? ''}`);
    }
  };
  visit(root, root.name, root.name);
  return elements;
}

/** Every node in the order of `flatten`. */
export function flattenNodes(root: ElementNode): ElementNode[] {
  const nodes: ElementNode[] = [];
  const visit = (node: ElementNode): void => {
    nodes.push(node);
    for (const child of node.children) {
      visit(child);
      for (const slice of child.slices) visit(slice);
    }
  };
  visit(root);
  return nodes;
}

export function copyElement(element: ElementDefinition): ElementDefinition {
  return structuredClone(element);
}

/** A copy that shares nothing; slices of the node itself are left out, those below it kept. */
export function copyNode(node: ElementNode, sliceName: string | undefined, origin: NodeOrigin): ElementNode {
  const copy = nodeOf(copyElement(node.element), node.name, sliceName, origin);
  copy.children.push(...copyChildren(node, 'inherited'));
  return copy;
}

export function copyChildren(node: ElementNode, origin: NodeOrigin): ElementNode[] {
  return node.children.map((child) => {
    const copy = copyNode(child, child.sliceName, origin);
    copy.slices.push(...child.slices.map((slice) => copyNode(slice, slice.sliceName, origin)));
    return copy;
  });
}
