import { checkAttachment } from './attachment.ts';
import { checkQuestionnaire } from './questionnaire.ts';
import { checkQuestionnaireResponse } from './questionnaire-response.ts';
import type { CheckContext } from './report.ts';
import { checkSearchParameter } from './search-parameter.ts';

/** Rules of a type beyond its definition; run with the place at the value. */
export type TypeRule = (value: unknown, c: CheckContext) => void;

/** By name of the data type or resource. */
export const contentRules: ReadonlyMap<string, TypeRule> = new Map([
  ['Attachment', checkAttachment],
  ['Questionnaire', checkQuestionnaire],
  ['QuestionnaireResponse', checkQuestionnaireResponse],
  ['SearchParameter', checkSearchParameter],
]);
