/** Compiles base types to checks: everything that holds whatever the profile. Types are compiled when first met and shared. */
import { isPrimitiveName, jsonTypeOf, primitiveCheck } from '../checks/primitives.ts';
import type { CheckContext, JsonObject, PlaceFacts, Rule } from '../checks/report.ts';
import type { PackageScope } from '../packages/definitions.ts';
import type { Terminology } from '../terminology/answers.ts';
import { bindingCheck } from './binding.ts';
import { constraintCheck, type ValueCheck } from './constraints.ts';
import { isObject, type ElementNode, type ElementType } from './element-tree.ts';
import { contentRule, ObjectCheck, type PropertyCheck } from './object-check.ts';
import { lengthCheck } from './value-limits.ts';
import type { ElementForm, ElementInfo, TypeInfo, TypeModel } from './type-model.ts';

/** What the compiled checks call outside the compiler. */
export interface BaseParts {
  readonly model: TypeModel;
  readonly terminology: Terminology;
  readonly bestPractice: boolean;
  readonly withoutEval: boolean;
  /** Rules of a data type or resource beyond its definition, by type name; run with the place at the value. */
  typeRules(info: TypeInfo): readonly ValueCheck[];
  /** Rules of a primitive type beyond its format. */
  primitiveRules(type: string, element: ElementInfo): readonly ValueCheck[];
  extension(value: JsonObject, c: CheckContext, modifier: boolean): void;
  /** The targets of a Reference; undefined where anything may be referred to. */
  referenceCheck(
    types: readonly ElementType[],
    typeCode: string,
    scope: PackageScope,
    profile: string,
  ): ValueCheck | undefined;
  /** A resource inside a resource, with the place at it. */
  resource(value: JsonObject, c: CheckContext, element: ElementNode): void;
}

export interface BaseChecks {
  /** The check of a complex type, resource or backbone element by name. */
  type(name: string): ObjectCheck | undefined;
}

export function createBaseChecks(parts: BaseParts): BaseChecks {
  const compiled = new Map<string, ObjectCheck | undefined>();
  const base: BaseChecks = {
    type(name) {
      if (compiled.has(name)) return compiled.get(name);
      const info = parts.model.type(name);
      const check = info === undefined || info.kind === 'primitive' ? undefined : new ObjectCheck(info);
      compiled.set(name, check);
      if (check !== undefined) fill(check, parts, base);
      return check;
    },
  };
  return base;
}

function fill(check: ObjectCheck, parts: BaseParts, base: BaseChecks): void {
  const { info } = check;
  let bit = 1;
  for (const element of info.elements.values()) {
    const choiceBit = element.isChoice && bit > 0 ? bit : 0;
    if (element.isChoice) bit <<= 1;
    for (const form of element.forms) {
      const property = propertyCheck(element, form, info, parts, base);
      check.properties.set(form.key, { check: property, choiceBit });
      if (isPrimitiveName(form.typeCode)) {
        check.properties.set('_' + form.key, { check: siblingCheck(element, form, info, parts, base), choiceBit });
      }
    }
    if (element.node.min > 0)
      check.required.push({ keys: presenceKeys(element), rule: requiredRule(element.node, info) });
  }
  if (info.kind === 'resource') check.properties.set('resourceType', { check: () => true, choiceBit: 0 });
  check.whole.push(...wholeConstraints(info, parts), ...parts.typeRules(info));
}

/** An extension is nothing without its URL, whatever stands beside it. */
export function presenceKeys(element: ElementInfo): string[] {
  if (element.node.path === 'Extension.url') return ['url'];
  return element.forms.flatMap((form) => (isPrimitiveName(form.typeCode) ? [form.key, '_' + form.key] : [form.key]));
}

export function profileOf(info: TypeInfo, node: ElementNode): string {
  return `${info.definition.url}|${info.definition.version}#${node.id}`;
}

function requiredRule(node: ElementNode, info: TypeInfo): Rule {
  return {
    id: 'cardinality-minimum',
    severity: 'error',
    code: 'required',
    text: `${node.path} is required (at least ${node.min})`,
    profile: profileOf(info, node),
  };
}

function wholeConstraints(info: TypeInfo, parts: BaseParts): ValueCheck[] {
  return info.node.constraints.flatMap((constraint) => {
    const check = constraintCheck(constraint, {
      scope: parts.model.scope,
      typeName: info.name,
      profile: profileOf(info, info.node),
      bestPractice: parts.bestPractice,
      withoutEval: parts.withoutEval,
    });
    return check === undefined ? [] : [check];
  });
}

