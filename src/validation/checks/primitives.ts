/** The value of a primitive element against its type's format (http://hl7.org/fhir/R4/datatypes.html#primitive). */
import {
  hasBase64Characters,
  hasNoWhitespace,
  isBase64,
  isCode,
  isDate,
  isDateTime,
  isId,
  isInstant,
  isOid,
  isTime,
  isUuid,
} from '../primitives/scanners.ts';
import { checkMarkdown, checkPlainText } from './markdown.ts';
import { checkNarrative } from './narrative.ts';
import type { CheckContext, Rule } from './report.ts';

/** Checks a value at the current place. Null and undefined are the caller's business. */
export type PrimitiveCheck = (value: unknown, c: CheckContext) => void;

const maximumStringLength = 1_048_576;

/** The check of a primitive type by its name; an unknown name is treated as string. */
export function primitiveCheck(type: string): PrimitiveCheck {
  const found = checks.get(type);
  return found ?? stringCheck(type, () => true, 'any text');
}

export function isPrimitiveName(type: string): boolean {
  return checks.has(type) || type === 'xhtml';
}

function rule(id: string, code: string, text: string): Rule {
  return { id, severity: 'error', code, text };
}

const emptyRule = rule('value-empty', 'invalid', 'A value must not be empty: leave the element out instead');
const tooLongRule = rule('string-too-long', 'too-long', 'Strings have at most 1048576 characters');
const blankRule: Rule = {
  id: 'string-blank',
  severity: 'warning',
  code: 'value',
  text: 'The text is only white space, or begins or ends with it',
};

/** The oracle lets a value of nothing but white space pass, whatever its type. */
const blankValueRule: Rule = {
  id: 'value-blank',
  severity: 'warning',
  code: 'value',
  text: 'The value is only white space',
};

function jsonTypeRule(type: string, wanted: string): Rule {
  return rule('json-type', 'structure', `A value of type ${type} must be a JSON ${wanted}`);
}

/** A wrong JSON type is told, and the rest judged as if it had been text: so does the oracle, and one finding does not hide another. */
function stringCheck(
  type: string,
  holds: (text: string) => boolean,
  wanted: string,
  id = 'primitive-format',
): PrimitiveCheck {
  const formatRule = rule(id, 'value', `This is not a valid ${type}: ${wanted}`);
  const typeRule = jsonTypeRule(type, 'string');
  return (value, c) => {
    let text: string;
    if (typeof value === 'string') text = value;
    else {
      c.report(typeRule, '', jsonTypeOf(value));
      if (typeof value !== 'number' && typeof value !== 'boolean') return;
      text = String(value);
    }
    if (text.length === 0) c.report(emptyRule);
    else if (type !== 'id' && text.trim() === '') c.report(blankValueRule);
    else if (text.length > maximumStringLength && type !== 'base64Binary' && type !== 'xhtml') c.report(tooLongRule);
    else if (!holds(text)) c.report(formatRule, '', text);
  };
}

function freeTextCheck(type: string, content: (text: string, c: CheckContext) => void): PrimitiveCheck {
  const typeRule = jsonTypeRule(type, 'string');
  return (value, c) => {
    if (typeof value !== 'string') {
      c.report(typeRule, '', jsonTypeOf(value));
      return;
    }
    const length = value.length;
    if (length === 0) c.report(emptyRule);
    else if (length > maximumStringLength) c.report(tooLongRule);
    else if (value.charCodeAt(0) <= 32 || value.charCodeAt(length - 1) <= 32) {
      if (type === 'string') c.report(blankRule);
    }
    content(value, c);
  };
}

const booleanTypeRule = jsonTypeRule('boolean', 'boolean');

function booleanCheck(value: unknown, c: CheckContext): void {
  if (typeof value !== 'boolean') c.report(booleanTypeRule, '', jsonTypeOf(value));
}

function numberCheck(type: string, minimum: number, maximum: number, whole: boolean): PrimitiveCheck {
  const typeRule = jsonTypeRule(type, 'number');
  const rangeRule = rule(
    'primitive-format',
    'value',
    `This is not a valid ${type}: ${whole ? `a whole number from ${minimum} to ${maximum}` : 'a decimal number'}`,
  );
  return (value, c) => {
    let number = value;
    if (typeof value !== 'number') {
      c.report(typeRule, '', jsonTypeOf(value));
      if (typeof value !== 'string' || value === '') return;
      number = Number(value);
    }
    if (
      whole
        ? !Number.isInteger(number) || (number as number) < minimum || (number as number) > maximum
        : !Number.isFinite(number)
    ) {
      c.report(rangeRule, '', String(value));
    }
  };
}

const uriWhitespaceRule = rule('uri-whitespace', 'invalid', 'A URI has no white space');
const uriOidRule = rule('uri-oid', 'invalid', 'An OID as URI begins with urn:oid: and is dotted numbers');
/** The oracle's measure of an OID: its last arc begins after the sixth character. */
const shortOidRule: Rule = {
  id: 'uri-oid-short',
  severity: 'error',
  code: 'invalid',
  text: 'An OID of so few arcs identifies nothing',
};
const uriUuidRule = rule(
  'uri-uuid',
  'invalid',
  'A UUID as URI begins with urn:uuid: and is 8-4-4-4-12 hexadecimal digits in lower case',
);

