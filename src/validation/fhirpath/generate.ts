import type { Field, Intermediate, Loop } from './intermediate.ts';
import * as support from './generated-support.ts';
import { runtime } from './runtime.ts';
import type { RuntimeName } from './runtime.ts';
import { choiceElement, plainGroup } from './lower-support.ts';
import type { Session } from './session.ts';
import type { TypeModel } from './type-model.ts';

/** An expression as a function: whether it is true of the focus. `session` may be left out where `usesSession` is false. */
export interface Generated {
  readonly holds: (focus: unknown, session: Session | undefined) => boolean;
  readonly usesSession: boolean;
}

/**
 * The back end that makes JavaScript. What a package wrote gets into the code in two ways only: strings as JSON literals, and property names
 * that the type model has checked to be identifiers.
 * @returns undefined for the few operators that stay with the closures
 */
export function generate(root: Intermediate, model: TypeModel): Generated | undefined {
  const writer = new Writer(model);
  const body = writer.isTrue(root, 't0');
  if (writer.declined) return undefined;
  const names = [...writer.names];
  const source = `"use strict"; const {${names.join(',')}} = f; return function (t0, s) { return ${body}; };`;
  const make = new Function('f', 'k', source) as (f: object, k: readonly unknown[]) => Generated['holds'];
  const functions = { ...runtime, ...support };
  return { holds: make(functions, writer.constants), usesSession: writer.usesSession };
}

/** What is not identifier-like was never a property of the model; the check stands here so that generated code cannot be wrong about it. */
const identifier = /^[A-Za-z][A-Za-z0-9_]*$/;
/** Up to so many variants of a choice are asked one by one. */
const maximumUnrolled = 12;

class Writer {
  readonly names = new Set<string>();
  readonly constants: unknown[] = [];
  usesSession = false;
  declined = false;
  private readonly model: TypeModel;
  private variables = 0;

  constructor(model: TypeModel) {
    this.model = model;
  }

  /** Code for: the node is true. `focus` names the variable of `$this`. */
  isTrue(node: Intermediate, focus: string): string {
    switch (node.op) {
      case 'and':
        return `(${this.isTrue(node.left, focus)} && ${this.isTrue(node.right, focus)})`;
      case 'or':
        return `(${this.isTrue(node.left, focus)} || ${this.isTrue(node.right, focus)})`;
      case 'implies':
        return `(${this.isFalse(node.left, focus)} || ${this.isTrue(node.right, focus)})`;
      case 'xor': {
        const [l, r] = [node.left, node.right];
        return `((${this.isTrue(l, focus)} && ${this.isFalse(r, focus)}) || (${this.isFalse(l, focus)} && ${this.isTrue(r, focus)}))`;
      }
      case 'all':
      case 'any':
        return this.quantified(node, focus);
      case 'constant':
        return String(node.value === true);
      case 'call':
        return this.callIs(node.name, node.parameters, true, focus) ?? `(${this.value(node, focus)} === true)`;
      default:
        return `(${this.value(node, focus)} === true)`;
    }
  }

  /** Code for: the node is false, which is not the same as not true. */
  isFalse(node: Intermediate, focus: string): string {
    switch (node.op) {
      case 'and':
        return `(${this.isFalse(node.left, focus)} || ${this.isFalse(node.right, focus)})`;
      case 'or':
        return `(${this.isFalse(node.left, focus)} && ${this.isFalse(node.right, focus)})`;
      case 'implies':
        return `(${this.isTrue(node.left, focus)} && ${this.isFalse(node.right, focus)})`;
      case 'xor': {
        const [l, r] = [node.left, node.right];
        return `((${this.isTrue(l, focus)} && ${this.isTrue(r, focus)}) || (${this.isFalse(l, focus)} && ${this.isFalse(r, focus)}))`;
      }
      case 'all':
      case 'any':
        return `!${this.quantified(node, focus)}`;
      case 'constant':
        return String(node.value === false);
      case 'call':
        return this.callIs(node.name, node.parameters, false, focus) ?? `(${this.value(node, focus)} === false)`;
      default:
        return `(${this.value(node, focus)} === false)`;
    }
  }

  /** Functions whose answer can be had without making their parameters. */
  private callIs(
    name: RuntimeName,
    parameters: readonly Intermediate[],
    wanted: boolean,
    focus: string,
  ): string | undefined {
    const [first, second] = parameters;
    if (first === undefined) return undefined;
    switch (name) {
      case 'not':
        return wanted ? this.isFalse(first, focus) : this.isTrue(first, focus);
      case 'existsOne':
      case 'existsMany':
        return `${wanted ? '' : '!'}${this.exists(first, focus)}`;
      case 'emptyOne':
      case 'emptyMany':
        return `${wanted ? '!' : ''}${this.exists(first, focus)}`;
      case 'equalPlain':
      case 'differentPlain': {
        if (second?.op !== 'constant' || second.many) return undefined;
        const equal = (name === 'equalPlain') === wanted;
        const value = this.plain(first, focus);
        const constant = this.value(second, focus);
        if (equal) return `(${value} === ${constant})`;
        const held = this.variable();
        return this.call('present', `${value}, (${held}) => ${held} !== ${constant}`);
      }
      default:
        return undefined;
    }
  }

