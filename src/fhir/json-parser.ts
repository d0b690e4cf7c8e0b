import type {
  JsonArray,
  JsonFinding,
  JsonLiteral,
  JsonMember,
  JsonNode,
  JsonNumber,
  JsonObject,
  JsonText,
} from './json-text.ts';
import { FhirParseError } from './parse-error.ts';

const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const SIMPLE_ESCAPES: ReadonlyMap<number, string> = new Map(
  [...'"\\/bfnrt'].map((letter, i) => [letter.charCodeAt(0), '"\\/\b\f\n\r\t'.charAt(i)]),
);
const KEY_CACHE_SIZE = 128;
/** Up to here two keys are compared pairwise; beyond, by a set, so that a hostile object costs no quadratic time. */
const PAIRWISE_MEMBERS = 16;

/** The state of one parse; used through `parseJsonText` only. */
export class JsonParser {
  private readonly text: string;
  private readonly maximumDepth: number;
  private readonly findings: JsonFinding[] = [];
  /** Keys repeat all the time: the same string object again costs no allocation and makes comparing them a pointer check. */
  private readonly keys: string[] = new Array<string>(KEY_CACHE_SIZE).fill('');
  private position = 0;
  private depth = 0;
  private readonly locate: (offset: number) => { line: number; column: number };

  constructor(text: string, maximumDepth: number, locate: (offset: number) => { line: number; column: number }) {
    this.text = text;
    this.maximumDepth = maximumDepth;
    this.locate = locate;
  }

  parse(): JsonText {
    this.skipSpace();
    const root = this.parseValue();
    this.skipSpace();
    if (this.position < this.text.length) this.fail('text after the JSON value');
    return { text: this.text, root, findings: this.findings };
  }

  private skipSpace(): void {
    const { text } = this;
    let at = this.position;
    for (;;) {
      const unit = text.charCodeAt(at);
      if (unit !== 0x20 && unit !== LINE_FEED && unit !== CARRIAGE_RETURN && unit !== 0x09) break;
      at++;
    }
    this.position = at;
  }

  private parseValue(): JsonNode {
    const start = this.position;
    const unit = this.text.charCodeAt(start);
    switch (unit) {
      case QUOTE: {
        const value = this.parseString();
        return { kind: 'string', start, end: this.position, value };
      }
      case 0x7b:
        return this.parseObject();
      case 0x5b:
        return this.parseArray();
      case 0x74:
        return this.parseLiteral('true', true);
      case 0x66:
        return this.parseLiteral('false', false);
      case 0x6e:
        return this.parseLiteral('null', null);
      default:
        return this.parseNumber(start, unit);
    }
  }

  private parseObject(): JsonObject {
    const start = this.enter();
    const { text } = this;
    const members: JsonMember[] = [];
    this.skipSpace();
    if (text.charCodeAt(this.position) === 0x7d) return this.leaveObject(start, members);
    for (;;) {
      const keyStart = this.position;
      if (text.charCodeAt(keyStart) !== QUOTE) this.fail('expected a member name in double quotes');
      const key = this.parseKey();
      this.skipSpace();
      if (text.charCodeAt(this.position) !== 0x3a) this.fail('expected a colon');
      this.position++;
      this.skipSpace();
      members.push({ key, keyStart, value: this.parseValue() });
      this.skipSpace();
      const unit = text.charCodeAt(this.position);
      if (unit === 0x7d) return this.leaveObject(start, members);
      if (unit !== 0x2c) this.fail('expected a comma or a closing brace');
      this.position++;
      this.skipSpace();
    }
  }

  private leaveObject(start: number, members: JsonMember[]): JsonObject {
    this.position++;
    this.depth--;
    if (members.length > 1) this.findDuplicates(members);
    return { kind: 'object', start, end: this.position, members };
  }

  private parseArray(): JsonArray {
    const start = this.enter();
    const { text } = this;
    const items: JsonNode[] = [];
    this.skipSpace();
    if (text.charCodeAt(this.position) !== 0x5d) {
      for (;;) {
        items.push(this.parseValue());
        this.skipSpace();
        const unit = text.charCodeAt(this.position);
        if (unit === 0x5d) break;
        if (unit !== 0x2c) this.fail('expected a comma or a closing bracket');
        this.position++;
        this.skipSpace();
      }
    }
    this.position++;
    this.depth--;
    return { kind: 'array', start, end: this.position, items };
  }

  private enter(): number {
    if (++this.depth > this.maximumDepth) {
      throw new FhirParseError('too-deep', `nested deeper than ${this.maximumDepth}`, this.place(this.position));
    }
    return this.position++;
  }

  private parseLiteral(word: string, value: boolean | null): JsonLiteral {
    const start = this.position;
    if (!this.text.startsWith(word, start)) this.fail('expected a JSON value');
    this.position = start + word.length;
    return { kind: 'literal', start, end: this.position, value };
  }

