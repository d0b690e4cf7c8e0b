import { checkAnswer } from './questionnaire-answers.ts';
import { isEnabled } from './questionnaire-enable-when.ts';
import type { ResponseStack } from './questionnaire-enable-when.ts';
import { isObject, objectsOf, questionnaireModel } from './questionnaire-model.ts';
import type { QuestionnaireItem, QuestionnaireModel } from './questionnaire-model.ts';
import type { CheckContext, JsonObject, Rule } from './report.ts';

/** A QuestionnaireResponse against its Questionnaire (R4, questionnaireresponse.html; extensions of the extensions pack and SDC). */
const rule = (id: string, text: string, code = 'structure', severity: Rule['severity'] = 'error'): Rule => ({
  id,
  severity,
  code,
  text,
});

const noQuestionnaire = rule(
  'questionnaire-absent',
  'No questionnaire is named, so the answers are not checked against one',
  'required',
  'information',
);
const notFound = rule(
  'questionnaire-cannot-tell',
  'The questionnaire is not loaded, so the answers are not checked against it',
  'not-found',
  'warning',
);
const wrongTarget = rule('canonical-target-type', 'The canonical names a resource of another type', 'invalid');
const noLinkId = rule('questionnaire-item-no-link-id', 'An item without linkId cannot be checked', 'required');
const unknownLinkId = rule('questionnaire-item-unknown', 'The questionnaire has no item with this linkId', 'not-found');
const misplaced = rule('questionnaire-item-misplaced', 'The questionnaire has the item elsewhere');
const disordered = rule('questionnaire-item-order', 'The items are not in the order of the questionnaire');
const tooManyItems = rule('questionnaire-item-repeated', 'The questionnaire does not let this item repeat');
const disabled = rule('questionnaire-item-disabled', 'The item has answers though its enableWhen does not hold');
const missing = rule('questionnaire-answer-missing', 'The questionnaire requires an answer', 'required');
const missingYet = rule(
  'questionnaire-answer-missing-yet',
  'The questionnaire requires an answer before the response is complete',
  'required',
  'warning',
);
const groupMissing = rule(
  'questionnaire-group-empty',
  'The questionnaire requires this group, and it has no items',
  'required',
);
const wrongText = rule('questionnaire-item-text', 'The text of the item is not that of the questionnaire', 'invalid');
const groupAnswers = rule('questionnaire-group-answer', 'An item of this type has no answers of its own');
const displayAnswers = rule('questionnaire-display-answer', 'An item of type display has no answers');
const displayItems = rule('questionnaire-display-items', 'An item of type display has no items');
const itemsOutside = rule(
  'questionnaire-items-outside-answer',
  'Items below a question belong into its answer (answer.item)',
);
const tooManyAnswers = rule('questionnaire-answer-repeated', 'The questionnaire allows one answer here');
const aboveMaximum = rule('questionnaire-answers-maximum', 'More answers than the questionnaire allows');
const belowMinimum = rule('questionnaire-answers-minimum', 'Fewer answers than the questionnaire asks for', 'required');

const maxOccurs = 'http://hl7.org/fhir/StructureDefinition/questionnaire-maxOccurs';
const minOccurs = 'http://hl7.org/fhir/StructureDefinition/questionnaire-minOccurs';
/** What the form can be before everything required is there. */
const complete: ReadonlySet<unknown> = new Set(['completed', 'amended']);
const models = {};

/** Checks a whole QuestionnaireResponse; the place of the context is the resource. */
export function checkQuestionnaireResponse(value: unknown, c: CheckContext): void {
  if (!isObject(value)) return;
  const { questionnaire } = value;
  if (typeof questionnaire !== 'string') {
    c.report(noQuestionnaire);
    return;
  }
  const model = findQuestionnaire(questionnaire, value, c);
  if (model === undefined) {
    c.report(notFound, '', questionnaire);
    return;
  }
  const walk = new ResponseWalk(model, c, complete.has(value['status']));
  walk.items(model.items, value, '', '', [value]);
}

function findQuestionnaire(canonical: string, response: JsonObject, c: CheckContext): QuestionnaireModel | undefined {
  const { scope } = c.services;
  if (canonical.startsWith('#')) {
    const contained = objectsOf(c.container['contained'] ?? response['contained']).find(
      (one) => one['resourceType'] === 'Questionnaire' && `#${String(one['id'])}` === canonical,
    );
    return contained === undefined ? undefined : questionnaireModel(contained, scope);
  }
  const definition = scope.resolve(canonical, 'Questionnaire');
  if (definition !== undefined)
    return definition.remember(models, () => questionnaireModel(definition.resource, definition.scope));
  const other = scope.resolve(canonical);
  if (other !== undefined) c.report(wrongTarget, '.questionnaire', other.type);
  const [url] = canonical.split('|', 1);
  const bundled = objectsOf(c.bundle?.['entry']).find(
    ({ resource }) => isObject(resource) && resource['resourceType'] === 'Questionnaire' && resource['url'] === url,
  );
  if (isObject(bundled?.['resource'])) return questionnaireModel(bundled['resource'], scope);
  const resolved = c.services.resolveReference?.(canonical);
  return resolved?.['resourceType'] === 'Questionnaire' && resolved['item'] !== undefined
    ? questionnaireModel(resolved, scope)
    : undefined;
}

