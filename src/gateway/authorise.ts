import type { Access } from './auth/access.ts';
import type { ScopeAction } from './auth/scopes.ts';
import { GatewayError } from './gateway-error.ts';
import type { FhirRoute } from './route.ts';

/**
 * Whether the token's scopes cover the kind of request at all; what it touches is looked at later, one resource at a time.
 * @throws {GatewayError} forbidden
 */
export function authoriseRequest(access: Access, route: FhirRoute): void {
  const action = actionOf(route);
  if (action === undefined || access.allowsType(action, route.resourceType)) return;
  throw new GatewayError('forbidden', {
    external: `The token has no scope for this: ${SCOPE_NAMES[action]} on ${route.resourceType ?? 'every type'}.`,
    reason: 'scope',
  });
}

/** The action that a scope must allow; undefined where each part of the request is judged by itself. */
function actionOf(route: FhirRoute): ScopeAction | undefined {
  switch (route.interaction) {
    case 'read':
    case 'vread':
    case 'history-instance':
      return 'r';
    case 'search-type':
    case 'search-system':
    case 'history-type':
    case 'history-system':
      return 's';
    case 'create':
      return 'c';
    case 'update':
    case 'patch':
      return 'u';
    case 'delete':
      return 'd';
    case 'operation':
      // Validating discloses nothing of anybody; every other operation reads.
      return route.operation === 'validate' ? undefined : 'r';
    case 'batch':
    case 'transaction':
    case 'capabilities':
      return undefined;
  }
}

export const SCOPE_NAMES: Readonly<Record<ScopeAction, string>> = {
  c: 'create',
  r: 'read',
  u: 'update',
  d: 'delete',
  s: 'search',
};
