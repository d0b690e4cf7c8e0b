import { FhirPathError } from './fhirpath-error.ts';

export type TokenKind =
  | 'identifier'
  /** Written in backticks: never a keyword. */
  | 'delimited'
  | 'string'
  | 'integer'
  | 'decimal'
  | 'temporal'
  | 'variable'
  /** `$this`, `$index`, `$total`. */
  | 'special'
  | 'symbol'
  | 'end';

export interface Token {
  readonly kind: TokenKind;
  /** Unescaped; a temporal without its `@`, a variable without its `%`. */
  readonly text: string;
  readonly offset: number;
}

const spacing = /(?:\s+|\/\/[^\r\n]*|\/\*[\s\S]*?\*\/)*/y;
const identifier = /[A-Za-z_][A-Za-z0-9_]*/y;
const number = /\d+(?:\.\d+)?/y;
const temporal =
  /(?:\d{4}(?:-\d\d(?:-\d\d)?)?(?:T(?:\d\d(?::\d\d(?::\d\d(?:\.\d+)?)?)?)?(?:Z|[+-]\d\d:\d\d)?)?|T\d\d(?::\d\d(?::\d\d(?:\.\d+)?)?)?)/y;
const symbols = [
  '<=',
  '>=',
  '!=',
  '!~',
  '.',
  ',',
  '(',
  ')',
  '[',
  ']',
  '{',
  '}',
  '+',
  '-',
  '*',
  '/',
  '&',
  '|',
  '<',
  '>',
  '=',
  '~',
];

/**
 * FHIRPath 2.0 tokens; linear in the text.
 * @throws {FhirPathError} syntax
 */
export function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  let at = skip(text, 0);
  while (at < text.length) {
    const token = next(text, at);
    tokens.push(token.token);
    at = skip(text, token.end);
  }
  tokens.push({ kind: 'end', text: '', offset: at });
  return tokens;
}

function skip(text: string, at: number): number {
  return at + (match(spacing, text, at)?.length ?? 0);
}

function match(pattern: RegExp, text: string, at: number): string | undefined {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0];
}

function next(text: string, offset: number): { token: Token; end: number } {
  const first = text.charAt(offset);
  const of = (kind: TokenKind, raw: string, value = raw): { token: Token; end: number } => ({
    token: { kind, text: value, offset },
    end: offset + raw.length,
  });
  if (first === "'" || first === '`' || first === '"') return quoted(text, offset, first);
  if (first === '@') {
    const raw = match(temporal, text, offset + 1);
    if (raw === undefined) throw syntax('a date or time after @', offset);
    return of('temporal', '@' + raw, raw);
  }
  if (first === '%') {
    const quote = text.charAt(offset + 1);
    if (quote === '`' || quote === "'") {
      const inner = quoted(text, offset + 1, quote);
      return { token: { kind: 'variable', text: inner.token.text, offset }, end: inner.end };
    }
    const name = match(/[A-Za-z_][A-Za-z0-9_-]*/y, text, offset + 1);
    if (name === undefined) throw syntax('a name after %', offset);
    return of('variable', '%' + name, name);
  }
  if (first === '$') {
    const name = match(identifier, text, offset + 1);
    if (name !== 'this' && name !== 'index' && name !== 'total') throw syntax('$this, $index or $total', offset);
    return of('special', '$' + name, name);
  }
  const digits = match(number, text, offset);
  if (digits !== undefined) return of(digits.includes('.') ? 'decimal' : 'integer', digits);
  const name = match(identifier, text, offset);
  if (name !== undefined) return of('identifier', name);
  const symbol = symbols.find((candidate) => text.startsWith(candidate, offset));
  if (symbol === undefined) throw syntax('an operator', offset);
  return of('symbol', symbol);
}

function quoted(text: string, offset: number, quote: string): { token: Token; end: number } {
  let value = '';
  let at = offset + 1;
  for (;;) {
    const unit = text.charAt(at);
    if (unit === '') throw syntax('a closing quote', offset);
    if (unit === quote) break;
    if (unit !== '\\') {
      value += unit;
      at++;
      continue;
    }
    const escaped = text.charAt(at + 1);
    if (escaped === 'u') {
      const hex = text.slice(at + 2, at + 6);
      if (!/^[0-9A-Fa-f]{4}$/.test(hex)) throw syntax('four hexadecimal digits', at);
      value += String.fromCharCode(Number.parseInt(hex, 16));
      at += 6;
      continue;
    }
    const plain = simpleEscapes.get(escaped);
    if (plain === undefined) throw syntax('a known escape', at);
    value += plain;
    at += 2;
  }
  return { token: { kind: quote === "'" ? 'string' : 'delimited', text: value, offset }, end: at + 1 };
}

const simpleEscapes: ReadonlyMap<string, string> = new Map([
  ["'", "'"],
  ['"', '"'],
  ['`', '`'],
  ['\\', '\\'],
  ['/', '/'],
  ['f', '\f'],
  ['n', '\n'],
  ['r', '\r'],
  ['t', '\t'],
]);

export function syntax(expected: string, offset: number): FhirPathError {
  return new FhirPathError('syntax', `expected ${expected} at offset ${offset}`);
}
