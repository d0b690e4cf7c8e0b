import { compareQuantities } from '../fhirpath/quantities.ts';
import { QuantityValue } from '../fhirpath/values.ts';
import { isObject } from './questionnaire-model.ts';
import type { QuestionnaireItem, QuestionnaireModel } from './questionnaire-model.ts';
import type { CheckContext, JsonObject, Rule } from './report.ts';

const rule = (id: string, text: string, code = 'value', severity: Rule['severity'] = 'error'): Rule => ({
  id,
  severity,
  code,
  text,
});

const below = rule('questionnaire-answer-below-minimum', 'The answer is less than the questionnaire allows');
const above = rule('questionnaire-answer-above-maximum', 'The answer is greater than the questionnaire allows');
const incomparable = rule(
  'questionnaire-quantity-incomparable',
  'The answer cannot be compared with what the questionnaire allows: the units differ or are not coded',
);
const wrongUnit = rule('questionnaire-quantity-unit', 'The questionnaire does not allow this unit');
const unitUnknown = rule(
  'questionnaire-unit-cannot-tell',
  'Whether the questionnaire allows this unit cannot be told',
  'not-found',
  'warning',
);

const sdc = 'http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-questionnaire-';
const unitOption = 'http://hl7.org/fhir/StructureDefinition/questionnaire-unitOption';
const unitValueSet = 'http://hl7.org/fhir/StructureDefinition/questionnaire-unitValueSet';
const ucum = 'http://unitsofmeasure.org';

/** Limits and units of a Quantity answer. @param place of the value */
export function checkQuantityAnswer(
  item: QuestionnaireItem,
  value: unknown,
  place: string,
  c: CheckContext,
  model: QuestionnaireModel,
): void {
  if (!isObject(value)) return;
  const [least] = item.extensions.get(`${sdc}minQuantity`) ?? [];
  const [most] = item.extensions.get(`${sdc}maxQuantity`) ?? [];
  if (isObject(least)) limit(value, least, (order) => order < 0, below, place, c);
  if (isObject(most)) limit(value, most, (order) => order > 0, above, place, c);
  checkUnit(item, value, place, c, model);
}

function limit(
  value: JsonObject,
  bound: JsonObject,
  breaks: (order: number) => boolean,
  broken: Rule,
  place: string,
  c: CheckContext,
): void {
  if (typeof value['value'] !== 'number' || typeof bound['value'] !== 'number') return;
  const order = compare(value, bound, value['value'], bound['value']);
  if (order === undefined) c.report(incomparable, place, String(value['value']));
  else if (breaks(order)) c.report(broken, place, String(value['value']));
}

function compare(value: JsonObject, bound: JsonObject, left: number, right: number): number | undefined {
  const { system, code } = value;
  if (typeof code !== 'string' || typeof bound['code'] !== 'string' || system !== bound['system']) return undefined;
  if (code === bound['code']) return left - right;
  return system === ucum
    ? compareQuantities(new QuantityValue(left, code), new QuantityValue(right, bound['code']))
    : undefined;
}

function checkUnit(
  item: QuestionnaireItem,
  value: JsonObject,
  place: string,
  c: CheckContext,
  model: QuestionnaireModel,
): void {
  const { system, code, unit } = value;
  const options = (item.extensions.get(unitOption) ?? []).filter(isObject);
  if (options.length > 0) {
    const allowed = options.some((option) => option['code'] === code && option['system'] === system);
    if (!allowed) c.report(wrongUnit, place, String(code ?? unit));
  }
  const [canonical] = item.extensions.get(unitValueSet) ?? [];
  if (typeof canonical !== 'string' || typeof code !== 'string') return;
  const answer = model.valueSet(canonical, c.services.terminology).has(typeof system === 'string' ? system : '', code);
  if (answer !== 'yes') c.report(answer === 'no' ? wrongUnit : unitUnknown, place, code);
}
