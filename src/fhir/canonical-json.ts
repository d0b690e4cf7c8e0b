import type { JsonMember, JsonNode } from './json-text.ts';

/**
 * RFC 8785 (JSON Canonicalization Scheme) text of a plain value: keys sorted by UTF-16 units, ECMAScript numbers, shortest string escapes.
 * @throws {TypeError} for what I-JSON cannot hold: non-finite numbers, lone surrogates, undefined, functions, bigints, cycles
 */
export function canonicalise(value: unknown): string {
  if (value === null || typeof value === 'boolean') return String(value);
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw new TypeError('a number that JSON cannot hold');
    return JSON.stringify(value);
  }
  if (typeof value === 'string') {
    if (!value.isWellFormed()) throw new TypeError('a string with a lone surrogate');
    return JSON.stringify(value);
  }
  if (Array.isArray(value)) return `[${value.map(canonicalise).join(',')}]`;
  if (typeof value !== 'object') throw new TypeError(`a ${typeof value} is no JSON value`);
  const members = Object.keys(value)
    .sort()
    .map((key) => `${canonicalise(key)}:${canonicalise((value as Record<string, unknown>)[key])}`);
  return `{${members.join(',')}}`;
}

/** Members that servers assign, so that no digest over them would survive being stored. */
const SERVER_META = new Set(['versionId', 'lastUpdated', 'source']);

export interface ResourceFormOptions {
  /** `sent` also leaves out the resource's own `id`, which the server may assign; `stored` keeps it. */
  readonly side: 'sent' | 'stored';
  /** Replaces the text of `Reference.reference` values; without it they stay. */
  readonly maskReference?: (reference: string) => string;
}

/**
 * The form of a resource that digest `f1` is taken over: keys sorted and strings as RFC 8785, **number lexemes verbatim**, nothing
 * dropped but `meta.versionId`, `meta.lastUpdated`, `meta.source` and, on the `sent` side, `id`. A `meta` in which nothing is left is
 * dropped with them, because a server that assigns them makes one. Duplicate keys stay, in the text's order.
 */
export function resourceForm(resource: JsonNode, options: ResourceFormOptions): string {
  if (resource.kind !== 'object') return plainForm(resource, options.maskReference);
  const members: string[] = [];
  for (const { key, value } of sorted(resource.members)) {
    if (key === 'id' && options.side === 'sent') continue;
    if (key === 'meta' && value.kind === 'object') {
      const kept = value.members.filter((member) => !SERVER_META.has(member.key));
      if (kept.length > 0) members.push(`"meta":${objectForm(kept, options.maskReference)}`);
      continue;
    }
    members.push(memberForm(key, value, options.maskReference));
  }
  return `{${members.join(',')}}`;
}

type MaskReference = ResourceFormOptions['maskReference'];

function plainForm(node: JsonNode, mask: MaskReference): string {
  switch (node.kind) {
    case 'string':
      return JSON.stringify(node.value);
    case 'number':
      return node.lexeme;
    case 'literal':
      return String(node.value);
    case 'array': {
      let text = '[';
      for (let i = 0; i < node.items.length; i++) {
        text += (i === 0 ? '' : ',') + plainForm(node.items[i] as JsonNode, mask);
      }
      return `${text}]`;
    }
    case 'object':
      return objectForm(node.members, mask);
  }
}

function objectForm(members: readonly JsonMember[], mask: MaskReference): string {
  let text = '{';
  for (const { key, value } of sorted(members)) {
    text += (text.length === 1 ? '' : ',') + memberForm(key, value, mask);
  }
  return `${text}}`;
}

function memberForm(key: string, value: JsonNode, mask: MaskReference): string {
  if (mask !== undefined && key === 'reference' && value.kind === 'string') {
    return `"reference":${JSON.stringify(mask(value.value))}`;
  }
  return `${JSON.stringify(key)}:${plainForm(value, mask)}`;
}

function sorted(members: readonly JsonMember[]): readonly JsonMember[] {
  for (let i = 1; i < members.length; i++) {
    if ((members[i - 1] as JsonMember).key > (members[i] as JsonMember).key) {
      return [...members].sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
    }
  }
  return members;
}
