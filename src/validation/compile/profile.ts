/** Compiles a profile to what it asks beyond the base types: base checks run once for every instance, a profile adds only its difference. */
import type { CheckContext, Rule } from '../checks/report.ts';
import type { Definition, PackageScope } from '../packages/definitions.ts';
import type { Terminology } from '../terminology/answers.ts';
import { bindingCheck } from './binding.ts';
import { constraintCheck, type ValueCheck } from './constraints.ts';
import { correctedConstraint } from './corrections.ts';
import type { DiscriminatorParts } from './discriminators.ts';
import { isObject, type ElementNode, type ElementType } from './element-tree.ts';
import { fixedCheck, patternCheck } from './fixed-pattern.ts';
import { memberChecks } from './member.ts';
import type { TypeInfo, TypeModel } from './type-model.ts';
import { lengthCheck, rangeChecks } from './value-limits.ts';

export interface ProfileParts {
  readonly model: TypeModel;
  readonly terminology: Terminology;
  readonly bestPractice: boolean;
  readonly withoutEval: boolean;
  /** What extension instances are judged by anyway, so that a slice with the same definition need not repeat it. */
  extensionDefinition(url: string): Definition | undefined;
  /** Checks a Reference or canonical against its targets. */
  referenceCheck(
    types: readonly ElementType[],
    typeCode: string,
    scope: PackageScope,
    profile: string,
  ): ValueCheck | undefined;
  discriminators(scope: PackageScope): DiscriminatorParts;
}

export interface CompiledProfile {
  readonly definition: Definition;
  /** `url|version`. */
  readonly canonical: string;
  /** Type that the profile constrains. */
  readonly typeName: string;
  /** Runs on a value that is of that type, with the place at it. */
  readonly check: ValueCheck;
}

/** Where a node is compiled: in which profile, and what has been checked of it already. */
export interface NodeOptions {
  readonly canonical: string;
  readonly scope: PackageScope;
  readonly definition: Definition;
  readonly compiler: ProfileCompiler;
  /** Definitions of the same element whose rules have been applied: the base type's, the unsliced element's. */
  readonly known: readonly ElementNode[];
}

export class ProfileCompiler {
  readonly parts: ProfileParts;
  private readonly compiled = new Map<Definition, CompiledProfile | undefined>();

  constructor(parts: ProfileParts) {
    this.parts = parts;
  }

  /** @returns undefined where the definition has no usable snapshot or constrains no known type */
  profile(definition: Definition): CompiledProfile | undefined {
    if (this.compiled.has(definition)) return this.compiled.get(definition);
    const made = this.compile(definition);
    this.compiled.set(definition, made);
    return made;
  }

  resolve(canonical: string, scope: PackageScope): CompiledProfile | undefined {
    const definition = scope.resolve(canonical, 'StructureDefinition');
    return definition === undefined ? undefined : this.profile(definition);
  }

  private compile(definition: Definition): CompiledProfile | undefined {
    const canonical = `${definition.url}|${definition.version}`;
    const node = this.parts.model.tree(definition);
    const type = node === undefined ? undefined : this.parts.model.type(node.path);
    if (node === undefined || type === undefined) return undefined;
    const options: NodeOptions = { canonical, scope: definition.scope, definition, compiler: this, known: [type.node] };
    const check = definition.derivation === 'specialization' ? undefined : contentCheck(node, type, type.name, options);
    return { definition, canonical, typeName: type.name, check: check ?? nothing };
  }
}

function nothing(): void {}

export function combine(checks: readonly ValueCheck[]): ValueCheck | undefined {
  if (checks.length < 2) return checks[0];
  const [first, second] = checks as [ValueCheck, ValueCheck];
  if (checks.length === 2) {
    return (value, c, sibling) => {
      first(value, c, sibling);
      second(value, c, sibling);
    };
  }
  return (value, c, sibling) => {
    for (let at = 0; at < checks.length; at++) (checks[at] as ValueCheck)(value, c, sibling);
  };
}

