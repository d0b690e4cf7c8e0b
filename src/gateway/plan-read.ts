import type { OutcomeIssue } from '../fhir/outcome.ts';
import { searchParameter } from '../fhir/search-parameters.ts';
import type { Exchange, Plan, Reply } from './plan.ts';
import { upstreamPath } from './route.ts';
import type { FhirRoute } from './route.ts';
import { cursorIn, firstPath, pageLinks } from './search-page.ts';
import { checkParameters, parametersFor, queryText } from './search-request.ts';
import type { SearchParameters } from './search-request.ts';
import { bundleReply, outgoingHeaders, resourceReply, upstreamOf } from './upstream-call.ts';
import type { UpstreamAnswer, UpstreamClient } from './upstream-client.ts';

/** read and vread. Validators of the client (`If-None-Match`) are judged here, on the way back, so that every disclosure has its digest. */
export function planRead(exchange: Exchange): Plan {
  const { route, request, content } = exchange;
  const upstream = upstreamOf(exchange);
  return {
    writes: [],
    isDisclosure: true,
    async send() {
      const path = firstPath(upstreamPath(route), content.parameters);
      const answer = await upstream.request({ method: 'GET', path, headers: outgoingHeaders(request) });
      return resourceReply(answer, upstream, route.interaction);
    },
  };
}

/** history of an instance, a type or a system, and `$everything`: pages of one upstream whose parameters are its own business. */
export function planPages(exchange: Exchange): Plan {
  const { route, content } = exchange;
  const upstream = upstreamOf(exchange);
  const cursor = cursorIn(exchange);
  return {
    writes: [],
    isDisclosure: true,
    async send(): Promise<Reply> {
      const path = cursor?.positions[0]?.path ?? firstPath(upstreamPath(route), content.parameters);
      const answer = await upstream.request({ method: 'GET', path, headers: outgoingHeaders(exchange.request) });
      const reply = bundleReply(answer, upstream, route.interaction);
      return pageLinks(exchange, reply, upstream, cursor?.self ?? queryText(content.parameters));
    },
  };
}

/** A search of one upstream, by GET or POST with the same result. */
export async function planSearch(exchange: Exchange): Promise<Plan> {
  const { route, content, preference, services } = exchange;
  const upstream = upstreamOf(exchange);
  const cursor = cursorIn(exchange);
  if (cursor !== undefined) return planPages(exchange);
  const conformance = await services.conformance.of(upstream);
  const checked = checkParameters(
    content.parameters,
    route.resourceType,
    conformance,
    preference.handling === 'lenient',
  );
  const side = { ...exchange.book, upstream: upstream.name, isFederated: route.isFederated };
  const { parameters } = parametersFor(checked.parameters, route.resourceType, side);
  return {
    writes: [],
    isDisclosure: true,
    async send(): Promise<Reply> {
      const found = await searchUpstream(exchange, upstream, upstreamPath(route), parameters);
      const instead = found.status >= 400 ? byPatient(route, parameters) : undefined;
      const answer = instead && (await searchUpstream(exchange, upstream, instead.path, instead.parameters));
      const reply = bundleReply(answer ?? found, upstream, route.interaction);
      const linked = pageLinks(exchange, reply, upstream, queryText(checked.parameters));
      const notes = answer === undefined ? checked.notes : [...checked.notes, NO_COMPARTMENTS];
      return { ...linked, notes };
    },
  };
}

const NO_COMPARTMENTS: OutcomeIssue = {
  severity: 'information',
  code: 'informational',
  text: 'The upstream has no compartment search; this is its search by patient.',
};

/** A search by `patient` in place of a compartment search that an upstream does not have. */
function byPatient(
  route: FhirRoute,
  parameters: SearchParameters,
): { path: string; parameters: SearchParameters } | undefined {
  const { compartment, resourceType } = route;
  if (compartment?.resourceType !== 'Patient' || resourceType === undefined) return undefined;
  if (searchParameter(resourceType, 'patient') === undefined) return undefined;
  return { path: resourceType, parameters: [...parameters, ['patient', compartment.id]] };
}

/** A client that posts its search keeps it out of address lines, so it is posted on too; where an upstream cannot, it is asked by GET. */
async function searchUpstream(
  exchange: Exchange,
  upstream: UpstreamClient,
  path: string,
  parameters: SearchParameters,
): Promise<UpstreamAnswer> {
  const { route, request } = exchange;
  if (route.isPost) {
    const answer = await upstream.request({
      method: 'POST',
      path: path === '' ? '_search' : `${path}/_search`,
      headers: outgoingHeaders(request, { 'content-type': 'application/x-www-form-urlencoded' }),
      body: queryText(parameters),
    });
    if (answer.status !== 404 && answer.status !== 405 && answer.status !== 415) return answer;
  }
  return upstream.request({ method: 'GET', path: firstPath(path, parameters), headers: outgoingHeaders(request) });
}
