/** Which resources a Reference may name: types by the reference's text or its target, target profiles where the target is at hand. */
import { typeInReference } from '../checks/references.ts';
import type { CheckContext, JsonObject, Rule } from '../checks/report.ts';
import type { PackageScope } from '../packages/definitions.ts';
import type { ValueCheck } from './constraints.ts';
import { isObject, type ElementType } from './element-tree.ts';

export interface TargetParts {
  resolve(reference: string, c: CheckContext): JsonObject | undefined;
  conforms(value: unknown, profile: string, scope: PackageScope, c: CheckContext): boolean | undefined;
  ancestors(type: string): readonly string[];
}

interface Target {
  readonly canonical: string;
  /** Type it allows; undefined where the profile is not loaded. */
  readonly type: string | undefined;
  /** False for a plain resource type. */
  readonly constrained: boolean;
}

/** @returns undefined where any resource will do */
export function targetsCheck(
  types: readonly ElementType[],
  scope: PackageScope,
  profile: string,
  parts: TargetParts,
): ValueCheck | undefined {
  const canonicals = [...new Set(types.flatMap((type) => type.targetProfiles))];
  if (canonicals.length === 0 || canonicals.includes(anyResource)) return undefined;
  const shown = canonicals.map((canonical) => canonical.slice(canonical.lastIndexOf('/') + 1)).join(', ');
  const typeRule: Rule = {
    id: 'reference-target-type',
    severity: 'error',
    code: 'structure',
    text: `The reference must be to one of ${shown}`,
    profile,
  };
  const profileRule: Rule = {
    id: 'reference-target-profile',
    severity: 'error',
    code: 'structure',
    text: `The resource referred to meets none of ${shown}`,
    profile,
  };
  const unknownRule: Rule = {
    id: 'reference-target-cannot-tell',
    severity: 'warning',
    code: 'not-found',
    text: `Whether the resource referred to is one of ${shown} cannot be told: not all of them are loaded`,
    profile,
  };
  // Resolved at the first use: a guide's profiles refer to each other in circles.
  let targets: readonly Target[] | undefined;
  return (value, c) => {
    if (!isObject(value)) return;
    const reference = value['reference'];
    targets ??= canonicals.map((canonical) => describe(canonical, scope));
    const found = typeof reference === 'string' ? parts.resolve(reference, c) : undefined;
    const type = found === undefined ? impliedType(value, c, parts) : found['resourceType'];
    if (typeof type !== 'string') return;
    const fitting = targets.filter(
      (target) => target.type === undefined || target.type === type || parts.ancestors(type).includes(target.type),
    );
    if (fitting.length === 0) {
      c.report(typeRule, '', type);
      return;
    }
    if (found === undefined || fitting.some((target) => target.type !== undefined && !target.constrained)) return;
    const answers = fitting.map((target) => parts.conforms(found, target.canonical, scope, c));
    if (answers.includes(true)) return;
    c.report(
      answers.includes(undefined) ? unknownRule : profileRule,
      '',
      typeof reference === 'string' ? reference : undefined,
    );
  };
}

const anyResource = 'http://hl7.org/fhir/StructureDefinition/Resource';
const coreBase = 'http://hl7.org/fhir/StructureDefinition/';

function describe(canonical: string, scope: PackageScope): Target {
  const definition = scope.resolve(canonical, 'StructureDefinition');
  if (definition === undefined) return { canonical, type: undefined, constrained: true };
  return {
    canonical,
    type: definition.constrainedType,
    constrained: definition.url !== coreBase + (definition.constrainedType ?? ''),
  };
}

/** What the reference's own text says its type is, where that is believed and such a type exists. */
export function impliedType(
  reference: JsonObject,
  c: CheckContext,
  parts: Pick<TargetParts, 'ancestors'>,
): string | undefined {
  const text = reference['reference'];
  if (typeof text !== 'string' || text === '' || !c.services.settings.believeReferences) return undefined;
  const type = typeInReference(text);
  return type === undefined || !parts.ancestors(type).includes('Resource') ? undefined : type;
}
