/**
 * JSON whose numbers keep their spelling: FHIR's `1.10` is not `1.1`, but `JSON.parse` makes them one. A number whose spelling JavaScript would
 * change is accompanied by a member that holds it, which survives cloning and the router's rewriting, and is taken back when text is made.
 */
const COMPANION = '\u0001lexeme:';
const ODD_NUMBER = /[:[,]\s*-?(?:\d+\.\d*0|\d+(?:\.\d+)?[eE][+-]?\d+|\d{16,}|0\.0{6,}\d*|-0\b|\d+\.\d{16,})\s*[,}\]\s]/;
const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;

type Reviver = (this: Record<string, unknown>, key: string, value: unknown, context?: { source?: string }) => unknown;

/** Parses JSON text. @throws {SyntaxError} not JSON @throws {RangeError} nested too deeply */
export function parseKeepingLexemes(text: string): unknown {
  if (!ODD_NUMBER.test(text)) return JSON.parse(text);
  const reviver: Reviver = function (key, value, context) {
    const source = context?.source;
    if (typeof value === 'number' && source !== undefined && source !== String(value)) this[COMPANION + key] = source;
    return value;
  };
  const parsed: unknown = JSON.parse(text, reviver as (key: string, value: unknown) => unknown);
  return parsed;
}

/** Makes JSON text in which numbers that kept their spelling are spelled so. */
export function stringifyWithLexemes(value: unknown): string {
  const text = JSON.stringify(value);
  return text.includes('\\u0001lexeme:') ? JSON.stringify(restore(value)) : text;
}

function restore(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(restore);
  if (value === null || typeof value !== 'object') return value;
  const object = value as Record<string, unknown>;
  const restored: [string, unknown][] = [];
  for (const [key, inner] of Object.entries(object)) {
    if (key.startsWith(COMPANION)) continue;
    const lexeme = object[COMPANION + key];
    restored.push([key, isSpellingOf(lexeme, inner) ? rawJson(lexeme) : restore(inner)]);
  }
  return Object.fromEntries(restored);
}

/** A patch may have replaced the number since: then its old spelling is no longer true. */
function isSpellingOf(lexeme: unknown, value: unknown): lexeme is string {
  return typeof lexeme === 'string' && typeof value === 'number' && NUMBER.test(lexeme) && Number(lexeme) === value;
}

function rawJson(lexeme: string): unknown {
  return (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON(lexeme);
}
