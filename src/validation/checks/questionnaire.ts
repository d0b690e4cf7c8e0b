import { compileExpression } from '../fhirpath/compile.ts';
import type { Invariant } from '../fhirpath/environment.ts';
import type { Definition } from '../packages/definitions.ts';
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

const wrongContext = rule('extension-context-invariant', 'The extension is not allowed on an item like this one');

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
    checkContextInvariants(one, c);
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

const invariantSlot = {};

/** `StructureDefinition.contextInvariant` of the extensions on an item: what the item must be to carry them. */
function checkContextInvariants({ item, at }: Placed, c: CheckContext): void {
  for (const { url } of objectsOf(item['extension'])) {
    if (typeof url !== 'string') continue;
    const definition = c.services.scope.resolve(url, 'StructureDefinition');
    if (definition?.constrainedType !== 'Extension') continue;
    for (const { expression, holds } of contextInvariants(definition)) {
      if (!holds(item, c)) c.report({ ...wrongContext, text: `${wrongContext.text}: ${expression}` }, at, url);
    }
  }
}

function contextInvariants(
  definition: Definition,
): readonly { readonly expression: string; readonly holds: Invariant }[] {
  return definition.remember(invariantSlot, () => {
    const listed: unknown = definition.resource['contextInvariant'];
    return (Array.isArray(listed) ? (listed as unknown[]) : []).flatMap((expression) => {
      // What asks about the extension itself would need it as a variable.
      if (typeof expression !== 'string' || expression.includes('%extension')) return [];
      const holds = compileExpression(expression, { typeName: 'Questionnaire.item', scope: definition.scope });
      return holds === undefined ? [] : [{ expression, holds }];
    });
  });
}
