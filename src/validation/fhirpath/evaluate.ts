import type { PackageScope } from '../packages/definitions.ts';
import { toClosure } from './closures.ts';
import type { FhirPathEnvironment } from './environment.ts';
import { FhirPathError } from './fhirpath-error.ts';
import type { Intermediate } from './intermediate.ts';
import { lower } from './lower.ts';
import { asMany, box } from './lower-support.ts';
import { parseExpression } from './parser.ts';
import { quantityText } from './quantities.ts';
import { typeModel } from './type-model.ts';
import { DecimalValue, FhirNode, QuantityValue, TemporalValue, systemType } from './values.ts';
import type { Item } from './values.ts';

/** One item of a result. */
export interface EvaluatedItem {
  /** `HumanName`, `code` or `System.String`. */
  readonly type: string;
  /** Plain JSON; system values that JSON does not have as their text. */
  readonly value: unknown;
}

export interface EvaluateOptions {
  readonly scope: PackageScope;
  /** Refuse names that the static types do not have, instead of finding nothing. */
  readonly strict?: boolean;
  /** Further `%name` variables. */
  readonly variables?: ReadonlyMap<string, readonly Item[]>;
  readonly environment?: Partial<FhirPathEnvironment>;
}

/**
 * Evaluates any expression on a resource, or on nothing.
 * @throws {FhirPathError} syntax | declined | evaluation
 */
export function evaluateExpression(
  expression: string,
  resource: unknown,
  options: EvaluateOptions,
): readonly EvaluatedItem[] {
  const model = typeModel(options.scope);
  const stated = (resource as { resourceType?: unknown } | undefined)?.resourceType;
  const type = typeof stated === 'string' ? stated : undefined;
  const focus: Intermediate =
    type === undefined ? { op: 'focus', type: undefined, many: true } : { op: 'focus', type, many: false };
  const lowered = lower(parseExpression(expression), {
    model,
    focus,
    contextType: undefined,
    resourceType: type,
    outermost: true,
    variables: new Set(options.variables?.keys()),
    strict: options.strict === true,
  });
  const context = type === undefined ? undefined : new FhirNode(type, resource, undefined);
  const environment = { resource, rootResource: resource, ...options.environment };
  const session = { model, environment, context, variables: options.variables };
  const start = type === undefined ? [] : resource;
  const result = toClosure(asMany(box(lowered)))({ session, focus: start, index: 0, total: [] });
  return (result as readonly Item[]).map(toEvaluated);
}

function toEvaluated(item: Item): EvaluatedItem {
  if (item instanceof FhirNode) return { type: item.type, value: item.value };
  const system = systemType(item);
  if (system === undefined) throw new FhirPathError('evaluation', 'a value of no type');
  return { type: `System.${system}`, value: plainValue(item) };
}

function plainValue(item: Item): unknown {
  if (item instanceof DecimalValue || item instanceof TemporalValue) return item.text;
  return item instanceof QuantityValue ? quantityText(item) : item;
}
