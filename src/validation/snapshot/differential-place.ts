/** Finds the node that a differential's element is about, unfolding types, profiles, content references and slices on the way. */
import type { ElementDefinition } from '../packages/definitions.ts';
import { copyNode, nodeOf } from './element-node.ts';
import type { ElementNode } from './element-node.ts';
import { SnapshotError } from './snapshot-error.ts';
import { childOfSomeType, unfold } from './unfold.ts';
import type { Making } from './unfold.ts';

/** Deeper than any real path: trees are walked by recursion. */
const maximumPathLength = 2_000;

/** One step of an element id: `name` or `name:slice`. */
interface Step {
  readonly name: string;
  readonly sliceName: string | undefined;
}

/**
 * @returns for each element of the differential, in its order, the node to merge it into
 * @throws {SnapshotError} malformed, from the returned function
 */
export function findOrCreate(making: Making): (element: ElementDefinition) => ElementNode {
  const { root } = making;
  const visited = new Map<string, ElementNode>([[root.name, root]]);
  return (element) => {
    const { path } = element;
    if (path.length > maximumPathLength) throw new SnapshotError('malformed', 'an element path is too long');
    for (const known of visited.keys())
      if (known !== root.name && (known === path || known.startsWith(`${path}.`))) visited.delete(known);
    if (!path.startsWith(`${root.name}.`)) return root;
    const exact = stepsOfId(element);
    const node =
      exact === undefined
        ? walkPath(visited, stepsOfPath(element), element, making)
        : walk(root, exact.slice(1), element, making);
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
function walkPath(
  visited: ReadonlyMap<string, ElementNode>,
  steps: readonly Step[],
  element: ElementDefinition,
  making: Making,
): ElementNode {
  for (let length = steps.length - 1; length > 0; length--) {
    const path = steps
      .slice(0, length)
      .map((step) => step.name)
      .join('.');
    const known = visited.get(path);
    if (known !== undefined) return walk(known, steps.slice(length), element, making);
  }
  return walk(making.root, steps.slice(1), element, making);
}

function walk(from: ElementNode, steps: readonly Step[], element: ElementDefinition, making: Making): ElementNode {
  let node = from;
  let isInSlice = from.sliceName !== undefined;
  steps.forEach((step, index) => {
    const isRequired = index === steps.length - 1 && (element.min ?? 0) > 0;
    node = stepInto(node, step, { isInSlice, isRequired }, making);
    isInSlice ||= node.sliceName !== undefined;
  });
  return node;
}

interface StepContext {
  readonly isInSlice: boolean;
  /** The differential asks for at least one. */
  readonly isRequired: boolean;
}

function stepInto(parent: ElementNode, step: Step, context: StepContext, making: Making): ElementNode {
  const { definition } = making;
  const isDefining = definition.derivation === 'specialization' || definition.base === undefined;
  if (parent.children.length === 0) unfold(parent, making);
  const exact = parent.children.find((child) => child.name === step.name);
  if (exact !== undefined) return step.sliceName === undefined ? exact : sliceOf(exact, step.sliceName);
  const choice = choiceOf(parent, step.name);
  if (choice !== undefined && !(isDefining && choice.node.origin === 'created'))
    return narrowChoice(choice.node, step, choice.type, context);
  const stem = step.name.endsWith('[x]') ? step.name.slice(0, -3) : undefined;
  const narrowed =
    stem === undefined || isDefining ? undefined : parent.children.find((child) => isTypeName(child.name, stem));
  if (narrowed !== undefined) return step.sliceName === undefined ? narrowed : sliceOf(narrowed, step.sliceName);
  const ofSomeType = childOfSomeType(parent, step.name, making);
  if (ofSomeType !== undefined) return ofSomeType;
  if (isDefining) return append(parent, step.name);
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
    const types = (node.before ?? node.element).type ?? [];
    const type = types.find(({ code }) => code !== undefined && capitalised(code) === suffix);
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

/**
 * An element named by its type. Where the choice has one type already, the element itself is meant; so it is inside slices. Elsewhere it becomes a slice by type: closed to the types named so when one of them is required, open otherwise.
 */
function narrowChoice(node: ElementNode, step: Step, type: string, context: StepContext): ElementNode {
  const sliceName = step.sliceName ?? step.name;
  const known = node.slices.find((slice) => slice.sliceName === sliceName);
  if (known !== undefined) return known;
  const { element } = node;
  const types = element.type ?? [];
  const ofType = structuredClone((node.before ?? element).type?.filter(({ code }) => code === type) ?? []);
  if (element.slicing === undefined && step.sliceName === undefined) {
    if (types.length === 1 && types[0]?.code === type) return node;
    if (context.isInSlice) {
      node.before ??= structuredClone(element);
      element.type = ofType;
      return node;
    }
  }
  const isFirst = node.slices.every((slice) => slice.origin !== 'created');
  const slice = sliceOf(node, sliceName);
  slice.element.type = ofType;
  node.before ??= structuredClone(element);
  const isClosed = context.isRequired || element.slicing?.rules === 'closed';
  element.slicing = {
    discriminator: [{ type: 'type', path: '$this' }],
    ordered: false,
    rules: isClosed ? 'closed' : 'open',
  };
  if (isClosed) element.type = structuredClone(isFirst ? ofType : [...types, ...ofType]);
  if (context.isRequired) element.min = 1;
  return slice;
}

/**
 * Re-slices `a/b` start from `a`. A slice has what the base says of the element, and what the differential says of the element's children; its
 * minimum is 0 unless it says otherwise, whatever the whole element needs.
 */
function sliceOf(node: ElementNode, sliceName: string): ElementNode {
  const known = node.slices.find((slice) => slice.sliceName === sliceName);
  if (known !== undefined) return known;
  const outer = sliceName.includes('/') ? sliceName.slice(0, sliceName.lastIndexOf('/')) : undefined;
  const outerIndex = outer === undefined ? -1 : node.slices.findIndex((slice) => slice.sliceName === outer);
  const pattern = node.slices[outerIndex] ?? node;
  const slice = copyNode(pattern, sliceName, 'created');
  slice.element = structuredClone(pattern.before ?? pattern.element);
  slice.element.sliceName = sliceName;
  slice.element.min = 0;
  delete slice.element.slicing;
  if (outerIndex < 0) node.slices.push(slice);
  else {
    let end = outerIndex + 1;
    while (node.slices[end]?.sliceName?.startsWith(`${outer ?? ''}/`) === true) end++;
    node.slices.splice(end, 0, slice);
  }
  if (isExtension(node))
    node.element.slicing ??= { discriminator: [{ type: 'value', path: 'url' }], ordered: false, rules: 'open' };
  return slice;
}

function isExtension(node: ElementNode): boolean {
  return node.name === 'extension' || node.name === 'modifierExtension';
}

function append(parent: ElementNode, name: string): ElementNode {
  const node = nodeOf({ path: name }, name, undefined, 'created');
  parent.children.push(node);
  return node;
}
