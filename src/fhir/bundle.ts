import { memberValue } from './json-text.ts';
import type { JsonNode } from './json-text.ts';

/** Bundles as position-keeping nodes (http://hl7.org/fhir/R4/bundle.html); every getter tolerates any JSON. */
export interface BundleEntry {
  readonly index: number;
  readonly node: JsonNode;
  readonly fullUrl: string | undefined;
  readonly resource: JsonNode | undefined;
  readonly resourceType: string | undefined;
  readonly method: string | undefined;
  /** `request.url` */
  readonly url: string | undefined;
  readonly request: JsonNode | undefined;
  readonly response: JsonNode | undefined;
  /** `search.mode` */
  readonly searchMode: string | undefined;
}

export interface BundleView {
  readonly node: JsonNode;
  readonly type: string | undefined;
  readonly entries: readonly BundleEntry[];
  readonly links: readonly { readonly relation: string; readonly url: string }[];
}

export function stringMember(node: JsonNode | undefined, key: string): string | undefined {
  const value = memberValue(node, key);
  return value?.kind === 'string' ? value.value : undefined;
}

export function itemsOf(node: JsonNode | undefined): readonly JsonNode[] {
  return node?.kind === 'array' ? node.items : [];
}

/** Looks at a node as a Bundle; undefined where it says that it is none. */
export function viewBundle(node: JsonNode): BundleView | undefined {
  if (stringMember(node, 'resourceType') !== 'Bundle') return undefined;
  const links = itemsOf(memberValue(node, 'link')).flatMap((link) => {
    const url = stringMember(link, 'url');
    return url === undefined ? [] : [{ relation: stringMember(link, 'relation') ?? '', url }];
  });
  return {
    node,
    type: stringMember(node, 'type'),
    entries: itemsOf(memberValue(node, 'entry')).map(viewEntry),
    links,
  };
}

function viewEntry(node: JsonNode, index: number): BundleEntry {
  const resource = memberValue(node, 'resource');
  const request = memberValue(node, 'request');
  return {
    index,
    node,
    fullUrl: stringMember(node, 'fullUrl'),
    resource,
    resourceType: stringMember(resource, 'resourceType'),
    method: stringMember(request, 'method'),
    url: stringMember(request, 'url'),
    request,
    response: memberValue(node, 'response'),
    searchMode: stringMember(memberValue(node, 'search'), 'mode'),
  };
}
