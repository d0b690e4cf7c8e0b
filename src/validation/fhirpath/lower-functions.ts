import { boundedPattern } from './bounded-pattern.ts';
import { FhirPathError } from './fhirpath-error.ts';
import type { Intermediate } from './intermediate.ts';
import { isType, member, narrow } from './lower-members.ts';
import { asMany, asSingle, boolean, box, call, constant, exists, truth } from './lower-support.ts';
import type { Scope } from './lower-support.ts';
import { typeNameOf } from './parser.ts';
import type { Syntax } from './parser.ts';
import type { RuntimeName } from './runtime.ts';

type Lower = (tree: Syntax, scope: Scope) => Intermediate;
type CallSyntax = Extract<Syntax, { kind: 'call' }>;

interface Simple {
  readonly name: RuntimeName;
  readonly input: 'single' | 'many' | 'none';
  /** How many parameters at least and at most. */
  readonly parameters?: readonly [number, number];
  /** Parameters are collections. */
  readonly collections?: boolean;
  readonly type?: string;
  readonly many?: boolean;
  /** The result has the items of the input. */
  readonly same?: boolean;
  readonly extra?: Intermediate;
}

const text = 'System.String';
const truthType = 'System.Boolean';
const integer = 'System.Integer';

/** Functions whose parameters are evaluated beforehand; in the order of the specification (section 5). */
const simple: ReadonlyMap<string, Simple> = new Map<string, Simple>([
  ['allTrue', { name: 'everyTruth', input: 'many', type: truthType, extra: constant(true, truthType) }],
  ['allFalse', { name: 'everyTruth', input: 'many', type: truthType, extra: constant(false, truthType) }],
  ['anyTrue', { name: 'someTruth', input: 'many', type: truthType, extra: constant(true, truthType) }],
  ['anyFalse', { name: 'someTruth', input: 'many', type: truthType, extra: constant(false, truthType) }],
  ['subsetOf', { name: 'subsetOf', input: 'many', parameters: [1, 1], collections: true, type: truthType }],
  ['distinct', { name: 'distinct', input: 'many', many: true }],
  ['isDistinct', { name: 'isDistinct', input: 'many', type: truthType }],
  ['first', { name: 'first', input: 'many', same: true }],
  ['last', { name: 'last', input: 'many', same: true }],
  ['tail', { name: 'tail', input: 'many', same: true, many: true }],
  ['single', { name: 'single', input: 'many', same: true }],
  ['skip', { name: 'skip', input: 'many', parameters: [1, 1], same: true, many: true }],
  ['take', { name: 'take', input: 'many', parameters: [1, 1], same: true, many: true }],
  ['intersect', { name: 'intersect', input: 'many', parameters: [1, 1], collections: true, many: true }],
  ['exclude', { name: 'exclude', input: 'many', parameters: [1, 1], collections: true, many: true }],
  ['union', { name: 'union', input: 'many', parameters: [1, 1], collections: true, many: true }],
  ['combine', { name: 'combine', input: 'many', parameters: [1, 1], collections: true, many: true }],
  ['toBoolean', { name: 'toBoolean', input: 'single', type: truthType }],
  ['toInteger', { name: 'toInteger', input: 'single', type: integer }],
  ['toDecimal', { name: 'toDecimal', input: 'single', type: 'System.Decimal' }],
  ['toQuantity', { name: 'toQuantity', input: 'single', type: 'System.Quantity' }],
  ['toString', { name: 'toText', input: 'single', type: text }],
  ['toDate', { name: 'toTemporal', input: 'single', type: 'System.Date', extra: constant('Date', text) }],
  ['toDateTime', { name: 'toTemporal', input: 'single', type: 'System.DateTime', extra: constant('DateTime', text) }],
  ['toTime', { name: 'toTemporal', input: 'single', type: 'System.Time', extra: constant('Time', text) }],
  ['indexOf', { name: 'indexOf', input: 'single', parameters: [1, 1], type: integer }],
  ['lastIndexOf', { name: 'lastIndexOf', input: 'single', parameters: [1, 1], type: integer }],
  ['substring', { name: 'substring', input: 'single', parameters: [1, 2], type: text }],
  ['startsWith', { name: 'startsWith', input: 'single', parameters: [1, 1], type: truthType }],
  ['endsWith', { name: 'endsWith', input: 'single', parameters: [1, 1], type: truthType }],
  ['contains', { name: 'contains', input: 'single', parameters: [1, 1], type: truthType }],
  ['upper', { name: 'upper', input: 'single', type: text }],
  ['lower', { name: 'lower', input: 'single', type: text }],
  ['trim', { name: 'trim', input: 'single', type: text }],
  ['length', { name: 'length', input: 'single', type: integer }],
  ['toChars', { name: 'toChars', input: 'single', type: text, many: true }],
  ['split', { name: 'split', input: 'single', parameters: [1, 1], type: text, many: true }],
  ['join', { name: 'join', input: 'many', parameters: [0, 1], type: text }],
  ['replace', { name: 'replace', input: 'single', parameters: [2, 2], type: text }],
  ['matches', { name: 'matches', input: 'single', parameters: [1, 1], type: truthType }],
  ['matchesFull', { name: 'matchesFull', input: 'single', parameters: [1, 1], type: truthType }],
  ['replaceMatches', { name: 'replaceMatches', input: 'single', parameters: [2, 2], type: text }],
  ['abs', { name: 'abs', input: 'single' }],
  ['ceiling', { name: 'ceiling', input: 'single' }],
  ['floor', { name: 'floor', input: 'single' }],
  ['truncate', { name: 'truncate', input: 'single' }],
  ['round', { name: 'round', input: 'single', parameters: [0, 1] }],
  ['sqrt', { name: 'squareRoot', input: 'single' }],
  ['exp', { name: 'exponential', input: 'single' }],
  ['ln', { name: 'naturalLogarithm', input: 'single' }],
  ['log', { name: 'logarithm', input: 'single', parameters: [1, 1] }],
  ['power', { name: 'power', input: 'single', parameters: [1, 1] }],
  ['children', { name: 'children', input: 'many', many: true }],
  ['descendants', { name: 'descendants', input: 'many', many: true }],
  ['now', { name: 'now', input: 'none', type: 'System.DateTime' }],
  ['today', { name: 'today', input: 'none', type: 'System.Date' }],
  ['timeOfDay', { name: 'timeOfDay', input: 'none', type: 'System.Time' }],
  ['htmlChecks', { name: 'htmlChecks', input: 'single', type: truthType }],
  ['precision', { name: 'precision', input: 'single', type: integer }],
  ['getValue', { name: 'getValue', input: 'single' }],
  ['resolve', { name: 'resolve', input: 'many', many: true }],
  ['memberOf', { name: 'memberOf', input: 'single', parameters: [1, 1], type: truthType }],
  ['conformsTo', { name: 'conformsTo', input: 'single', parameters: [1, 1], type: truthType }],
]);

