/** Slicing discriminators as predicates on an item (http://hl7.org/fhir/R4/profiling.html#discriminator). */
import type { CheckContext } from '../checks/report.ts';
import type { PackageScope } from '../packages/definitions.ts';
import type { Terminology } from '../terminology/answers.ts';
import { parseDiscriminatorPath, type PathStep } from './discriminator-path.ts';
import { isObject, type ElementNode } from './element-tree.ts';
import { equalValues, matchesPattern } from './fixed-pattern.ts';
import type { TypeModel } from './type-model.ts';

/** Whether an item belongs to a slice. @param type FHIR type of the item where the JSON key told it */
export type SliceTest = (value: unknown, type: string | undefined, c: CheckContext) => boolean;

export interface DiscriminatorParts {
  readonly model: TypeModel;
  readonly terminology: Terminology;
  readonly scope: PackageScope;
  /** Whether a value meets a profile; undefined when that is not known. */
  conforms(value: unknown, profile: string, scope: PackageScope, c: CheckContext): boolean | undefined;
  /** The resource that a Reference names. */
  resolveReference(reference: unknown, c: CheckContext): unknown;
  /** Type of the resource that a Reference names, as far as its text tells. */
  typeOfReference(reference: unknown, c: CheckContext): string | undefined;
}

/** @returns undefined when the definitions do not say what distinguishes the slice */
export function discriminatorTest(
  slice: ElementNode,
  discriminator: { type: string; path: string },
  parts: DiscriminatorParts,
): SliceTest | undefined {
  const steps = parseDiscriminatorPath(discriminator.path);
  if (steps === undefined) return undefined;
  const start = { node: slice, scope: parts.scope, targets: [] };
  const cursors = navigate(start, steps, parts);
  for (const cursor of cursors) {
    const test = testOf(cursor, discriminator, steps, parts);
    if (test !== undefined) return test;
  }
  return undefined;
}

function testOf(
  cursor: Cursor,
  discriminator: { type: string; path: string },
  steps: readonly PathStep[],
  parts: DiscriminatorParts,
): SliceTest | undefined {
  switch (discriminator.type) {
    case 'value':
    case 'pattern':
      return valueTest(cursor, steps, parts);
    case 'exists':
      if (cursor.node.max === 0) return not(along(steps, () => true, parts));
      return along(steps, () => true, parts);
    case 'type':
      return typeTest(cursor, steps, parts);
    case 'profile':
      return profileTest(cursor, steps, parts);
    default:
      return undefined;
  }
}

interface Cursor {
  readonly node: ElementNode;
  readonly scope: PackageScope;
  /** Target profiles where the last step was `resolve()`. */
  readonly targets: readonly string[];
}

/** Where the path leads, the element itself first; where an element on the way is sliced in turn, its slices may say what it does not. */
function navigate(start: Cursor, steps: readonly PathStep[], parts: DiscriminatorParts): readonly Cursor[] {
  let at: Cursor[] = [start];
  for (const step of steps) {
    at = at.flatMap((cursor) => {
      const next = follow(cursor, step, parts);
      if (next === undefined) return [];
      return [next, ...next.node.slices.map((slice): Cursor => ({ ...next, node: slice }))];
    });
  }
  return at;
}

function follow(cursor: Cursor, step: PathStep, parts: DiscriminatorParts): Cursor | undefined {
  switch (step.kind) {
    case 'element':
      return child(cursor, step.name, parts);
    case 'extension':
      return extension(cursor, step.url, parts);
    case 'resolve':
      return target(cursor, parts);
    case 'of-type':
      return ofType(cursor, step.type);
  }
}

function child(at: Cursor, name: string, parts: DiscriminatorParts): Cursor | undefined {
  const own = at.node.children.find((candidate) => isNamed(candidate, name));
  if (own !== undefined) return { node: own, scope: at.scope, targets: [] };
  for (const type of at.node.types) {
    for (const profile of type.profiles) {
      const root = rootOf(profile, at.scope, parts.model);
      const found = root?.node.children.find((candidate) => isNamed(candidate, name));
      if (root !== undefined && found !== undefined) return { node: found, scope: root.scope, targets: [] };
    }
    const element = parts.model.type(type.code)?.elements.get(name);
    if (element !== undefined) return { node: element.node, scope: at.scope, targets: [] };
  }
  const base = parts.model.type(at.node.path)?.elements.get(name);
  return base === undefined ? undefined : { node: base.node, scope: at.scope, targets: [] };
}

