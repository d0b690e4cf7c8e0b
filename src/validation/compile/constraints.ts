/** Constraints of elements, made ready to run. Those of the base types that every element carries are checked by structure instead. */
import type { CheckContext, Rule } from '../checks/report.ts';
import { compileExpression } from '../fhirpath/compile.ts';
import type { PackageScope } from '../packages/definitions.ts';
import { correctedExpression } from './corrections.ts';
import type { ElementConstraint } from './element-tree.ts';

/** Checks a value (and a primitive's `_` sibling) that the context's place is at. */
export type ValueCheck = (value: unknown, c: CheckContext, sibling?: unknown) => void;

/** Checked where the structure is walked, or nowhere because it can not be told from the instance (xhtml's are the narrative check's). */
const structural: ReadonlySet<string> = new Set([
  'ele-1',
  'ext-1',
  'dom-2',
  'dom-3',
  'dom-4',
  'dom-5',
  'ref-1',
  'txt-1',
  'txt-2',
]);

export interface ConstraintOptions {
  readonly scope: PackageScope;
  readonly typeName: string;
  /** `url|version#element`. */
  readonly profile: string;
  readonly bestPractice: boolean;
  readonly withoutEval: boolean;
}

/** @returns the check, or undefined where there is nothing to run */
export function constraintCheck(constraint: ElementConstraint, options: ConstraintOptions): ValueCheck | undefined {
  if (structural.has(constraint.key) || constraint.expression === undefined) return undefined;
  if (constraint.bestPractice && !options.bestPractice) return undefined;
  const holds = compileExpression(correctedExpression(constraint.expression), {
    typeName: options.typeName,
    scope: options.scope,
    withoutEval: options.withoutEval,
  });
  const id = `invariant:${constraint.key}`;
  if (holds === undefined) {
    const rule: Rule = {
      id: 'invariant-cannot-tell',
      severity: 'warning',
      code: 'processing',
      text: `The constraint ${constraint.key} could not be read, so it was not checked`,
      profile: options.profile,
    };
    return (_value, c) => c.report(rule);
  }
  const rule: Rule = {
    id,
    severity: constraint.severity,
    code: 'invariant',
    text: `${constraint.key}: ${constraint.human}`,
    profile: options.profile,
  };
  return (value, c, sibling) => {
    if (!holds(value, c, sibling)) c.report(rule);
  };
}
