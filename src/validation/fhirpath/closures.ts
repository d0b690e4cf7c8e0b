import { FhirPathError } from './fhirpath-error.ts';
import type { Aggregate, Conditional, Field, Intermediate, Logic, Loop, Sort } from './intermediate.ts';
import { runtime } from './runtime.ts';
import { maximumVisits } from './runtime-navigation.ts';
import { order } from './runtime-operators.ts';
import type { Session } from './session.ts';
import { FhirNode, emptyCollection } from './values.ts';
import type { Item } from './values.ts';
import { includesItem } from './equality.ts';

/** Where an evaluation stands: `$this`, `$index` and `$total` of the innermost loop. */
export interface Frame {
  readonly session: Session;
  focus: unknown;
  index: number;
  total: readonly Item[];
}

type Closure = (frame: Frame) => unknown;
type Items = readonly Item[];

/** The back end without generated code: one closure for each node of the intermediate tree. */
export function toClosure(node: Intermediate): Closure {
  switch (node.op) {
    case 'constant': {
      const { value } = node;
      return () => value;
    }
    case 'focus':
      return (frame) => frame.focus;
    case 'index':
      return (frame) => frame.index;
    case 'total':
      return (frame) => frame.total;
    case 'variable':
      return variableClosure(node.name, node.type !== undefined);
    case 'field':
      return fieldClosure(node);
    case 'call':
      return callClosure(node.name, node.parameters);
    case 'and':
    case 'or':
    case 'xor':
    case 'implies':
      return logicClosure(node);
    case 'where':
    case 'select':
    case 'all':
    case 'any':
      return loopClosure(node);
    case 'repeat':
      return repeatClosure(node);
    case 'aggregate':
      return aggregateClosure(node);
    case 'sort':
      return sortClosure(node);
    case 'bind': {
      const of = toClosure(node.of);
      const body = toClosure(node.body);
      return (frame) => within(frame, of(frame), 0, body);
    }
    case 'conditional':
      return conditionalClosure(node);
  }
}

function variableClosure(name: 'resource' | 'rootResource' | 'context', typed: boolean): Closure {
  if (name === 'context') return (frame) => frame.session.context;
  if (typed) return (frame) => frame.session.environment[name] ?? undefined;
  const box = name === 'resource' ? runtime.resourceVariable : runtime.rootResourceVariable;
  return (frame) => box(frame.session);
}

function callClosure(name: keyof typeof runtime, parameters: readonly Intermediate[]): Closure {
  const apply = runtime[name];
  const [first, second, third] = parameters.map(toClosure);
  if (first === undefined) return (frame) => apply(frame.session);
  if (second === undefined) return (frame) => apply(frame.session, first(frame));
  if (third === undefined) return (frame) => apply(frame.session, first(frame), second(frame));
  return (frame) => apply(frame.session, first(frame), second(frame), third(frame));
}

function fieldClosure(node: Field): Closure {
  const of = toClosure(node.of);
  const { json, primitive, repeats } = node;
  const sibling = '_' + json;
  const one = (object: unknown): unknown => readOne(object, json, sibling, primitive);
  const several = (object: unknown): Items => readSeveral(object, json, sibling, primitive);
  if (node.of.many) {
    if (repeats) return (frame) => (of(frame) as Items).flatMap(several);
    return (frame) => {
      const found: Item[] = [];
      for (const object of of(frame) as Items) {
        const value = one(object);
        if (value !== undefined) found.push(value);
      }
      return found;
    };
  }
  return repeats ? (frame) => several(of(frame)) : (frame) => one(of(frame));
}

type Properties = Record<string, unknown>;

/** A property that should hold one value; of a wrong array the first item. */
export function readOne(object: unknown, json: string, sibling: string, primitive: string | undefined): Item {
  if (typeof object !== 'object' || object === null) return undefined;
  const given = (object as Properties)[json] ?? undefined;
  const value: unknown = Array.isArray(given) ? given[0] : given;
  if (primitive === undefined) return value;
  const extra = (object as Properties)[sibling];
  return extra === undefined || extra === null ? value : new FhirNode(primitive, value, extra);
}

/** A property that should hold an array; a wrong single value counts as one item. */
export function readSeveral(object: unknown, json: string, sibling: string, primitive: string | undefined): Items {
  if (typeof object !== 'object' || object === null) return emptyCollection;
  const value = (object as Properties)[json];
  const extra = primitive === undefined ? undefined : (object as Properties)[sibling];
  if (extra !== undefined && extra !== null) return pairs(value, extra, primitive ?? '');
  if (value === undefined || value === null) return emptyCollection;
  if (!Array.isArray(value)) return [value];
  return value.includes(null) ? value.filter((item) => item !== null) : (value as Items);
}

