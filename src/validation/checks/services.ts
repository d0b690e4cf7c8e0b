import type { PackageScope } from '../packages/definitions.ts';
import type { Terminology } from '../terminology/terminology.ts';
import type { JsonObject } from './report.ts';

/** What is looked at, as far as a policy or a suite's case may choose it. Severities are not here: they belong to the policy. */
export interface CheckSettings {
  /** Believe that `Patient/1` is a Patient without seeing it (the oracle's assumeValidRestReferences). */
  readonly believeReferences: boolean;
  /** Accept example.org and acme.com as URLs of extensions, systems and the like. */
  readonly allowExamples: boolean;
  /** URL prefixes whose unknown extensions pass; `*` is all of them. */
  readonly allowedExtensionDomains: readonly string[];
  /** Refuse HTML-like content in plain strings. */
  readonly securityChecks: boolean;
  /** HTML in markdown is an error rather than a warning. */
  readonly refuseHtmlInMarkdown: boolean;
  /** Stricter on conformance resources. */
  readonly forPublication: boolean;
  readonly refuseExperimental: boolean;
  readonly allowComments: boolean;
  /** Also run constraints marked as best practice. */
  readonly bestPractice: boolean;
  /** Obey `meta.profile`, also of contained and bundled resources. */
  readonly obeyDeclaredProfiles: boolean;
  /** Believe that URLs in HL7's own space exist, example URLs apart: something else has looked them up. */
  readonly believeUrls: boolean;
  /** Look into contained resources; without it only their place among the others is judged. */
  readonly checkContained: boolean;
  /** Hold what `resolveReference` finds outside the instance against the target profiles too. */
  readonly checkTargets: boolean;
  /** Language that displays are judged in, BCP 47. */
  readonly language: string;
}

/** What outside the instance the checks may ask. */
export interface CheckServices {
  /** Sees every loaded package; the newest wins for a canonical without version. */
  readonly scope: PackageScope;
  readonly terminology: Terminology;
  readonly settings: CheckSettings;
  /** A resource outside the instance that a reference names; undefined where there is none or it cannot be told. */
  readonly resolveReference?: ((reference: string) => JsonObject | undefined) | undefined;
  /** The present, epoch milliseconds, for limits relative to it; by default the system's clock. */
  readonly now?: (() => number) | undefined;
}

export const defaultSettings: CheckSettings = {
  believeReferences: true,
  allowExamples: true,
  allowedExtensionDomains: [],
  securityChecks: false,
  refuseHtmlInMarkdown: false,
  forPublication: false,
  refuseExperimental: false,
  allowComments: false,
  bestPractice: false,
  obeyDeclaredProfiles: true,
  believeUrls: false,
  checkContained: true,
  checkTargets: true,
  language: 'en-US',
};
