import { resourceForm } from '../fhir/canonical-json.ts';
import { memberValue, type JsonNode } from '../fhir/json-text.ts';
import { sha256 } from '../hash.ts';
import type { Digests } from './exchange-record.ts';

/**
 * Digests of one resource as it went over the upstream's wire.
 * @param octets the exact octets after content decoding; for a Bundle entry its lexical slice (`sliceOctets`)
 * @param resource the same, parsed
 * @param side `sent`: what we sent on a push; `stored`: what the upstream gave back
 */
export function digestResource(octets: Uint8Array, resource: JsonNode, side: 'sent' | 'stored'): Digests {
  return { b1: hex(sha256(octets)), f1: formDigest(resource, side) };
}

/** Digests of a resource that is a part of a larger text, such as `Bundle.entry[i].resource`. */
export function digestSlice(text: string, resource: JsonNode, side: 'sent' | 'stored'): Digests {
  return digestResource(sliceOctets(text, resource), resource, side);
}

/** The octets of a node inside its text, as UTF-8: for text decoded from UTF-8, exactly those that came. */
export function sliceOctets(text: string, node: JsonNode): Uint8Array {
  return new TextEncoder().encode(text.slice(node.start, node.end));
}

/** `f1` alone: lowercase hex SHA-256 of the resource's form. */
export function formDigest(resource: JsonNode, side: 'sent' | 'stored'): string {
  return hex(sha256(new TextEncoder().encode(resourceForm(resource, { side }))));
}

/**
 * Whether the upstream stored something else than it was sent. Both sides are compared without `id`, which it may have assigned.
 * @param sent digests of what was sent
 * @param stored what the upstream gave back for it
 */
export function isAlteredByUpstream(sent: Digests, stored: JsonNode): boolean {
  return formDigest(stored, 'sent') !== sent.f1;
}

/**
 * Digest by which the reconciler knows a stored version again when it was sent inside a transaction: as `f1` of the `sent` side, with
 * every literal reference masked, because the upstream replaces `urn:uuid:` references by ones it assigned. Lowercase hex.
 */
export function matchDigest(resource: JsonNode): string {
  const form = resourceForm(resource, {
    side: 'sent',
    maskReference: (reference) => (reference.startsWith('#') ? reference : '*'),
  });
  return hex(sha256(new TextEncoder().encode(form)));
}

/** One `Bundle.entry`, with the nodes that a record needs; absent members are undefined. */
export interface BundleEntryNodes {
  readonly index: number;
  readonly fullUrl: string | undefined;
  readonly resource: JsonNode | undefined;
  readonly request: JsonNode | undefined;
  readonly response: JsonNode | undefined;
  readonly search: JsonNode | undefined;
}

/** The entries of a Bundle in their order; empty for what is no Bundle. */
export function bundleEntries(bundle: JsonNode): readonly BundleEntryNodes[] {
  const entries = memberValue(bundle, 'entry');
  if (entries?.kind !== 'array') return [];
  return entries.items.map((entry, index) => {
    const fullUrl = memberValue(entry, 'fullUrl');
    return {
      index,
      fullUrl: fullUrl?.kind === 'string' ? fullUrl.value : undefined,
      resource: memberValue(entry, 'resource'),
      request: memberValue(entry, 'request'),
      response: memberValue(entry, 'response'),
      search: memberValue(entry, 'search'),
    };
  });
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');
}
