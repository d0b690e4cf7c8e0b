/** Slices of an element: which slice each item is in, how many there are, in which order, and what each slice asks of its items. */
import type { CheckContext, PlaceFacts, Rule } from '../checks/report.ts';
import type { ValueCheck } from './constraints.ts';
import { discriminatorTest, rootOf, type SliceTest } from './discriminators.ts';
import type { ElementNode, ElementSlicing } from './element-tree.ts';
import type { NodeOptions } from './profile-parts.ts';
import type { ElementForm, ElementInfo } from './type-model.ts';

export interface SliceSet {
  /** The element is not there at all. */
  absent(c: CheckContext): void;
  /** @param value the property's value, an item or an array of them; the place is at the object */
  check(value: unknown, sibling: unknown, form: ElementForm, facts: PlaceFacts, c: CheckContext): void;
}

interface Slice {
  readonly node: ElementNode;
  readonly test: SliceTest | undefined;
  /** What it asks of an item, by the item's type; compiled at first use. */
  item(form: ElementForm): ValueCheck | undefined;
  readonly minimumRule: Rule;
  readonly maximumRule: Rule;
  readonly nested: CompiledSlices | undefined;
}

/** @returns undefined where the node is not sliced, or slices ask nothing */
export function sliceSet(node: ElementNode, element: ElementInfo, options: NodeOptions): SliceSet | undefined {
  return compileSlices(node, element, options, [element.node, node]);
}

function compileSlices(
  node: ElementNode,
  element: ElementInfo,
  options: NodeOptions,
  known: readonly ElementNode[],
): CompiledSlices | undefined {
  if (node.slices.length === 0) return undefined;
  const slicing: ElementSlicing = node.slicing ?? {
    rules: 'open',
    ordered: false,
    discriminators: element.isChoice ? [{ type: 'type', path: '$this' }] : [],
  };
  const slices = node.slices.map((slice) => compileSlice(slice, slicing, element, options, known));
  return new CompiledSlices(node, slices, slicing, element, options);
}

function compileSlice(
  node: ElementNode,
  slicing: ElementSlicing,
  element: ElementInfo,
  options: NodeOptions,
  known: readonly ElementNode[],
): Slice {
  const profile = `${options.canonical}#${node.id}`;
  const items = new Map<ElementForm, ValueCheck | undefined>();
  return {
    node,
    test: sliceTest(node, slicing, element, options),
    item(form) {
      if (items.has(form)) return items.get(form);
      const made = options.compiler.content(node, form.type(), form.typeCode, { ...options, known });
      items.set(form, made);
      return made;
    },
    minimumRule: {
      id: 'slice-minimum',
      severity: 'error',
      code: 'required',
      text: `The slice ${node.id} is required (at least ${node.min})`,
      profile,
    },
    maximumRule: {
      id: 'slice-maximum',
      severity: 'error',
      code: 'structure',
      text: `The slice ${node.id} is allowed at most ${node.max} times`,
      profile,
    },
    nested: compileSlices(node, element, options, [...known, node]),
  };
}

function sliceTest(
  node: ElementNode,
  slicing: ElementSlicing,
  element: ElementInfo,
  options: NodeOptions,
): SliceTest | undefined {
  const parts = options.compiler.parts.discriminators(options.scope);
  const tests: SliceTest[] = [];
  if (element.isChoice) {
    const codes = new Set(node.types.map((type) => type.code));
    tests.push((_value, type) => type !== undefined && codes.has(type));
  }
  for (const discriminator of slicing.discriminators) {
    if (element.isChoice && discriminator.type === 'type' && discriminator.path === '$this') continue;
    const test =
      isExtension(element) && discriminator.path === 'url'
        ? urlTest(node, options)
        : discriminatorTest(node, discriminator, parts);
    // A discriminator that says nothing of this slice leaves it to the others.
    if (test !== undefined) tests.push(test);
  }
  if (tests.length === 0) return undefined;
  if (tests.length === 1) return tests[0];
  return (value, type, c) => tests.every((test) => test(value, type, c));
}

function isExtension(element: ElementInfo): boolean {
  return element.forms[0]?.typeCode === 'Extension';
}

/** The URL a slice of extensions is for: fixed in the slice, else in its profile, else the profile's own. */
function urlTest(node: ElementNode, options: NodeOptions): SliceTest | undefined {
  const own = node.children.find((child) => child.name === 'url')?.fixed?.value;
  const profile = node.types[0]?.profiles[0];
  const url =
    own ??
    (profile === undefined
      ? undefined
      : (rootOf(profile, options.scope, options.compiler.parts.model)?.node.children.find(
          (child) => child.name === 'url',
        )?.fixed?.value ?? profile.split('|')[0]));
  return url === undefined ? undefined : (value) => (value as { url?: unknown } | null)?.url === url;
}

class CompiledSlices implements SliceSet {
  private readonly slices: readonly Slice[];
  private readonly needed: readonly Slice[];
  private readonly rules: string;
  private readonly ordered: boolean;
  private readonly isArray: boolean;
  private readonly closedRule: Rule;
  private readonly endRule: Rule;
  private readonly orderRule: Rule;
  private readonly twoRule: Rule;
  private readonly undecidedRule: Rule;

