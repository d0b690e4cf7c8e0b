import type { JsonNode } from './json-text.ts';

/** A value inside a larger text, with its place: how the gateway carries resources without ever writing them anew. */
export interface JsonSlice {
  readonly text: string;
  readonly node: JsonNode;
}

/** Replaces `start` to `end` (UTF-16 offsets, exclusive) of a text. */
export interface TextEdit {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/** The text of a slice as it stands. */
export function sliceText(slice: JsonSlice): string {
  return slice.text.slice(slice.node.start, slice.node.end);
}

/**
 * The text of a slice with edits made; everything between them is kept as it is, number lexemes and unknown members included.
 * @param edits inside the slice, not overlapping, in any order
 */
export function editedText(slice: JsonSlice, edits: readonly TextEdit[]): string {
  if (edits.length === 0) return sliceText(slice);
  const inOrder = [...edits].sort((a, b) => a.start - b.start || a.end - b.end);
  let text = '';
  let at = slice.node.start;
  for (const edit of inOrder) {
    text += slice.text.slice(at, edit.start) + edit.text;
    at = edit.end;
  }
  return text + slice.text.slice(at, slice.node.end);
}

/** Replaces the value of a member, or adds the member at the end; `value` is JSON text. */
export function setMember(slice: JsonSlice, key: string, value: string): TextEdit {
  const { node } = slice;
  if (node.kind !== 'object') throw new TypeError('only an object has members');
  const member = node.members.findLast((candidate) => candidate.key === key);
  if (member !== undefined) return { start: member.value.start, end: member.value.end, text: value };
  const comma = node.members.length === 0 ? '' : ',';
  return { start: node.end - 1, end: node.end - 1, text: `${comma}${JSON.stringify(key)}:${value}` };
}

/**
 * The text of an object with some members replaced, added (at the end) or, where the new text is undefined, left out; the other values keep their text.
 * @param changes JSON text by member name
 */
export function rebuiltObject(slice: JsonSlice, changes: ReadonlyMap<string, string | undefined>): string {
  const { node, text } = slice;
  if (node.kind !== 'object') throw new TypeError('only an object has members');
  const members: string[] = [];
  const present = new Set<string>();
  for (const { key, value } of node.members) {
    present.add(key);
    const changed = changes.has(key) ? changes.get(key) : text.slice(value.start, value.end);
    if (changed !== undefined) members.push(`${JSON.stringify(key)}:${changed}`);
  }
  for (const [key, value] of changes) {
    if (!present.has(key) && value !== undefined) members.push(`${JSON.stringify(key)}:${value}`);
  }
  return `{${members.join(',')}}`;
}
