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

/** Takes a member away together with one comma; undefined where it is not there. */
export function removeMember(slice: JsonSlice, key: string): TextEdit | undefined {
  const { node } = slice;
  if (node.kind !== 'object') return undefined;
  const index = node.members.findIndex((candidate) => candidate.key === key);
  const member = node.members[index];
  if (member === undefined) return undefined;
  const next = node.members[index + 1];
  if (next !== undefined) return { start: member.keyStart, end: next.keyStart, text: '' };
  const previous = node.members[index - 1];
  return { start: previous === undefined ? member.keyStart : previous.value.end, end: member.value.end, text: '' };
}
