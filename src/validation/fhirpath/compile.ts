import type { PackageScope } from '../packages/definitions.ts';
import { toClosure } from './closures.ts';
import { corrected } from './errata.ts';
import type { FhirPathEnvironment, Invariant } from './environment.ts';
import { FhirPathError } from './fhirpath-error.ts';
import { generate } from './generate.ts';
import type { Intermediate } from './intermediate.ts';
import { lower } from './lower.ts';
import { asMany, boolean } from './lower-support.ts';
import { parseExpression } from './parser.ts';
import { libraryInvariant } from './fallback.ts';
import { typeModel } from './type-model.ts';
import type { TypeModel } from './type-model.ts';
import { FhirNode } from './values.ts';

export interface CompileOptions {
  /**
   * Static type of the focus: a data type or resource (`HumanName`, `code`, `Patient`), or the path of a backbone element in the
   * base definition (`Patient.contact`, `Questionnaire.item`); never a choice: give the concrete type.
   */
  readonly typeName: string;
  /** Where the core definitions are found that types are taken from. */
  readonly scope: PackageScope;
  /** Where `new Function` is forbidden: closures instead of generated JavaScript, with the same results. */
  readonly withoutEval?: boolean;
}

/**
 * Compiles one constraint. Never throws: what the compiler declines runs in the `fhirpath` library; what that cannot parse either is undefined.
 */
export function compileExpression(expression: string, options: CompileOptions): Invariant | undefined {
  const model = typeModel(options.scope);
  const meant = corrected(expression);
  try {
    const lowered = lowerInvariant(meant, options.typeName, model);
    return toInvariant(lowered, options.typeName, model, options.withoutEval === true);
  } catch (error) {
    if (!(error instanceof FhirPathError)) throw error;
    return libraryInvariant(meant, options.typeName, model);
  }
}

/** @throws {FhirPathError} syntax | declined */
export function lowerInvariant(expression: string, typeName: string, model: TypeModel): Intermediate {
  const resource = typeName.split('.', 1)[0] ?? typeName;
  // `Resource` and its like say nothing about the resource at hand.
  const concrete = model.isResource(resource) && resource !== 'Resource' && resource !== 'DomainResource';
  const type = concrete || !model.isResource(resource) ? typeName : undefined;
  const focus: Intermediate = { op: 'focus', type, many: false };
  const tree = lower(parseExpression(expression), {
    model,
    focus,
    contextType: type,
    resourceType: concrete ? resource : undefined,
    outermost: true,
    strict: false,
    variables: new Set(),
  });
  return tree.type === 'System.Boolean' && !tree.many ? tree : boolean('holds', asMany(tree));
}

/** What FHIRPath works on for a plain focus. */
export function focusOf(focus: unknown, sibling: unknown, typeName: string, model: TypeModel): unknown {
  if (sibling !== undefined && sibling !== null) return new FhirNode(typeName, focus ?? undefined, sibling);
  return model.isResource(typeName) && (typeName === 'Resource' || typeName === 'DomainResource')
    ? new FhirNode(resourceTypeOf(focus) ?? typeName, focus, undefined)
    : (focus ?? undefined);
}

function resourceTypeOf(resource: unknown): string | undefined {
  const type =
    typeof resource === 'object' && resource !== null
      ? (resource as { resourceType?: unknown }).resourceType
      : undefined;
  return typeof type === 'string' ? type : undefined;
}

function toInvariant(lowered: Intermediate, typeName: string, model: TypeModel, withoutEval: boolean): Invariant {
  const generated = withoutEval ? undefined : generate(lowered, model);
  if (generated === undefined) return closureInvariant(lowered, typeName, model);
  const { holds, usesSession } = generated;
  const abstract = typeName === 'Resource' || typeName === 'DomainResource';
  return (focus: unknown, environment: FhirPathEnvironment, sibling?: unknown): boolean => {
    const plain = sibling === undefined && !abstract;
    const start = plain ? (focus ?? undefined) : focusOf(focus, sibling, typeName, model);
    try {
      return holds(start, usesSession ? { model, environment, context: start } : undefined);
    } catch (error) {
      return failed(error);
    }
  };
}

function closureInvariant(lowered: Intermediate, typeName: string, model: TypeModel): Invariant {
  const closure = toClosure(lowered);
  return (focus: unknown, environment: FhirPathEnvironment, sibling?: unknown): boolean => {
    const start = focusOf(focus, sibling, typeName, model);
    try {
      return closure({ session: { model, environment, context: start }, focus: start, index: 0, total: [] }) === true;
    } catch (error) {
      return failed(error);
    }
  };
}

/** A wrong instance may break any assumption about shapes; structure checks name it, here the constraint is simply not met. */
function failed(error: unknown): false {
  if (error instanceof FhirPathError || error instanceof TypeError || error instanceof RangeError) return false;
  throw error;
}
