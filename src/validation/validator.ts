/** The seam between the gateway (or the CLI) and the validation engine: text in, findings out. See design/validation. */

export type IssueSeverity = 'fatal' | 'error' | 'warning' | 'information';

/** One finding. Everything but `text` is stable across releases; `text` never quotes a value unless the policy lets it. */
export interface ValidationIssue {
  /** Stable id of the check, e.g. `element-missing`, `binding-required`; an invariant's is `invariant:KEY`. */
  readonly id: string;
  readonly severity: IssueSeverity;
  /** FHIR issue type (http://hl7.org/fhir/issue-type): structure, required, value, invariant, code-invalid, … */
  readonly code: string;
  /** FHIRPath from the resource's root, e.g. `Patient.name[0].family`; undefined only when the text is not JSON at all. */
  readonly expression: string | undefined;
  /** 1-based place in the text sent; undefined when only a parsed resource was given. */
  readonly line: number | undefined;
  readonly column: number | undefined;
  /** `profile|version#element` that says so, where one does. */
  readonly profile: string | undefined;
  /** What is wrong, what was found (masked by policy), what is allowed, for a vendor to act on. */
  readonly text: string;
  /** Equal for the same finding of the same rule at the same element path (indexes left out), over resources and releases. */
  readonly fingerprint: string;
}

export interface ValidationRequest {
  /** The octets' text as sent; wins over `resource`, and gives lines and columns. */
  readonly text?: string;
  /** A parsed resource, where there is no text (bundle entries, patched results, bench). */
  readonly resource?: unknown;
  /** Profiles that must hold beside the base type and (if the policy obeys them) the declared ones: `url` or `url|version`. */
  readonly profiles?: readonly string[];
  /** Name of the severity policy: `hl7` (as strict as the oracle), `gateway` (the default). */
  readonly policy?: string;
}

export interface ValidationReport {
  /** No issue of severity fatal or error. */
  readonly valid: boolean;
  readonly issues: readonly ValidationIssue[];
  readonly resourceType: string | undefined;
  /** Profiles that were applied, as `url|version`. */
  readonly profiles: readonly string[];
}

export type Direction = 'push' | 'pull';
export type RuleMode = 'off' | 'observe' | 'annotate' | 'reject';

/** What a rule set says about one resource in one exchange. */
export interface RuleDecision {
  readonly mode: RuleMode;
  readonly required: readonly string[];
  /** Name of the rule that decided, for the explanation. */
  readonly rule: string;
  /** Findings of the rule itself (a profile that is forbidden, not allowed or not declared), to be added to the engine's. */
  readonly issues?: readonly ValidationIssue[];
}

/** The rule set in force: digest-identified, shared by the consortium, tightened locally. */
export interface RuleSet {
  /** Lowercase hex SHA-256 of the shared rule set's canonical form. */
  readonly digest: string;
  decide(query: {
    direction: Direction;
    resourceType: string;
    upstream: string;
    client?: string;
    profiles: readonly string[];
  }): RuleDecision;
}

/** Warm when handed out: the first call does not stall. Pure and reentrant. */
export interface Validator {
  validate(request: ValidationRequest): ValidationReport | Promise<ValidationReport>;
  /** `id#version` of each loaded package, and the engine's own name and version, for outcomes and records. */
  readonly context: { readonly packages: readonly string[]; readonly engine: string };
}
