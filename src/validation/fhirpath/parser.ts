import { FhirPathError } from './fhirpath-error.ts';
import { syntax, tokenize } from './lexer.ts';
import type { Token } from './lexer.ts';

/** Syntax tree of a FHIRPath expression (FHIRPath 2.0.0, appendix B). `of` is undefined where the focus itself is meant. */
export type Syntax =
  | { readonly kind: 'boolean'; readonly value: boolean }
  | { readonly kind: 'string'; readonly value: string }
  | { readonly kind: 'integer' | 'decimal' | 'temporal'; readonly text: string }
  | { readonly kind: 'quantity'; readonly text: string; readonly unit: string; readonly calendar: boolean }
  | { readonly kind: 'nothing' }
  | { readonly kind: 'special'; readonly name: 'this' | 'index' | 'total' }
  | { readonly kind: 'variable'; readonly name: string }
  | { readonly kind: 'member'; readonly of: Syntax | undefined; readonly name: string }
  | {
      readonly kind: 'call';
      readonly of: Syntax | undefined;
      readonly name: string;
      readonly parameters: readonly Syntax[];
    }
  | { readonly kind: 'item'; readonly of: Syntax; readonly at: Syntax }
  | { readonly kind: 'sign'; readonly negative: boolean; readonly of: Syntax }
  | { readonly kind: 'type'; readonly operator: 'is' | 'as'; readonly of: Syntax; readonly typeName: string }
  | { readonly kind: 'binary'; readonly operator: string; readonly left: Syntax; readonly right: Syntax };

const precedence: ReadonlyMap<string, number> = new Map([
  ['implies', 1],
  ['or', 2],
  ['xor', 2],
  ['and', 3],
  ['in', 4],
  ['contains', 4],
  ['=', 5],
  ['~', 5],
  ['!=', 5],
  ['!~', 5],
  ['<', 6],
  ['>', 6],
  ['<=', 6],
  ['>=', 6],
  ['|', 7],
  ['is', 8],
  ['as', 8],
  ['+', 9],
  ['-', 9],
  ['&', 9],
  ['*', 10],
  ['/', 10],
  ['div', 10],
  ['mod', 10],
]);

const calendarUnits = /^(?:year|month|week|day|hour|minute|second|millisecond)s?$/;
/** Deeper expressions are refused, so that hostile packages cannot exhaust the stack. */
const maximumDepth = 200;
/** The longest published constraint has about 2 000 characters. */
const maximumLength = 50_000;

/**
 * Parses a whole expression.
 * @throws {FhirPathError} syntax
 */
export function parseExpression(text: string): Syntax {
  if (text.length > maximumLength) throw new FhirPathError('syntax', 'the expression is too long');
  return new Parser(tokenize(text)).parse();
}

class Parser {
  private readonly tokens: readonly Token[];
  private position = 0;
  private depth = 0;

  constructor(tokens: readonly Token[]) {
    this.tokens = tokens;
  }

  parse(): Syntax {
    const tree = this.expression(0);
    if (this.peek().kind !== 'end') throw syntax('the end', this.peek().offset);
    return tree;
  }

  private peek(): Token {
    return this.tokens[this.position] as Token;
  }

  private take(): Token {
    const token = this.peek();
    if (token.kind !== 'end') this.position++;
    return token;
  }

  private takeSymbol(text: string): void {
    const token = this.take();
    if (token.kind !== 'symbol' || token.text !== text) throw syntax(text, token.offset);
  }

  private at(text: string): boolean {
    const token = this.peek();
    return token.kind === 'symbol' && token.text === text;
  }

  private expression(minimum: number): Syntax {
    if (++this.depth > maximumDepth) throw syntax('less nesting', this.peek().offset);
    let left = this.unary();
    for (;;) {
      const token = this.peek();
      const level = token.kind === 'symbol' || token.kind === 'identifier' ? precedence.get(token.text) : undefined;
      if (level === undefined || level <= minimum) break;
      this.position++;
      if (token.text === 'is' || token.text === 'as') {
        left = { kind: 'type', operator: token.text, of: left, typeName: this.typeName() };
      } else {
        left = { kind: 'binary', operator: token.text, left, right: this.expression(level) };
      }
    }
    this.depth--;
    return left;
  }