function uriCheck(type: string): PrimitiveCheck {
  const isUrn = type === 'oid' || type === 'uuid';
  const typeRule = jsonTypeRule(type, 'string');
  return (value, c) => {
    let text: string;
    if (typeof value === 'string') text = value;
    else {
      c.report(typeRule, '', jsonTypeOf(value));
      if (typeof value !== 'number' && typeof value !== 'boolean') return;
      text = String(value);
    }
    const first = text.charCodeAt(0);
    if (first === 104 /* h, as in http */ && !isUrn && hasNoWhitespace(text)) return;
    if (text.length === 0) {
      c.report(emptyRule);
      return;
    }
    if (text.trim() === '') {
      c.report(blankValueRule);
      return;
    }
    if (!hasNoWhitespace(text)) c.report(uriWhitespaceRule, '', text);
    if (first === 117 /* u */) {
      if (text.startsWith('urn:oid:')) {
        if (!isOid(text.slice(8))) c.report(uriOidRule, '', text);
        else if (text.lastIndexOf('.') < 13) c.report(shortOidRule, '', text);
      } else if (text.startsWith('urn:uuid:')) {
        if (!isUuid(text.slice(9), true)) c.report(uriUuidRule, '', text);
      } else if (text.startsWith('uuid:')) c.report(uriUuidRule, '', text);
    } else if (first === 111 /* o */ && text.startsWith('oid:')) c.report(uriOidRule, '', text);
    if (type === 'oid' && !text.startsWith('urn:oid:')) c.report(uriOidRule, '', text);
    if (type === 'uuid' && !text.startsWith('urn:uuid:')) c.report(uriUuidRule, '', text);
  };
}

const smallest = -2_147_483_648;
const largest = 2_147_483_647;

const checks: ReadonlyMap<string, PrimitiveCheck> = new Map([
  ['boolean', booleanCheck],
  ['integer', numberCheck('integer', smallest, largest, true)],
  ['positiveInt', numberCheck('positiveInt', 1, largest, true)],
  ['unsignedInt', numberCheck('unsignedInt', 0, largest, true)],
  ['decimal', numberCheck('decimal', 0, 0, false)],
  ['string', freeTextCheck('string', checkPlainText)],
  ['markdown', freeTextCheck('markdown', checkMarkdown)],
  ['xhtml', freeTextCheck('xhtml', checkNarrative)],
  ['code', stringCheck('code', isCode, 'no white space at the ends, single spaces inside')],
  ['id', stringCheck('id', isId, '1 to 64 of A-Z, a-z, 0-9, - and .')],
  ['date', stringCheck('date', isDate, 'YYYY, YYYY-MM or YYYY-MM-DD of the calendar')],
  ['dateTime', stringCheck('dateTime', isDateTime, 'a date, or YYYY-MM-DDThh:mm:ss with Z or ±hh:mm')],
  ['instant', stringCheck('instant', isInstant, 'YYYY-MM-DDThh:mm:ss with Z or ±hh:mm')],
  ['time', stringCheck('time', isTime, 'hh:mm:ss')],
  ['base64Binary', stringCheck('base64Binary', isBase64, 'base64 in groups of four, with padding')],
  ['uri', uriCheck('uri')],
  ['url', uriCheck('url')],
  ['canonical', uriCheck('canonical')],
  ['oid', uriCheck('oid')],
  ['uuid', uriCheck('uuid')],
]);

export function jsonTypeOf(value: unknown): string {
  return value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value;
}

const base64CharactersRule: Rule = {
  id: 'base64-characters',
  severity: 'warning',
  code: 'value',
  text: 'The text has characters that base64 has not',
};

/** Apart from the length: the oracle lets other characters pass. */
export function checkBase64Characters(value: unknown, c: CheckContext): void {
  if (typeof value === 'string' && !hasBase64Characters(value)) c.report(base64CharactersRule);
}

const fractionRule: Rule = {
  id: 'time-fraction',
  severity: 'error',
  code: 'value',
  text: 'Fractions of a second in a time are not read by every validator',
};

/** R4 allows them; the oracle does not read them. */
export function checkTimeFraction(value: unknown, c: CheckContext): void {
  if (typeof value === 'string' && value.includes('.') && isTime(value)) c.report(fractionRule, '', value);
}

const integerTextRule: Rule = {
  id: 'integer-text',
  severity: 'error',
  code: 'value',
  text: 'A whole number is written without point and exponent',
};

/** `1.0` and `1e3` are whole numbers to JSON, and none to FHIR. */
export function checkIntegerText(_value: unknown, c: CheckContext): void {
  if (c.lexemeAt === undefined) return;
  const lexeme = c.lexemeAt(c.place());
  if (lexeme !== undefined && !/^-?\d+$/.test(lexeme)) c.report(integerTextRule, '', lexeme);
}
