import type { Answer } from '../terminology/answers.ts';
import { choiceValue, extensionValues, isObject } from './questionnaire-model.ts';
import type { QuestionnaireItem, QuestionnaireModel } from './questionnaire-model.ts';
import type { CheckContext, JsonObject, Rule } from './report.ts';

const rule = (id: string, text: string, code = 'code-invalid', severity: Rule['severity'] = 'error'): Rule => ({
  id,
  severity,
  code,
  text,
});

const notListed = rule('questionnaire-answer-option', 'The answer is none of the options of the questionnaire');
const notInSet = rule('questionnaire-answer-value-set', 'The answer is not in the value set of the questionnaire');
const wrongDisplay = rule(
  'questionnaire-answer-display',
  'The display of the answer is not one of its code, so it does not count as an option',
);
const noSetHere = rule(
  'questionnaire-options-cannot-tell',
  'Whether the answer is in the value set of the questionnaire cannot be told',
  'not-found',
  'warning',
);
const noOptions = rule(
  'questionnaire-options-absent',
  'The questionnaire lists no options, so the answer is not checked',
  'informational',
  'information',
);
const freeText = rule(
  'questionnaire-answer-like-option',
  'The text equals an option that is a code: give the code',
  'code-invalid',
  'warning',
);
const exclusive = rule('questionnaire-answer-exclusive', 'The answer excludes all others, and there are others');

const optionExclusive = 'http://hl7.org/fhir/StructureDefinition/questionnaire-optionExclusive';

export interface ChoiceAnswer {
  readonly item: QuestionnaireItem;
  readonly type: string;
  readonly value: unknown;
  /** Answers to the same item. */
  readonly count: number;
  /** Place of the answer. */
  readonly at: string;
  readonly c: CheckContext;
  readonly model: QuestionnaireModel;
}

/** An answer of type choice or open-choice. */
export function checkChoice(answer: ChoiceAnswer): void {
  const { item, type, value, at, c } = answer;
  if (type === 'Coding') {
    if (isObject(value)) checkCodingAnswer(answer, value);
    return;
  }
  if (item.options.length === 0) {
    c.report(noOptions, at);
    return;
  }
  if (type === 'String' && item.type === 'open-choice') {
    const codes = item.options.map((option) => option['valueCoding']).filter(isObject);
    if (codes.some((coding) => coding['code'] === value || coding['display'] === value)) c.report(freeText, at);
    return;
  }
  checkListed(item, type, value, at, c);
}

/** A value that must be one of the options of its type. */
export function checkListed(item: QuestionnaireItem, type: string, value: unknown, at: string, c: CheckContext): void {
  const listed = item.options.some((option) => {
    const offered = choiceValue(option);
    return offered !== undefined && offered.type === type && offered.value === value;
  });
  if (!listed) c.report(notListed, at, String(value));
}

function checkCodingAnswer(answer: ChoiceAnswer, coding: JsonObject): void {
  const { item, at, c } = answer;
  if (item.options.length > 0) {
    const option = item.options.find(({ valueCoding }) => isObject(valueCoding) && sameCode(valueCoding, coding));
    if (option === undefined) c.report(notListed, at, codingText(coding));
    else if (answer.count > 1 && extensionValues(option['extension']).get(optionExclusive)?.[0] === true)
      c.report(exclusive, at, codingText(coding));
  } else if (item.answerValueSet === undefined) c.report(noOptions, at);
  else checkInValueSet(answer, coding, item.answerValueSet);
}

function sameCode(one: JsonObject, other: JsonObject): boolean {
  return one['code'] === other['code'] && one['system'] === other['system'];
}

function checkInValueSet(answer: ChoiceAnswer, coding: JsonObject, canonical: string): void {
  const { at, c, model } = answer;
  const { terminology, settings } = c.services;
  const set = model.valueSet(canonical, terminology);
  const { code, system, version, display } = coding;
  if (typeof code !== 'string') return;
  let verdict: Answer = 'cannot-tell';
  if (typeof system === 'string') verdict = set.has(system, code, typeof version === 'string' ? version : undefined);
  else if (set.known) {
    // Without a system a code means nothing, but in a system that is not here nothing can be held against it either.
    const foreign = set
      .systemsOf(code)
      .some((one) => terminology.checkCoding({ scope: model.scope, system: one, code }).code !== 'yes');
    verdict = foreign ? 'cannot-tell' : 'no';
  }
  if (verdict === 'no') c.report(notInSet, at, codingText(coding));
  else if (verdict === 'cannot-tell') c.report(noSetHere, at, codingText(coding));
  else if (typeof system === 'string' && typeof display === 'string') {
    const right = terminology.checkCoding({
      scope: model.scope,
      system,
      code,
      display,
      language: settings.language,
    }).display;
    if (right === 'no') c.report(wrongDisplay, at, display);
  }
}

function codingText(coding: JsonObject): string {
  return `${typeof coding['system'] === 'string' ? coding['system'] : ''}#${String(coding['code'])}`;
}