function isNamed(node: ElementNode, name: string): boolean {
  if (node.name === name || node.name === name + '[x]') return true;
  return (
    node.name.startsWith(name) &&
    /^[A-Z]/.test(node.name.slice(name.length)) &&
    !node.name.endsWith('[x]') &&
    node.types.length === 1 &&
    node.name.slice(name.length).toLowerCase() === node.types[0]?.code.toLowerCase()
  );
}

function extension(at: Cursor, url: string, parts: DiscriminatorParts): Cursor | undefined {
  const slices = at.node.children.find((candidate) => candidate.name === 'extension')?.slices ?? [];
  const slice = slices.find((candidate) =>
    candidate.types.some((type) => type.profiles.some((profile) => profile.split('|')[0] === url)),
  );
  if (slice !== undefined) return { node: slice, scope: at.scope, targets: [] };
  return rootOf(url, at.scope, parts.model);
}

function target(at: Cursor, parts: DiscriminatorParts): Cursor | undefined {
  const targets = at.node.types.flatMap((type) => type.targetProfiles);
  const first = targets[0] === undefined ? undefined : rootOf(targets[0], at.scope, parts.model);
  return { node: first?.node ?? at.node, scope: first?.scope ?? at.scope, targets };
}

function ofType(at: Cursor, type: string): Cursor {
  const slice = at.node.slices.find((candidate) => candidate.types.length === 1 && candidate.types[0]?.code === type);
  return slice === undefined ? at : { ...at, node: slice };
}

export function rootOf(canonical: string, scope: PackageScope, model: TypeModel): Cursor | undefined {
  const definition = scope.resolve(canonical, 'StructureDefinition');
  const node = definition === undefined ? undefined : model.tree(definition);
  return node === undefined || definition === undefined ? undefined : { node, scope: definition.scope, targets: [] };
}

/** Depth to which an element's children are searched for fixed values, where it has none itself. */
const criteriaDepth = 5;

function valueTest(cursor: Cursor, steps: readonly PathStep[], parts: DiscriminatorParts): SliceTest | undefined {
  const criterion = criterionOf(cursor.node, cursor.scope, parts, criteriaDepth);
  if (criterion !== undefined) return along(steps, criterion, parts);
  if (cursor.node.max === 0) return not(along(steps, () => true, parts));
  return cursor.node.min > 0 && steps.length > 0 ? along(steps, () => true, parts) : undefined;
}

function criterionOf(
  node: ElementNode,
  scope: PackageScope,
  parts: DiscriminatorParts,
  depth: number,
): SliceTest | undefined {
  if (node.fixed !== undefined) {
    const wanted = node.fixed.value;
    return (value) => equalValues(value, wanted);
  }
  if (node.pattern !== undefined) {
    const wanted = node.pattern.value;
    return (value) => matchesPattern(value, wanted);
  }
  if (depth === 0) return undefined;
  const tests = node.children.flatMap((part) => childCriterion(part, scope, parts, depth - 1));
  if (tests.length > 0) return (value, type, c) => tests.every((test) => test(value, type, c));
  for (const type of node.types) {
    for (const profile of type.profiles) {
      const root = rootOf(profile, scope, parts.model);
      const criterion = root === undefined ? undefined : criterionOf(root.node, root.scope, parts, depth - 1);
      if (criterion !== undefined) return criterion;
    }
  }
  return bindingCriterion(node, scope, parts);
}

function childCriterion(part: ElementNode, scope: PackageScope, parts: DiscriminatorParts, depth: number): SliceTest[] {
  if (
    part.binding !== undefined &&
    part.fixed === undefined &&
    part.pattern === undefined &&
    part.children.length === 0
  )
    return [];
  const criterion = criterionOf(part, scope, parts, depth);
  if (criterion === undefined) return [];
  return [along([{ kind: 'element', name: part.name.replace(/\[x\]$/, '') }], criterion, parts)];
}

