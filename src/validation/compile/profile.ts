/** Compiles a profile to what it asks beyond the base types: base checks run once for every instance, a profile adds only its difference. */
import type { CheckContext } from '../checks/report.ts';
import type { Definition, PackageScope } from '../packages/definitions.ts';
import { bindingCheck } from './binding.ts';
import { constraintCheck, type ValueCheck } from './constraints.ts';
import { correctedConstraint } from './corrections.ts';
import { isObject, type ElementNode } from './element-tree.ts';
import { fixedCheck, patternCheck } from './fixed-pattern.ts';
import { memberChecks } from './member.ts';
import type { CompiledProfile, ContentCompiler, NodeOptions, ProfileParts } from './profile-parts.ts';
import type { TypeInfo } from './type-model.ts';
import { typeChecks } from './type-profiles.ts';
import { lengthCheck, rangeChecks } from './value-limits.ts';

export class ProfileCompiler implements ContentCompiler {
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

  content(
    node: ElementNode,
    type: TypeInfo | undefined,
    typeCode: string,
    options: NodeOptions,
  ): ValueCheck | undefined {
    return contentCheck(node, type, typeCode, options);
  }

  private compile(definition: Definition): CompiledProfile | undefined {
    const canonical = `${definition.url}|${definition.version}`;
    const node = this.parts.model.tree(definition);
    const type = node === undefined ? undefined : this.parts.model.type(node.path);
    if (node === undefined || type === undefined) return undefined;
    const options: NodeOptions = { canonical, scope: definition.scope, definition, compiler: this, known: [type.node] };
    const check = definition.derivation === 'specialization' ? undefined : this.content(node, type, type.name, options);
    return { definition, canonical, typeName: type.name, check: check ?? nothing };
  }
}

function nothing(): void {}

function combine(checks: readonly ValueCheck[]): ValueCheck | undefined {
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

function contentCheck(
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
