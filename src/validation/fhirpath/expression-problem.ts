import type { PackageScope } from '../packages/definitions.ts';
import { FhirPathError } from './fhirpath-error.ts';
import { lower } from './lower.ts';
import { parseExpression } from './parser.ts';
import { typeModel } from './type-model.ts';

/** A longer expression is no search parameter's. */
const maximumLength = 20_000;

/** A plain path from a resource type, which can be followed without running anything. */
const plainPath = /^\s*([A-Z][A-Za-z]*)(\.[a-z][A-Za-z]*)+\s*$/;

/** The end of a choice's JSON name, e.g. `valueQuantity`: not FHIRPath, yet found in published expressions. */
const choiceName =
  /[a-z](Date|DateTime|Period|Quantity|String|CodeableConcept|Coding|Code|Reference|Boolean|Integer|Range|Age|Uri|Canonical)\s*$/;

/**
 * What is wrong with an expression before it runs: its syntax, or a plain path in it to an element that the resource type does not have.
 * @returns undefined when nothing is known to be wrong
 */
export function expressionProblem(expression: string, scope: PackageScope): string | undefined {
  if (expression.length > maximumLength) return 'the expression is too long';
  try {
    parseExpression(expression);
    for (const operand of expression.split('|')) followPlainPath(operand, scope);
    return undefined;
  } catch (error) {
    if (!(error instanceof FhirPathError)) throw error;
    return error.code === 'syntax' ? error.message : undefined;
  }
}

/** @throws {FhirPathError} syntax */
function followPlainPath(operand: string, scope: PackageScope): void {
  const [, typeName] = plainPath.exec(operand) ?? [];
  if (typeName === undefined || choiceName.test(operand) || scope.resolveType(typeName)?.kind !== 'resource') return;
  if (typeName === 'Resource' || typeName === 'DomainResource') return;
  lower(parseExpression(operand), {
    model: typeModel(scope),
    focus: { op: 'focus', type: typeName, many: false },
    contextType: typeName,
    resourceType: typeName,
    outermost: true,
    strict: true,
    variables: new Set(),
  });
}
