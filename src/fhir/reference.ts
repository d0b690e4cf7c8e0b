import { isResourceType } from './search-parameters.ts';

/** References and logical ids (http://hl7.org/fhir/R4/references.html), and the ids of the federated address, `{upstream}.{id}`. */

const ID = /^[A-Za-z0-9.-]{1,64}$/;

export function isFhirId(text: string): boolean {
  return ID.test(text);
}

export interface RestfulReference {
  readonly resourceType: string;
  readonly id: string;
  readonly versionId: string | undefined;
  /** `?…`, `#…` or nothing. */
  readonly rest: string;
}

const RELATIVE = /^([A-Z][A-Za-z]+)\/([A-Za-z0-9.-]{1,64})(?:\/_history\/([A-Za-z0-9.-]{1,64}))?((?:[?#].*)?)$/s;

/** Reads `Type/id` or `Type/id/_history/vid`; undefined for anything else (canonical, urn, fragment, another host's URL). */
export function parseRelativeReference(text: string): RestfulReference | undefined {
  const match = RELATIVE.exec(text);
  if (match === null || !isResourceType(match[1] ?? '')) return undefined;
  return { resourceType: match[1] ?? '', id: match[2] ?? '', versionId: match[3], rest: match[4] ?? '' };
}

export function formatRelativeReference(reference: RestfulReference): string {
  const version = reference.versionId === undefined ? '' : `/_history/${reference.versionId}`;
  return `${reference.resourceType}/${reference.id}${version}${reference.rest}`;
}

/** What follows a base URL in a URL below it, without the slash; undefined where the URL is not below it. */
export function belowBase(url: string, base: string): string | undefined {
  if (!url.startsWith(base)) return undefined;
  const rest = url.slice(base.length);
  if (rest === '') return '';
  if (rest.startsWith('/')) return rest.slice(1);
  return rest.startsWith('?') ? rest : undefined;
}

/** Splits an id of the federated address; undefined where no known upstream leads it. */
export function splitFederatedId(
  text: string,
  isUpstream: (name: string) => boolean,
): { readonly upstream: string; readonly id: string } | undefined {
  const dot = text.indexOf('.');
  if (dot <= 0 || dot === text.length - 1) return undefined;
  const upstream = text.slice(0, dot);
  return isUpstream(upstream) ? { upstream, id: text.slice(dot + 1) } : undefined;
}
