import { FhirPathError } from './fhirpath-error.ts';

/**
 * Regular expressions as finite automata (Thompson's construction): matching takes time in proportion to text times pattern, whatever the two are.
 * Knows what patterns in FHIR packages use: literals, `.`, classes, `\d \w \s` and their opposites, `\p{…}`, groups, alternatives, repetition, `^` and `$`.
 */
type Instruction =
  | { readonly op: 'unit'; readonly test: (unit: string) => boolean }
  | { readonly op: 'split'; left: number; right: number }
  | { readonly op: 'jump'; to: number }
  | { readonly op: 'start' | 'end' | 'match' };

type Node =
  | { readonly kind: 'unit'; readonly test: (unit: string) => boolean }
  | { readonly kind: 'start' | 'end' | 'nothing' }
  | { readonly kind: 'sequence' | 'choice'; readonly parts: readonly Node[] }
  | { readonly kind: 'repeat'; readonly of: Node; readonly least: number; readonly most: number };

/** Repetitions are written out, so a hostile `{1000}{1000}` must be refused. */
const maximumStates = 20_000;
const maximumDepth = 100;

/**
 * @returns whether some part of a text matches
 * @throws {FhirPathError} evaluation, for a pattern that is none or uses what automata cannot do (look-around, back references)
 */
export function automaton(pattern: string): (text: string) => boolean {
  const program = new Compiler().compile(new PatternParser(pattern).parse());
  return (text) => run(program, text);
}

function refuse(what: string): FhirPathError {
  return new FhirPathError('evaluation', `a pattern with ${what}`);
}

class PatternParser {
  private readonly units: readonly string[];
  private at = 0;
  private depth = 0;

  constructor(pattern: string) {
    this.units = [...pattern];
  }

  parse(): Node {
    const node = this.choice();
    if (this.at < this.units.length) throw refuse('a bracket too many');
    return node;
  }

  private peek(): string | undefined {
    return this.units[this.at];
  }

  private choice(): Node {
    if (++this.depth > maximumDepth) throw refuse('too many groups');
    const parts = [this.sequence()];
    while (this.peek() === '|') {
      this.at++;
      parts.push(this.sequence());
    }
    this.depth--;
    return parts.length === 1 ? (parts[0] as Node) : { kind: 'choice', parts };
  }

  private sequence(): Node {
    const parts: Node[] = [];
    for (let unit = this.peek(); unit !== undefined && unit !== '|' && unit !== ')'; unit = this.peek())
      parts.push(this.repeated(this.atom()));
    return { kind: 'sequence', parts };
  }

  private repeated(of: Node): Node {
    let node = of;
    for (;;) {
      const bounds = this.bounds();
      if (bounds === undefined) return node;
      // Lazy or possessive says which match is found, not whether there is one.
      if (this.peek() === '?' || this.peek() === '+') this.at++;
      node = { kind: 'repeat', of: node, least: bounds[0], most: bounds[1] };
    }
  }

  private bounds(): readonly [number, number] | undefined {
    switch (this.peek()) {
      case '*':
        this.at++;
        return [0, Infinity];
      case '+':
        this.at++;
        return [1, Infinity];
      case '?':
        this.at++;
        return [0, 1];
      case '{': {
        const match = /^\{(\d{1,4})(?:(,)(\d{1,4})?)?\}/.exec(this.units.slice(this.at, this.at + 12).join(''));
        if (match === null) return undefined;
        this.at += match[0].length;
        const least = Number(match[1]);
        return [least, match[2] === undefined ? least : match[3] === undefined ? Infinity : Number(match[3])];
      }
      default:
        return undefined;
    }
  }

  private atom(): Node {
    const unit = this.peek();
    this.at++;
    switch (unit) {
      case '^':
        return { kind: 'start' };
      case '$':
        return { kind: 'end' };
      case '.':
        return { kind: 'unit', test: () => true };
      case '(':
        return this.group();
      case '[':
        return { kind: 'unit', test: this.unitClass() };
      case '\\':
        return { kind: 'unit', test: this.escape() };
      default:
        return { kind: 'unit', test: (other) => other === unit };
    }
  }

  private group(): Node {
    if (this.peek() === '?') {
      if (this.units[this.at + 1] !== ':') throw refuse('look-around');
      this.at += 2;
    }
    const node = this.choice();
    if (this.peek() !== ')') throw refuse('a group without end');
    this.at++;
    return node;
  }

  private escape(): (unit: string) => boolean {
    const unit = this.units[this.at];
    if (unit === undefined) throw refuse('a trailing backslash');
    if (/[1-9bBkG]/.test(unit)) throw refuse('a back reference or word boundary');
    let source = '\\' + unit;
    this.at++;
    if (unit === 'p' || unit === 'P') {
      const close = this.units.indexOf('}', this.at);
      if (this.peek() !== '{' || close < 0) throw refuse('a broken property');
      source += this.units.slice(this.at, close + 1).join('');
      this.at = close + 1;
    } else if (unit === 'u' || unit === 'x') {
      const length = unit === 'u' ? 4 : 2;
      source += this.units.slice(this.at, this.at + length).join('');
      this.at += length;
    }
    return unitTest(/[A-Za-z]/.test(unit) ? source : `[\\${unit}]`);
  }

