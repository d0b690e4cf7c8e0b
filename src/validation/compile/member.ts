/** What a profile asks of one element of an object: how often, which types, which slices, and of each item. */
import { isPrimitiveName } from '../checks/primitives.ts';
import type { CheckContext, JsonObject, PlaceFacts, Rule } from '../checks/report.ts';
import type { ValueCheck } from './constraints.ts';
import type { ElementNode } from './element-tree.ts';
import type { NodeOptions } from './profile-parts.ts';
import { sliceSet, type SliceSet } from './slicing.ts';
import type { ElementForm, ElementInfo, TypeInfo } from './type-model.ts';

/** One JSON key of an element as a profile sees it. */
interface MemberForm {
  readonly form: ElementForm;
  readonly siblingKey: string | undefined;
  readonly facts: PlaceFacts;
  readonly allowed: boolean;
  readonly item: ValueCheck | undefined;
}

/** @returns one check for each child that asks more than its base does; they run on the object, with the place at it */
export function memberChecks(node: ElementNode, type: TypeInfo, options: NodeOptions): ValueCheck[] {
  return node.children.flatMap((child) => {
    const element = elementFor(child.name, type);
    if (element === undefined) return [];
    const only = child.name === element.node.name ? undefined : element.forms.find((form) => form.key === child.name);
    const check = memberCheck(child, element, only, options);
    return check === undefined ? [] : [check];
  });
}

/** By name, or by the name that a choice has with its type. */
function elementFor(name: string, type: TypeInfo): ElementInfo | undefined {
  const plain = type.elements.get(name.endsWith('[x]') ? name.slice(0, -3) : name);
  if (plain !== undefined) return plain;
  for (const element of type.elements.values())
    if (element.isChoice && element.forms.some((form) => form.key === name)) return element;
  return undefined;
}

/** Exists where the profile names the choice with its type: then other types of the same choice are not its business. */
function memberCheck(
  child: ElementNode,
  element: ElementInfo,
  only: ElementForm | undefined,
  options: NodeOptions,
): ValueCheck | undefined {
  const profile = `${options.canonical}#${child.id}`;
  // The types that are allowed are looked for first: an extension's value has fifty names.
  const forms = (only === undefined ? element.forms : [only])
    .map((form) => memberForm(child, element, form, options))
    .toSorted((left, right) => Number(right.allowed) - Number(left.allowed));
  const knownMinimum = element.node.min;
  const minimum = child.min > knownMinimum || child.min > 1 ? child.min : 0;
  const maximum = child.max < element.node.max ? child.max : Infinity;
  const slices = sliceSet(child, element, options);
  if (
    minimum === 0 &&
    maximum === Infinity &&
    slices === undefined &&
    forms.every((form) => form.allowed && form.item === undefined)
  )
    return undefined;
  const counts: CountRules = {
    minimum,
    maximum,
    isArray: element.isArray,
    // The oracle tells a wrong type of an extension's value, and of a choice among several, where the element stands.
    typeAtOwner: element.node.path === 'Extension.value[x]' || child.types.length > 1,
    minimumRule: countRule(
      'cardinality-minimum',
      `${child.path} is required (at least ${child.min})`,
      'required',
      profile,
    ),
    maximumRule: countRule(
      'cardinality-maximum',
      `${child.path} is allowed at most ${child.max} times`,
      'structure',
      profile,
    ),
  };
  const typeRule: Rule = {
    id: 'choice-type',
    severity: 'error',
    code: 'structure',
    text: `The type must be one of ${[...new Set(child.types.map((type) => type.code))].join(', ')}`,
    profile,
  };
  const single = forms.length === 1 ? (forms[0] as MemberForm) : undefined;
  if (single !== undefined) return (value, c) => runMember(value as JsonObject, c, single, counts, slices, typeRule);
  return (value, c) =>
    runMember(value as JsonObject, c, presentForm(forms, value as JsonObject), counts, slices, typeRule);
}

interface CountRules {
  readonly minimum: number;
  readonly maximum: number;
  readonly isArray: boolean;
  readonly typeAtOwner: boolean;
  readonly minimumRule: Rule;
  readonly maximumRule: Rule;
}

function countRule(id: string, text: string, code: string, profile: string): Rule {
  return { id, severity: 'error', code, text, profile };
}

function memberForm(child: ElementNode, element: ElementInfo, form: ElementForm, options: NodeOptions): MemberForm {
  const allowed =
    !element.isChoice || child.types.length === 0 || child.types.some((type) => type.code === form.typeCode);
  // Children of a choice that is not narrowed to one type belong to no type in particular, so nothing can be asked of them.
  const node =
    element.isChoice && child.types.length > 1 && child.children.length > 0 ? { ...child, children: [] } : child;
  const item = allowed
    ? options.compiler.content(node, form.type(), form.typeCode, { ...options, known: [element.node] })
    : undefined;
  const facts: PlaceFacts = { path: element.node.path, type: form.typeCode };
  return { form, siblingKey: isPrimitiveName(form.typeCode) ? '_' + form.key : undefined, facts, allowed, item };
}

function presentForm(forms: readonly MemberForm[], value: JsonObject): MemberForm | undefined {
  for (let at = 0; at < forms.length; at++) {
    const form = forms[at] as MemberForm;
    if (value[form.form.key] !== undefined || (form.siblingKey !== undefined && value[form.siblingKey] !== undefined))
      return form;
  }
  return undefined;
}

function runMember(
  object: JsonObject,
  c: CheckContext,
  member: MemberForm | undefined,
  counts: CountRules,
  slices: SliceSet | undefined,
  typeRule: Rule,
): void {
  const value = member === undefined ? undefined : object[member.form.key];
  const sibling = member?.siblingKey === undefined ? undefined : object[member.siblingKey];
  // What is an array and must not be one is nothing, as the base check has told.
  const count = !counts.isArray && Array.isArray(value) ? 0 : countOf(value, sibling);
  if (count < counts.minimum) c.report(counts.minimumRule);
  if (count > counts.maximum) c.report(counts.maximumRule, '', String(count));
  if (member === undefined || count === 0) {
    slices?.absent(c);
    return;
  }
  if (counts.maximum === 0) return;
  if (!member.allowed && counts.typeAtOwner) {
    c.report(typeRule, '', member.form.typeCode);
    return;
  }
  if (!member.allowed) {
    c.enter(member.form.segment, -1, member.facts);
    c.report(typeRule, '', member.form.typeCode);
    c.leave();
    return;
  }
  if (member.item !== undefined) eachItem(value, sibling, member, c, member.item);
  slices?.check(value, sibling, member.form, member.facts, c);
}

function countOf(value: unknown, sibling: unknown): number {
  if (value === undefined) return sibling === undefined ? 0 : Array.isArray(sibling) ? sibling.length : 1;
  return Array.isArray(value) ? Math.max(value.length, Array.isArray(sibling) ? sibling.length : 0) : 1;
}

function eachItem(value: unknown, sibling: unknown, member: MemberForm, c: CheckContext, check: ValueCheck): void {
  const { form, facts } = member;
  if (!Array.isArray(value) && !Array.isArray(sibling)) {
    c.enter(form.segment, -1, facts);
    check(value, c, sibling);
    c.leave();
    return;
  }
  const count = countOf(value, sibling);
  for (let at = 0; at < count; at++) {
    c.enter(form.segment, at, facts);
    check(Array.isArray(value) ? value[at] : undefined, c, Array.isArray(sibling) ? sibling[at] : undefined);
    c.leave();
    if (c.done) return;
  }
}
