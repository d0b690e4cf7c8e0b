/** Finds the node that a differential's element is about, unfolding types, profiles, content references and slices on the way. */
import type { Definition, ElementDefinition } from '../packages/definitions.ts';
import { copyChildren, copyNode, nodeOf, treeOf } from './element-node.ts';
import type { ElementNode } from './element-node.ts';
import { SnapshotError } from './snapshot-error.ts';

/** @throws {SnapshotError} */
export type SnapshotSource = (definition: Definition) => readonly ElementDefinition[];

/** What is made and by what. */
interface Making {
  readonly definition: Definition;
  readonly root: ElementNode;
  readonly snapshotOf: SnapshotSource;
}

/** One step of an element id: `name` or `name:slice`. */
interface Step {
  readonly name: string;
  readonly sliceName: string | undefined;
}

/**
 * @param root tree of the definition being made; grows by what the answers need
 * @returns for each element of the differential, in its order, the node to merge it into
 * @throws {SnapshotError} malformed, from the returned function
 */
export function findOrCreate(
  definition: Definition,
  root: ElementNode,
  snapshotOf: SnapshotSource,
): (element: ElementDefinition) => ElementNode {
  const making = { definition, root, snapshotOf };
  const visited = new Map<string, ElementNode>([[root.name, root]]);
  return (element) => {
    const steps = stepsOfId(element) ?? stepsOfPath(element);
    const fromId = stepsOfId(element) !== undefined;
    const path = element.path;
    for (const known of visited.keys())
      if (known.startsWith(`${path}.`) || known === path) if (known !== root.name) visited.delete(known);
    if (path === root.name || !path.startsWith(`${root.name}.`)) return root;
    const node = fromId ? walk(root, steps.slice(1), making) : walkPath(visited, steps, making);
    visited.set(path, node);
    return node;
  };
}

/** Ids are exact about slices; undefined when the id does not belong to the path. */
function stepsOfId(element: ElementDefinition): Step[] | undefined {
  if (element.id === undefined) return undefined;
  const steps = element.id.split('.').map((part): Step => {
    const colon = part.indexOf(':');
    return colon < 0
      ? { name: part, sliceName: undefined }
      : { name: part.slice(0, colon), sliceName: part.slice(colon + 1) };
  });
  const names = steps.map((step) => step.name).join('.');
  const last = steps.at(-1);
  if (names !== element.path || last === undefined) return undefined;
  if (element.sliceName !== undefined && last.sliceName !== element.sliceName) return undefined;
  return steps;
}

function stepsOfPath(element: ElementDefinition): Step[] {
  const names = element.path.split('.');
  return names.map((name, index) => ({ name, sliceName: index === names.length - 1 ? element.sliceName : undefined }));
}

/** Without ids a path means: below the element of the parent path that came last. */
function walkPath(visited: ReadonlyMap<string, ElementNode>, steps: readonly Step[], making: Making): ElementNode {
  for (let length = steps.length - 1; length > 0; length--) {
    const path = steps
      .slice(0, length)
      .map((step) => step.name)
      .join('.');
    const known = visited.get(path);
    if (known !== undefined) return walk(known, steps.slice(length), making);
  }
  return walk(making.root, steps.slice(1), making);
}

function walk(from: ElementNode, steps: readonly Step[], making: Making): ElementNode {
  let node = from;
  for (const step of steps) node = stepInto(node, step, making);
  return node;
}

function stepInto(parent: ElementNode, step: Step, making: Making): ElementNode {
  const { definition } = making;
  if (parent.children.length === 0) unfold(parent, making);
  const exact = parent.children.find((child) => child.name === step.name);
  if (exact !== undefined) return step.sliceName === undefined ? exact : sliceOf(exact, step.sliceName);
  const choice = choiceOf(parent, step.name);
  if (choice !== undefined) return typeSliceOf(choice.node, step.sliceName ?? step.name, choice.type);
  const narrowed = parent.children.find(
    (child) => step.name.endsWith('[x]') && isTypeName(child.name, step.name.slice(0, -3)),
  );
  if (narrowed !== undefined) return step.sliceName === undefined ? narrowed : sliceOf(narrowed, step.sliceName);
  if (definition.derivation === 'specialization' || definition.base === undefined) return append(parent, step.name);
  throw new SnapshotError(
    'malformed',
    `${definition.url} constrains ${parent.name}.${step.name}, which its base does not have`,
  );
}

/** `valueQuantity` where the base has `value[x]`. */
function choiceOf(parent: ElementNode, name: string): { node: ElementNode; type: string } | undefined {
  for (const node of parent.children) {
    if (!node.name.endsWith('[x]') || !isTypeName(name, node.name.slice(0, -3))) continue;
    const suffix = name.slice(node.name.length - 3);
    const type = node.element.type?.find(({ code }) => code !== undefined && capitalised(code) === suffix);
    if (type?.code !== undefined) return { node, type: type.code };
  }
  return undefined;
}

function isTypeName(name: string, stem: string): boolean {
  return name.length > stem.length && name.startsWith(stem) && /^[A-Z]/.test(name.slice(stem.length));
}

function capitalised(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** An element named by its type is a slice by type, whether or not the differential says that it slices. */
function typeSliceOf(node: ElementNode, sliceName: string, type: string): ElementNode {
  node.element.slicing ??= { discriminator: [{ type: 'type', path: '$this' }], ordered: false, rules: 'open' };
  const slice = sliceOf(node, sliceName);
  slice.element.type = (node.element.type ?? []).filter(({ code }) => code === type);
  return slice;
}

/** Re-slices `a/b` start from `a`; a slice's minimum is 0 unless it says otherwise, whatever the whole element needs. */
function sliceOf(node: ElementNode, sliceName: string): ElementNode {
  const known = node.slices.find((slice) => slice.sliceName === sliceName);
  if (known !== undefined) return known;
  const outer = sliceName.includes('/') ? sliceName.slice(0, sliceName.lastIndexOf('/')) : undefined;
  const outerIndex = outer === undefined ? -1 : node.slices.findIndex((slice) => slice.sliceName === outer);
  const pattern = node.slices[outerIndex] ?? node;
  const slice = copyNode(pattern, sliceName);
  slice.element.sliceName = sliceName;
  slice.element.min = 0;
  delete slice.element.slicing;
  if (outerIndex < 0) node.slices.push(slice);
  else {
    let end = outerIndex + 1;
    while (node.slices[end]?.sliceName?.startsWith(`${outer ?? ''}/`) === true) end++;
    node.slices.splice(end, 0, slice);
  }
  return slice;
}

function append(parent: ElementNode, name: string): ElementNode {
  const node = nodeOf({ path: name }, name, undefined);
  parent.children.push(node);
  return node;
}

/** Gives a leaf the children that its type, its profile or the element it refers to has. */
function unfold(node: ElementNode, making: Making): void {
  const { definition, root } = making;
  const reference = node.element.contentReference;
  if (reference !== undefined) {
    const target = findByPath(root, reference.slice(reference.indexOf('#') + 1).split('.'));
    if (target === undefined)
      throw new SnapshotError('malformed', `${definition.url} refers to content ${reference}, which is not there`);
    node.children.push(...copyChildren(target));
    delete node.element.contentReference;
    if (target.element.type !== undefined) node.element.type = structuredClone(target.element.type);
    return;
  }
  for (const source of definitionsBehind(node.element, definition)) {
    const tree = treeIfAny(source, making);
    if (tree === undefined) continue;
    node.children.push(...tree.children);
    return;
  }
}

/** A profile that needs the very definition that is being made, or has no base here, gives no children: then those of the type are taken. */
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