  private parseNumber(start: number, first: number): JsonNumber {
    const { text } = this;
    let at = start;
    let unit = first;
    if (unit === 0x2d) unit = text.charCodeAt(++at);
    if (!isDigit(unit)) this.fail(at > start ? 'expected a digit' : 'expected a JSON value', at);
    if (unit === 0x30) {
      at++;
      if (isDigit(text.charCodeAt(at))) this.fail('a number must not begin with 0', at);
    } else at = this.skipDigits(at);
    if (text.charCodeAt(at) === 0x2e) at = this.skipDigits(at + 1);
    unit = text.charCodeAt(at);
    if (unit === 0x65 || unit === 0x45) {
      unit = text.charCodeAt(++at);
      if (unit === 0x2b || unit === 0x2d) at++;
      at = this.skipDigits(at);
    }
    this.position = at;
    const lexeme = text.slice(start, at);
    const value = Number(lexeme);
    if (!Number.isFinite(value)) this.findings.push({ code: 'number-overflow', offset: start });
    return { kind: 'number', start, end: at, value, lexeme };
  }

  private skipDigits(from: number): number {
    let at = from;
    while (isDigit(this.text.charCodeAt(at))) at++;
    if (at === from) this.fail('expected a digit', at);
    return at;
  }

  private parseKey(): string {
    const { text, keys } = this;
    const start = this.position + 1;
    const end = text.indexOf('"', start);
    const length = end - start;
    // The slot depends on length and the outermost units, which tell FHIR's element names apart well enough.
    const slot = (length * 37 + text.charCodeAt(start) * 5 + text.charCodeAt(end - 1) * 11) & (KEY_CACHE_SIZE - 1);
    const known = keys[slot] as string;
    // Cached are only keys without escapes and findings, so equal text up to the quote is the same key.
    if (length > 0 && known.length === length && text.startsWith(known, start)) {
      this.position = end + 1;
      return known;
    }
    const findings = this.findings.length;
    const key = this.parseString();
    if (key.length === length && this.findings.length === findings) keys[slot] = key;
    return key;
  }

  private parseString(): string {
    const { text } = this;
    const start = this.position + 1;
    let at = start;
    let units = 0;
    for (;;) {
      const unit = text.charCodeAt(at);
      if (unit === QUOTE) break;
      if (unit === BACKSLASH) return this.parseEscaped(start, at);
      if (!(unit >= 0x20)) this.failInString(at);
      units |= unit;
      at++;
    }
    this.position = at + 1;
    const value = text.slice(start, at);
    if (units >= 0xd800 && !value.isWellFormed()) this.findings.push({ code: 'lone-surrogate', offset: start - 1 });
    return value;
  }

  private parseEscaped(start: number, firstEscape: number): string {
    const { text } = this;
    let value = text.slice(start, firstEscape);
    let at = firstEscape;
    let plainStart = at;
    for (;;) {
      const unit = text.charCodeAt(at);
      if (unit === QUOTE) break;
      if (unit === BACKSLASH) {
        value += text.slice(plainStart, at) + this.unescape(at);
        at += text.charCodeAt(at + 1) === 0x75 ? 6 : 2;
        plainStart = at;
        continue;
      }
      if (!(unit >= 0x20)) this.failInString(at);
      at++;
    }
    value += text.slice(plainStart, at);
    this.position = at + 1;
    if (!value.isWellFormed()) this.findings.push({ code: 'lone-surrogate', offset: start - 1 });
    return value;
  }

  private unescape(at: number): string {
    const { text } = this;
    const letter = text.charCodeAt(at + 1);
    if (letter !== 0x75) return SIMPLE_ESCAPES.get(letter) ?? this.fail('unknown escape in a string', at);
    let unit = 0;
    for (let i = at + 2; i < at + 6; i++) {
      const digit = hexDigit(text.charCodeAt(i));
      if (digit < 0) this.fail('expected four hexadecimal digits', at);
      unit = unit * 16 + digit;
    }
    return String.fromCharCode(unit);
  }

  private findDuplicates(members: readonly JsonMember[]): void {
    if (members.length > PAIRWISE_MEMBERS) {
      const seen = new Set<string>();
      for (const { key, keyStart } of members) {
        if (seen.has(key)) this.findings.push({ code: 'duplicate-key', offset: keyStart });
        seen.add(key);
      }
      return;
    }
    for (let i = 1; i < members.length; i++) {
      const { key, keyStart } = members[i] as JsonMember;
      for (let j = 0; j < i; j++) {
        if ((members[j] as JsonMember).key === key) {
          this.findings.push({ code: 'duplicate-key', offset: keyStart });
          break;
        }
      }
    }
  }

  private failInString(at: number): never {
    return this.fail(at < this.text.length ? 'control character in a string' : 'string without an end', at);
  }

  private fail(what: string, at = this.position): never {
    throw new FhirParseError(
      'json-syntax',
      at < this.text.length ? what : 'unexpected end of the text',
      this.place(at),
    );
  }

  private place(offset: number): { offset: number; line: number; column: number } {
    return { offset, ...this.locate(offset) };
  }
}

function isDigit(unit: number): boolean {
  return unit >= 0x30 && unit <= 0x39;
}

function hexDigit(unit: number): number {
  if (unit >= 0x30 && unit <= 0x39) return unit - 0x30;
  const lower = unit | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}
