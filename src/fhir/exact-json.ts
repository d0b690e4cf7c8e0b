/**
 * JSON values whose numbers keep their lexemes, for changing a resource without touching what is not changed: `1.10` stays `1.10`.
 * A number is an opaque `RawNumber`; everything else is as `JSON.parse` gives it.
 */
export type ExactValue = string | boolean | null | RawNumber | ExactValue[] | { [key: string]: ExactValue };

export interface RawNumber {
  readonly rawJSON: string;
}

/** ECMAScript's JSON source text access (stage 4); Node 24 has it, TypeScript's library not yet. */
interface JsonWithSource {
  parse(text: string, reviver: (key: string, value: unknown, context: { source?: string }) => unknown): unknown;
  rawJSON(text: string): RawNumber;
  isRawJSON(value: unknown): value is RawNumber;
}
const json = JSON as unknown as JsonWithSource;

/** @throws {SyntaxError} for what is no JSON */
export function parseExact(text: string): ExactValue {
  return json.parse(text, (_key, value, context) =>
    typeof value === 'number' ? json.rawJSON(context.source ?? String(value)) : value,
  ) as ExactValue;
}

export function stringifyExact(value: ExactValue): string {
  return JSON.stringify(value);
}

export function isRawNumber(value: unknown): value is RawNumber {
  return json.isRawJSON(value);
}

export function isExactObject(value: ExactValue | undefined): value is { [key: string]: ExactValue } {
  return value !== null && typeof value === 'object' && !Array.isArray(value) && !isRawNumber(value);
}

/** An own member; inherited names such as `constructor` are none. */
export function exactMember(value: ExactValue | undefined, key: string): ExactValue | undefined {
  return isExactObject(value) && Object.hasOwn(value, key) ? value[key] : undefined;
}

/** Sets an own member, also one named `__proto__`. */
export function setExactMember(object: { [key: string]: ExactValue }, key: string, value: ExactValue): void {
  Object.defineProperty(object, key, { value, writable: true, enumerable: true, configurable: true });
}

export function copyExact(value: ExactValue): ExactValue {
  return parseExact(stringifyExact(value));
}

/** Equality of JSON values as RFC 6902 section 4.6 has it: numbers by value, objects without regard to order. */
export function equalsExact(a: ExactValue, b: ExactValue): boolean {
  if (isRawNumber(a) || isRawNumber(b))
    return isRawNumber(a) && isRawNumber(b) && Number(a.rawJSON) === Number(b.rawJSON);
  if (Array.isArray(a) || Array.isArray(b)) {
    return (
      Array.isArray(a) &&
      Array.isArray(b) &&
      a.length === b.length &&
      a.every((item, i) => equalsExact(item, b[i] ?? null))
    );
  }
  if (isExactObject(a) && isExactObject(b)) {
    const keys = Object.keys(a);
    return (
      keys.length === Object.keys(b).length &&
      keys.every((key) => Object.hasOwn(b, key) && equalsExact(a[key] ?? null, b[key] ?? null))
    );
  }
  return a === b;
}
