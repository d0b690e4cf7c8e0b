import { isObject, objectsOf } from './questionnaire-model.ts';
import type { CheckContext, JsonObject, Rule } from './report.ts';

const rule = (id: string, text: string, severity: Rule['severity'] = 'error'): Rule => ({
  id,
  severity,
  code: 'business-rule',
  text,
});

const noTarget = rule(
  'questionnaire-enable-when-target',
  'enableWhen names a question that the questionnaire does not have',
);
const ownTarget = rule('questionnaire-enable-when-self', 'An item cannot depend on its own answer');
const innerTarget = rule('questionnaire-enable-when-inner', 'An item cannot depend on a question inside itself');
const laterTarget = rule('questionnaire-enable-when-later', 'enableWhen names a question that comes later', 'warning');

/** Depth to which forms are followed. */
const maximumDepth = 60;

interface Placed {
  readonly item: JsonObject;
  readonly at: string;
  readonly position: number;
  /** Places of the items around it. */
  readonly ancestors: readonly JsonObject[];
}

/** Checks what the definition's constraints cannot say of a Questionnaire; the place of the context is the resource. */
export function checkQuestionnaire(value: unknown, c: CheckContext): void {
  if (!isObject(value)) return;
  const all: Placed[] = [];
  place(value, '', [], all);
  const byLinkId = new Map<string, Placed>();
  for (const one of all) {
    const { linkId } = one.item;
    if (typeof linkId === 'string' && !byLinkId.has(linkId)) byLinkId.set(linkId, one);
  }
  for (const one of all) {
    for (const { question } of objectsOf(one.item['enableWhen'])) {
      if (typeof question !== 'string') continue;
      const target = byLinkId.get(question);
      if (target === undefined) c.report(noTarget, one.at, question);
      else if (target.item === one.item) c.report(ownTarget, one.at, question);
      else if (target.ancestors.includes(one.item)) c.report(innerTarget, one.at, question);
      else if (target.position > one.position) c.report(laterTarget, one.at, question);
    }
  }
}

function place(container: JsonObject, at: string, ancestors: readonly JsonObject[], all: Placed[]): void {
  if (ancestors.length > maximumDepth) return;
  const items: unknown[] = Array.isArray(container['item']) ? container['item'] : [];
  items.forEach((item, index) => {
    if (!isObject(item)) return;
    const here = `${at}.item[${index}]`;
    all.push({ item, at: here, position: all.length, ancestors });
    place(item, here, [...ancestors, item], all);
  });
}
