/** The settings of one case of the suite, as its README lists them, in the validator's own terms. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { CheckSettings } from '../src/validation/checks/services.ts';
import type { SeverityOverride } from '../src/validation/policy.ts';
import { stringList } from './conformance-suite.ts';
import type { SuiteCase } from './conformance-suite.ts';

export interface CaseSettings {
  readonly settings: Partial<CheckSettings>;
  readonly overrides: readonly SeverityOverride[];
}

/** What cannot be read of them is added to `missing`. */
export function caseSettings(
  one: SuiteCase,
  mode: 'base' | 'profile',
  casesDirectory: string,
  missing: string[],
): CaseSettings {
  const all = one.settings;
  const profile = mode === 'profile' && isObject(all.profile) ? all.profile : {};
  return {
    settings: {
      believeReferences: isTrue(profile.assumeValidRestReferences ?? all.assumeValidRestReferences),
      allowExamples: all.examples === undefined || isTrue(all.examples),
      allowedExtensionDomains: [
        ...stringList(all['allowed-extension-domain']),
        ...stringList(all['allowed-extension-domains']),
      ],
      securityChecks: isTrue(all['security-checks']),
      refuseHtmlInMarkdown: isTrue(all.noHtmlInMarkdown),
      forPublication: isTrue(all['for-publication']),
      refuseExperimental: isTrue(all['no-experimental-content']),
      allowComments: isTrue(all['allow-comments']),
      // The test fetcher of the reference harness takes every URL but example.org's for resolvable.
      believeUrls: all.fetcher !== 'standalone',
      checkContained: all.validateContains !== 'IGNORE',
      checkTargets: typeof all.validateReference === 'string' && /^CHECK/.test(all.validateReference),
    },
    overrides: [
      ...(all['wrong-displays'] === 'warning'
        ? [{ issue: 'display-*', severity: 'warning' as const, reason: 'setting of the case' }]
        : []),
      ...(typeof all.advisor === 'string' ? suppressions(casesDirectory, all.advisor, missing) : []),
      ...stringList(all.suppress).flatMap(suppression),
    ],
  };
}

/** A file of `MESSAGE-ID@EXPRESSION` or `MESSAGE-ID` lines. */
function suppressions(casesDirectory: string, file: string, missing: string[]): SeverityOverride[] {
  try {
    const advisor: unknown = JSON.parse(readFileSync(join(casesDirectory, file), 'utf8'));
    return isObject(advisor) ? stringList(advisor.suppress).flatMap(suppression) : [];
  } catch (error) {
    missing.push(`${file}: ${error instanceof Error ? error.message : 'cannot be read'}`);
    return [];
  }
}

/** Ids of the reference validator's messages against ours; only families that such files name in practice. */
const messageFamilies: readonly (readonly [pattern: RegExp, issue: string])[] = [
  [/^Display_Name|_DISPLAY/i, 'display-*'],
  [/^Terminology_TX_(Confirm|NoValid)/i, 'binding-*'],
  [/^Extension_EXT_Unknown/i, 'extension-unknown'],
  [/^Reference_REF/i, 'reference-*'],
  [/^Validation_VAL_Profile_Minimum/i, 'cardinality-minimum'],
  [/^Validation_VAL_Profile_Maximum/i, 'cardinality-maximum'],
];

function suppression(line: string): SeverityOverride[] {
  const at = line.indexOf('@');
  const id = at < 0 ? line : line.slice(0, at);
  const place = at < 0 ? undefined : line.slice(at + 1).replaceAll(/\[\d+\]/g, '');
  const issue =
    messageFamilies.find(([pattern]) => pattern.test(id))?.[1] ??
    (id.includes('#') ? `invariant:${id.slice(id.indexOf('#') + 1)}` : undefined);
  if (issue === undefined && place === undefined) return [];
  return [{ issue, expression: place, severity: 'ignore', reason: 'setting of the case' }];
}

function isTrue(value: unknown): boolean {
  return value === true || value === 'true';
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