/** What a node asks of one item beyond what is known: its own value, then its children. */
export function contentCheck(
  node: ElementNode,
  type: TypeInfo | undefined,
  typeCode: string,
  options: NodeOptions,
): ValueCheck | undefined {
  const { parts } = options.compiler;
  const profile = `${options.canonical}#${node.id}`;
  const checks: ValueCheck[] = [];
  const { known } = options;
  if (node.fixed !== undefined && !known.some((other) => other.fixed !== undefined))
    checks.push(fixedCheck(node.fixed, profile));
  if (node.pattern !== undefined && !known.some((other) => sameValue(other.pattern?.value, node.pattern?.value)))
    checks.push(patternCheck(node.pattern, profile));
  if (node.binding !== undefined && !known.some((other) => sameBinding(other, node))) {
    const check = bindingCheck(node.binding, typeCode, {
      terminology: parts.terminology,
      scope: options.scope,
      profile,
    });
    if (check !== undefined) checks.push(check);
  }
  if (node.maxLength !== undefined && !known.some((other) => other.maxLength === node.maxLength)) {
    const check = lengthCheck(node, profile);
    if (check !== undefined) checks.push(check);
  }
  checks.push(...rangeChecks(node, profile));
  checks.push(...newConstraints(node, type, typeCode, profile, options));
  checks.push(...typeChecks(node, typeCode, profile, options));
  if (node.children.length > 0 && type !== undefined) checks.push(...childrenChecks(node, type, options));
  return combine(checks);
}

function sameValue(left: unknown, right: unknown): boolean {
  return left !== undefined && JSON.stringify(left) === JSON.stringify(right);
}

function sameBinding(other: ElementNode, node: ElementNode): boolean {
  return (
    other.binding?.valueSet === node.binding?.valueSet &&
    other.binding?.strength === node.binding?.strength &&
    other.binding?.maxValueSet === node.binding?.maxValueSet
  );
}

function newConstraints(
  node: ElementNode,
  type: TypeInfo | undefined,
  typeCode: string,
  profile: string,
  options: NodeOptions,
): ValueCheck[] {
  const { parts } = options.compiler;
  const known = [...options.known, ...(type === undefined ? [] : [type.node])];
  return node.constraints.flatMap((constraint) => {
    if (
      known.some((other) =>
        other.constraints.some((old) => old.key === constraint.key && old.expression === constraint.expression),
      )
    )
      return [];
    const check = constraintCheck(correctedConstraint(constraint, options.definition), {
      scope: parts.model.scope,
      typeName: type?.name ?? typeCode,
      profile,
      bestPractice: parts.bestPractice,
      withoutEval: parts.withoutEval,
    });
    return check === undefined ? [] : [check];
  });
}

/** Profiles of the element's type, targets of its references, and the types of a resource slot. */
function typeChecks(node: ElementNode, typeCode: string, profile: string, options: NodeOptions): ValueCheck[] {
  const checks: ValueCheck[] = [];
  const { parts } = options.compiler;
  const isRoot = !node.path.includes('.');
  if (isRoot) return checks;
  if (typeCode === 'Resource') {
    const check = resourceSlotCheck(node, profile, options);
    return check === undefined ? checks : [check];
  }
  const matching = node.types.filter((type) => type.code === typeCode);
  const known = options.known.flatMap((other) => other.types.filter((type) => type.code === typeCode));
  const profiles = matching.flatMap((type) => type.profiles);
  if (
    profiles.length > 0 &&
    !sameList(
      profiles,
      known.flatMap((type) => type.profiles),
    )
  ) {
    const check = anyProfileCheck(profiles, profile, options);
    if (check !== undefined) checks.push(check);
  }
  const targets = matching.flatMap((type) => type.targetProfiles);
  if (
    targets.length > 0 &&
    !options.known.some((other) =>
      sameList(
        targets,
        other.types.filter((type) => type.code === typeCode).flatMap((type) => type.targetProfiles),
      ),
    )
  ) {
    const check = parts.referenceCheck(matching, typeCode, options.scope, profile);
    if (check !== undefined) checks.push(check);
  }
  return checks;
}

function sameList(left: readonly string[], right: readonly string[]): boolean {
  return left.length === right.length && left.every((item) => right.includes(item));
}

