import { conditionKey } from './condition.ts';
import type { Exchange } from './plan.ts';
import { headerOf } from './request.ts';

/**
 * What has to wait for one another: requests with the same condition (or two creates would both find nothing), and patches of one resource (or one of two
 * would end with a conflict that its client cannot explain).
 */
export function lockKeys(exchange: Exchange): readonly string[] {
  const { route, content, request } = exchange;
  const upstream = route.upstream ?? '';
  const resourceType = route.resourceType ?? '';
  if (route.interaction === 'patch' && !route.isConditional)
    return [conditionKey(upstream, resourceType, [['_id', route.id ?? '']])];
  if (route.isConditional) return [conditionKey(upstream, resourceType, content.parameters)];
  const ifNoneExist = headerOf(request, 'if-none-exist');
  if (route.interaction !== 'create' || ifNoneExist === undefined) return [];
  return [conditionKey(upstream, resourceType, [...new URLSearchParams(ifNoneExist.replace(/^.*\?/, ''))])];
}
