import { JsonParser } from './json-parser.ts';

/**
 * Strict RFC 8259 parser that keeps what `JSON.parse` drops: places, number lexemes, member order and duplicate keys.
 * Offsets are UTF-16 units into the text; `end` is exclusive.
 */
export type JsonNode = JsonObject | JsonArray | JsonString | JsonNumber | JsonLiteral;

export interface JsonObject {
  readonly kind: 'object';
  readonly start: number;
  readonly end: number;
  /** In the text's order, duplicates included. */
  readonly members: readonly JsonMember[];
}
export interface JsonMember {
  readonly key: string;
  /** Offset of the key's opening quote. */
  readonly keyStart: number;
  readonly value: JsonNode;
}
export interface JsonArray {
  readonly kind: 'array';
  readonly start: number;
  readonly end: number;
  readonly items: readonly JsonNode[];
}
export interface JsonString {
  readonly kind: 'string';
  readonly start: number;
  readonly end: number;
  /** Unescaped; may hold lone surrogates, which are in the findings. */
  readonly value: string;
}
export interface JsonNumber {
  readonly kind: 'number';
  readonly start: number;
  readonly end: number;
  /** Nearest double; infinite for what no double can hold. */
  readonly value: number;
  readonly lexeme: string;
}
export interface JsonLiteral {
  readonly kind: 'literal';
  readonly start: number;
  readonly end: number;
  readonly value: boolean | null;
}

/** Allowed by the grammar, yet no two programs need read it alike. */
export interface JsonFinding {
  readonly code: 'duplicate-key' | 'lone-surrogate' | 'number-overflow';
  /** Of the key's opening quote (the later of two), of the string or of the number. */
  readonly offset: number;
}

export interface JsonText {
  readonly text: string;
  readonly root: JsonNode;
  /** In the order of the text. */
  readonly findings: readonly JsonFinding[];
}

export const DEFAULT_MAXIMUM_DEPTH = 512;
/** The parser recurses; deeper than this the stack of a worker thread would not hold. */
const DEPTH_CEILING = 2000;

/**
 * Parses a whole text as one JSON value.
 * @param options.maximumDepth nested objects and arrays allowed, 1 to 2000 (default 512)
 * @throws {FhirParseError} json-syntax | too-deep, with the place
 */
export function parseJsonText(text: string, options?: { readonly maximumDepth?: number }): JsonText {
  const maximumDepth = Math.min(options?.maximumDepth ?? DEFAULT_MAXIMUM_DEPTH, DEPTH_CEILING);
  return new JsonParser(text, maximumDepth, (offset) => lineColumn(text, offset)).parse();
}

/**
 * The plain JavaScript value, as `JSON.parse` would give it: the last of two equal keys wins, and `__proto__` is an own property.
 */
export function toValue(node: JsonNode): unknown {
  switch (node.kind) {
    case 'string':
    case 'number':
    case 'literal':
      return node.value;
    case 'array': {
      const { items } = node;
      const values: unknown[] = [];
      for (let i = 0; i < items.length; i++) values.push(toValue(items[i] as JsonNode));
      return values;
    }
    case 'object': {
      const { members } = node;
      const value: Record<string, unknown> = {};
      for (let i = 0; i < members.length; i++) {
        const member = members[i] as JsonMember;
        if (member.key !== '__proto__') value[member.key] = toValue(member.value);
        else define(value, member.key, toValue(member.value));
      }
      return value;
    }
  }
}

/** The value of the last member with that key, which is the one that counts. */
export function memberValue(node: JsonNode | undefined, key: string): JsonNode | undefined {
  if (node === undefined || node.kind !== 'object') return undefined;
  for (let i = node.members.length - 1; i >= 0; i--) {
    const member = node.members[i] as JsonMember;
    if (member.key === key) return member.value;
  }
  return undefined;
}

/** 1-based line and column (UTF-16 units) of an offset; lines end with LF, CR or CRLF. Linear in the offset. */
export function lineColumn(text: string, offset: number): { line: number; column: number } {
  const stop = Math.min(offset, text.length);
  let line = 1;
  let lineStart = 0;
  for (let i = 0; i < stop; i++) {
    const unit = text.charCodeAt(i);
    if (unit === LINE_FEED || (unit === CARRIAGE_RETURN && text.charCodeAt(i + 1) !== LINE_FEED)) {
      line++;
      lineStart = i + 1;
    }
  }
  return { line, column: stop - lineStart + 1 };
}

/** As `lineColumn`, for many offsets of one text: reads the text once, at the first call. */
export function lineLocator(text: string): (offset: number) => { line: number; column: number } {
  let starts: number[] | undefined;
  return (offset) => {
    starts ??= lineStarts(text);
    let low = 0;
    let high = starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((starts[middle] as number) <= offset) low = middle;
      else high = middle - 1;
    }
    return { line: low + 1, column: Math.min(offset, text.length) - (starts[low] as number) + 1 };
  };
}

function lineStarts(text: string): number[] {
  const starts = [0];
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit === LINE_FEED || (unit === CARRIAGE_RETURN && text.charCodeAt(i + 1) !== LINE_FEED)) starts.push(i + 1);
  }
  return starts;
}

function define(target: object, key: string, value: unknown): void {
  Object.defineProperty(target, key, { value, writable: true, enumerable: true, configurable: true });
}

const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
