/** The text of an instance: its value, what only the text shows, and where in it an element stands. */
import { maximumDepth, type Finding, type Rule } from '../checks/report.ts';
import {
  lineLocator,
  memberValue,
  parseJsonText,
  toValue,
  type JsonNode,
  type JsonText,
} from '../../fhir/json-text.ts';
import { FhirParseError } from '../../fhir/parse-error.ts';

export interface Source {
  /** Undefined when the text is no JSON. */
  readonly value: unknown;
  readonly findings: readonly Finding[];
  /** 1-based; undefined where the expression leads nowhere and no part of it can be found. */
  placeOf(expression: string): { line: number; column: number } | undefined;
  /** Where exactly a finding on the text itself lies. */
  exactPlaceOf(finding: Finding): { line: number; column: number } | undefined;
  /** The number as written at a place; undefined where no number in the text is written in a way that its value does not show. */
  readonly lexemeAt: ((expression: string) => string | undefined) | undefined;
}

const syntaxRule: Rule = { id: 'json-syntax', severity: 'fatal', code: 'structure', text: 'The text is not JSON' };
const textRules: Record<JsonText['findings'][number]['code'], Rule> = {
  'duplicate-key': {
    id: 'json-duplicate-key',
    severity: 'error',
    code: 'structure',
    text: 'The key stands twice in the same object',
  },
  'lone-surrogate': {
    id: 'json-lone-surrogate',
    severity: 'error',
    code: 'structure',
    text: 'The string holds half of a surrogate pair',
  },
  'number-overflow': {
    id: 'json-number-overflow',
    severity: 'error',
    code: 'structure',
    text: 'The number is too great for any reader',
  },
};

/** A whole number with a point or an exponent; text in strings may look so too, which only costs a look. */
const oddNumber = /\d(?:\.0|[eE])/;

/** Never throws: text that is no JSON is a finding. */
export function readSource(text: string): Source {
  const plain = text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
  let parsed: JsonText;
  try {
    parsed = parseJsonText(plain, { maximumDepth: maximumDepth * 2 });
  } catch (error) {
    if (!(error instanceof FhirParseError)) throw error;
    const { line, column } = error;
    return {
      value: undefined,
      findings: [
        { rule: { ...syntaxRule, text: `The text is not JSON: ${error.message}` }, expression: '', found: undefined },
      ],
      placeOf: () => ({ line, column }),
      exactPlaceOf: () => undefined,
      lexemeAt: undefined,
    };
  }
  return new ParsedSource(parsed);
}

class ParsedSource implements Source {
  readonly value: unknown;
  readonly findings: readonly Finding[];
  readonly lexemeAt: ((expression: string) => string | undefined) | undefined;
  private readonly offsets = new Map<Finding, number>();
  private readonly json: JsonText;
  private readonly locate: (offset: number) => { line: number; column: number };

  constructor(json: JsonText) {
    this.json = json;
    this.lexemeAt = oddNumber.test(json.text) ? (expression) => this.numberAt(expression) : undefined;
    this.value = toValue(json.root);
    this.locate = lineLocator(json.text);
    this.findings = json.findings.map(({ code, offset }) => {
      const finding: Finding = { rule: textRules[code], expression: this.expressionAt(offset), found: undefined };
      this.offsets.set(finding, offset);
      return finding;
    });
  }

  placeOf(expression: string): { line: number; column: number } {
    return this.locate(this.offsetOf(expression));
  }

  exactPlaceOf(finding: Finding): { line: number; column: number } | undefined {
    const offset = this.offsets.get(finding);
    return offset === undefined ? undefined : this.locate(offset);
  }

  private numberAt(expression: string): string | undefined {
    const { node, whole } = this.find(expression);
    return whole && node.kind === 'number' ? node.lexeme : undefined;
  }

  private offsetOf(expression: string): number {
    return this.find(expression).offset;
  }

  /** Follows the expression as far as it leads. */
  private find(expression: string): { node: JsonNode; offset: number; whole: boolean } {
    let node = this.json.root;
    let offset = node.start;
    let sibling: JsonNode | undefined;
    for (const step of stepsOf(expression)) {
      let next: JsonNode | undefined;
      if (typeof step === 'number') {
        next = node.kind === 'array' ? node.items[step] : undefined;
        if (next === undefined && sibling?.kind === 'array') next = sibling.items[step];
        sibling = sibling?.kind === 'array' ? sibling.items[step] : undefined;
      } else {
        const owner: JsonNode = node.kind === 'object' ? node : (sibling ?? node);
        next = memberValue(owner, step) ?? memberValue(owner, '_' + step);
        sibling = memberValue(owner, '_' + step);
      }
      if (next === undefined) return { node, offset, whole: false };
      node = next;
      offset = node.start;
    }
    return { node, offset, whole: true };
  }

  /** FHIRPath, with plain element names, of the innermost value around an offset. */
  private expressionAt(offset: number): string {
    const type = memberValue(this.json.root, 'resourceType');
    let text = type?.kind === 'string' ? type.value : '';
    let node: JsonNode | undefined = this.json.root;
    while (node !== undefined) {
      if (node.kind === 'array') {
        const at: number = node.items.findIndex((item) => item.start <= offset && offset < item.end);
        if (at < 0) break;
        text += `[${at}]`;
        node = node.items[at];
      } else if (node.kind === 'object') {
        const member = node.members.find(
          (candidate) => candidate.value.start <= offset && offset < candidate.value.end,
        );
        if (member === undefined) break;
        text += '.' + member.key;
        node = member.value;
      } else break;
    }
    return text;
  }
}

/** Keys and positions after the root; a choice's type is part of its key. */
function stepsOf(expression: string): (string | number)[] {
  const steps: (string | number)[] = [];
  for (const match of expression.matchAll(/([A-Za-z_][\w]*)(?:\[x\])?(?:\.ofType\((\w+)\))?((?:\[\d+\])*)/g)) {
    const [, name = '', type, positions = ''] = match;
    steps.push(type === undefined ? name : name + type.charAt(0).toUpperCase() + type.slice(1));
    for (const position of positions.matchAll(/\d+/g)) steps.push(Number(position[0]));
  }
  return steps.slice(1);
}