/** `convertsToX()` is whether `toX()` gives something. */
const conversion = /^convertsTo(Boolean|Integer|Decimal|Quantity|String|Date|DateTime|Time)$/;

export function lowerFunction(tree: CallSyntax, scope: Scope, lower: Lower): Intermediate {
  const { name, parameters } = tree;
  const input = tree.of === undefined ? scope.focus : lower(tree.of, scope);
  const wanted = conversion.exec(name)?.[1];
  if (wanted !== undefined && parameters.length === 0) return converts(simple.get('to' + wanted), input);
  const special = lowerSpecial(tree, input, scope, lower);
  if (special !== undefined) return special;
  const known = simple.get(name);
  if (known === undefined) throw new FhirPathError('declined', 'an unknown function');
  const [least, most] = known.parameters ?? [0, 0];
  if (parameters.length < least || parameters.length > most)
    throw new FhirPathError('declined', 'a wrong number of parameters');
  const lowered = parameters.map((parameter, position) => {
    const value = lower(parameter, { ...scope, outermost: scope.outermost });
    if (name.startsWith('match') || (name === 'replaceMatches' && position === 0)) return pattern(value, name);
    return known.collections === true ? asMany(box(value)) : asSingle(box(value));
  });
  return applySimple(known, input, lowered);
}

function applySimple(known: Simple, input: Intermediate, parameters: readonly Intermediate[]): Intermediate {
  // What comes out with the items of the input keeps its static type; everything else works on boxed items.
  const items = known.same === true ? input : box(input);
  const first = known.input === 'none' ? [] : [known.input === 'many' ? asMany(items) : asSingle(items)];
  const extra = known.extra === undefined ? [] : [known.extra];
  return call(
    known.name,
    [...first, ...parameters, ...extra],
    known.same === true ? items.type : known.type,
    known.many === true,
  );
}

function converts(known: Simple | undefined, input: Intermediate): Intermediate {
  if (known === undefined) throw new FhirPathError('declined', 'an unknown conversion');
  const single = asSingle(box(input));
  // Nothing converts to nothing.
  return {
    op: 'conditional',
    test: exists(single),
    then: exists(applySimple(known, single, [])),
    otherwise: constant(undefined, truthType),
    type: truthType,
    many: false,
  };
}

/** A pattern that is written out is compiled once. */
function pattern(value: Intermediate, name: string): Intermediate {
  if (value.op !== 'constant' || typeof value.value !== 'string') return asSingle(box(value));
  return constant(boundedPattern(name === 'matchesFull' ? `^(?:${value.value})$` : value.value), text);
}

