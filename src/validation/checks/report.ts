/** What every check is given: where it is in the instance, and how it says what it found. Places cost nothing until there is a finding. */
import type { FhirPathEnvironment } from '../fhirpath/environment.ts';
import type { PackageScope } from '../packages/definitions.ts';
import type { Answer } from '../terminology/answers.ts';
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
  /** Where it only says that a code could not be judged here: what a terminology server would have to be asked. */
  readonly question?: BindingQuestion | undefined;
}

export interface BindingQuestion {
  /** `url|version` of the value set. */
  readonly valueSet: string;
  readonly strength: 'required' | 'extensible' | 'maximum';
  /** What is wrong when the answer is no. */
  readonly refused: Rule;
}

export interface Finding {
  readonly rule: Rule;
  /** FHIRPath from the root resource; choice types as `value.ofType(Quantity)`. */
  readonly expression: string;
  /** What was found, unmasked; the policy decides whether it is shown. */
  readonly found: string | undefined;
}

/** The definition of the element at a place. */
export interface PlaceFacts {
  /** As the type's own definition has it: `Patient.contact.name`, `HumanName.family`. */
  readonly path: string;
  /** Type of what is there: `HumanName`, `string`, `Patient.contact` for a backbone element. */
  readonly type: string;
}

/** Says that something is wrong at the current place, or at `at` below it, e.g. `.item[0].linkId`. */
export type Report = (rule: Rule, at?: string, found?: string) => void;

const maximumFindings = 10_000;
const noScopes: readonly PackageScope[] = Object.freeze([]);

/** Deeper than any real resource; beyond it a subtree is one finding, so that the engine's recursion stays bounded. */
export const maximumDepth = 400;

/**
 * The walk through one instance: a stack of places, the resources around the focus, and the findings so far.
 * In quiet mode (yes/no questions, slice and target matching) findings are not kept: only `failed` is set.
 */
export class CheckContext implements FhirPathEnvironment {
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
  /** The number as it was written in the text at a place, where the text is at hand and has numbers that need a look. */
  lexemeAt: ((expression: string) => string | undefined) | undefined = undefined;
  /** Profiles applied, as `url|version`, where the caller wants to know. */
  applied: Set<string> | undefined = undefined;
  /** Of the profiles that the resource at hand must meet: in these its extensions are looked up, before anywhere else. */
  scopes: readonly PackageScope[] = noScopes;
  failed = false;
  quiet: number;
  depth = 0;
  private readonly segments: string[] = [];
  private readonly indexes: number[] = [];
  private readonly answers = new Map<object, Map<object, boolean>>();
  private readonly elementIds = new Map<JsonObject, Set<string>>();
  private readonly elements: (PlaceFacts | undefined)[] = [];
  resolve: ((reference: string) => JsonObject | undefined) | undefined = undefined;
  memberOf: ((valueSet: string, system: string | undefined, code: string) => Answer) | undefined = undefined;
  conformsTo: ((value: unknown, profile: string) => boolean | undefined) | undefined = undefined;

  constructor(services: CheckServices, root: JsonObject, options: { quiet?: boolean; start?: string } = {}) {
    this.services = services;
    this.root = root;
    this.resource = root;
    this.container = root;
    this.quiet = options.quiet === true ? 1 : 0;
    if (options.start !== undefined) this.enter(options.start);
  }

  get rootResource(): JsonObject {
    return this.container;
  }

  /** True when a yes/no answer is known already. */
  get done(): boolean {
    return this.failed && this.quiet > 0;
  }

  /**
   * @param segment element name, or `value.ofType(X)`
   * @param index   position in a repeating element, else -1
   * @param facts   what is defined here, where it is known
   */
  enter(segment: string, index = -1, facts?: PlaceFacts): void {
    this.segments[this.depth] = segment;
    this.indexes[this.depth] = index;
    this.elements[this.depth] = facts;
    this.depth++;
  }

  /** Says what is defined at the current place, where it is known only after a look at the value. */
  describe(facts: PlaceFacts): void {
    this.elements[this.depth - 1] = facts;
  }

  leave(): void {
    this.depth--;
  }

  /** Position in its array at a level of the current place, -1 where it does not repeat. */
  indexAt(level: number): number {
    return level >= 0 && level < this.depth ? (this.indexes[level] ?? -1) : -1;
  }

  /** What is defined at a level of the current place; 0 is the root. */
  factsAt(level: number): PlaceFacts | undefined {
    return level >= 0 && level < this.depth ? this.elements[level] : undefined;
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

  /** Answers whether a value meets a profile once for each instance; while it is being answered the answer is yes, which ends circles of references. */
  remember(value: unknown, profile: object, answer: () => boolean): boolean {
    if (typeof value !== 'object' || value === null) return answer();
    let byProfile = this.answers.get(value);
    if (byProfile === undefined) this.answers.set(value, (byProfile = new Map()));
    const known = byProfile.get(profile);
    if (known !== undefined) return known;
    byProfile.set(profile, true);
    const given = answer();
    byProfile.set(profile, given);
    return given;
  }

  /** False when an element of the resource around the focus has that id already. */
  claimElementId(id: string): boolean {
    let ids = this.elementIds.get(this.resource);
    if (ids === undefined) this.elementIds.set(this.resource, (ids = new Set()));
    const free = !ids.has(id);
    ids.add(id);
    return free;
  }

  /** A finding on the element that the current place is a part of. */
  reportAbove(rule: Rule, found?: string): void {
    this.depth--;
    this.report(rule, '', found);
    this.depth++;
  }

  report(rule: Rule, at = '', found?: string): void {
    const serious = rule.severity === 'error' || rule.severity === 'fatal';
    if (this.quiet > 0) {
      if (serious) this.failed = true;
      return;
    }
    // A hostile instance can be wrong at every place; a first error is kept even past the limit, so that the verdict stands.
    if (this.findings.length >= maximumFindings && (this.failed || !serious)) return;
    if (serious) this.failed = true;
    this.findings.push({ rule, expression: this.place() + at, found });
  }
}
