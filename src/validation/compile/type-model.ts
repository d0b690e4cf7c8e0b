/** The base types of a FHIR version as the compiler sees them: which JSON keys an object may have and what is behind each. */
import type { Definition, PackageScope } from '../packages/definitions.ts';
import { SnapshotError } from '../snapshot/snapshot-error.ts';
import { snapshotOf } from '../snapshot/snapshot.ts';
import { elementTree, type ElementNode } from './element-tree.ts';

export type TypeKind = 'primitive' | 'complex' | 'resource';

/** One JSON key that an element may appear under. */
export interface ElementForm {
  readonly key: string;
  readonly typeCode: string;
  /** As it stands in an expression: the name, or `value.ofType(Quantity)`. */
  readonly segment: string;
  /** Type of the content: undefined for `Resource`, and for types that are not loaded. */
  readonly type: () => TypeInfo | undefined;
}

export interface ElementInfo {
  readonly node: ElementNode;
  /** Without `[x]`. */
  readonly name: string;
  readonly isArray: boolean;
  readonly isChoice: boolean;
  readonly forms: readonly ElementForm[];
}

export interface TypeInfo {
  /** `HumanName`, `Patient`, or the path of a backbone element. */
  readonly name: string;
  readonly kind: TypeKind;
  readonly node: ElementNode;
  readonly definition: Definition;
  /** By element name without `[x]`. */
  readonly elements: ReadonlyMap<string, ElementInfo>;
  /** Names of this type and what it specialises, nearest first. */
  readonly ancestors: readonly string[];
}

export interface TypeModel {
  readonly scope: PackageScope;
  /** A base type by name, a backbone element by path, or nothing. */
  type(name: string): TypeInfo | undefined;
  /** A definition's snapshot as a tree, made once. */
  tree(definition: Definition): ElementNode | undefined;
}

/** Compiles types when they are first asked for. */
export function createTypeModel(scope: PackageScope): TypeModel {
  const types = new Map<string, TypeInfo | undefined>();
  const trees = new WeakMap<Definition, { root: ElementNode | undefined }>();
  const model: TypeModel = {
    scope,
    tree(definition) {
      let made = trees.get(definition);
      if (made === undefined) trees.set(definition, (made = { root: treeOf(definition) }));
      return made.root;
    },
    type(name) {
      if (types.has(name)) return types.get(name);
      const found = name.includes('.') ? backboneType(name, model) : baseType(name, model);
      types.set(name, found);
      return found;
    },
  };
  return model;
}

/** A definition without a usable snapshot has no tree; whoever needs it says so at the place of use. */
function treeOf(definition: Definition): ElementNode | undefined {
  try {
    return elementTree(snapshotOf(definition));
  } catch (error) {
    if (error instanceof SnapshotError) return undefined;
    throw error;
  }
}

function baseType(name: string, model: TypeModel): TypeInfo | undefined {
  const definition = model.scope.resolveType(name);
  if (definition === undefined || definition.type !== 'StructureDefinition') return undefined;
  const node = model.tree(definition);
  if (node === undefined) return undefined;
  const kind =
    definition.kind === 'primitive-type' ? 'primitive' : definition.kind === 'resource' ? 'resource' : 'complex';
  return typeInfo({ name, kind, node, definition, ancestors: ancestors(definition, model) }, model);
}

function backboneType(path: string, model: TypeModel): TypeInfo | undefined {
  const owner = model.type(path.slice(0, path.indexOf('.')));
  if (owner === undefined) return undefined;
  let node: ElementNode | undefined = owner.node;
  for (const name of path.split('.').slice(1)) node = node?.children.find((child) => child.name === name);
  if (node === undefined) return undefined;
  const code = node.types[0]?.code ?? 'BackboneElement';
  return typeInfo(
    {
      name: path,
      kind: 'complex',
      node,
      definition: owner.definition,
      ancestors: [code, ...(code === 'Element' ? [] : ['Element'])],
    },
    model,
  );
}

/** Bounded: a cycle of bases in hostile packages ends. */
function ancestors(definition: Definition, model: TypeModel): string[] {
  const names: string[] = [];
  let at: Definition | undefined = definition;
  while (at !== undefined && names.length < 20) {
    names.push(at.constrainedType ?? at.id);
    at = at.base === undefined ? undefined : model.scope.resolve(at.base, 'StructureDefinition');
  }
  return names;
}

function typeInfo(facts: Omit<TypeInfo, 'elements'>, model: TypeModel): TypeInfo {
  const elements = new Map<string, ElementInfo>();
  for (const child of facts.node.children) {
    const info = elementInfo(child, facts, model);
    elements.set(info.name, info);
  }
  return { ...facts, elements };
}

function elementInfo(node: ElementNode, owner: Omit<TypeInfo, 'elements'>, model: TypeModel): ElementInfo {
  const isChoice = node.name.endsWith('[x]');
  const name = isChoice ? node.name.slice(0, -3) : node.name;
  return {
    node,
    name,
    isArray: (node.baseMax ?? node.max) > 1,
    isChoice,
    forms: elementForms(node, name, isChoice, owner, model),
  };
}

function elementForms(
  node: ElementNode,
  name: string,
  isChoice: boolean,
  owner: Omit<TypeInfo, 'elements'>,
  model: TypeModel,
): ElementForm[] {
  if (node.contentReference !== undefined) {
    const target = node.contentReference;
    return [{ key: name, typeCode: target, segment: name, type: () => model.type(target) }];
  }
  if (node.children.length > 0 || node.types.length === 0) {
    return [{ key: name, typeCode: node.path, segment: name, type: () => model.type(node.path) }];
  }
  return node.types.map((type) => {
    const typeCode = name === 'id' && owner.kind === 'resource' ? 'id' : type.code;
    return {
      key: isChoice ? name + typeCode.charAt(0).toUpperCase() + typeCode.slice(1) : name,
      typeCode,
      segment: isChoice ? `${name}.ofType(${typeCode})` : name,
      type: () => (typeCode === 'Resource' ? undefined : model.type(typeCode)),
    };
  });
}
