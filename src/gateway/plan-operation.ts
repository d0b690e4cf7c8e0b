import { itemsOf, stringMember } from '../fhir/bundle.ts';
import type { JsonSlice } from '../fhir/json-edit.ts';
import { memberValue, parseJsonText } from '../fhir/json-text.ts';
import { operationOutcome } from '../fhir/outcome.ts';
import { contextIssue, judge } from './edge-validation.ts';
import { readCurrent } from './condition.ts';
import { GatewayError } from './gateway-error.ts';
import { planPages } from './plan-read.ts';
import { requireCurrent } from './plan-write.ts';
import { EMPTY_REPLY } from './plan.ts';
import type { Exchange, Plan, Reply } from './plan.ts';
import { bodyToUpstream } from './rewrite-body.ts';
import { upstreamPath } from './route.ts';
import { firstPath, pageLinks } from './search-page.ts';
import { bundleReply, upstreamOf, writeHeaders } from './upstream-call.ts';

/** Operations: `$validate` and `$verify` are answered here, those that the configuration names are passed on, all others refused. */
export async function planOperation(exchange: Exchange): Promise<Plan> {
  const { route, parts, content } = exchange;
  if (route.operation === 'validate') return planValidate(exchange);
  if (route.operation === 'verify' && route.versionId !== undefined) return planVerify(exchange);
  if (!parts.operations.includes(route.operation ?? '')) {
    throw new GatewayError('not-implemented', { external: 'This gateway does not pass this operation on.' });
  }
  if (route.upstream === undefined) {
    throw new GatewayError('not-implemented', { external: 'An operation needs one upstream: /fhir/{upstream}/….' });
  }
  return content.body === undefined ? planPages(exchange) : planPosted(exchange, content.body);
}

/** An operation with a body, passed on to its upstream. */
function planPosted(exchange: Exchange, body: JsonSlice): Plan {
  const { route, request } = exchange;
  const upstream = upstreamOf(exchange);
  const side = { ...exchange.book, upstream: upstream.name, isFederated: route.isFederated };
  return {
    writes: [],
    isDisclosure: true,
    async send() {
      const answer = await upstream.request({
        method: 'POST',
        path: firstPath(upstreamPath(route), exchange.content.parameters),
        headers: writeHeaders(request),
        body: bodyToUpstream(body, side),
      });
      return pageLinks(exchange, bundleReply(answer, upstream, 'operation'), upstream, '');
    },
  };
}

/** `$validate` (http://hl7.org/fhir/R4/resource-operation-validate.html): the rules of a push, whatever their mode, and nothing is stored. */
async function planValidate(exchange: Exchange): Promise<Plan> {
  const { parts, principal, route, content } = exchange;
  const { resource, profiles, isPlaced } = await validatedResource(exchange);
  const type = stringMember(resource.node, 'resourceType');
  if (route.resourceType !== undefined && type !== route.resourceType) {
    throw new GatewayError('structure', { external: 'The resource to validate is not of the type in the address.' });
  }
  const asked = content.parameters.filter(([name]) => name === 'profile').map(([, value]) => value);
  return {
    writes: [],
    isDisclosure: false,
    async send() {
      const judgement = await judge(parts, {
        direction: 'push',
        upstream: route.upstream ?? '',
        client: principal.caller.clientId,
        resource,
        isPlaced,
        profiles: [...profiles, ...asked],
        isForced: true,
      });
      const issues = [contextIssue(parts, judgement.profiles), ...judgement.issues];
      return madeReply(exchange, JSON.stringify(operationOutcome(issues)));
    },
  };
}

interface ToValidate {
  readonly resource: JsonSlice;
  readonly profiles: readonly string[];
  readonly isPlaced: boolean;
}

/** The resource itself, the `resource` of a Parameters, or the stored one that the address names. */
async function validatedResource(exchange: Exchange): Promise<ToValidate> {
  const { route, content } = exchange;
  if (content.body === undefined) {
    if (route.upstream === undefined || route.id === undefined || route.resourceType === undefined) {
      throw new GatewayError('structure', {
        external: '$validate needs a resource in its body, or the address of a stored one.',
      });
    }
    const upstream = upstreamOf(exchange);
    await requireCurrent(exchange, 'r', upstream, { resourceType: route.resourceType, id: route.id });
    const current = await readCurrent(exchange, upstream, route.resourceType, route.id);
    if (current === undefined)
      throw new GatewayError('not-found', { external: 'There is no resource here to validate.' });
    return { resource: current.resource, profiles: [], isPlaced: false };
  }
  const { text, node } = content.body;
  if (stringMember(node, 'resourceType') !== 'Parameters' || route.resourceType === 'Parameters') {
    return { resource: content.body, profiles: [], isPlaced: true };
  }
  const parameters = itemsOf(memberValue(node, 'parameter'));
  const named = (name: string) => parameters.filter((parameter) => stringMember(parameter, 'name') === name);
  const resource = named('resource').map((parameter) => memberValue(parameter, 'resource'))[0];
  if (resource === undefined)
    throw new GatewayError('structure', { external: 'The Parameters hold no resource to validate.' });
  const profiles = named('profile').flatMap((parameter) => {
    const profile = stringMember(parameter, 'valueUri') ?? stringMember(parameter, 'valueCanonical');
    return profile === undefined ? [] : [profile];
  });
  return { resource: { text, node: resource }, profiles, isPlaced: true };
}

/** `$verify`: whether a version is still what the record's digest says. */
async function planVerify(exchange: Exchange): Promise<Plan> {
  const { parts, route } = exchange;
  const { resourceType = '', id = '', versionId = '' } = route;
  const upstream = upstreamOf(exchange);
  await requireCurrent(exchange, 'r', upstream, { resourceType, id });
  return {
    writes: [],
    isDisclosure: false,
    async send() {
      const address = { upstream: upstream.name, type: resourceType, id, versionId };
      return madeReply(exchange, JSON.stringify(await parts.compliance.verifyVersion(address)));
    },
  };
}

/** A reply made here. */
function madeReply({ route }: Exchange, text: string): Reply {
  const item = {
    upstream: route.upstream ?? '',
    entry: undefined,
    resource: { text, node: parseJsonText(text).root },
    interaction: 'operation' as const,
    searchMode: undefined,
    write: undefined,
    id: undefined,
    versionId: undefined,
    resourceType: undefined,
  };
  return { ...EMPTY_REPLY, shape: 'resource', items: [item] };
}