function anyProfileCheck(profiles: readonly string[], profile: string, options: NodeOptions): ValueCheck | undefined {
  const { compiler, scope } = options;
  const unresolvedRule: Rule = {
    id: 'type-profile-cannot-tell',
    severity: 'warning',
    code: 'not-found',
    text: `Whether the element meets ${profiles.join(' or ')} cannot be told: that profile is not loaded`,
    profile,
  };
  const noneRule: Rule = {
    id: 'type-profile-none',
    severity: 'error',
    code: 'structure',
    text: `The element meets none of the profiles ${profiles.join(', ')}`,
    profile,
  };
  if (profiles.length === 1) {
    const only = profiles[0] as string;
    const definition = scope.resolve(only, 'StructureDefinition');
    // An extension is judged by its definition wherever it stands; here only another version of it would add something.
    if (
      definition !== undefined &&
      definition.constrainedType === 'Extension' &&
      compiler.parts.extensionDefinition(definition.url) === definition
    )
      return undefined;
    let compiled: CompiledProfile | undefined | null = null;
    return (value, c, sibling) => {
      compiled ??= compiler.resolve(only, scope);
      if (compiled === undefined) c.report(unresolvedRule);
      else compiled.check(value, c, sibling);
    };
  }
  return (value, c, sibling) => {
    const candidates = profiles.map((one) => compiler.resolve(one, scope));
    if (candidates.some((candidate) => candidate !== undefined && holdsQuietly(candidate.check, value, c, sibling)))
      return;
    c.report(candidates.includes(undefined) ? unresolvedRule : noneRule);
  };
}

/** Runs a check as a yes/no question at the current place. */
export function holdsQuietly(check: ValueCheck, value: unknown, c: CheckContext, sibling?: unknown): boolean {
  const failed = c.failed;
  c.failed = false;
  c.quiet++;
  check(value, c, sibling);
  c.quiet--;
  const holds = !c.failed;
  c.failed = failed;
  return holds;
}

/** `Bundle.entry.resource`, `contained` and the like: which resource types, and which profiles of them. */
function resourceSlotCheck(node: ElementNode, profile: string, options: NodeOptions): ValueCheck | undefined {
  const types = node.types;
  if (types.length === 0 || types.some((type) => type.code === 'Resource' && type.profiles.length === 0))
    return undefined;
  const { compiler, scope } = options;
  const rule: Rule = {
    id: 'resource-type',
    severity: 'error',
    code: 'structure',
    text: `The resource must be one of ${types.map((type) => type.code).join(', ')}`,
    profile,
  };
  const unknownRule: Rule = { id: 'resource-profile-unknown', severity: 'error', code: 'not-found', text: '', profile };
  return (value, c) => {
    if (!isObject(value)) return;
    const found = value['resourceType'];
    const matching = types.filter(
      (type) => type.code === found || type.code === 'Resource' || type.code === 'DomainResource',
    );
    if (matching.length === 0) {
      c.report(rule, '', typeof found === 'string' ? found : undefined);
      return;
    }
    const profiles = matching.flatMap((type) => type.profiles);
    if (profiles.length === 0) return;
    const missing =
      profiles.length > 1 ? undefined : profiles.find((one) => compiler.resolve(one, scope) === undefined);
    if (missing !== undefined)
      c.report({ ...unknownRule, text: `The profile ${missing} that the resource must meet is not loaded` });
    const check = anyProfileCheck(profiles, profile, { ...options, compiler, scope });
    check?.(value, c);
  };
}

function childrenChecks(node: ElementNode, type: TypeInfo, options: NodeOptions): ValueCheck[] {
  const checks = memberChecks(node, type, options);
  if (checks.length === 0) return [];
  const run = (value: unknown, c: CheckContext): void => {
    for (let at = 0; at < checks.length; at++) {
      if (c.done) return;
      (checks[at] as ValueCheck)(value, c);
    }
  };
  if (type.kind !== 'primitive') {
    return [
      (value, c) => {
        if (isObject(value)) run(value, c);
      },
    ];
  }
  // What a primitive value has beside its text lies in its `_` sibling, absent where there is nothing.
  return [(_value, c, sibling) => run(isObject(sibling) ? sibling : emptySibling, c)];
}

const emptySibling = Object.freeze({});
