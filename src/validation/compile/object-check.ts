/** The walk over one object: each of its keys once, then what must be there, then what holds of the whole. */
import { maximumDepth, type CheckContext, type JsonObject, type PlaceFacts, type Rule } from '../checks/report.ts';
import type { ValueCheck } from './constraints.ts';
import type { TypeInfo } from './type-model.ts';

/** Handles one JSON key. @returns false when the value's JSON shape is such that the element counts as missing */
export type PropertyCheck = (value: unknown, owner: JsonObject, c: CheckContext) => boolean;

export interface Property {
  readonly check: PropertyCheck;
  /** Bit of the choice element the key belongs to, 0 for none: a second key of the same choice is refused. */
  readonly choiceBit: number;
}

export interface RequiredElement {
  /** Keys that count as presence. */
  readonly keys: readonly string[];
  readonly rule: Rule;
}

const emptyRule: Rule = {
  id: 'object-empty',
  severity: 'error',
  code: 'invalid',
  text: 'An object must have some content',
};
export const contentRule: Rule = {
  id: 'invariant:ele-1',
  severity: 'error',
  code: 'invariant',
  text: 'ele-1: All FHIR elements must have a @value or children',
};
const deepRule: Rule = {
  id: 'too-deep',
  severity: 'error',
  code: 'too-long',
  text: `Nested deeper than ${maximumDepth} elements`,
};

/** Checks of one type; filled after construction, so that types may contain themselves. */
export class ObjectCheck {
  readonly info: TypeInfo;
  readonly facts: PlaceFacts;
  readonly properties = new Map<string, Property>();
  readonly required: RequiredElement[] = [];
  /** Constraints and rules of the type as a whole. */
  readonly whole: ValueCheck[] = [];
  /** An id alone is no content; what stands beside a primitive value is. */
  private readonly needsContent: boolean;
  private readonly unknownRule: Rule;
  private readonly secondChoiceRule: Rule;

  constructor(info: TypeInfo) {
    this.info = info;
    this.facts = { path: info.name, type: info.name };
    this.needsContent = info.kind === 'complex' && info.name !== 'Element';
    this.unknownRule = {
      id: 'element-unknown',
      severity: 'error',
      code: 'structure',
      text: `${info.name} has no such element`,
      profile: `${info.definition.url}|${info.definition.version}#${info.node.id}`,
    };
    this.secondChoiceRule = {
      ...this.unknownRule,
      id: 'choice-twice',
      text: 'Only one type of a choice element may be given',
    };
  }

  check(value: JsonObject, c: CheckContext): void {
    if (c.depth > maximumDepth) {
      c.report(deepRule);
      return;
    }
    let missing: string[] | undefined;
    let choices = 0;
    let count = 0;
    for (const key in value) {
      count++;
      const property = this.properties.get(key);
      if (property === undefined) {
        c.report(this.unknownRule, '', key);
        continue;
      }
      const bit = property.choiceBit;
      if (bit !== 0) {
        if ((choices & bit) !== 0) {
          if (this.repeatsChoice(key, value)) {
            c.report(this.secondChoiceRule, '', key);
            continue;
          }
        }
        choices |= bit;
      }
      if (!property.check(value[key], value, c)) (missing ??= []).push(key);
    }
    if (count === 0) c.report(emptyRule);
    else if (count === 1 && this.needsContent && value['id'] !== undefined) c.report(contentRule);
    const required = this.required;
    for (let at = 0; at < required.length; at++) this.checkRequired(required[at] as RequiredElement, value, missing, c);
    const whole = this.whole;
    for (let at = 0; at < whole.length; at++) {
      if (c.done) return;
      (whole[at] as ValueCheck)(value, c);
    }
  }

  private checkRequired(
    element: RequiredElement,
    value: JsonObject,
    missing: string[] | undefined,
    c: CheckContext,
  ): void {
    const keys = element.keys;
    for (let at = 0; at < keys.length; at++) {
      const key = keys[at] as string;
      if (value[key] !== undefined && (missing === undefined || !missing.includes(key))) return;
    }
    c.report(element.rule);
  }

  /** `valueString` and its `_valueString` are one choice. */
  private repeatsChoice(key: string, value: JsonObject): boolean {
    return !(key.charCodeAt(0) === 95 ? Object.hasOwn(value, key.slice(1)) : Object.hasOwn(value, '_' + key));
  }
}
