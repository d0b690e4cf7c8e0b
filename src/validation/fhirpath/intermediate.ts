import type { Item } from './values.ts';
import type { RuntimeName } from './runtime.ts';

/**
 * The intermediate tree between the syntax and its two back ends (closures and generated JavaScript). Every node knows its static type:
 * a FHIR type means that items are plain JSON (or a `FhirNode` for a primitive with a sibling), `System.X` that they are system values,
 * undefined that they carry their type themselves. `many: false` yields an item or undefined, `many: true` an array.
 */
interface Typed {
  readonly type: string | undefined;
  readonly many: boolean;
}

export interface Constant extends Typed {
  readonly op: 'constant';
  readonly value: Item | readonly Item[] | undefined;
}
/** `$this`, `$index` or `$total` of the innermost loop, or the focus of the whole expression. */
export interface Scoped extends Typed {
  readonly op: 'focus' | 'index' | 'total';
}
export interface Variable extends Typed {
  readonly op: 'variable';
  readonly name: 'resource' | 'rootResource' | 'context';
}
/** A property of statically typed objects. */
export interface Field extends Typed {
  readonly op: 'field';
  readonly of: Intermediate;
  /** Checked to be an identifier when the type model was read. */
  readonly json: string;
  /** The element repeats, so the property should hold an array. */
  readonly repeats: boolean;
  /** Its type when that is a primitive, which may have a sibling. */
  readonly primitive: string | undefined;
}
/** A function of the runtime on evaluated parameters. */
export interface Call extends Typed {
  readonly op: 'call';
  readonly name: RuntimeName;
  readonly parameters: readonly Intermediate[];
}
/** Three-valued logic, the right side only when it matters; both sides are System.Boolean and single. */
export interface Logic extends Typed {
  readonly op: 'and' | 'or' | 'xor' | 'implies';
  readonly left: Intermediate;
  readonly right: Intermediate;
}
/** The body once for each item of `of`, as `$this`. */
export interface Loop extends Typed {
  readonly op: 'where' | 'select' | 'all' | 'any' | 'repeat';
  readonly of: Intermediate;
  readonly body: Intermediate;
}
export interface Aggregate extends Typed {
  readonly op: 'aggregate';
  readonly of: Intermediate;
  readonly body: Intermediate;
  readonly start: Intermediate;
}
export interface Conditional extends Typed {
  readonly op: 'conditional';
  readonly test: Intermediate;
  readonly then: Intermediate;
  readonly otherwise: Intermediate;
}

export interface Sort extends Typed {
  readonly op: 'sort';
  readonly of: Intermediate;
  /** None: by the items themselves. */
  readonly keys: readonly { readonly body: Intermediate; readonly descending: boolean }[];
}
/** The body once, with the whole of `of` as `$this`. */
export interface Bind extends Typed {
  readonly op: 'bind';
  readonly of: Intermediate;
  readonly body: Intermediate;
}

export type Intermediate =
  Constant | Scoped | Variable | Field | Call | Logic | Loop | Aggregate | Bind | Sort | Conditional;
