/** What Coding.system may be where nothing loaded is called so (http://hl7.org/fhir/R4/terminologies-systems.html). */
import type { SystemState } from '../terminology/answers.ts';
import { isIdentifierSystem } from './identifier.ts';
import type { CheckContext, Rule } from './report.ts';

function rule(id: string, text: string): Rule {
  return { id, severity: 'error', code: 'invalid', text };
}

const relativeRule = rule('coding-system-relative', 'Coding.system must be an absolute URI');
const misspeltRule = rule('coding-system-misspelt', 'This is nearly the URI of a known code system, but not quite');
const schemeRule = rule('coding-system-https', 'The URI of this code system begins with http:, not https:');
const valueSetRule = rule('coding-system-value-set', 'Coding.system names a value set; it must name a code system');

const wellKnown: readonly string[] = [
  'http://snomed.info/sct',
  'http://loinc.org',
  'http://www.nlm.nih.gov/research/umls/rxnorm',
  'http://unitsofmeasure.org',
];

/**
 * The place is at the Coding. Codings in a CodeableConcept are left alone, as the oracle does: there another coding may carry the meaning.
 * @param state what the terminology knows of the system
 */
export function checkCodingSystem(system: string, state: SystemState, c: CheckContext): void {
  if (c.factsAt(c.depth - 2)?.type === 'CodeableConcept') return;
  if (state === 'value-set' || /^http:\/\/(terminology\.)?hl7\.org\/(fhir\/)?ValueSet\//.test(system))
    c.report(valueSetRule, '', system);
  else if (!isIdentifierSystem(system)) c.report(relativeRule, '', system);
  else if (wellKnown.some((known) => system.startsWith(known) && system !== known)) c.report(misspeltRule, '', system);
  else if (wellKnown.some((known) => system === known.replace('http:', 'https:'))) c.report(schemeRule, '', system);
}
