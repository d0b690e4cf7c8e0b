/** What the types of an element ask: profiles of them, targets of references, which resources a slot takes. */
import type { CheckContext, Rule } from '../checks/report.ts';
import type { ValueCheck } from './constraints.ts';
import { isObject, type ElementNode } from './element-tree.ts';
import type { CompiledProfile, NodeOptions } from './profile-parts.ts';

/** Profiles of the element's type, targets of its references, and the types of a resource slot. */
export function typeChecks(node: ElementNode, typeCode: string, profile: string, options: NodeOptions): ValueCheck[] {
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
    const extension = definition?.constrainedType === 'Extension' ? definition : undefined;
    let compiled: CompiledProfile | undefined | null = null;
    return (value, c, sibling) => {
      if (extension !== undefined && compiler.parts.judgesExtension(extension, c)) return;
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