  private unary(): Syntax {
    if (this.at('-') || this.at('+')) {
      const negative = this.take().text === '-';
      return { kind: 'sign', negative, of: this.unary() };
    }
    return this.postfix(this.term());
  }

  private postfix(start: Syntax): Syntax {
    let tree = start;
    for (;;) {
      if (this.at('.')) {
        this.position++;
        tree = this.invocation(tree);
      } else if (this.at('[')) {
        this.position++;
        tree = { kind: 'item', of: tree, at: this.expression(0) };
        this.takeSymbol(']');
      } else return tree;
    }
  }

  private term(): Syntax {
    const token = this.peek();
    switch (token.kind) {
      case 'string':
        this.position++;
        return { kind: 'string', value: token.text };
      case 'integer':
      case 'decimal':
        this.position++;
        return this.numberOrQuantity(token);
      case 'temporal':
        this.position++;
        return { kind: 'temporal', text: token.text };
      case 'variable':
        this.position++;
        return { kind: 'variable', name: token.text };
      case 'symbol':
        return this.bracketed(token);
      case 'identifier':
        if (token.text === 'true' || token.text === 'false') {
          this.position++;
          return { kind: 'boolean', value: token.text === 'true' };
        }
        return this.invocation(undefined);
      case 'delimited':
      case 'special':
        return this.invocation(undefined);
      default:
        throw syntax('a term', token.offset);
    }
  }

  private bracketed(token: Token): Syntax {
    this.position++;
    if (token.text === '(') {
      const tree = this.expression(0);
      this.takeSymbol(')');
      return tree;
    }
    if (token.text !== '{') throw syntax('a term', token.offset);
    this.takeSymbol('}');
    return { kind: 'nothing' };
  }

  private numberOrQuantity(token: Token): Syntax {
    const unit = this.peek();
    if (unit.kind === 'string') {
      this.position++;
      return { kind: 'quantity', text: token.text, unit: unit.text, calendar: false };
    }
    if (unit.kind === 'identifier' && calendarUnits.test(unit.text)) {
      this.position++;
      return { kind: 'quantity', text: token.text, unit: unit.text.replace(/s$/, ''), calendar: true };
    }
    return { kind: token.kind === 'integer' ? 'integer' : 'decimal', text: token.text };
  }

  private invocation(of: Syntax | undefined): Syntax {
    const token = this.take();
    if (token.kind === 'special') return { kind: 'special', name: token.text as 'this' | 'index' | 'total' };
    if (token.kind !== 'identifier' && token.kind !== 'delimited') throw syntax('a name', token.offset);
    if (!this.at('(')) return { kind: 'member', of, name: token.text };
    this.position++;
    const parameters: Syntax[] = [];
    if (!this.at(')')) {
      parameters.push(this.expression(0));
      while (this.at(',')) {
        this.position++;
        parameters.push(this.expression(0));
      }
    }
    this.takeSymbol(')');
    return { kind: 'call', of, name: token.text, parameters };
  }

  private typeName(): string {
    let name = this.name();
    while (this.at('.')) {
      this.position++;
      name += '.' + this.name();
    }
    return name;
  }

  private name(): string {
    const token = this.take();
    if (token.kind !== 'identifier' && token.kind !== 'delimited') throw syntax('a type name', token.offset);
    return token.text;
  }
}

/** `FHIR.Patient` or `Patient` written as a parameter of `is`, `as` or `ofType`; undefined for anything else. */
export function typeNameOf(tree: Syntax | undefined): string | undefined {
  if (tree?.kind !== 'member') return undefined;
  if (tree.of === undefined) return tree.name;
  const prefix = typeNameOf(tree.of);
  return prefix === undefined ? undefined : `${prefix}.${tree.name}`;
}
