import type { JsonNode } from '../fhir/json-text.ts';
import { isResourceType } from '../fhir/search-parameters.ts';
import type { Exchange } from './plan.ts';

/**
 * Takes out of an upstream's error text what this client has sent: servers like to quote, and what they quote (a name, an id, a search value) has no place
 * in an error, which ends in logs and tickets.
 */
export function redactorFor(exchange: Exchange): (text: string) => string {
  const words = sentWords(exchange);
  return (text) => {
    let clean = text;
    for (const word of words) if (clean.includes(word)) clean = clean.replaceAll(word, '[…]');
    return clean;
  };
}

const SHORTEST = 3;
const MOST_WORDS = 50_000;
/** Codes and element names that texts need to be of any use. */
const VOCABULARY = /^(?:[a-z]{1,3}|true|false|final|active|generated|official|usual|male|female|unknown|other)$/;

/** Longest first, so that a part never spoils the whole. */
function sentWords({ request, route, content }: Exchange): readonly string[] {
  const words = new Set<string>();
  const add = (text: string | undefined): void => {
    if (text === undefined || words.size >= MOST_WORDS) return;
    for (const part of [text, ...text.split(/[\s,|/:$&=?]+/)]) {
      if (part.length >= SHORTEST && !isResourceType(part) && !VOCABULARY.test(part)) words.add(part);
    }
  };
  for (const [name, value] of content.parameters) {
    add(name.startsWith('_') ? undefined : name);
    add(value);
  }
  for (const header of ['if-none-exist', 'if-match', 'x-request-id']) {
    const value = request.headers[header];
    if (typeof value === 'string') add(decodeURIComponentSafely(value));
  }
  add(route.id);
  add(route.compartment?.id);
  if (content.body !== undefined) addStrings(content.body.node, add);
  return [...words].sort((a, b) => b.length - a.length);
}

function addStrings(node: JsonNode, add: (text: string) => void): void {
  if (node.kind === 'string') add(node.value);
  else if (node.kind === 'number') add(node.lexeme);
  else if (node.kind === 'array') for (const item of node.items) addStrings(item, add);
  else if (node.kind === 'object') for (const member of node.members) addStrings(member.value, add);
}

function decodeURIComponentSafely(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
