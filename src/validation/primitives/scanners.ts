/** Hand-written scanners for FHIR's primitive formats (http://hl7.org/fhir/R4/datatypes.html#primitive): linear time, no regular expressions on instance content. */

/** `YYYY`, `YYYY-MM` or `YYYY-MM-DD`, a day that the calendar has, year 0001 to 9999. */
export function isDate(text: string): boolean {
  return dateLength(text) === text.length && text.length > 0;
}

/** A date, or date and time with seconds and zone (`Z`, or up to ±14:00); 24:00 is none, second 60 is one. */
export function isDateTime(text: string): boolean {
  const end = dateLength(text);
  if (end === text.length) return end > 0;
  return end === 10 && text.charCodeAt(10) === 84 /* T */ && isZone(text, timeLength(text, 11));
}

/** A full date and time, seconds and zone included. */
export function isInstant(text: string): boolean {
  return dateLength(text) === 10 && text.charCodeAt(10) === 84 && isZone(text, timeLength(text, 11));
}

/** `hh:mm:ss` with optional fraction, no zone. */
export function isTime(text: string): boolean {
  const end = timeLength(text, 0);
  return end > 0 && end === text.length;
}

/** 1 to 64 of letters, digits, `-` and `.`. */
export function isId(text: string): boolean {
  const length = text.length;
  if (length === 0 || length > 64) return false;
  for (let at = 0; at < length; at++) {
    const char = text.charCodeAt(at);
    if (!(isDigit(char) || isLetter(char) || char === 45 || char === 46)) return false;
  }
  return true;
}

/** No white space at either end, inside only single spaces. */
export function isCode(text: string): boolean {
  const length = text.length;
  if (length === 0) return false;
  let space = true;
  for (let at = 0; at < length; at++) {
    const char = text.charCodeAt(at);
    if (isWhite(char)) {
      if (space || char !== 32) return false;
      space = true;
    } else space = false;
  }
  return !space;
}

/** No white space anywhere. */
export function hasNoWhitespace(text: string): boolean {
  for (let at = 0; at < text.length; at++) if (isWhite(text.charCodeAt(at))) return false;
  return true;
}

/** Groups of four with padding; white space between does not count. What the characters are is `hasBase64Characters`'s question. */
export function isBase64(text: string): boolean {
  let length = 0;
  for (let at = 0; at < text.length; at++) if (!isWhite(text.charCodeAt(at))) length++;
  return length % 4 === 0;
}

/** Only the characters of base64, padding at the end, and white space. */
export function hasBase64Characters(text: string): boolean {
  let padding = 0;
  for (let at = 0; at < text.length; at++) {
    const char = text.charCodeAt(at);
    if (char === 61) padding++;
    else if (!(isDigit(char) || isLetter(char) || char === 43 || char === 47)) {
      if (!isWhite(char)) return false;
    } else if (padding > 0) return false;
  }
  return padding <= 2;
}

/** Dotted numbers without leading zeros, first arc 0 to 2, as it stands after `urn:oid:`. */
export function isOid(text: string): boolean {
  const first = text.charCodeAt(0);
  if (first < 48 || first > 50) return false;
  let at = 1;
  let arcs = 1;
  while (at < text.length) {
    if (text.charCodeAt(at) !== 46) return false;
    const start = ++at;
    while (at < text.length && isDigit(text.charCodeAt(at))) at++;
    if (at === start || (text.charCodeAt(start) === 48 && at - start > 1)) return false;
    arcs++;
  }
  return arcs > 1;
}

/** 8-4-4-4-12 hexadecimal digits, as it stands after `urn:uuid:`. */
export function isUuid(text: string, lowercaseOnly = false): boolean {
  if (text.length !== 36) return false;
  for (let at = 0; at < 36; at++) {
    const char = text.charCodeAt(at);
    if (at === 8 || at === 13 || at === 18 || at === 23) {
      if (char !== 45) return false;
    } else if (!(isDigit(char) || (char >= 97 && char <= 102) || (!lowercaseOnly && char >= 65 && char <= 70)))
      return false;
  }
  return true;
}

/** Has a scheme: `name:` followed by something. */
export function isAbsoluteUri(text: string): boolean {
  const colon = text.indexOf(':');
  if (colon <= 0 || !isLetter(text.charCodeAt(0))) return false;
  for (let at = 1; at < colon; at++) {
    const char = text.charCodeAt(at);
    if (!(isLetter(char) || isDigit(char) || char === 43 || char === 45 || char === 46)) return false;
  }
  return true;
}

function dateLength(text: string): number {
  const year = number(text, 0, 4);
  if (year < 1) return 0;
  if (text.charCodeAt(4) !== 45) return 4;
  const month = number(text, 5, 2);
  if (month < 1 || month > 12) return 0;
  if (text.charCodeAt(7) !== 45) return 7;
  const day = number(text, 8, 2);
  return day < 1 || day > daysIn(year, month) ? 0 : 10;
}

/** Position after `hh:mm:ss[.fraction]`, 0 where there is none. */
function timeLength(text: string, start: number): number {
  const hour = number(text, start, 2);
  const minute = number(text, start + 3, 2);
  const second = number(text, start + 6, 2);
  if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60) return 0;
  if (text.charCodeAt(start + 2) !== 58 || text.charCodeAt(start + 5) !== 58) return 0;
  let at = start + 8;
  if (text.charCodeAt(at) !== 46) return at;
  const fraction = ++at;
  while (at < text.length && isDigit(text.charCodeAt(at))) at++;
  return at === fraction ? 0 : at;
}

function isZone(text: string, at: number): boolean {
  if (at === 0) return false;
  const char = text.charCodeAt(at);
  if (char === 90 /* Z */) return at + 1 === text.length;
  if ((char !== 43 && char !== 45) || text.length !== at + 6 || text.charCodeAt(at + 3) !== 58) return false;
  const hours = number(text, at + 1, 2);
  const minutes = number(text, at + 4, 2);
  return hours >= 0 && minutes >= 0 && minutes <= 59 && (hours < 14 || (hours === 14 && minutes === 0));
}

function daysIn(year: number, month: number): number {
  if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}

/** `count` decimal digits as a number, -1 where there are not that many. */
function number(text: string, start: number, count: number): number {
  let value = 0;
  for (let at = start; at < start + count; at++) {
    const char = text.charCodeAt(at);
    if (!isDigit(char)) return -1;
    value = value * 10 + char - 48;
  }
  return value;
}

/** NaN, which charCodeAt gives past the end, is in no range. */
function isDigit(char: number): boolean {
  return char >= 48 && char <= 57;
}

function isLetter(char: number): boolean {
  return (char >= 97 && char <= 122) || (char >= 65 && char <= 90);
}

function isWhite(char: number): boolean {
  return (
    char === 32 || (char >= 9 && char <= 13) || char === 160 || char === 0x2028 || char === 0x2029 || char === 0xfeff
  );
}
