/** URLs of HL7's own space must exist: a misspelt system or extension there is a mistake that no server can mend. */
import type { PackageScope } from '../packages/definitions.ts';
import type { CheckContext, Rule } from './report.ts';

const unresolvedRule: Rule = {
  id: 'url-unresolved',
  severity: 'error',
  code: 'invalid',
  text: 'Nothing loaded defines this HL7 URL',
};
const exampleRule: Rule = {
  id: 'url-example',
  severity: 'error',
  code: 'business-rule',
  text: 'Example URLs are not allowed here',
};

const checkedSpaces = ['http://hl7.org/fhir', 'http://terminology.hl7.org', 'http://fhir.org/guides/'];

/** FHIR's own names for things that have no definition file. */
const knownPrefixes = [
  'http://hl7.org/fhirpath/System.',
  'http://hl7.org/fhir/tools',
  'http://hl7.org/fhir/StructureDefinition/instance-name',
  'http://hl7.org/fhir/StructureDefinition/instance-description',
  'http://hl7.org/fhir/workflow-extensions',
  'http://hl7.org/fhir/sid/passport-',
];

const sid = 'http://hl7.org/fhir/sid/';
/** Registered identifier systems (http://hl7.org/fhir/R4/identifier-registry.html) without a definition in the packages. */
const knownSids: ReadonlySet<string> = new Set([
  'us-npi',
  'us-ssn',
  'icd-10',
  'icd-10-cm',
  'icd-9-cm',
  'icd-9',
  'ndc',
  'cvx',
  'eui-48/bluetooth',
  'ex-icd-10-procedures',
  'icpc-2',
  'icf-nl',
  'srt',
  'dsm5',
]);

const maximumRemembered = 20_000;

export class KnownUrls {
  private readonly scope: PackageScope;
  private readonly answers = new Map<string, boolean>();

  constructor(scope: PackageScope) {
    this.scope = scope;
  }

  /** For values of type uri and url, and extension URLs. */
  check(value: unknown, c: CheckContext): void {
    if (typeof value !== 'string' || value.length < 10) return;
    const { settings } = c.services;
    if (!settings.allowExamples && isExampleUrl(value)) c.report(exampleRule, '', value);
    if (settings.believeUrls) return;
    const known = this.answers.get(value);
    if (known === true) return;
    if (known === false) {
      c.report(unresolvedRule, '', value);
      return;
    }
    const found = this.look(value);
    // The memory is bounded: URLs come from instances.
    if (this.answers.size < maximumRemembered) this.answers.set(value, found);
    if (!found) c.report(unresolvedRule, '', value);
  }

  private look(url: string): boolean {
    if (!checkedSpaces.some((space) => url.startsWith(space))) return true;
    if (/^http:\/\/hl7\.org\/fhir\/[1-9]\.\d\/StructureDefinition\/extension-/.test(url)) return true;
    if (knownPrefixes.some((prefix) => url.startsWith(prefix))) return true;
    if (url.startsWith(sid) && knownSids.has(url.slice(sid.length))) return true;
    const bar = url.indexOf('|');
    return bar < 0 && this.scope.resolve(url) !== undefined;
  }
}

export function isExampleUrl(url: string): boolean {
  return url.includes('example.org') || url.includes('acme.com') || url.includes('acme.org');
}