/** Functions that need their parameters unevaluated, or whose code hangs on static types. */
function lowerSpecial(tree: CallSyntax, input: Intermediate, scope: Scope, lower: Lower): Intermediate | undefined {
  const { name, parameters } = tree;
  const [first, second, third] = parameters;
  const inside = (many = false): Scope => ({
    ...scope,
    focus: { op: 'focus', type: input.type, many },
    outermost: false,
  });
  switch (name) {
    case 'exists':
      if (first === undefined) return exists(input);
      return { op: 'any', of: asMany(input), body: truth(lower(first, inside())), type: truthType, many: false };
    case 'empty':
      return boolean(input.many ? 'emptyMany' : 'emptyOne', input);
    case 'not':
      return boolean('not', truth(input));
    case 'count':
      return call(input.many ? 'countMany' : 'countOne', [input], integer);
    case 'hasValue':
      return boolean(input.many ? 'hasValueMany' : 'hasValue', box(input));
    case 'trace':
      return input;
    case 'supersetOf':
      return first === undefined
        ? undefined
        : boolean('subsetOf', asMany(box(lower(first, scope))), asMany(box(input)));
    case 'where':
    case 'all': {
      if (first === undefined) return undefined;
      const body = truth(lower(first, inside()));
      if (name === 'all') return { op: 'all', of: asMany(input), body, type: truthType, many: false };
      return { op: 'where', of: asMany(input), body, type: input.type, many: true };
    }
    case 'select': {
      if (first === undefined) return undefined;
      const body = lower(first, inside());
      return { op: 'select', of: asMany(input), body, type: body.type, many: true };
    }
    case 'repeat': {
      if (first === undefined) return undefined;
      const focus: Intermediate = { op: 'focus', type: undefined, many: false };
      const body = asMany(box(lower(first, { ...scope, focus, outermost: false })));
      return { op: 'repeat', of: asMany(box(input)), body, type: undefined, many: true };
    }
    case 'sort': {
      const keys = parameters.map((parameter) => {
        const descending = parameter.kind === 'sign' && parameter.negative;
        return { descending, body: asSingle(box(lower(descending ? parameter.of : parameter, inside()))) };
      });
      return { op: 'sort', of: asMany(input), keys, type: input.type, many: true };
    }
    case 'aggregate': {
      if (first === undefined) return undefined;
      const focus: Intermediate = { op: 'focus', type: undefined, many: false };
      const body = asMany(box(lower(first, { ...scope, focus, outermost: false })));
      const start = second === undefined ? asMany(constant([], undefined, true)) : asMany(box(lower(second, scope)));
      return { op: 'aggregate', of: asMany(box(input)), body, start, type: undefined, many: true };
    }
    case 'iif':
      return lowerConditional(tree, input, scope, lower);
    case 'is':
    case 'as':
    case 'ofType': {
      const typeName = typeNameOf(first);
      if (typeName === undefined || second !== undefined) return undefined;
      return name === 'is' ? isType(input, typeName, scope) : narrow(input, typeName, scope);
    }
    case 'extension': {
      if (first === undefined || third !== undefined) return undefined;
      const url = lower(first, scope);
      const list = member(input, 'extension', scope);
      if (list.type === 'Extension' && url.op === 'constant')
        return call('withUrl', [asMany(list), url], 'Extension', true);
      return call('extensionsByUrl', [asMany(box(input)), asSingle(box(url))], undefined, true);
    }
    default:
      return undefined;
  }
}

/** `iif` sees its input as a whole; without an input its parameters see the focus. */
function lowerConditional(tree: CallSyntax, input: Intermediate, scope: Scope, lower: Lower): Intermediate | undefined {
  const [criterion, then, otherwise] = tree.parameters;
  if (criterion === undefined || then === undefined) return undefined;
  const outer = lower(criterion, scope);
  if (outer.type?.startsWith('System.') === true && outer.type !== 'System.Boolean') {
    throw new FhirPathError('evaluation', 'a criterion that is no boolean');
  }
  const inner: Scope =
    tree.of === undefined
      ? scope
      : { ...scope, focus: { op: 'focus', type: input.type, many: input.many }, outermost: false };
  const yes = lower(then, inner);
  const no = otherwise === undefined ? constant([], yes.type, true) : lower(otherwise, inner);
  const alike = yes.type === no.type;
  const shape = (node: Intermediate): Intermediate => {
    const typed = alike ? node : box(node);
    return yes.many || no.many ? asMany(typed) : typed;
  };
  const body: Intermediate = {
    op: 'conditional',
    test: truth(lower(criterion, inner)),
    then: shape(yes),
    otherwise: shape(no),
    type: alike ? yes.type : undefined,
    many: yes.many || no.many,
  };
  if (tree.of === undefined) return body;
  // The input may be empty, but not more than one item.
  const of = input.many ? call('atMostOne', [input], input.type, true) : input;
  return { op: 'bind', of, body, type: body.type, many: body.many };
}
