import { belowBase, formatRelativeReference, parseRelativeReference, splitFederatedId } from '../fhir/reference.ts';

/**
 * Where URLs and ids stand on either side. Only URLs below a known upstream's base, or below our own, are ever changed.
 * On the federated address (`isFederated`) ids carry their upstream: `ehr.123`.
 */
export interface AddressBook {
  /** Our FHIR base, without a trailing slash. */
  readonly gatewayBase: string;
  /** Name and base of every upstream, no trailing slashes. */
  readonly upstreams: readonly { readonly name: string; readonly base: string }[];
}

export interface Side extends AddressBook {
  /** The upstream whose content this is, or that it goes to. */
  readonly upstream: string;
  readonly isFederated: boolean;
  /** Takes out of an error's texts what must not be quoted. */
  readonly redact?: (text: string) => string;
}

/** An absolute URL as the client may see it; one that is below no upstream stays. */
export function urlToClient(url: string, side: Side): string {
  for (const { name, base } of side.upstreams) {
    const rest = belowBase(url, base);
    if (rest !== undefined) return locationOnGateway(rest, name, side);
  }
  return url;
}

function locationOnGateway(rest: string, upstream: string, side: Side): string {
  const reference = side.isFederated ? parseRelativeReference(rest) : undefined;
  if (reference !== undefined) return `${side.gatewayBase}/${federated(reference, upstream)}`;
  const separator = rest === '' || rest.startsWith('?') ? '' : '/';
  return `${side.gatewayBase}/${upstream}${separator}${rest}`;
}

/** A literal reference, relative or absolute, as the client may see it. */
export function referenceToClient(text: string, side: Side): string {
  const relative = side.isFederated ? parseRelativeReference(text) : undefined;
  return relative === undefined ? urlToClient(text, side) : federated(relative, side.upstream);
}

function federated(
  reference: { resourceType: string; id: string; versionId: string | undefined; rest: string },
  upstream: string,
): string {
  return formatRelativeReference({ ...reference, id: `${upstream}.${reference.id}` });
}

/** The inverse of `urlToClient`. */
export function urlToUpstream(url: string, side: Side): string {
  const rest = belowBase(url, side.gatewayBase);
  if (rest === undefined) return url;
  for (const { name, base } of side.upstreams) {
    if (rest === name) return base;
    const below = belowBase(rest, name);
    if (below !== undefined) return below.startsWith('?') ? base + below : `${base}/${below}`;
  }
  const located = localReference(rest, side);
  return located === undefined ? url : `${located.base}/${located.text}`;
}

/** The inverse of `referenceToClient`. A federated reference to another upstream becomes that one's absolute URL. */
export function referenceToUpstream(text: string, side: Side): string {
  const located = side.isFederated ? localReference(text, side) : undefined;
  if (located === undefined) return urlToUpstream(text, side);
  return located.upstream === side.upstream ? located.text : `${located.base}/${located.text}`;
}

/** Reads `Type/ehr.1` as `Type/1` of upstream ehr. */
function localReference(text: string, side: Side): { upstream: string; base: string; text: string } | undefined {
  const reference = parseRelativeReference(text);
  if (reference === undefined) return undefined;
  const split = splitFederatedId(reference.id, (name) => side.upstreams.some((upstream) => upstream.name === name));
  const upstream = side.upstreams.find(({ name }) => name === split?.upstream);
  if (split === undefined || upstream === undefined) return undefined;
  return {
    upstream: upstream.name,
    base: upstream.base,
    text: formatRelativeReference({ ...reference, id: split.id }),
  };
}

/** Takes every trace of an upstream's address out of text that a person reads, such as an upstream's own diagnostics. */
export function scrubbed(text: string, side: Side): string {
  let clean = text;
  for (const { name, base } of side.upstreams) {
    const { host, hostname } = new URL(base);
    clean = clean.replaceAll(base, `${side.gatewayBase}/${name}`);
    clean = clean.replaceAll(host, `[${name}]`);
    // A bare name such as `localhost` is a common word; one with a dot, or one that carries a port above, is an address.
    if (hostname.includes('.')) clean = clean.replaceAll(hostname, `[${name}]`);
  }
  return clean;
}