function pairs(value: unknown, extra: unknown, type: string): Items {
  const values: readonly unknown[] = Array.isArray(value) ? value : value === undefined ? [] : [value];
  const extras: readonly unknown[] = Array.isArray(extra) ? extra : [extra];
  const found: Item[] = [];
  for (let i = 0; i < Math.max(values.length, extras.length); i++) {
    const one = values[i] ?? undefined;
    const sibling = extras[i] ?? undefined;
    if (sibling !== undefined) found.push(new FhirNode(type, one, sibling));
    else if (one !== undefined) found.push(one);
  }
  return found;
}

function logicClosure(node: Logic): Closure {
  const left = toClosure(node.left);
  const right = toClosure(node.right);
  switch (node.op) {
    case 'and':
      return (frame) => {
        const a = left(frame);
        if (a === false) return false;
        const b = right(frame);
        return b === false ? false : a === true && b === true ? true : undefined;
      };
    case 'or':
      return (frame) => {
        const a = left(frame);
        if (a === true) return true;
        const b = right(frame);
        return b === true ? true : a === false && b === false ? false : undefined;
      };
    case 'xor':
      return (frame) => {
        const a = left(frame);
        const b = right(frame);
        return a === undefined || b === undefined ? undefined : a !== b;
      };
    case 'implies':
      return (frame) => {
        const a = left(frame);
        if (a === false) return true;
        const b = right(frame);
        return b === true ? true : a === true ? b : undefined;
      };
  }
}

function within(frame: Frame, focus: unknown, index: number, body: Closure): unknown {
  const outer = frame.focus;
  const outerIndex = frame.index;
  frame.focus = focus;
  frame.index = index;
  const result = body(frame);
  frame.focus = outer;
  frame.index = outerIndex;
  return result;
}

function loopClosure(node: Loop): Closure {
  const of = toClosure(node.of);
  const body = toClosure(node.body);
  const spread = node.body.many;
  switch (node.op) {
    case 'all':
      return (frame) => (of(frame) as Items).every((item, index) => within(frame, item, index, body) === true);
    case 'any':
      return (frame) => (of(frame) as Items).some((item, index) => within(frame, item, index, body) === true);
    case 'where':
      return (frame) => (of(frame) as Items).filter((item, index) => within(frame, item, index, body) === true);
    default:
      return (frame) => {
        const found: Item[] = [];
        (of(frame) as Items).forEach((item, index) => {
          const result = within(frame, item, index, body);
          if (spread) for (const one of result as Items) found.push(one);
          else if (result !== undefined) found.push(result);
        });
        return found;
      };
  }
}

function repeatClosure(node: Loop): Closure {
  const of = toClosure(node.of);
  const body = toClosure(node.body);
  return (frame) => {
    const found: Item[] = [];
    const seen = new Set<unknown>();
    let queue: Items = of(frame) as Items;
    while (queue.length > 0) {
      const next: Item[] = [];
      for (const item of queue) {
        for (const result of within(frame, item, 0, body) as Items) {
          const identity = result instanceof FhirNode && typeof result.value === 'object' ? result.value : undefined;
          if (identity === undefined ? includesItem(found, result) : seen.has(identity)) continue;
          if (identity !== undefined) seen.add(identity);
          found.push(result);
          next.push(result);
          if (found.length > maximumVisits) throw new FhirPathError('evaluation', 'too many repetitions');
        }
      }
      queue = next;
    }
    return found;
  };
}

function aggregateClosure(node: Aggregate): Closure {
  const of = toClosure(node.of);
  const body = toClosure(node.body);
  const start = toClosure(node.start);
  return (frame) => {
    const outer = frame.total;
    frame.total = start(frame) as Items;
    (of(frame) as Items).forEach((item, index) => {
      frame.total = within(frame, item, index, body) as Items;
    });
    const result = frame.total;
    frame.total = outer;
    return result;
  };
}

function sortClosure(node: Sort): Closure {
  const of = toClosure(node.of);
  const keys = node.keys.map(({ body, descending }) => ({ body: toClosure(body), sign: descending ? -1 : 1 }));
  return (frame) => {
    const rows = (of(frame) as Items).map((item, index) => ({
      item,
      values: keys.length === 0 ? [item] : keys.map(({ body }) => within(frame, item, index, body)),
    }));
    rows.sort((left, right) => {
      for (let at = 0; at < left.values.length; at++) {
        const comparison = sortOrder(left.values[at], right.values[at]) * (keys[at]?.sign ?? 1);
        if (comparison !== 0) return comparison;
      }
      return 0;
    });
    return rows.map(({ item }) => item);
  };
}

/** What is not there comes first. */
function sortOrder(left: unknown, right: unknown): number {
  if (left === undefined || right === undefined) return left === right ? 0 : left === undefined ? -1 : 1;
  return order(left, right) ?? 0;
}

function conditionalClosure(node: Conditional): Closure {
  const test = toClosure(node.test);
  const then = toClosure(node.then);
  const otherwise = toClosure(node.otherwise);
  return (frame) => (test(frame) === true ? then(frame) : otherwise(frame));
}
