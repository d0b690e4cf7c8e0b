/** What a differential's element does to the element it constrains (http://hl7.org/fhir/R4/elementdefinition.html, profiling.html#snapshot). */
import type { ElementDefinition } from '../packages/definitions.ts';

type Element = { [Name in keyof ElementDefinition]: ElementDefinition[Name] | undefined } & { [name: string]: unknown };
type Constraint = NonNullable<ElementDefinition['constraint']>[number];

/** Differential members that replace what was there. */
const replaced = [
  'representation',
  'label',
  'code',
  'slicing',
  'short',
  'requirements',
  'min',
  'max',
  'contentReference',
  'meaningWhenMissing',
  'orderMeaning',
  'maxLength',
  'mustSupport',
  'isModifier',
  'isModifierReason',
  'isSummary',
  'type',
  'binding',
] as const;

/** Texts where a leading `...` means: after the text that was there. */
const appendable = ['definition', 'comment', 'requirements'] as const;

const choices = /^(defaultValue|fixed|pattern|minValue|maxValue)[A-Z]/;

/** Changes `target`. Identity (`id`, `path`, `sliceName`, `base`) is not touched. */
export function mergeElement(target: ElementDefinition, differential: ElementDefinition): void {
  const to = target as Element;
  const from = differential as Readonly<Element>;
  const oldBinding = to.binding;
  for (const name of replaced) if (from[name] !== undefined) assign(to, name, from[name]);
  if (oldBinding?.valueSet !== undefined && to.binding !== undefined && to.binding.valueSet === undefined)
    to.binding = { ...to.binding, valueSet: oldBinding.valueSet };
  for (const name of appendable) {
    const text = from[name];
    if (typeof text === 'string') to[name] = text.startsWith('...') ? `${to[name] ?? ''}\n${text.slice(3)}` : text;
  }
  for (const [name, value] of Object.entries(from)) {
    const family = choices.exec(name)?.[1];
    if (family === undefined) continue;
    for (const other of Object.keys(to)) if (other !== name && choices.exec(other)?.[1] === family) delete to[other];
    assign(to, name, value);
  }
  to.constraint = united(to.constraint, from.constraint, (constraint) => constraint.key ?? '');
  to.mapping = united(to.mapping, from.mapping, (mapping) => `${mapping.identity ?? ''}\n${mapping.map ?? ''}`);
  to.condition = united(to.condition, from.condition, (key) => key);
  to.alias = united(to.alias, from.alias, (alias) => alias);
  to.example = united(to.example, from.example, (example) => JSON.stringify(example));
  to.extension = unitedExtensions(to.extension, from.extension);
  for (const name of ['constraint', 'mapping', 'condition', 'alias', 'example', 'extension'] as const)
    if (to[name] === undefined) Reflect.deleteProperty(to, name);
}

/**
 * Where the type names one profile, what its root says about itself comes before what the element said: texts, modifier, and constraints.
 * Changes `target`; cardinality stays the element's.
 */
export function overlayProfile(target: ElementDefinition, profileRoot: ElementDefinition): void {
  const to = target as Element;
  for (const name of ['short', 'definition', 'comment', 'requirements'] as const)
    if (profileRoot[name] !== undefined) to[name] = profileRoot[name];
  if (profileRoot.isModifier === true) {
    to.isModifier = true;
    if (profileRoot.isModifierReason !== undefined) to.isModifierReason = profileRoot.isModifierReason;
  }
  if (target.type?.some(({ code }) => code === 'Extension' || code === 'Resource') === true)
    to.constraint = united(to.constraint, profileRoot.constraint, (constraint) => constraint.key ?? '');
  to.condition = united(to.condition, profileRoot.condition, (key) => key);
  for (const name of ['constraint', 'condition'] as const) if (to[name] === undefined) Reflect.deleteProperty(to, name);
}

/** Constraints without a source get the definition that states them, so that a reader of the snapshot knows whose they are. */
export function withSource(constraints: readonly Constraint[] | undefined, source: string): Constraint[] | undefined {
  return constraints?.map((constraint) => (constraint.source === undefined ? { ...constraint, source } : constraint));
}

function assign(to: Record<string, unknown>, name: string, value: unknown): void {
  to[name] = structuredClone(value);
}

/** What was there, then what is new; an item of the same key replaces the old one in its place. */
function united<T>(
  before: T[] | undefined,
  after: readonly T[] | undefined,
  keyOf: (item: T) => string,
): T[] | undefined {
  if (after === undefined) return before;
  const result = [...(before ?? [])];
  for (const item of after) {
    const index = result.findIndex((other) => keyOf(other) === keyOf(item));
    if (index < 0) result.push(structuredClone(item));
    else result[index] = structuredClone(item);
  }
  return result;
}

function unitedExtensions(
  before: ElementDefinition['extension'],
  after: ElementDefinition['extension'],
): ElementDefinition['extension'] {
  if (after === undefined) return before;
  const urls = new Set(after.map((extension) => extension.url));
  return [...(before ?? []).filter((extension) => !urls.has(extension.url)), ...structuredClone(after)];
}
