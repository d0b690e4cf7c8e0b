import { boundedPattern } from '../fhirpath/bounded-pattern.ts';
import { FhirPathError } from '../fhirpath/fhirpath-error.ts';
import { compareTemporal } from '../fhirpath/temporal.ts';
import type { TemporalKind } from '../fhirpath/values.ts';
import { base64Length } from './attachment.ts';
import { choiceValue, isObject } from './questionnaire-model.ts';
import type { QuestionnaireItem, QuestionnaireModel } from './questionnaire-model.ts';
import { checkChoice, checkListed } from './questionnaire-options.ts';
import { checkQuantityAnswer } from './questionnaire-quantities.ts';
import type { CheckContext, Rule } from './report.ts';

const rule = (id: string, text: string, code = 'value', severity: Rule['severity'] = 'error'): Rule => ({
  id,
  severity,
  code,
  text,
});

const below = rule('questionnaire-answer-below-minimum', 'The answer is less than the questionnaire allows');
const above = rule('questionnaire-answer-above-maximum', 'The answer is greater than the questionnaire allows');
const tooShort = rule('questionnaire-answer-too-short', 'The answer is shorter than the questionnaire asks for');
const tooLong = rule('questionnaire-answer-too-long', 'The answer is longer than the questionnaire allows');
const noMatch = rule(
  'questionnaire-answer-format',
  'The answer does not have the format that the questionnaire asks for',
);
const textTooShort = rule(
  'questionnaire-text-too-short',
  'The text is shorter than the questionnaire asks for',
  'value',
  'warning',
);
const textTooLong = rule(
  'questionnaire-text-too-long',
  'The text is longer than the questionnaire allows',
  'value',
  'warning',
);
const textNoMatch = rule(
  'questionnaire-text-format',
  'The text does not have the format that the questionnaire asks for',
  'value',
  'warning',
);
const lineBreak = rule(
  'questionnaire-answer-line-break',
  'An answer of type string should be one line',
  'value',
  'warning',
);
const tooPrecise = rule(
  'questionnaire-answer-decimals',
  'The answer has more decimal places than the questionnaire allows',
);
const wrongMime = rule(
  'questionnaire-attachment-type',
  'The questionnaire does not allow attachments of this content type',
);
const tooLarge = rule('questionnaire-attachment-size', 'The attachment is larger than the questionnaire allows');
const tooLargeStated = rule(
  'questionnaire-attachment-size-stated',
  'The attachment is larger than the questionnaire allows, as it says of itself',
  'value',
  'warning',
);
const wrongTarget = rule(
  'questionnaire-reference-type',
  'The questionnaire does not allow references to this resource type',
);

const extension = 'http://hl7.org/fhir/StructureDefinition/';
/** Types of answers by item type; choices may hold what an option can be. */
const answerTypes: ReadonlyMap<string, readonly string[]> = new Map([
  ['boolean', ['Boolean']],
  ['decimal', ['Decimal']],
  ['integer', ['Integer']],
  ['date', ['Date']],
  ['dateTime', ['DateTime']],
  ['time', ['Time']],
  ['string', ['String']],
  ['text', ['String']],
  ['url', ['Uri']],
  ['attachment', ['Attachment']],
  ['reference', ['Reference']],
  ['quantity', ['Quantity']],
  ['choice', ['Coding', 'Date', 'Time', 'Integer', 'String']],
  ['open-choice', ['Coding', 'Date', 'Time', 'Integer', 'String']],
]);
/** As types are written in places: primitives begin with a small letter. */
const complexTypes: ReadonlySet<string> = new Set(['Coding', 'Attachment', 'Reference', 'Quantity']);

export function typeName(type: string): string {
  return complexTypes.has(type) ? type : type.charAt(0).toLowerCase() + type.slice(1);
}

/** One answer's value. @param at place of the answer relative to the response @param count answers to the same item */
export function checkAnswer(
  item: QuestionnaireItem,
  answer: Readonly<Record<string, unknown>>,
  count: number,
  at: string,
  c: CheckContext,
  model: QuestionnaireModel,
): void {
  const found = choiceValue(answer);
  const allowed = answerTypes.get(item.type);
  if (found === undefined || allowed === undefined) return;
  const { type, value } = found;
  const place = `${at}.value.ofType(${typeName(type)})`;
  if (!allowed.includes(type)) {
    // A property that no answer has is told as such; as a type it means nothing.
    if ([...answerTypes.values()].some((types) => types.includes(type)))
      c.report(wrongType(allowed), place, typeName(type));
    return;
  }
  switch (item.type) {
    case 'choice':
    case 'open-choice':
      checkChoice({ item, type, value, count, at, c, model });
      return;
    case 'attachment':
      checkAttachmentAnswer(item, value, at, c);
      return;
    case 'reference':
      checkReferenceAnswer(item, value, place, c);
      return;
    case 'quantity':
      checkQuantityAnswer(item, value, place, c, model);
      checkDecimals(item, isObject(value) ? value['value'] : undefined, place, c);
      return;
    case 'string':
    case 'text':
      if (typeof value === 'string') checkStringAnswer(item, value, place, c);
      break;
    case 'integer':
    case 'decimal':
      checkNumberRange(item, value, place, c);
      checkDecimals(item, value, place, c);
      break;
    case 'date':
    case 'dateTime':
    case 'time':
      checkTemporalRange(item, value, place, c);
  }
  if (item.options.length > 0) checkListed(item, type, value, place, c);
}

