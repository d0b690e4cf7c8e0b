import { checkAttachment } from './attachment.ts';
import { checkCapabilityStatement } from './capability-statement.ts';
import { checkCodeSystem, checkPublication } from './code-system.ts';
import { checkConceptMap } from './concept-map.ts';
import { checkMeasureReport } from './measure-report.ts';
import { checkOperationDefinition } from './operation-definition.ts';
import { checkQuestionnaire } from './questionnaire.ts';
import { checkQuestionnaireResponse } from './questionnaire-response.ts';
import type { CheckContext } from './report.ts';
import { checkSearchParameter } from './search-parameter.ts';
import { checkStructureDefinition } from './structure-definition.ts';
import { checkTextLinks } from './text-link.ts';
import { checkValueSet } from './value-set.ts';

/** Rules of a type beyond its definition; run with the place at the value. */
export type TypeRule = (value: unknown, c: CheckContext) => void;

const published = (check: TypeRule): TypeRule => {
  return (value, c) => {
    check(value, c);
    checkPublication(value, c);
  };
};

/** By name of the data type or resource. */
export const contentRules: ReadonlyMap<string, TypeRule> = new Map([
  ['Attachment', checkAttachment],
  ['CapabilityStatement', published(checkCapabilityStatement)],
  ['CodeSystem', published(checkCodeSystem)],
  ['ConceptMap', published(checkConceptMap)],
  ['MeasureReport', checkMeasureReport],
  ['Narrative', checkTextLinks],
  ['OperationDefinition', published(checkOperationDefinition)],
  ['Questionnaire', published(checkQuestionnaire)],
  ['QuestionnaireResponse', checkQuestionnaireResponse],
  ['SearchParameter', published(checkSearchParameter)],
  ['StructureDefinition', published(checkStructureDefinition)],
  ['ValueSet', published(checkValueSet)],
]);