  /** Up to the closing bracket; the class itself is left to the platform, one unit at a time. */
  private unitClass(): (unit: string) => boolean {
    const start = this.at - 1;
    if (this.peek() === '^') this.at++;
    if (this.peek() === ']') this.at++;
    for (let unit = this.peek(); unit !== ']'; unit = this.peek()) {
      if (unit === undefined) throw refuse('a class without end');
      this.at += unit === '\\' ? 2 : 1;
    }
    this.at++;
    return unitTest(this.units.slice(start, this.at).join(''));
  }
}

function unitTest(source: string): (unit: string) => boolean {
  let single: RegExp;
  try {
    single = new RegExp(`^${source}$`, 'su');
  } catch {
    try {
      single = new RegExp(`^${source}$`, 's');
    } catch (cause) {
      throw new FhirPathError('evaluation', 'not a regular expression', { cause });
    }
  }
  return (unit) => single.test(unit);
}

class Compiler {
  private readonly program: Instruction[] = [];

  compile(node: Node): readonly Instruction[] {
    this.emit(node);
    this.add({ op: 'match' });
    return this.program;
  }

  private add(instruction: Instruction): number {
    if (this.program.length >= maximumStates) throw refuse('too many repetitions');
    this.program.push(instruction);
    return this.program.length - 1;
  }

  private emit(node: Node): void {
    switch (node.kind) {
      case 'unit':
        this.add({ op: 'unit', test: node.test });
        return;
      case 'start':
      case 'end':
        this.add({ op: node.kind });
        return;
      case 'nothing':
        return;
      case 'sequence':
        for (const part of node.parts) this.emit(part);
        return;
      case 'choice':
        this.alternatives(node.parts);
        return;
      case 'repeat':
        this.repeat(node.of, node.least, node.most);
    }
  }

  private alternatives(parts: readonly Node[]): void {
    const [first, ...rest] = parts;
    if (first === undefined) return;
    if (rest.length === 0) {
      this.emit(first);
      return;
    }
    const split: Instruction = { op: 'split', left: 0, right: 0 };
    split.left = this.add(split) + 1;
    this.emit(first);
    const jump: Instruction = { op: 'jump', to: 0 };
    this.add(jump);
    split.right = this.program.length;
    this.alternatives(rest);
    jump.to = this.program.length;
  }

  private repeat(of: Node, least: number, most: number): void {
    for (let i = 0; i < least; i++) this.emit(of);
    if (most === Infinity) {
      const split: Instruction = { op: 'split', left: 0, right: 0 };
      const at = this.add(split);
      split.left = at + 1;
      this.emit(of);
      this.add({ op: 'jump', to: at });
      split.right = this.program.length;
      return;
    }
    const open: { right: number }[] = [];
    for (let i = least; i < most; i++) {
      const split = { op: 'split' as const, left: 0, right: 0 };
      split.left = this.add(split) + 1;
      open.push(split);
      this.emit(of);
    }
    for (const split of open) split.right = this.program.length;
  }
}

function run(program: readonly Instruction[], text: string): boolean {
  const units = [...text];
  let current: number[] = [];
  const marks = new Int32Array(program.length).fill(-1);
  for (let at = 0; at <= units.length; at++) {
    // A match may begin anywhere, so the start is added at every place.
    if (follow(program, 0, at, units.length, current, marks)) return true;
    const unit = units[at];
    if (unit === undefined) return false;
    const next: number[] = [];
    for (const state of current) {
      const instruction = program[state];
      if (
        instruction?.op === 'unit' &&
        instruction.test(unit) &&
        follow(program, state + 1, at + 1, units.length, next, marks)
      )
        return true;
    }
    current = next;
  }
  return false;
}

/** Adds the states that can be reached without reading. @returns true when one of them is the end of the pattern */
function follow(
  program: readonly Instruction[],
  start: number,
  at: number,
  length: number,
  into: number[],
  marks: Int32Array,
): boolean {
  const stack = [start];
  for (let state = stack.pop(); state !== undefined; state = stack.pop()) {
    if (marks[state] === at) continue;
    marks[state] = at;
    const instruction = program[state];
    switch (instruction?.op) {
      case 'unit':
        into.push(state);
        break;
      case 'split':
        stack.push(instruction.right, instruction.left);
        break;
      case 'jump':
        stack.push(instruction.to);
        break;
      case 'start':
        if (at === 0) stack.push(state + 1);
        break;
      case 'end':
        if (at === length) stack.push(state + 1);
        break;
      case 'match':
        return true;
      case undefined:
        break;
    }
  }
  return false;
}