function wrongType(allowed: readonly string[]): Rule {
  return rule(
    'questionnaire-answer-type',
    `The answer must be of type ${allowed.map(typeName).join(' or ')}`,
    'structure',
  );
}

/** Of long texts the HL7 validator asks nothing, so what is wrong with them is a warning. */
function checkStringAnswer(item: QuestionnaireItem, value: string, place: string, c: CheckContext): void {
  const isText = item.type === 'text';
  const [least] = item.extensions.get(`${extension}minLength`) ?? [];
  if (typeof least === 'number' && value.length < least) c.report(isText ? textTooShort : tooShort, place, value);
  if (item.maxLength !== undefined && value.length > item.maxLength)
    c.report(isText ? textTooLong : tooLong, place, value);
  if (!isText && /[\r\n]/.test(value)) c.report(lineBreak, place);
  const [pattern] = item.extensions.get(`${extension}regex`) ?? [];
  if (typeof pattern === 'string' && !matches(pattern, value)) c.report(isText ? textNoMatch : noMatch, place, value);
}

/** A pattern that is none, or that a hostile questionnaire made too heavy, refuses nothing. */
function matches(pattern: string, value: string): boolean {
  try {
    return boundedPattern(`^(?:${pattern})$`).test(value);
  } catch (error) {
    if (error instanceof FhirPathError) return true;
    throw error;
  }
}

function checkNumberRange(item: QuestionnaireItem, value: unknown, place: string, c: CheckContext): void {
  if (typeof value !== 'number') return;
  const [least] = item.extensions.get(`${extension}minValue`) ?? [];
  const [most] = item.extensions.get(`${extension}maxValue`) ?? [];
  if (typeof least === 'number' && value < least) c.report(below, place, String(value));
  if (typeof most === 'number' && value > most) c.report(above, place, String(value));
}

function checkDecimals(item: QuestionnaireItem, value: unknown, place: string, c: CheckContext): void {
  const [places] = item.extensions.get(`${extension}maxDecimalPlaces`) ?? [];
  if (typeof places !== 'number' || typeof value !== 'number') return;
  const [, fraction = '', exponent = '0'] = /^-?\d+(?:\.(\d+))?(?:e([+-]?\d+))?$/.exec(String(value)) ?? [];
  if (Math.max(0, fraction.length - Number(exponent)) > places) c.report(tooPrecise, place, String(value));
}

function checkTemporalRange(item: QuestionnaireItem, value: unknown, place: string, c: CheckContext): void {
  if (typeof value !== 'string') return;
  const kind: TemporalKind = item.type === 'time' ? 'Time' : 'DateTime';
  const [least] = item.extensions.get(`${extension}minValue`) ?? [];
  const [most] = item.extensions.get(`${extension}maxValue`) ?? [];
  if (typeof least === 'string' && (compareTemporal(value, least, kind) ?? 0) < 0) c.report(below, place, value);
  if (typeof most === 'string' && (compareTemporal(value, most, kind) ?? 0) > 0) c.report(above, place, value);
}

function checkAttachmentAnswer(item: QuestionnaireItem, value: unknown, at: string, c: CheckContext): void {
  if (!isObject(value)) return;
  const types = item.extensions.get(`${extension}mimeType`) ?? [];
  const { contentType, size, data } = value;
  if (types.length > 0 && !types.some((type) => mimeTypeMatches(type, contentType))) {
    c.report(wrongMime, at, typeof contentType === 'string' ? contentType : 'none');
  }
  const [most] = item.extensions.get(`${extension}maxSize`) ?? [];
  if (typeof most !== 'number') return;
  const length = typeof data === 'string' ? base64Length(data) : undefined;
  if (length !== undefined && length > most) c.report(tooLarge, at, String(length));
  else if (length === undefined && typeof size === 'number' && size > most) c.report(tooLargeStated, at, String(size));
}

function mimeTypeMatches(allowed: unknown, contentType: unknown): boolean {
  if (typeof allowed !== 'string' || typeof contentType !== 'string') return false;
  const plain = contentType.split(';', 1)[0]?.trim();
  return (
    allowed === plain ||
    allowed === contentType ||
    (allowed.endsWith('/*') && contentType.startsWith(allowed.slice(0, -1)))
  );
}

function checkReferenceAnswer(item: QuestionnaireItem, value: unknown, place: string, c: CheckContext): void {
  const allowed = item.extensions.get(`${extension}questionnaire-referenceResource`) ?? [];
  if (allowed.length === 0 || !isObject(value)) return;
  const type = referredType(value);
  if (type !== undefined && !allowed.includes(type)) c.report(wrongTarget, place, type);
}

/** The type that a literal reference names, or `Reference.type`. */
function referredType(reference: Readonly<Record<string, unknown>>): string | undefined {
  const { reference: literal, type } = reference;
  const named =
    typeof literal === 'string'
      ? /(?:^|\/)([A-Z][A-Za-z]+)\/[A-Za-z0-9.-]{1,64}(?:\/_history\/[A-Za-z0-9.-]+)?$/.exec(literal)?.[1]
      : undefined;
  return named ?? (typeof type === 'string' ? type : undefined);
}
