import { stringMember } from '../fhir/bundle.ts';
import { rebuiltObject } from '../fhir/json-edit.ts';
import type { JsonSlice } from '../fhir/json-edit.ts';
import { parseBody } from './content.ts';
import { GatewayError } from './gateway-error.ts';
import { headerOf } from './request.ts';
import type { GatewayAnswer, GatewayRequest } from './request.ts';

/** The X-Provenance header (http://hl7.org/fhir/R4/provenance.html#header): a Provenance about what the same request writes. */
export const PROVENANCE_RESULT_HEADER = 'Concordat-Provenance';

const DEPTH = 50;

/** The Provenance of a request that has one. @throws {GatewayError} structure when it is none, or names targets itself */
export function provenanceHeader(request: GatewayRequest): JsonSlice | undefined {
  const text = headerOf(request, 'x-provenance');
  if (text === undefined) return undefined;
  let provenance: JsonSlice;
  try {
    provenance = parseBody(text, DEPTH);
  } catch (error) {
    throw new GatewayError('structure', { external: 'X-Provenance holds no well-formed JSON.', cause: error });
  }
  const { node } = provenance;
  const hasTarget = node.kind === 'object' && node.members.some(({ key }) => key === 'target');
  if (stringMember(node, 'resourceType') !== 'Provenance' || hasTarget) {
    throw new GatewayError('structure', { external: 'X-Provenance holds a Provenance without target.' });
  }
  return provenance;
}

/** The request that stores the Provenance beside what was written; undefined where nothing was. */
export function provenanceRequest(
  provenance: JsonSlice,
  request: GatewayRequest,
  written: GatewayAnswer,
): GatewayRequest | undefined {
  const location = written.headers['Location'];
  const target =
    location === undefined ? undefined : /([A-Z][A-Za-z]+\/[^/]+(?:\/_history\/[^/]+)?)$/.exec(location)?.[1];
  const upstream = request.segments[0];
  if (written.status >= 300 || target === undefined || upstream === undefined) return undefined;
  const text = rebuiltObject(provenance, new Map([['target', JSON.stringify([{ reference: target }])]]));
  const { authorization } = request.headers;
  return {
    ...request,
    method: 'POST',
    segments: [upstream, 'Provenance'],
    query: '',
    headers: { 'content-type': 'application/fhir+json', ...(authorization === undefined ? {} : { authorization }) },
    trace: {},
    readBody: () => Promise.resolve(Buffer.from(text, 'utf8')),
  };
}
