/** Resources that have a canonical URL of their own (R4). */
import { isAbsoluteUri } from '../primitives/scanners.ts';
import { findContained } from './references.ts';
import type { CheckContext, Rule } from './report.ts';

export const canonicalResources: ReadonlySet<string> = new Set([
  'ActivityDefinition',
  'CapabilityStatement',
  'ChargeItemDefinition',
  'CodeSystem',
  'CompartmentDefinition',
  'ConceptMap',
  'EffectEvidenceSynthesis',
  'EventDefinition',
  'Evidence',
  'EvidenceVariable',
  'ExampleScenario',
  'GraphDefinition',
  'ImplementationGuide',
  'Library',
  'Measure',
  'MessageDefinition',
  'NamingSystem',
  'OperationDefinition',
  'PlanDefinition',
  'Questionnaire',
  'ResearchDefinition',
  'ResearchElementDefinition',
  'RiskEvidenceSynthesis',
  'SearchParameter',
  'StructureDefinition',
  'StructureMap',
  'TerminologyCapabilities',
  'TestScript',
  'ValueSet',
]);

const absoluteRule: Rule = {
  id: 'canonical-url-relative',
  severity: 'error',
  code: 'invalid',
  text: 'The canonical URL of a resource must be absolute',
};

export function checkCanonicalUrl(value: unknown, c: CheckContext): void {
  if (typeof value === 'string' ? value !== '' && !isAbsoluteUri(value) : typeof value === 'number')
    c.report(absoluteRule, '', String(value));
}

const canonicalRule: Rule = {
  id: 'canonical-relative',
  severity: 'error',
  code: 'invalid',
  text: 'A canonical must be an absolute URL, or # and the id of a contained resource',
};
const fragmentRule: Rule = {
  id: 'canonical-contained-missing',
  severity: 'error',
  code: 'not-found',
  text: 'No contained resource has that id',
};

/** Values of type canonical (http://hl7.org/fhir/R4/references.html#canonical). */
export function checkCanonical(value: unknown, c: CheckContext): void {
  if (typeof value !== 'string' || value.trim() === '') return;
  if (value.charCodeAt(0) === 35 /* # */) {
    if (findContained(value.slice(1), c) === undefined) c.report(fragmentRule, '', value);
  } else if (!/^[a-z][a-z0-9+.-]*:/.test(value)) c.report(canonicalRule, '', value);
}
