import type { PackageScope } from '../packages/definitions.ts';
import { FhirPathError } from './fhirpath-error.ts';
import { lower } from './lower.ts';
import { parseExpression } from './parser.ts';
import { typeModel } from './type-model.ts';

/** A longer expression is no search parameter's. */
const maximumLength = 20_000;

/**
 * What is wrong with an expression before it runs: its syntax, or a name that the types do not have.
 * @param typeName resource or data type of the focus; a type that is not loaded is not judged
 * @returns undefined when nothing is known to be wrong
 */
export function expressionProblem(expression: string, typeName: string, scope: PackageScope): string | undefined {
  if (expression.length > maximumLength) return 'the expression is too long';
  const model = typeModel(scope);
  try {
    const syntax = parseExpression(expression);
    if (scope.resolveType(typeName) === undefined) return undefined;
    lower(syntax, {
      model,
      focus: { op: 'focus', type: typeName, many: false },
      contextType: typeName,
      resourceType: model.isResource(typeName) ? typeName : undefined,
      outermost: true,
      strict: true,
      variables: new Set(),
    });
    return undefined;
  } catch (error) {
    if (!(error instanceof FhirPathError)) throw error;
    return error.code === 'syntax' ? error.message : undefined;
  }
}
