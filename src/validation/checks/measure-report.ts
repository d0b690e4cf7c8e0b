import { isObject, objectsOf } from './questionnaire-model.ts';
import type { CheckContext, JsonObject, Rule } from './report.ts';

const rule = (id: string, text: string): Rule => ({ id, severity: 'error', code: 'business-rule', text });

const cohortScore = rule('measure-report-cohort-score', 'A measure of scoring cohort has no score');
const collectionScore = rule('measure-report-collection-score', 'A report of type data-collection has no score');

/** A MeasureReport against its Measure, where that is loaded (R4, measurereport.html); the place of the context is the resource. */
export function checkMeasureReport(value: unknown, c: CheckContext): void {
  if (!isObject(value)) return;
  const { measure, type } = value;
  const scoring =
    typeof measure === 'string' ? scoringOf(c.services.scope.resolve(measure, 'Measure')?.resource) : undefined;
  const broken = type === 'data-collection' ? collectionScore : scoring === 'cohort' ? cohortScore : undefined;
  if (broken === undefined) return;
  objectsOf(value['group']).forEach((group, index) => {
    if (group['measureScore'] !== undefined) c.report(broken, `.group[${index}].measureScore`);
  });
}

function scoringOf(measure: JsonObject | undefined): string | undefined {
  const scoring = measure?.['scoring'];
  const [coding] = isObject(scoring) ? objectsOf(scoring['coding']) : [];
  return typeof coding?.['code'] === 'string' ? coding['code'] : undefined;
}