function shapeRule(text: string): Rule {
  return { id: 'json-shape', severity: 'error', code: 'structure', text };
}

const arrayWantedRule = shapeRule('This element repeats, so it must be a JSON array');
const noArrayRule = shapeRule('This element does not repeat, so it must not be a JSON array');
const objectWantedRule = shapeRule('This element must be a JSON object');
const emptyArrayRule = shapeRule('An array must not be empty');
const emptyPrimitivesRule: Rule = { ...emptyArrayRule, id: 'array-empty', severity: 'warning' };
const idExtensionRule: Rule = {
  id: 'resource-id-extended',
  severity: 'error',
  code: 'structure',
  text: 'Resource.id has neither id nor extensions',
};
const xhtmlExtensionRule: Rule = {
  id: 'element-unknown',
  severity: 'error',
  code: 'structure',
  text: 'A narrative text has no extensions',
};
const nullRule: Rule = { id: 'json-null', severity: 'error', code: 'structure', text: 'A value must not be null' };

/** Runs a check of one item at its place. */
type ItemCheck = (value: unknown, c: CheckContext, owner: JsonObject, index: number) => boolean;

function propertyCheck(
  element: ElementInfo,
  form: ElementForm,
  owner: TypeInfo,
  parts: BaseParts,
  base: BaseChecks,
): PropertyCheck {
  const facts: PlaceFacts = { path: element.node.path, type: form.typeCode };
  const { segment } = form;
  const shapeSegment = element.isChoice ? `${element.name}[x]` : segment;
  const primitive = isPrimitiveName(form.typeCode);
  const item = primitive ? primitiveItem(element, form, owner, parts) : complexItem(element, form, owner, parts, base);
  if (!element.isArray) {
    return (value, object, c) => {
      if (Array.isArray(value)) {
        reportAt(c, shapeSegment, -1, noArrayRule);
        return false;
      }
      c.enter(segment, -1, facts);
      const shaped = item(value, c, object, -1);
      c.leave();
      return shaped;
    };
  }
  return (value, object, c) => {
    if (!Array.isArray(value)) {
      reportAt(c, shapeSegment, -1, arrayWantedRule, jsonTypeOf(value));
      return false;
    }
    if (value.length === 0) reportAt(c, shapeSegment, -1, primitive ? emptyPrimitivesRule : emptyArrayRule);
    for (let at = 0; at < value.length; at++) {
      c.enter(segment, at, facts);
      item(value[at], c, object, at);
      c.leave();
      if (c.done) return true;
    }
    return value.length > 0;
  };
}

export function reportAt(c: CheckContext, segment: string, index: number, rule: Rule, found?: string): void {
  c.enter(segment, index);
  c.report(rule, '', found);
  c.leave();
}

function primitiveItem(element: ElementInfo, form: ElementForm, owner: TypeInfo, parts: BaseParts): ItemCheck {
  const format = primitiveCheck(form.typeCode);
  const after = itemChecks(element, form, owner, parts);
  after.push(...parts.primitiveRules(form.typeCode, element));
  const type = parts.model.type(form.typeCode);
  if (type !== undefined) after.push(...wholeConstraints(type, parts));
  const siblingKey = '_' + form.key;
  return (value, c, object, index) => {
    if (value === null) {
      if (index < 0 || !hasTwin(object[siblingKey], index)) c.report(nullRule);
      return true;
    }
    if (typeof value === 'object') {
      c.report(shapeRule(`A value of type ${form.typeCode} must not be a JSON ${jsonTypeOf(value)}`));
      return true;
    }
    format(value, c);
    for (let at = 0; at < after.length; at++) (after[at] as ValueCheck)(value, c);
    return true;
  };
}

function hasTwin(siblings: unknown, index: number): boolean {
  return Array.isArray(siblings) && isObject(siblings[index]);
}

