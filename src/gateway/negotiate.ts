import { GatewayError } from './gateway-error.ts';
import { headerOf } from './request.ts';
import type { GatewayRequest } from './request.ts';

/** Content negotiation and the Prefer header (http://hl7.org/fhir/R4/http.html#mime-type). JSON only. */
const JSON_TYPES = new Set(['application/fhir+json', 'application/json', 'text/json', 'application/json+fhir', 'json']);
const JSON_RANGES = new Set([...JSON_TYPES, '*/*', 'application/*', 'text/*']);

export const FHIR_JSON = 'application/fhir+json; charset=utf-8';

/** Checks that the client takes JSON; `_format` beats Accept. @throws {GatewayError} not-acceptable */
export function requireJsonAnswer(request: GatewayRequest, formatParameter: string | undefined): void {
  const isAccepted =
    formatParameter === undefined
      ? acceptsJson(headerOf(request, 'accept'))
      : JSON_TYPES.has(mediaType(formatParameter.replaceAll(' ', '+'))) && isVersion4(formatParameter);
  if (!isAccepted) {
    throw new GatewayError('not-acceptable', {
      external: 'This gateway answers in application/fhir+json of FHIR 4.0 only; ask for that in _format or Accept.',
    });
  }
}

function acceptsJson(accept: string | undefined): boolean {
  if (accept === undefined || accept.trim() === '') return true;
  return accept.split(',').some((range) => {
    const isRefused = /;\s*q=0(?:\.0*)?\s*(?:;|$)/i.test(range);
    return !isRefused && JSON_RANGES.has(mediaType(range)) && isVersion4(range);
  });
}

function mediaType(text: string): string {
  return (text.split(';')[0] ?? '').trim().toLowerCase();
}

function isVersion4(text: string): boolean {
  const version = /fhirVersion=["']?([0-9.]+)/i.exec(text)?.[1];
  return version === undefined || version === '4.0' || version === '4.0.1';
}

export type BodyKind = 'fhir' | 'json-patch' | 'form';

/** What the Content-Type says the body is. @throws {GatewayError} unsupported-media-type */
export function bodyKind(request: GatewayRequest, allowed: readonly BodyKind[]): BodyKind {
  const contentType = headerOf(request, 'content-type');
  const charset = /charset=["']?([\w-]+)/i.exec(contentType ?? '')?.[1]?.toLowerCase();
  const type = mediaType(contentType ?? '');
  let kind: BodyKind | undefined;
  if (type === '' || JSON_TYPES.has(type)) kind = 'fhir';
  else if (type === 'application/json-patch+json') kind = 'json-patch';
  else if (type === 'application/x-www-form-urlencoded') kind = 'form';
  const isUtf8 = charset === undefined || charset === 'utf-8' || charset === 'utf8' || charset === 'us-ascii';
  if (kind === undefined || !allowed.includes(kind) || !isUtf8 || !isVersion4(contentType ?? '')) {
    throw new GatewayError('unsupported-media-type', {
      external: `Send the body in UTF-8 as ${allowed.map((name) => BODY_TYPES[name]).join(' or ')}.`,
    });
  }
  return kind;
}

const BODY_TYPES: Readonly<Record<BodyKind, string>> = {
  fhir: 'application/fhir+json',
  'json-patch': 'application/json-patch+json',
  form: 'application/x-www-form-urlencoded',
};

export interface Preference {
  readonly return: 'minimal' | 'representation' | 'OperationOutcome' | undefined;
  readonly handling: 'strict' | 'lenient' | undefined;
}

/** Reads the Prefer header (RFC 7240); what is not known is ignored, as that RFC wants. */
export function parsePreference(header: string | undefined): Preference {
  const text = header ?? '';
  const wanted = /(?:^|[,;\s])return\s*=\s*"?(minimal|representation|OperationOutcome)\b/i
    .exec(text)?.[1]
    ?.toLowerCase();
  const handling = /(?:^|[,;\s])handling\s*=\s*"?(strict|lenient)\b/i.exec(text)?.[1]?.toLowerCase();
  return {
    return: wanted === 'operationoutcome' ? 'OperationOutcome' : (wanted as 'minimal' | 'representation' | undefined),
    handling: handling as Preference['handling'],
  };
}
