import { decodeBase64, parseDecimal } from './encoding.ts';
import { FormatError } from './format-error.ts';
import type { FormatCode } from './format-error.ts';

/** Reads the lines of a frame's header, `name value`, which stand in one fixed order. */
export class HeaderLines {
  readonly #lines: readonly string[];
  readonly #code: FormatCode;
  #next = 1;

  /** @throws {FormatError} `code` unless the first line is `title` and the text ends in a newline */
  constructor(text: string, title: string, code: FormatCode) {
    this.#code = code;
    const lines = text.split('\n');
    this.#lines = lines;
    if (lines[0] !== title || lines.pop() !== '') throw new FormatError(code, `not a ${title}`);
  }

  text(name: string): string {
    const line = this.#lines[this.#next++];
    if (line === undefined || !line.startsWith(`${name} `)) throw new FormatError(this.#code, `no line "${name}"`);
    return line.slice(name.length + 1);
  }

  /** A whole number from `minimum` to `maximum`. */
  count(name: string, minimum: number, maximum: number = Number.MAX_SAFE_INTEGER): number {
    const value = parseDecimal(this.text(name));
    if (value === undefined || value < minimum || value > maximum)
      throw new FormatError(this.#code, `"${name}" is out of range`);
    return value;
  }

  /** A SHA-256 in standard base64. */
  hash(name: string): Uint8Array {
    const hash = decodeBase64(this.text(name));
    if (hash.length !== 32) throw new FormatError(this.#code, `"${name}" is no SHA-256`);
    return hash;
  }

  /** Nothing may follow. */
  end(): void {
    if (this.#next !== this.#lines.length) throw new FormatError(this.#code, 'a line too many');
  }
}

/** Names of members and writers in key names, notes and paths: a lower-case letter or digit, then `a-z 0-9 . _ -`, at most 64 in all. */
export function isMemberName(name: string): boolean {
  return /^[a-z0-9][a-z0-9._-]{0,63}$/.test(name);
}
