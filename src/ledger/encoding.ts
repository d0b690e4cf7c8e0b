import { FormatError } from './format-error.ts';

/**
 * Text encodings of bytes, strict in both directions: every decoder accepts exactly what its encoder writes, so that no two texts stand for
 * the same bytes. Runs anywhere.
 */
const STANDARD = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
const URL_SAFE = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
const STANDARD_VALUES = valuesOf(STANDARD);
const URL_SAFE_VALUES = valuesOf(URL_SAFE);
const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Standard base64 with padding (RFC 4648 section 4). */
export function encodeBase64(bytes: Uint8Array): string {
  const text = encode(bytes, STANDARD);
  return text + '='.repeat((4 - (text.length % 4)) % 4);
}

/** @throws {FormatError} malformed-encoding: wrong alphabet, padding or trailing bits, white space */
export function decodeBase64(text: string): Uint8Array {
  if (text.length % 4 !== 0) throw new FormatError('malformed-encoding', 'base64 is not padded');
  const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0;
  return decode(text, text.length - padding, STANDARD_VALUES);
}

/** URL-safe base64 without padding (RFC 4648 section 5). */
export function encodeBase64Url(bytes: Uint8Array): string {
  return encode(bytes, URL_SAFE);
}

/** @throws {FormatError} malformed-encoding */
export function decodeBase64Url(text: string): Uint8Array {
  return decode(text, text.length, URL_SAFE_VALUES);
}

/** Lowercase hexadecimal. */
export function encodeHex(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += byte.toString(16).padStart(2, '0');
  return text;
}

/** @throws {FormatError} malformed-encoding: upper case is refused as well */
export function decodeHex(text: string): Uint8Array {
  if (text.length % 2 !== 0 || !/^[0-9a-f]*$/.test(text))
    throw new FormatError('malformed-encoding', 'not lowercase hex');
  return Uint8Array.from({ length: text.length / 2 }, (_, i) => Number.parseInt(text.slice(2 * i, 2 * i + 2), 16));
}

export function encodeUtf8(text: string): Uint8Array {
  return encoder.encode(text);
}

/** @throws {FormatError} malformed-encoding: not UTF-8; a byte order mark is kept, as a character */
export function decodeUtf8(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes);
  } catch (cause) {
    throw new FormatError('malformed-encoding', 'not UTF-8', { cause });
  }
}

/** Decimal digits without leading zeroes, at most 2^53 - 1; undefined for anything else. */
export function parseDecimal(text: string): number | undefined {
  if (!/^(?:0|[1-9][0-9]{0,15})$/.test(text)) return undefined;
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : undefined;
}

function valuesOf(alphabet: string): Int8Array {
  const values = new Int8Array(128).fill(-1);
  for (let i = 0; i < alphabet.length; i++) values[alphabet.charCodeAt(i)] = i;
  return values;
}

function encode(bytes: Uint8Array, alphabet: string): string {
  let text = '';
  let bits = 0;
  let pending = 0;
  for (const byte of bytes) {
    pending = (pending << 8) | byte;
    bits += 8;
    while (bits >= 6) {
      bits -= 6;
      text += alphabet[(pending >> bits) & 63];
    }
    pending &= (1 << bits) - 1;
  }
  return bits === 0 ? text : text + alphabet[(pending << (6 - bits)) & 63];
}

function decode(text: string, length: number, values: Int8Array): Uint8Array {
  if (length % 4 === 1) throw new FormatError('malformed-encoding', 'base64 has a stray character');
  const bytes = new Uint8Array(Math.floor((length * 6) / 8));
  let bits = 0;
  let pending = 0;
  let position = 0;
  for (let i = 0; i < length; i++) {
    const value = values[text.charCodeAt(i)] ?? -1;
    if (value < 0) throw new FormatError('malformed-encoding', 'not base64');
    pending = (pending << 6) | value;
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      bytes[position++] = pending >> bits;
      pending &= (1 << bits) - 1;
    }
  }
  // Left-over bits that are not zero would let two texts stand for the same bytes.
  if (pending !== 0) throw new FormatError('malformed-encoding', 'base64 has trailing bits');
  return bytes;
}