  constructor(
    node: ElementNode,
    slices: readonly Slice[],
    slicing: ElementSlicing,
    element: ElementInfo,
    options: NodeOptions,
  ) {
    const profile = `${options.canonical}#${node.id}`;
    this.slices = slices;
    this.needed = slices.filter((slice) => slice.node.min > 0);
    this.rules = slicing.rules;
    this.ordered = slicing.ordered;
    this.isArray = element.isArray;
    const rule = (id: string, text: string): Rule => ({ id, severity: 'error', code: 'structure', text, profile });
    this.closedRule = rule('slice-closed', `No slice of ${node.id} fits, and the slicing is closed`);
    // The oracle never looks at where the others stand; a policy may make it an error again.
    this.endRule = {
      ...rule('slice-open-at-end', `Items of no slice of ${node.id} are allowed at the end only`),
      severity: 'warning',
    };
    this.orderRule = rule('slice-order', `The slices of ${node.id} must stand in their order`);
    this.twoRule = rule('slice-ambiguous', `The item fits more than one slice of ${node.id}`);
    // A profile that does not say what distinguishes a slice is wrong; where another profile would have to say it, that one is missing.
    const loaded = slices.every((slice) =>
      slice.node.types.every((type) =>
        type.profiles.every((one) => options.scope.resolve(one, 'StructureDefinition') !== undefined),
      ),
    );
    const undecidable = `What distinguishes the slices of ${node.id} cannot be told from the profile`;
    this.undecidedRule =
      loaded && slicing.discriminators.length > 0
        ? rule('slice-undecidable', undecidable)
        : { ...rule('slice-cannot-tell', undecidable), severity: 'warning' };
  }

  absent(c: CheckContext): void {
    for (const slice of this.needed) if (slice.test !== undefined) c.report(slice.minimumRule);
  }

  check(value: unknown, sibling: unknown, form: ElementForm, facts: PlaceFacts, c: CheckContext): void {
    const count = Array.isArray(value) ? value.length : Array.isArray(sibling) ? sibling.length : 1;
    const all: number[] = [];
    for (let at = 0; at < count; at++) all.push(at);
    this.assign(all, value, sibling, form, facts, c);
  }

  /** @param among positions of the items to be sliced */
  private assign(
    among: readonly number[],
    value: unknown,
    sibling: unknown,
    form: ElementForm,
    facts: PlaceFacts,
    c: CheckContext,
  ): void {
    const members: number[][] = this.slices.map(() => []);
    let last = 0;
    let unmatched = false;
    for (const at of among) {
      const item = itemAt(value, at);
      const found = this.sliceOf(item, form, at, facts, c);
      if (found < 0) {
        unmatched = true;
        if (this.rules === 'closed') this.reportItem(this.closedRule, form, at, facts, c);
        continue;
      }
      if (unmatched && this.rules === 'openAtEnd') this.reportItem(this.endRule, form, at, facts, c);
      if (this.ordered && found < last) this.reportItem(this.orderRule, form, at, facts, c);
      last = Math.max(last, found);
      (members[found] as number[]).push(at);
      this.checkItem(this.slices[found] as Slice, item, itemAt(sibling, at), form, at, facts, c);
      if (c.done) return;
    }
    for (let index = 0; index < this.slices.length; index++) {
      const slice = this.slices[index] as Slice;
      const positions = members[index] as number[];
      if (slice.test === undefined) continue;
      if (positions.length < slice.node.min) c.report(slice.minimumRule);
      if (positions.length > slice.node.max) c.report(slice.maximumRule, '', String(positions.length));
      if (positions.length > 0) slice.nested?.assign(positions, value, sibling, form, facts, c);
    }
  }

  private sliceOf(item: unknown, form: ElementForm, at: number, facts: PlaceFacts, c: CheckContext): number {
    let found = -1;
    for (let index = 0; index < this.slices.length; index++) {
      const slice = this.slices[index] as Slice;
      if (slice.test === undefined) {
        this.reportItem(this.undecidedRule, form, at, facts, c);
        continue;
      }
      if (!slice.test(item, form.typeCode, c)) continue;
      if (found >= 0) this.reportItem(this.twoRule, form, at, facts, c);
      else found = index;
    }
    return found;
  }

  private checkItem(
    slice: Slice,
    item: unknown,
    sibling: unknown,
    form: ElementForm,
    at: number,
    facts: PlaceFacts,
    c: CheckContext,
  ): void {
    const check = slice.item(form);
    if (check === undefined) return;
    c.enter(form.segment, this.isArray ? at : -1, facts);
    check(item, c, sibling);
    c.leave();
  }

  private reportItem(rule: Rule, form: ElementForm, at: number, facts: PlaceFacts, c: CheckContext): void {
    c.enter(form.segment, this.isArray ? at : -1, facts);
    c.report(rule);
    c.leave();
  }
}

function itemAt(value: unknown, at: number): unknown {
  return Array.isArray(value) ? value[at] : value;
}
