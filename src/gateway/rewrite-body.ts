import { memberValue } from '../fhir/json-text.ts';
import type { JsonMember, JsonNode, JsonObject } from '../fhir/json-text.ts';
import { editedText, setMember } from '../fhir/json-edit.ts';
import type { JsonSlice, TextEdit } from '../fhir/json-edit.ts';
import { splitFederatedId } from '../fhir/reference.ts';
import { referenceToClient, referenceToUpstream, scrubbed, urlToClient, urlToUpstream } from './rewrite.ts';
import type { Side } from './rewrite.ts';

/**
 * Walks a resource's structure and splices URLs, references and ids in place, so that nothing else changes: not a number's lexeme, not the order of
 * members, not an element that R4 does not know. Canonicals, identifiers and narrative stay as they are.
 */
export function bodyToClient(slice: JsonSlice, side: Side): string {
  const edits: TextEdit[] = [];
  walk(slice.node, '', { slice, side, edits, direction: 'client', isOutcome: false });
  return editedText(slice, edits);
}

/** The inverse of `bodyToClient`. */
export function bodyToUpstream(slice: JsonSlice, side: Side): string {
  const edits: TextEdit[] = [];
  walk(slice.node, '', { slice, side, edits, direction: 'upstream', isOutcome: false });
  return editedText(slice, edits);
}

interface Walk {
  readonly slice: JsonSlice;
  readonly side: Side;
  readonly edits: TextEdit[];
  readonly direction: 'client' | 'upstream';
  /** Inside an OperationOutcome, whose texts an upstream writes for people. */
  readonly isOutcome: boolean;
}

/** @param key of the member that holds the node; for an array's item, of the array */
function walk(node: JsonNode, key: string, at: Walk): void {
  if (node.kind === 'array') {
    for (const item of node.items) walk(item, key, at);
  } else if (node.kind === 'object') {
    walkObject(node, key, at);
  } else if (node.kind === 'string' && at.isOutcome && at.direction === 'client') {
    const clean = scrubbed(node.value, at.side);
    const isProse = key === 'diagnostics' || key === 'text' || key === 'div';
    replace(node, node.value, isProse && at.side.redact !== undefined ? at.side.redact(clean) : clean, at);
  }
}

function walkObject(node: JsonObject, key: string, at: Walk): void {
  const type = memberValue(node, 'resourceType');
  const isResource = type?.kind === 'string';
  const inner = isResource && type.value === 'OperationOutcome' ? { ...at, isOutcome: true } : at;
  for (const member of node.members) {
    if (member.value.kind === 'string' && !inner.isOutcome) walkString(member, member.value, node, key, inner);
    else walk(member.value, member.key, inner);
  }
  if (isResource && key !== 'contained' && at.side.isFederated && type.value !== 'OperationOutcome') {
    walkIdentity(node, inner);
  }
}

function walkString(
  member: JsonMember,
  node: JsonNode & { readonly kind: 'string' },
  holder: JsonObject,
  holderKey: string,
  at: Walk,
): void {
  const toClient = at.direction === 'client';
  switch (member.key) {
    case 'reference':
      replace(node, node.value, (toClient ? referenceToClient : referenceToUpstream)(node.value, at.side), at);
      return;
    case 'location':
      if (holderKey === 'response') replace(node, node.value, referenceToClient(node.value, at.side), at);
      return;
    case 'url':
      if (holderKey === 'request') {
        replace(node, node.value, (toClient ? referenceToClient : referenceToUpstream)(node.value, at.side), at);
        return;
      }
      if (holderKey !== 'link' && !isAttachment(holder, holderKey)) return;
      break;
    case 'source':
      if (holderKey !== 'meta') return;
      break;
    case 'fullUrl':
    case 'valueUrl':
    case 'valueUri':
      break;
    default:
      return;
  }
  replace(node, node.value, (toClient ? urlToClient : urlToUpstream)(node.value, at.side), at);
}

function isAttachment(holder: JsonObject, holderKey: string): boolean {
  if (/attachment$/i.test(holderKey)) return true;
  return holder.members.some(({ key }) => key === 'contentType' || key === 'hash' || key === 'creation');
}

/** On the federated address a resource's id carries its upstream, and `meta.source` says which one that is where the upstream says nothing better. */
function walkIdentity(node: JsonObject, at: Walk): void {
  const id = memberValue(node, 'id');
  if (id?.kind === 'string') {
    const split = splitFederatedId(id.value, (name) => name === at.side.upstream);
    const local = split?.id ?? id.value;
    replace(id, id.value, at.direction === 'client' ? `${at.side.upstream}.${id.value}` : local, at);
    if (at.direction === 'client') stampSource(node, at);
  }
}

function stampSource(node: JsonObject, at: Walk): void {
  const origin = `${at.side.gatewayBase}/${at.side.upstream}`;
  const meta = memberValue(node, 'meta');
  const slice = { text: at.slice.text, node };
  if (meta === undefined) {
    at.edits.push(setMember(slice, 'meta', JSON.stringify({ source: origin })));
    return;
  }
  if (meta.kind !== 'object') return;
  const source = memberValue(meta, 'source');
  if (source === undefined) {
    at.edits.push(setMember({ text: at.slice.text, node: meta }, 'source', JSON.stringify(origin)));
  } else if (source.kind === 'string' && source.value.startsWith('#')) {
    at.edits.push({ start: source.start, end: source.end, text: JSON.stringify(origin + source.value) });
  }
}

function replace(node: JsonNode, before: string, after: string, at: Walk): void {
  if (after !== before) at.edits.push({ start: node.start, end: node.end, text: JSON.stringify(after) });
}
