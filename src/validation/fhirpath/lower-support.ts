import type { Call, Field, Intermediate } from './intermediate.ts';
import type { RuntimeName } from './runtime.ts';
import type { ModelElement, TypeModel } from './type-model.ts';
import { emptyCollection } from './values.ts';
import type { Item } from './values.ts';

/** What names mean at one place of an expression. */
export interface Scope {
  readonly model: TypeModel;
  /** `$this` there. */
  readonly focus: Intermediate;
  /** Static type of `%context`, the focus of the whole expression. */
  readonly contextType: string | undefined;
  /** Static type of `%resource` where the focus is part of a known resource. */
  readonly resourceType: string | undefined;
  /** False inside loops, where a type's name no longer means the focus. */
  readonly outermost: boolean;
  /** Refuse names that the static types do not have. */
  readonly strict: boolean;
  /** Environment variables that exist beside the standard ones. */
  readonly variables: ReadonlySet<string>;
}

const textTypes: ReadonlySet<string> = new Set([
  'string',
  'code',
  'uri',
  'url',
  'canonical',
  'id',
  'oid',
  'uuid',
  'markdown',
  'base64Binary',
  'xhtml',
  'System.String',
]);
const integerTypes: ReadonlySet<string> = new Set(['integer', 'positiveInt', 'unsignedInt', 'System.Integer']);

/** Types of one group have JSON values that are equal exactly when `===` says so. */
export function plainGroup(type: string | undefined): 'text' | 'boolean' | 'integer' | undefined {
  if (type === undefined) return undefined;
  if (textTypes.has(type)) return 'text';
  if (integerTypes.has(type)) return 'integer';
  return type === 'boolean' || type === 'System.Boolean' ? 'boolean' : undefined;
}

export function isDateType(type: string | undefined): boolean {
  return type === 'date' || type === 'dateTime' || type === 'instant';
}

export function constant(
  value: Item | readonly Item[] | undefined,
  type: string | undefined,
  many = false,
): Intermediate {
  return { op: 'constant', value, type, many };
}

export const nothing: Intermediate = { op: 'constant', value: emptyCollection, type: undefined, many: true };

export function call(
  name: RuntimeName,
  parameters: readonly Intermediate[],
  type: string | undefined,
  many = false,
): Call {
  return { op: 'call', name, parameters, type, many };
}

export function boolean(name: RuntimeName, ...parameters: Intermediate[]): Call {
  return call(name, parameters, 'System.Boolean');
}

export function isSystem(type: string | undefined): boolean {
  return type === undefined || type.startsWith('System.');
}

/** Items that carry their type themselves, as most of the runtime wants them. */
export function box(node: Intermediate): Intermediate {
  if (isSystem(node.type)) return node;
  return call(node.many ? 'boxMany' : 'boxOne', [node, constant(node.type, 'System.String')], undefined, node.many);
}

export function asSingle(node: Intermediate): Intermediate {
  return node.many ? call('single', [node], node.type) : node;
}

export function asMany(node: Intermediate): Intermediate {
  return node.many ? node : call('list', [node], node.type, true);
}

/** One boolean or nothing, as the operators and criteria want it. */
export function truth(node: Intermediate): Intermediate {
  if (node.type === 'System.Boolean') return asSingle(node);
  return boolean(node.many ? 'truthOfMany' : 'truthOf', node);
}

export function exists(node: Intermediate): Intermediate {
  return boolean(node.many ? 'existsMany' : 'existsOne', node);
}

/** A choice element whose type is not decided yet. */
export function choiceElement(
  node: Intermediate,
  model: TypeModel,
): { of: Intermediate; element: ModelElement } | undefined {
  if (node.op !== 'call' || node.name !== 'choice') return undefined;
  const [of, type, name] = node.parameters;
  if (of === undefined || type?.op !== 'constant' || name?.op !== 'constant') return undefined;
  const element = model.element(String(type.value), String(name.value));
  return element === undefined ? undefined : { of, element };
}

/** One variant of a choice element, or a property under its JSON name. */
export function fieldOf(
  of: Intermediate,
  json: string,
  type: string,
  primitive: boolean,
  repeats: boolean,
  model: TypeModel,
): Intermediate {
  // A list made of one item only to look at a choice is that item again.
  const base = of.op === 'call' && of.name === 'list' && of.parameters[0] !== undefined ? of.parameters[0] : of;
  const field: Field = {
    op: 'field',
    of: base,
    json,
    repeats,
    primitive: primitive ? type : undefined,
    type,
    many: base.many || repeats,
  };
  // What kind of resource it is says the instance.
  return model.isResource(type) ? { ...box(field), type: undefined } : field;
}