function complexItem(
  element: ElementInfo,
  form: ElementForm,
  owner: TypeInfo,
  parts: BaseParts,
  base: BaseChecks,
): ItemCheck {
  const after = itemChecks(element, form, owner, parts);
  if (form.typeCode === 'Resource') return resourceItem(element, parts);
  if (form.typeCode === 'Extension') {
    const modifier = element.name === 'modifierExtension';
    after.push((value, c) => parts.extension(value as JsonObject, c, modifier));
  }
  let type: ObjectCheck | undefined;
  const typeName = form.typeCode;
  return (value, c) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      c.report(value === null ? nullRule : objectWantedRule, '', jsonTypeOf(value));
      return false;
    }
    type ??= base.type(typeName);
    type?.check(value as JsonObject, c);
    for (let at = 0; at < after.length; at++) (after[at] as ValueCheck)(value, c);
    return true;
  };
}

function resourceItem(element: ElementInfo, parts: BaseParts): ItemCheck {
  return (value, c) => {
    if (!isObject(value)) {
      c.report(value === null ? nullRule : objectWantedRule, '', jsonTypeOf(value));
      return false;
    }
    parts.resource(value, c, element.node);
    return true;
  };
}

/** Binding, limits and the element's own constraints: what the type alone does not ask. */
function itemChecks(element: ElementInfo, form: ElementForm, owner: TypeInfo, parts: BaseParts): ValueCheck[] {
  const { node } = element;
  const profile = profileOf(owner, node);
  const checks: ValueCheck[] = [];
  if (node.binding !== undefined) {
    const check = bindingCheck(node.binding, form.typeCode, {
      terminology: parts.terminology,
      scope: parts.model.scope,
      profile,
    });
    if (check !== undefined) checks.push(check);
  }
  const length = lengthCheck(node, profile);
  if (length !== undefined) checks.push(length);
  if (form.typeCode === 'Reference') {
    const targets = parts.referenceCheck(
      node.types.filter((type) => type.code === 'Reference'),
      'Reference',
      parts.model.scope,
      profile,
    );
    if (targets !== undefined) checks.push(targets);
  }
  // A backbone element is a type of its own here, and its constraints are that type's.
  if (node.children.length > 0 || node.contentReference !== undefined) return checks;
  const ofType = parts.model.type(form.typeCode)?.node.constraints ?? [];
  for (const constraint of node.constraints) {
    if (ofType.some((known) => known.key === constraint.key)) continue;
    const check = constraintCheck(constraint, {
      scope: parts.model.scope,
      typeName: form.typeCode,
      profile,
      bestPractice: parts.bestPractice,
      withoutEval: parts.withoutEval,
    });
    if (check !== undefined) checks.push(check);
  }
  return checks;
}

/** `_name`: id and extensions of a primitive value; where the value itself is missing they must say why. */
function siblingCheck(
  element: ElementInfo,
  form: ElementForm,
  owner: TypeInfo,
  parts: BaseParts,
  base: BaseChecks,
): PropertyCheck {
  const facts: PlaceFacts = { path: element.node.path, type: form.typeCode };
  const { segment, key } = form;
  const missing =
    element.node.binding === undefined
      ? undefined
      : bindingCheck(element.node.binding, form.typeCode, {
          terminology: parts.terminology,
          scope: parts.model.scope,
          profile: profileOf(owner, element.node),
        });
  const one = (sibling: unknown, value: unknown, c: CheckContext): boolean => {
    if (sibling === null && element.isArray) {
      if (value === undefined) c.report(nullRule);
      return true;
    }
    if (!isObject(sibling)) {
      c.report(objectWantedRule, '', jsonTypeOf(sibling));
      return false;
    }
    base.type('Element')?.check(sibling, c);
    if (form.typeCode === 'id' && sibling['extension'] !== undefined) c.report(idExtensionRule);
    if (form.typeCode === 'xhtml' && sibling['extension'] !== undefined) c.report(xhtmlExtensionRule);
    if (value !== undefined && value !== null) return true;
    if (sibling['extension'] === undefined && sibling['id'] !== undefined) c.report(contentRule);
    missing?.(undefined, c, sibling);
    return true;
  };
  return (sibling, object, c) => {
    const value = Object.hasOwn(object, key) ? object[key] : undefined;
    if (!element.isArray) {
      c.enter(segment, -1, facts);
      const shaped = one(sibling, value, c);
      c.leave();
      return shaped;
    }
    if (!Array.isArray(sibling)) {
      reportAt(c, segment, -1, arrayWantedRule, jsonTypeOf(sibling));
      return false;
    }
    for (let at = 0; at < sibling.length; at++) {
      c.enter(segment, at, facts);
      one(sibling[at], Array.isArray(value) ? value[at] : undefined, c);
      c.leave();
    }
    return true;
  };
}
