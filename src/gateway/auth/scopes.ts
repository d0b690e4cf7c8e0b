/**
 * SMART App Launch scopes, v1 (`system/Patient.read`) and v2 (`patient/Observation.rs?category=laboratory`).
 * @see https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html
 */

/** create, read (also vread and history), update (also patch), delete, search (also type history). */
export type ScopeAction = 'c' | 'r' | 'u' | 'd' | 's';

export interface ScopeConstraint {
  /** A search parameter of the type, without modifier. */
  readonly parameter: string;
  /** Alternatives, as in a search value: `system|code`, `code`, … */
  readonly values: readonly string[];
}

export interface Scope {
  readonly context: 'system' | 'user' | 'patient';
  /** `*` for every type. */
  readonly resourceType: string;
  readonly actions: ReadonlySet<ScopeAction>;
  /** All must hold. */
  readonly constraints: readonly ScopeConstraint[];
}

const SCOPE = /^(system|user|patient)\/(\*|[A-Z][A-Za-z]{1,63})\.([a-z*]{1,5})(?:\?(.*))?$/;
const V1_ACTIONS: Readonly<Record<string, string>> = { read: 'rs', write: 'cud', '*': 'cruds' };

/**
 * Reads the scopes of a token; what is no FHIR scope (`openid`, `launch`, …) is left out.
 * A clinical scope that is not understood in full (an unknown action, a modifier in its query) grants nothing.
 */
export function parseScopes(text: string): readonly Scope[] {
  return text
    .split(/\s+/)
    .map(parseScope)
    .filter((scope) => scope !== undefined);
}

function parseScope(text: string): Scope | undefined {
  const match = SCOPE.exec(text);
  if (match === null) return undefined;
  const [, context, resourceType, actionText, query] = match;
  const letters = V1_ACTIONS[actionText ?? ''] ?? actionText ?? '';
  if (!isInOrder(letters)) return undefined;
  const constraints = parseConstraints(query);
  if (constraints === undefined) return undefined;
  return {
    context: context as Scope['context'],
    resourceType: resourceType ?? '',
    actions: new Set([...letters] as ScopeAction[]),
    constraints,
  };
}

/** v2 wants the letters of `cruds` in that order, each at most once. */
function isInOrder(letters: string): boolean {
  return letters !== '' && /^c?r?u?d?s?$/.test(letters);
}

function parseConstraints(query: string | undefined): ScopeConstraint[] | undefined {
  if (query === undefined) return [];
  const constraints: ScopeConstraint[] = [];
  for (const [parameter, value] of new URLSearchParams(query)) {
    // A modifier, a chain or an empty value would need more than an equality; such a scope is refused rather than widened.
    if (!/^_?[a-z][a-z-]*$/.test(parameter) || value === '') return undefined;
    constraints.push({ parameter, values: value.split(',') });
  }
  return constraints.length === 0 ? undefined : constraints;
}
