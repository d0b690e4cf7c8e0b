import { decodeUtf8, encodeUtf8 } from './encoding.ts';
import { FormatError } from './format-error.ts';

/**
 * JSON as the ledger signs and hashes it: RFC 8785 (JCS), in a smaller domain of values: strings, booleans, arrays, objects and integers
 * up to 2^53 - 1. No null and no fractions, so that no two libraries can disagree on a number's text.
 */
export type LedgerJson = string | number | boolean | readonly LedgerJson[] | { readonly [name: string]: LedgerJson };

/** Deeper nesting is refused: nothing here needs it, and it bounds the stack on hostile input. */
const MAXIMUM_DEPTH = 16;

/**
 * RFC 8785 text of any JSON value, whatever its domain.
 * @throws {FormatError} malformed-json: a lone surrogate, a number that is not finite, a value that JSON has no form for, nesting above 100
 */
export function canonicalJson(value: unknown, depth = 0): string {
  if (typeof value === 'string') return canonicalString(value);
  if (typeof value === 'boolean' || value === null) return String(value);
  // RFC 8785 section 3.2.2.3 takes ECMAScript's own shortest form of numbers.
  if (typeof value === 'number' && Number.isFinite(value)) return JSON.stringify(value);
  if (typeof value !== 'object' || depth > 100)
    throw new FormatError('malformed-json', 'a value that JSON has no form for');
  if (Array.isArray(value)) return `[${value.map((item) => canonicalJson(item, depth + 1)).join(',')}]`;
  // Array.prototype.sort orders strings by UTF-16 code units, as RFC 8785 section 3.2.3 asks.
  const names = Object.keys(value).sort();
  const members = names.map((name) => {
    const member: unknown = Reflect.get(value, name);
    return `${canonicalString(name)}:${canonicalJson(member, depth + 1)}`;
  });
  return `{${members.join(',')}}`;
}

export function canonicalJsonBytes(value: LedgerJson): Uint8Array {
  return encodeUtf8(canonicalJson(value));
}

/**
 * Parses bytes that must be exactly the canonical form of what they say; duplicate names, white space, other escapes and other orders are
 * all refused by the one comparison.
 * @throws {FormatError} malformed-json | malformed-encoding | too-large
 */
export function parseCanonicalJson(bytes: Uint8Array, maximumBytes: number): LedgerJson {
  if (bytes.length > maximumBytes) throw new FormatError('too-large', `more than ${maximumBytes} bytes of JSON`);
  const text = decodeUtf8(bytes);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The parser's message quotes its input, which must not get into logs: it is left out on purpose.
    throw new FormatError('malformed-json', 'not JSON');
  }
  assertDomain(value, 0);
  if (canonicalJson(value) !== text) throw new FormatError('malformed-json', 'not in canonical form (RFC 8785)');
  return value;
}

/** @throws {FormatError} malformed-json, naming `what`, unless the value is an object */
export function expectObject(value: LedgerJson | undefined, what: string): { readonly [name: string]: LedgerJson } {
  if (typeof value !== 'object' || Array.isArray(value))
    throw new FormatError('malformed-json', `${what} is not an object`);
  return value as { readonly [name: string]: LedgerJson };
}

/** @throws {FormatError} malformed-json unless the object has all of `required`, and nothing beyond those and `optional` */
export function expectMembers(object: object, required: readonly string[], optional: readonly string[] = []): void {
  for (const name of required) {
    if (!Object.hasOwn(object, name)) throw new FormatError('malformed-json', `"${name}" is missing`);
  }
  for (const name of Object.keys(object)) {
    if (!required.includes(name) && !optional.includes(name))
      throw new FormatError('malformed-json', 'an unknown member');
  }
}

export function expectString(value: LedgerJson | undefined, what: string): string {
  if (typeof value !== 'string') throw new FormatError('malformed-json', `${what} is not a string`);
  return value;
}

/** @throws {FormatError} malformed-json unless an integer from 0 to 2^53 - 1 */
export function expectCount(value: LedgerJson | undefined, what: string): number {
  if (typeof value !== 'number' || value < 0) throw new FormatError('malformed-json', `${what} is not a whole number`);
  return value;
}

export function expectArray(value: LedgerJson | undefined, what: string): readonly LedgerJson[] {
  if (!Array.isArray(value)) throw new FormatError('malformed-json', `${what} is not an array`);
  return value as readonly LedgerJson[];
}

function canonicalString(text: string): string {
  // JSON.stringify escapes exactly as RFC 8785 section 3.2.2.2 does, but for lone surrogates, which that section refuses.
  if (!text.isWellFormed()) throw new FormatError('malformed-json', 'a lone surrogate');
  return JSON.stringify(text);
}

function assertDomain(value: unknown, depth: number): asserts value is LedgerJson {
  if (typeof value === 'string' || typeof value === 'boolean') return;
  if (typeof value === 'number') {
    if (!Number.isSafeInteger(value))
      throw new FormatError('malformed-json', 'a number that is no integer up to 2^53 - 1');
    return;
  }
  if (typeof value !== 'object' || value === null) throw new FormatError('malformed-json', 'null');
  if (depth >= MAXIMUM_DEPTH) throw new FormatError('malformed-json', 'nested too deep');
  for (const item of Object.values(value)) assertDomain(item, depth + 1);
}
