import { compareTemporal } from '../fhirpath/temporal.ts';
import { choiceValue, isObject, objectsOf } from './questionnaire-model.ts';
import type { QuestionnaireItem } from './questionnaire-model.ts';
import type { JsonObject } from './report.ts';

/** Response objects around an item (the response, groups, answers), outermost first: where answers to other questions are looked for. */
export type ResponseStack = readonly JsonObject[];

interface Value {
  readonly type: string;
  readonly value: unknown;
}

/** Whether an item is to be filled in (R4, Questionnaire.item.enableWhen and enableBehavior). */
export function isEnabled(item: QuestionnaireItem, stack: ResponseStack): boolean {
  if (item.enableWhen.length === 0) return true;
  const holds = (condition: JsonObject): boolean => conditionHolds(condition, stack);
  return item.enableAny ? item.enableWhen.some(holds) : item.enableWhen.every(holds);
}

function conditionHolds(condition: JsonObject, stack: ResponseStack): boolean {
  const { question, operator } = condition;
  if (typeof question !== 'string') return true;
  const answers = answersTo(question, stack);
  const expected = choiceValue(condition, 'answer');
  if (operator === 'exists') return answers.length > 0 === (expected?.value === true);
  if (expected === undefined) return true;
  return answers.some((answer) => compares(answer, expected, String(operator)));
}

/** The answers that are nearest: of the innermost object around the item that has any. */
function answersTo(linkId: string, stack: ResponseStack): readonly Value[] {
  for (let level = stack.length - 1; level >= 0; level--) {
    const found: Value[] = [];
    collect(stack[level], linkId, found, 0);
    if (found.length > 0) return found;
  }
  return [];
}

const maximumDepth = 200;

function collect(container: JsonObject | undefined, linkId: string, found: Value[], depth: number): void {
  if (container === undefined || depth > maximumDepth) return;
  for (const item of objectsOf(container['item'])) {
    for (const answer of objectsOf(item['answer'])) {
      const value = choiceValue(answer);
      if (item['linkId'] === linkId && value !== undefined) found.push(value);
      collect(answer, linkId, found, depth + 1);
    }
    collect(item, linkId, found, depth + 1);
  }
}

function compares(answer: Value, expected: Value, operator: string): boolean {
  const order = orderOf(answer, expected);
  switch (operator) {
    case '=':
      return order === 0;
    case '!=':
      return order !== 0;
    case '>':
      return order !== undefined && order > 0;
    case '>=':
      return order !== undefined && order >= 0;
    case '<':
      return order !== undefined && order < 0;
    case '<=':
      return order !== undefined && order <= 0;
    default:
      return true;
  }
}

/** Negative, 0 or positive; undefined for what is different and has no order. */
function orderOf(answer: Value, expected: Value): number | undefined {
  const { value } = answer;
  const other = expected.value;
  if (isObject(value) && isObject(other)) return orderOfObjects(answer.type, value, other);
  if (typeof value === 'number' && typeof other === 'number') return value - other;
  if (typeof value === 'string' && typeof other === 'string') {
    if (expected.type === 'Date' || expected.type === 'DateTime') return compareTemporal(value, other, 'DateTime');
    return value === other ? 0 : value < other ? -1 : 1;
  }
  return value === other ? 0 : undefined;
}

function orderOfObjects(type: string, value: JsonObject, other: JsonObject): number | undefined {
  if (type === 'Quantity') {
    const alike =
      value['system'] === other['system'] && (value['code'] ?? value['unit']) === (other['code'] ?? other['unit']);
    return alike && typeof value['value'] === 'number' && typeof other['value'] === 'number'
      ? value['value'] - other['value']
      : undefined;
  }
  if (type === 'Reference') return value['reference'] === other['reference'] ? 0 : undefined;
  return value['code'] === other['code'] && value['system'] === other['system'] ? 0 : undefined;
}
