import type { PackageScope } from '../packages/definitions.ts';
import type { CompiledValueSet, Terminology } from '../terminology/answers.ts';
import type { JsonObject } from './report.ts';

/** One item of a Questionnaire as far as answers are judged by it. */
export interface QuestionnaireItem {
  readonly linkId: string;
  readonly type: string;
  readonly text: string | undefined;
  readonly required: boolean;
  readonly repeats: boolean;
  readonly items: readonly QuestionnaireItem[];
  readonly enableWhen: readonly JsonObject[];
  /** `any`, else all must hold. */
  readonly enableAny: boolean;
  readonly maxLength: number | undefined;
  readonly options: readonly JsonObject[];
  readonly answerValueSet: string | undefined;
  /** `value[x]` of its extensions, by URL. */
  readonly extensions: ReadonlyMap<string, readonly unknown[]>;
}

export interface QuestionnaireModel {
  readonly items: readonly QuestionnaireItem[];
  /** Every item at any depth; the first of equal linkIds. */
  readonly byLinkId: ReadonlyMap<string, QuestionnaireItem>;
  /** What canonicals in the questionnaire mean. */
  readonly scope: PackageScope;
  /** `answerValueSet` and the like, contained ones by `#id`. */
  valueSet(canonical: string, terminology: Terminology): CompiledValueSet;
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function objectsOf(value: unknown): readonly JsonObject[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}

/** Deeper than any real form. */
const maximumDepth = 60;

/** @param resource of untrusted shape; what does not fit is left out */
export function questionnaireModel(resource: JsonObject, scope: PackageScope): QuestionnaireModel {
  const byLinkId = new Map<string, QuestionnaireItem>();
  const read = (list: unknown, depth: number): QuestionnaireItem[] => {
    if (depth > maximumDepth) return [];
    return objectsOf(list).map((raw) => {
      const item = readItem(raw, () => read(raw['item'], depth + 1));
      if (!byLinkId.has(item.linkId)) byLinkId.set(item.linkId, item);
      return item;
    });
  };
  const items = read(resource['item'], 0);
  const contained = new Map<string, CompiledValueSet>();
  return {
    items,
    byLinkId,
    scope,
    valueSet(canonical, terminology) {
      if (!canonical.startsWith('#')) return terminology.valueSet(canonical, scope);
      let known = contained.get(canonical);
      if (known === undefined) {
        const found = objectsOf(resource['contained']).find(
          (one) => one['resourceType'] === 'ValueSet' && `#${String(one['id'])}` === canonical,
        );
        known =
          found === undefined
            ? terminology.valueSet(canonical, scope)
            : terminology.inlineValueSet({ ...found, resourceType: 'ValueSet' }, scope);
        contained.set(canonical, known);
      }
      return known;
    },
  };
}

function readItem(raw: JsonObject, children: () => QuestionnaireItem[]): QuestionnaireItem {
  const text = (name: string): string | undefined => (typeof raw[name] === 'string' ? raw[name] : undefined);
  return {
    linkId: text('linkId') ?? '',
    type: text('type') ?? '',
    text: text('text'),
    required: raw['required'] === true,
    repeats: raw['repeats'] === true,
    items: children(),
    enableWhen: objectsOf(raw['enableWhen']),
    enableAny: raw['enableBehavior'] === 'any',
    maxLength: typeof raw['maxLength'] === 'number' ? raw['maxLength'] : undefined,
    options: objectsOf(raw['answerOption']),
    answerValueSet: text('answerValueSet'),
    extensions: extensionValues(raw['extension']),
  };
}

/** The first property that begins with `value`. */
export function choiceValue(
  object: JsonObject,
  name = 'value',
): { readonly type: string; readonly value: unknown } | undefined {
  for (const key of Object.keys(object)) {
    if (key.length > name.length && key.startsWith(name)) return { type: key.slice(name.length), value: object[key] };
  }
  return undefined;
}

export function extensionValues(list: unknown): ReadonlyMap<string, readonly unknown[]> {
  const values = new Map<string, unknown[]>();
  for (const extension of objectsOf(list)) {
    const { url } = extension;
    const found = choiceValue(extension);
    if (typeof url !== 'string' || found === undefined) continue;
    const before = values.get(url);
    if (before === undefined) values.set(url, [found.value]);
    else before.push(found.value);
  }
  return values;
}
