/** What every check is given: where it is in the instance, and how it says what it found. Places cost nothing until there is a finding. */
import type { IssueSeverity } from '../validator.ts';
import type { CheckServices } from './services.ts';

/** A JSON object of untrusted content: keys such as `__proto__` are plain keys of it, so ask with `Object.hasOwn` before trusting an inherited name. */
export type JsonObject = { readonly [key: string]: unknown };

/**
 * What a check says when it fails: made once, when the profile is compiled.
 * `severity` is the oracle's; a policy may change it by `id`. `text` never holds instance content: that is `found` of the report.
 */
export interface Rule {
  /** Stable kebab-case id, `invariant:KEY` for constraints. */
  readonly id: string;
  readonly severity: IssueSeverity;
  /** FHIR issue type (http://hl7.org/fhir/issue-type). */
  readonly code: string;
  readonly text: string;
  /** `profile|version#element`. */
  readonly profile?: string | undefined;
}

export interface Finding {
  readonly rule: Rule;
  /** FHIRPath from the root resource; choice types as `value.ofType(Quantity)`. */
  readonly expression: string;
  /** What was found, unmasked; the policy decides whether it is shown. */
  readonly found: string | undefined;
}

/** Says that something is wrong at the current place, or at `at` below it, e.g. `.item[0].linkId`. */
export type Report = (rule: Rule, at?: string, found?: string) => void;

/** Deeper than any real resource; beyond it a subtree is one finding, so that the engine's recursion stays bounded. */
export const maximumDepth = 400;

/**
 * The walk through one instance: a stack of places, the resources around the focus, and the findings so far.
 * In quiet mode (yes/no questions, slice and target matching) findings are not kept: only `failed` is set.
 */
export class CheckContext {
  readonly services: CheckServices;
  /** The outermost resource. */
  readonly root: JsonObject;
  /** FHIRPath `%resource`: the resource the focus is in; a contained resource is its own. */
  resource: JsonObject;
  /** FHIRPath `%rootResource`: the resource that contains `resource`, or itself. */
  container: JsonObject;
  /** Nearest Bundle around the focus, for references by fullUrl. */
  bundle: JsonObject | undefined;
  /** Index of the entry of `bundle` that the focus is in. */
  entryIndex = -1;
  readonly findings: Finding[] = [];
  failed = false;
  quiet: number;
  depth = 0;
  private readonly segments: string[] = [];
  private readonly indexes: number[] = [];

  constructor(services: CheckServices, root: JsonObject, options: { quiet?: boolean; start?: string } = {}) {
    this.services = services;
    this.root = root;
    this.resource = root;
    this.container = root;
    this.quiet = options.quiet === true ? 1 : 0;
    if (options.start !== undefined) this.enter(options.start);
  }

  /** True when a yes/no answer is known already. */
  get done(): boolean {
    return this.failed && this.quiet > 0;
  }

  /** @param segment element name, or `value.ofType(X)`; @param index position in a repeating element, else -1 */
  enter(segment: string, index = -1): void {
    this.segments[this.depth] = segment;
    this.indexes[this.depth] = index;
    this.depth++;
  }

  leave(): void {
    this.depth--;
  }

  /** FHIRPath of the current place. */
  place(): string {
    let text = '';
    for (let level = 0; level < this.depth; level++) {
      const segment = this.segments[level] ?? '';
      text += level === 0 ? segment : segment.startsWith('.') || segment.startsWith('[') ? segment : '.' + segment;
      const index = this.indexes[level] ?? -1;
      if (index >= 0) text += `[${index}]`;
    }
    return text;
  }

  report(rule: Rule, at = '', found?: string): void {
    const serious = rule.severity === 'error' || rule.severity === 'fatal';
    if (this.quiet > 0) {
      if (serious) this.failed = true;
      return;
    }
    if (serious) this.failed = true;
    this.findings.push({ rule, expression: this.place() + at, found });
  }
}
