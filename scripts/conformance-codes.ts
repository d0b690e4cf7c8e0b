/** Value sets whose codes are all written down in the loaded packages, by a reading of its own: the mutants must not lean on the terminology under test. */
import type { PackageScope } from '../src/validation/packages/definitions.ts';
import { isObject } from './conformance-sites.ts';

/** Whether the value set is closed: only listed codes and complete, local code systems; undefined when it is not. */
export function closedCodes(valueSet: string, scope: PackageScope, depth = 0): true | undefined {
  if (depth > 5) return undefined;
  const definition = scope.resolve(valueSet, 'ValueSet');
  const compose = definition?.resource.compose;
  if (definition === undefined || !isObject(compose) || !Array.isArray(compose.include)) return undefined;
  const includes: unknown[] = compose.include;
  return includes.every((include) => isObject(include) && isClosed(include, definition.scope, depth))
    ? true
    : undefined;
}

function isClosed(include: Record<string, unknown>, scope: PackageScope, depth: number): boolean {
  if (Array.isArray(include.valueSet))
    return include.valueSet.every((one) => typeof one === 'string' && closedCodes(one, scope, depth + 1) === true);
  if (Array.isArray(include.concept)) return true;
  if (include.filter !== undefined || typeof include.system !== 'string') return false;
  return scope.resolve(include.system, 'CodeSystem')?.kind === 'complete';
}
