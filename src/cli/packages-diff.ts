/** What changed between two packages, definition by definition and, for profiles, element by element. */
import type { Definition, ElementDefinition, LoadedPackage, PackageSet } from '../validation/packages/definitions.ts';
import { SnapshotError } from '../validation/snapshot/snapshot-error.ts';
import { snapshotOf } from '../validation/snapshot/snapshot.ts';

export interface PackageDifference {
  readonly kind: 'added' | 'removed' | 'changed';
  readonly canonical: string;
  /** Elements that differ; empty where the definition as a whole is meant. */
  readonly detail: string;
}

interface OnePackage {
  readonly set: PackageSet;
  readonly package: LoadedPackage;
}

/** Of an element, what decides whether an instance fits. */
const decisive = [
  'min',
  'max',
  'type',
  'binding',
  'mustSupport',
  'isModifier',
  'slicing',
  'constraint',
  'contentReference',
] as const;

/** Of other definitions, what says nothing about their meaning. */
const ignored = new Set(['meta', 'text', 'date', 'version']);

export function diffPackages(before: OnePackage, after: OnePackage): PackageDifference[] {
  const old = definitionsOf(before);
  const fresh = definitionsOf(after);
  return [...new Set([...old.keys(), ...fresh.keys()])].sort().flatMap((canonical): PackageDifference[] => {
    const left = old.get(canonical);
    const right = fresh.get(canonical);
    if (left === undefined) return [{ kind: 'added', canonical, detail: '' }];
    if (right === undefined) return [{ kind: 'removed', canonical, detail: '' }];
    const detail = changes(left, right);
    return detail === undefined ? [] : [{ kind: 'changed', canonical, detail }];
  });
}

function definitionsOf({ set, package: one }: OnePackage): Map<string, Definition> {
  const id = `${one.id}#${one.version}`;
  const scope = set.scope(id);
  const types = [
    'StructureDefinition',
    'ValueSet',
    'CodeSystem',
    'ConceptMap',
    'SearchParameter',
    'OperationDefinition',
    'Questionnaire',
  ];
  const own = types.flatMap((type) => scope?.list(type) ?? []).filter((definition) => definition.packageId === id);
  return new Map(own.map((definition) => [definition.url, definition]));
}

function changes(left: Definition, right: Definition): string | undefined {
  if (left.type === 'StructureDefinition') {
    const elements = changedElements(left, right);
    return elements === '' ? undefined : elements;
  }
  const content = ({ resource }: Definition): string =>
    JSON.stringify(resource, (key, value: unknown) => (ignored.has(key) ? undefined : value));
  return content(left) === content(right) ? undefined : '';
}

function changedElements(left: Definition, right: Definition): string {
  const old = elementsOf(left);
  const fresh = elementsOf(right);
  const ids = [...new Set([...old.keys(), ...fresh.keys()])];
  return ids
    .flatMap((id) => {
      const before = old.get(id);
      const after = fresh.get(id);
      if (before === undefined) return [`+${id}`];
      if (after === undefined) return [`-${id}`];
      const differing = differingParts(before, after);
      return differing.length === 0 ? [] : [`${id} (${differing.join(', ')})`];
    })
    .join(', ');
}

function differingParts(before: ElementDefinition, after: ElementDefinition): string[] {
  const values = Object.keys({ ...before, ...after }).filter((key) =>
    /^(fixed|pattern|minValue|maxValue|maxLength)/.test(key),
  );
  return [...decisive, ...values].filter(
    (key) => JSON.stringify(part(before, key)) !== JSON.stringify(part(after, key)),
  );
}

function part(element: ElementDefinition, key: string): unknown {
  if (key === 'constraint')
    return element.constraint?.map((constraint) => [constraint.key, constraint.severity, constraint.expression]);
  return (element as unknown as Readonly<Record<string, unknown>>)[key];
}

function elementsOf(definition: Definition): Map<string, ElementDefinition> {
  try {
    return new Map(snapshotOf(definition).map((element) => [element.id ?? element.path, element]));
  } catch (error) {
    if (error instanceof SnapshotError) return new Map();
    throw error;
  }
}