interface PlacedItem {
  readonly item: JsonObject;
  readonly at: string;
}

class ResponseWalk {
  private readonly model: QuestionnaireModel;
  private readonly c: CheckContext;
  private readonly complete: boolean;

  constructor(model: QuestionnaireModel, c: CheckContext, isComplete: boolean) {
    this.model = model;
    this.c = c;
    this.complete = isComplete;
  }

  /**
   * The items of one container: the response, a group or an answer.
   * @param at    place of the container, relative to the response
   * @param told  where findings on the container as a whole are reported: of an answer, its item
   */
  items(
    expected: readonly QuestionnaireItem[],
    container: JsonObject,
    at: string,
    told: string,
    stack: ResponseStack,
  ): void {
    const { c } = this;
    const given = new Map<QuestionnaireItem, PlacedItem[]>();
    let last = -1;
    const list: unknown[] = Array.isArray(container['item']) ? container['item'] : [];
    list.forEach((item, index) => {
      if (!isObject(item)) return;
      const { linkId } = item;
      if (typeof linkId !== 'string') {
        c.report(noLinkId, told);
        return;
      }
      const position = expected.findIndex((one) => one.linkId === linkId);
      const found = expected[position];
      if (found === undefined) {
        c.report(this.model.byLinkId.has(linkId) ? misplaced : unknownLinkId, told, linkId);
        return;
      }
      if (position < last) c.report(disordered, told, linkId);
      last = position;
      const placed = { item, at: `${at}.item[${index}]` };
      const before = given.get(found);
      if (before === undefined) given.set(found, [placed]);
      else before.push(placed);
    });
    for (const item of expected) this.expected(item, given.get(item) ?? [], told, stack);
  }

  private expected(item: QuestionnaireItem, given: readonly PlacedItem[], told: string, stack: ResponseStack): void {
    const { c } = this;
    if (!isEnabled(item, stack)) {
      for (const placed of given) {
        if (objectsOf(placed.item['answer']).length > 0 || objectsOf(placed.item['item']).length > 0)
          c.report(disabled, placed.at, item.linkId);
      }
      return;
    }
    if (given.length === 0) {
      if (item.required && item.type !== 'display') this.missing(told, item.linkId);
      return;
    }
    if (given.length > 1 && !item.repeats) c.report(tooManyItems, told, item.linkId);
    for (const placed of given) this.item(item, placed, stack);
  }

  private missing(at: string, linkId: string): void {
    this.c.report(this.complete ? missing : missingYet, at, linkId);
  }

  private item(item: QuestionnaireItem, placed: PlacedItem, stack: ResponseStack): void {
    const { c } = this;
    const { at } = placed;
    const response = placed.item;
    if (typeof response['text'] === 'string' && response['text'] !== item.text)
      c.report(wrongText, at, response['text']);
    const answers = objectsOf(response['answer']);
    const isGroup = item.type === 'group' || item.type === 'question';
    if (isGroup) {
      if (answers.length > 0) c.report(groupAnswers, at);
      const children = objectsOf(response['item']);
      if (children.length === 0 && item.required && answers.length === 0) c.report(groupMissing, at);
      else this.items(item.items, response, at, at, [...stack, response]);
      return;
    }
    if (item.type === 'display') {
      if (answers.length > 0) c.report(displayAnswers, at);
      if (response['item'] !== undefined) c.report(displayItems, at);
      return;
    }
    this.counts(item, answers.length, at);
    answers.forEach((answer, index) => {
      const place = `${at}.answer[${index}]`;
      checkAnswer(item, answer, answers.length, place, c, this.model);
      if (item.items.length > 0 || answer['item'] !== undefined)
        this.items(item.items, answer, place, at, [...stack, answer]);
    });
    if (response['item'] !== undefined) c.report(itemsOutside, at);
  }

  private counts(item: QuestionnaireItem, count: number, at: string): void {
    const { c } = this;
    if (count === 0 && item.required) this.missing(at, item.linkId);
    if (count > 1 && !item.repeats) c.report(tooManyAnswers, at);
    const [most] = item.extensions.get(maxOccurs) ?? [];
    const [least] = item.extensions.get(minOccurs) ?? [];
    if (typeof most === 'number' && count > most) c.report(aboveMaximum, at, String(count));
    if (typeof least === 'number' && count < least) c.report(belowMinimum, at, String(count));
  }
}
