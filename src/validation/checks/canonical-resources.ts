/** Resources that have a canonical URL of their own (R4). */
import { isAbsoluteUri } from '../primitives/scanners.ts';
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
