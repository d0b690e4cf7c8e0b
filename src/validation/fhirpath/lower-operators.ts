import { FhirPathError } from './fhirpath-error.ts';
import type { Intermediate } from './intermediate.ts';
import { asMany, asSingle, boolean, box, call, constant, isDateType, plainGroup, truth } from './lower-support.ts';
import type { RuntimeName } from './runtime.ts';
import { distinctItems } from './equality.ts';
import type { Item } from './values.ts';

const arithmetic: ReadonlyMap<string, RuntimeName> = new Map([
  ['+', 'add'],
  ['-', 'subtract'],
  ['*', 'multiply'],
  ['/', 'divide'],
  ['div', 'wholeDivide'],
  ['mod', 'modulo'],
]);
const comparisons: ReadonlyMap<string, RuntimeName> = new Map([
  ['<', 'less'],
  ['<=', 'lessOrEqual'],
  ['>', 'greater'],
  ['>=', 'greaterOrEqual'],
]);

export function lowerBinary(operator: string, left: Intermediate, right: Intermediate): Intermediate {
  switch (operator) {
    case 'and':
    case 'or':
    case 'xor':
    case 'implies':
      return { op: operator, left: truth(left), right: truth(right), type: 'System.Boolean', many: false };
    case '=':
      return equality(left, right);
    case '!=':
      return boolean('not', equality(left, right));
    case '~':
      return boolean('equivalent', asMany(box(left)), asMany(box(right)));
    case '!~':
      return boolean('not', boolean('equivalent', asMany(box(left)), asMany(box(right))));
    case 'in':
      return membership(left, right);
    case 'contains':
      return membership(right, left);
    case '|':
      return union(left, right);
    case '&':
      return call('concatenate', [asSingle(box(left)), asSingle(box(right))], 'System.String');
  }
  const comparison = comparisons.get(operator);
  if (comparison !== undefined) return compare(operator, comparison, left, right);
  const name = arithmetic.get(operator);
  if (name === undefined) throw new FhirPathError('declined', 'an unknown operator');
  return call(name, [asSingle(box(left)), asSingle(box(right))], undefined);
}

function equality(left: Intermediate, right: Intermediate): Intermediate {
  const group = plainGroup(left.type);
  if (group !== undefined && group === plainGroup(right.type)) {
    if (!left.many && !right.many) return boolean('equalPlain', left, right);
    if (left.many && !right.many) return boolean('equalPlainMany', left, right);
  }
  if (!left.many && !right.many) return boolean('equalSingle', box(left), box(right));
  return boolean('equal', asMany(box(left)), asMany(box(right)));
}

function compare(operator: string, name: RuntimeName, left: Intermediate, right: Intermediate): Intermediate {
  const dates = isDateType(left.type) && isDateType(right.type);
  if (dates && operator === '<=') return boolean('notAfter', asSingle(left), asSingle(right));
  if (dates && operator === '>=') return boolean('notAfter', asSingle(right), asSingle(left));
  return boolean(name, asSingle(box(left)), asSingle(box(right)));
}

function membership(item: Intermediate, items: Intermediate): Intermediate {
  const texts = plainGroup(item.type) === 'text' && plainGroup(items.type) === 'text';
  if (texts && items.op === 'constant') return boolean('memberInPlain', asSingle(item), asMany(items));
  return boolean('memberIn', asSingle(box(item)), asMany(box(items)));
}

function union(left: Intermediate, right: Intermediate): Intermediate {
  if (left.op === 'constant' && right.op === 'constant') {
    const items = distinctItems([...constants(left.value, left.many), ...constants(right.value, right.many)]);
    const type = left.type === right.type || right.type === undefined ? left.type : undefined;
    return constant(items, type, true);
  }
  return call(
    'union',
    [asMany(box(left)), asMany(box(right))],
    left.type === right.type && left.type?.startsWith('System.') === true ? left.type : undefined,
    true,
  );
}

function constants(value: unknown, many: boolean): readonly Item[] {
  return many ? (value as readonly Item[]) : [value];
}
