import type { JsonSlice } from '../fhir/json-edit.ts';
import { lineColumn, parseJsonText } from '../fhir/json-text.ts';
import { stringMember } from '../fhir/bundle.ts';
import { decodeUtf8 } from './body.ts';
import { GatewayError } from './gateway-error.ts';
import { bodyKind, requireJsonAnswer } from './negotiate.ts';
import type { BodyKind } from './negotiate.ts';
import type { GatewayLimits } from './parts.ts';
import type { GatewayRequest } from './request.ts';
import type { FhirRoute } from './route.ts';

/** What a request carries beside its address. */
export interface Content {
  /** Query and form parameters in their order, without `_format` and `_pretty`. */
  readonly parameters: readonly (readonly [string, string])[];
  /** The FHIR body or JSON Patch, placed in the client's text. */
  readonly body: JsonSlice | undefined;
  readonly kind: BodyKind | undefined;
}

const PRESENTATION = new Set(['_format', '_pretty']);

/** Reads parameters and body. @throws {GatewayError} 400 | 406 | 413 | 415 @throws {FhirParseError} json-syntax | too-deep */
export async function parseContent(request: GatewayRequest, route: FhirRoute, limits: GatewayLimits): Promise<Content> {
  const query = [...new URLSearchParams(request.query)];
  requireJsonAnswer(request, query.find(([name]) => name === '_format')?.[1]);
  const kinds = bodyKinds(route, request.method);
  if (kinds.length === 0) return { parameters: presentable(query), body: undefined, kind: undefined };
  const kind = bodyKind(request, kinds);
  const text = decodeUtf8(await request.readBody());
  if (kind === 'form') {
    return { parameters: presentable([...query, ...new URLSearchParams(text)]), body: undefined, kind };
  }
  if (text === '' && route.interaction === 'operation') {
    return { parameters: presentable(query), body: undefined, kind: undefined };
  }
  const body = parseBody(text, limits.jsonDepth);
  if (kind === 'fhir') checkResource(body, route);
  return { parameters: presentable(query), body, kind };
}

function presentable(parameters: readonly [string, string][]): [string, string][] {
  return parameters.filter(([name]) => !PRESENTATION.has(name));
}

function bodyKinds(route: FhirRoute, method: string): readonly BodyKind[] {
  switch (route.interaction) {
    case 'create':
    case 'update':
    case 'batch':
    case 'transaction':
      return ['fhir'];
    case 'patch':
      return ['json-patch', 'fhir'];
    case 'search-type':
    case 'search-system':
      return route.isPost ? ['form'] : [];
    case 'operation':
      return method === 'POST' ? ['fhir', 'form'] : [];
    case 'read':
    case 'vread':
    case 'history-instance':
    case 'history-type':
    case 'history-system':
    case 'delete':
    case 'capabilities':
      return [];
  }
}

/** Parses a body; two members of one name are refused, because two programs may believe different ones. */
export function parseBody(text: string, maximumDepth: number): JsonSlice {
  const parsed = parseJsonText(text, { maximumDepth });
  const finding = parsed.findings[0];
  if (finding !== undefined) {
    const place = lineColumn(text, finding.offset);
    const what = {
      'duplicate-key': 'An object has two members of the same name',
      'lone-surrogate': 'A string has half of a surrogate pair',
      'number-overflow': 'A number is too large',
    }[finding.code];
    const external = `${what}; see line ${place.line}, column ${place.column}.`;
    throw new GatewayError('structure', {
      external,
      reason: finding.code,
      issues: [{ severity: 'error', code: 'structure', text: external, ...place }],
    });
  }
  return { text, node: parsed.root };
}

/** A body of a FHIR interaction is one resource, of the type that the address names. */
function checkResource(body: JsonSlice, route: FhirRoute): void {
  const type = stringMember(body.node, 'resourceType');
  if (type === undefined) {
    throw new GatewayError('structure', {
      external: 'The body is no FHIR resource: a JSON object with a resourceType is needed.',
    });
  }
  const isWrite = route.interaction === 'create' || route.interaction === 'update';
  if (isWrite && type !== route.resourceType) {
    throw new GatewayError('structure', {
      external: 'The resourceType of the body is not the type in the address.',
      expression: ['resourceType'],
    });
  }
  const id = stringMember(body.node, 'id');
  if (route.interaction !== 'update' || route.isConditional || route.id === undefined) return;
  if (id !== route.id && !(route.isFederated && id === `${route.upstream ?? ''}.${route.id}`)) {
    throw new GatewayError('structure', {
      external: 'An update needs a resource whose id is the one in the address.',
      expression: [`${type}.id`],
    });
  }
}