  private exists(node: Intermediate, focus: string): string {
    if (node.op === 'field' && !node.of.many) {
      const held = this.held(node.of, focus);
      const json = property(node.json);
      const test = node.repeats
        ? this.call('anySeveral', `${held.name}?.${json}`)
        : `${this.call('one', `${held.name}?.${json}`)} !== undefined`;
      const sibling = node.primitive === undefined ? '' : ` || ${held.name}?._${json} != null`;
      return held.wrap(`(${test}${sibling})`);
    }
    const choice = choiceElement(node, this.model);
    if (choice !== undefined && !choice.of.many && choice.element.variants.length <= maximumUnrolled)
      return this.choiceExists(choice, focus);
    if (node.op === 'where') return this.quantified({ ...node, op: 'any' }, focus);
    return node.many ? `(${this.value(node, focus)}.length > 0)` : `(${this.value(node, focus)} !== undefined)`;
  }

  private choiceExists(choice: NonNullable<ReturnType<typeof choiceElement>>, focus: string): string {
    const list = choice.of;
    const held = this.held(list, focus);
    const tests = choice.element.variants.map(({ json, primitive }) => {
      const name = property(json);
      return `${held.name}?.${name} != null${primitive ? ` || ${held.name}?._${name} != null` : ''}`;
    });
    return held.wrap(`(${tests.join(' || ')})`);
  }

  private quantified(node: Loop, focus: string): string {
    const item = this.variable();
    const test = this.isTrue(node.body, item);
    return this.call(node.op === 'all' ? 'allTrue' : 'anyTrue', `${this.value(node.of, focus)}, (${item}) => ${test}`);
  }

  /** The JSON value of a primitive, without its sibling. */
  private plain(node: Intermediate, focus: string): string {
    if (node.op === 'field' && !node.of.many && !node.repeats) {
      const held = this.held(node.of, focus);
      return held.wrap(this.call('one', `${held.name}?.${property(node.json)}`));
    }
    if (node.op === 'constant' || plainGroup(node.type) === undefined) return this.value(node, focus);
    return this.call('plain', this.value(node, focus));
  }

  /** Gives an operand a name where it is used more than once. */
  private held(node: Intermediate, focus: string): { name: string; wrap: (code: string) => string } {
    if (node.op === 'focus') return { name: focus, wrap: (code) => code };
    const name = this.variable();
    const value = this.value(node, focus);
    return { name, wrap: (code) => `((${name}) => ${code})(${value})` };
  }

  value(node: Intermediate, focus: string): string {
    switch (node.op) {
      case 'constant':
        return this.constant(node.value);
      case 'focus':
        return focus;
      case 'variable':
        return this.environment(node.name, node.type !== undefined);
      case 'field':
        return this.field(node, focus);
      case 'call':
        this.usesSession = true;
        return this.call(
          node.name,
          ['s', ...node.parameters.map((parameter) => this.value(parameter, focus))].join(', '),
        );
      case 'and':
      case 'or':
      case 'xor':
      case 'implies':
        return `(${this.isTrue(node, focus)} ? true : ${this.isFalse(node, focus)} ? false : undefined)`;
      case 'all':
      case 'any':
        return this.quantified(node, focus);
      case 'where': {
        const item = this.variable();
        return this.call('whereTrue', `${this.value(node.of, focus)}, (${item}) => ${this.isTrue(node.body, item)}`);
      }
      case 'select': {
        const item = this.variable();
        return this.call(
          node.body.many ? 'flat' : 'each',
          `${this.value(node.of, focus)}, (${item}) => ${this.value(node.body, item)}`,
        );
      }
      case 'conditional':
        return `(${this.isTrue(node.test, focus)} ? ${this.value(node.then, focus)} : ${this.value(node.otherwise, focus)})`;
      case 'bind': {
        const item = this.variable();
        return `((${item}) => ${this.value(node.body, item)})(${this.value(node.of, focus)})`;
      }
      default:
        this.declined = true;
        return 'undefined';
    }
  }

  private environment(name: 'resource' | 'rootResource' | 'context', typed: boolean): string {
    this.usesSession = true;
    if (name === 'context') return 's.context';
    if (typed) return `s.environment.${name}`;
    return this.call(name === 'resource' ? 'resourceVariable' : 'rootResourceVariable', 's');
  }

  private field(node: Field, focus: string): string {
    const json = property(node.json);
    if (node.of.many) {
      const item = this.variable();
      const read = this.read(node, json, item);
      return this.call(node.repeats ? 'flat' : 'each', `${this.value(node.of, focus)}, (${item}) => ${read}`);
    }
    if (node.primitive === undefined) {
      const value = `${this.value(node.of, focus)}?.${json}`;
      return this.call(node.repeats ? 'several' : 'one', value);
    }
    const held = this.held(node.of, focus);
    return held.wrap(this.read(node, json, held.name));
  }

  private read(node: Field, json: string, object: string): string {
    if (node.primitive === undefined) return this.call(node.repeats ? 'several' : 'one', `${object}?.${json}`);
    const type = JSON.stringify(node.primitive);
    if (node.repeats) return this.call('severalWithSiblings', `${object}, ${JSON.stringify(json)}, ${type}`);
    return this.call('oneWithSibling', `${object}?.${json}, ${object}?._${json}, ${type}`);
  }

  private constant(value: unknown): string {
    if (typeof value === 'string' || typeof value === 'boolean') return JSON.stringify(value);
    if (value === undefined) return 'undefined';
    if (typeof value === 'number' && Number.isFinite(value)) return String(value);
    this.constants.push(value);
    return `k[${this.constants.length - 1}]`;
  }

  private call(name: string, parameters: string): string {
    this.names.add(name);
    return `${name}(${parameters})`;
  }

  private variable(): string {
    this.variables++;
    return `t${this.variables}`;
  }
}

function property(json: string): string {
  if (!identifier.test(json)) throw new TypeError('a property name that is no identifier');
  return json;
}