function bindingCriterion(node: ElementNode, scope: PackageScope, parts: DiscriminatorParts): SliceTest | undefined {
  const canonical = node.binding?.strength === 'required' ? node.binding.valueSet : undefined;
  if (canonical === undefined) return undefined;
  const among = (system: unknown, code: unknown): boolean =>
    typeof code === 'string' &&
    parts.terminology.valueSet(canonical, scope).has(typeof system === 'string' ? system : undefined, code) === 'yes';
  return (value) => {
    if (!isObject(value)) return among(undefined, value);
    const codings = value['coding'];
    if (!Array.isArray(codings)) return among(value['system'] ?? '', value['code']);
    return codings.some((coding) => isObject(coding) && among(coding['system'] ?? '', coding['code']));
  };
}

function typeTest(cursor: Cursor, steps: readonly PathStep[], parts: DiscriminatorParts): SliceTest | undefined {
  if (steps.at(-1)?.kind === 'resolve') {
    const names = new Set(
      cursor.targets.flatMap((profile) => rootOf(profile, cursor.scope, parts.model)?.node.path ?? []),
    );
    return along(
      steps.slice(0, -1),
      (value, _type, c) => {
        const type = parts.typeOfReference(value, c);
        return type !== undefined && names.has(type);
      },
      parts,
    );
  }
  const codes = new Set(cursor.node.types.map((type) => type.code));
  if (codes.size === 0) return undefined;
  return along(
    steps,
    (value, type) => {
      const found = isObject(value) && typeof value['resourceType'] === 'string' ? value['resourceType'] : type;
      return found !== undefined && codes.has(found);
    },
    parts,
  );
}

function profileTest(cursor: Cursor, steps: readonly PathStep[], parts: DiscriminatorParts): SliceTest | undefined {
  const profiles =
    steps.at(-1)?.kind === 'resolve' ? cursor.targets : cursor.node.types.flatMap((type) => type.profiles);
  if (profiles.length === 0) return undefined;
  return along(
    steps,
    (value, _type, c) => profiles.some((profile) => parts.conforms(value, profile, cursor.scope, c) === true),
    parts,
  );
}

function not(test: SliceTest): SliceTest {
  return (value, type, c) => !test(value, type, c);
}

/** Whether any value at the end of the path passes. */
function along(steps: readonly PathStep[], test: SliceTest, parts: DiscriminatorParts): SliceTest {
  let made = test;
  for (const step of [...steps].reverse()) made = before(step, made, parts);
  return made;
}

function before(step: PathStep, next: SliceTest, parts: DiscriminatorParts): SliceTest {
  switch (step.kind) {
    case 'element':
      return elementStep(step.name, next, parts);
    case 'extension':
      return (value, _type, c) => {
        const extensions = isObject(value) ? value['extension'] : undefined;
        return (
          Array.isArray(extensions) &&
          extensions.some((item) => isObject(item) && item['url'] === step.url && next(item, 'Extension', c))
        );
      };
    case 'resolve':
      return (value, _type, c) => {
        const resource = parts.resolveReference(value, c);
        return isObject(resource) && next(resource, undefined, c);
      };
    case 'of-type':
      return (value, type, c) => (type === undefined || type === step.type) && next(value, type, c);
  }
}

function elementStep(name: string, next: SliceTest, parts: DiscriminatorParts): SliceTest {
  return (value, _type, c) => {
    if (!isObject(value)) return false;
    if (Object.hasOwn(value, name)) return some(value[name], undefined, next, c);
    for (const key in value) {
      if (key.length <= name.length || !key.startsWith(name)) continue;
      const suffix = key.slice(name.length);
      if (!/^[A-Z]/.test(suffix)) continue;
      const type = parts.model.type(suffix) === undefined ? suffix.charAt(0).toLowerCase() + suffix.slice(1) : suffix;
      if (parts.model.type(type) !== undefined) return some(value[key], type, next, c);
    }
    return false;
  };
}

function some(value: unknown, type: string | undefined, next: SliceTest, c: CheckContext): boolean {
  if (!Array.isArray(value)) return next(value, type, c);
  for (const item of value) if (next(item, type, c)) return true;
  return false;
}
