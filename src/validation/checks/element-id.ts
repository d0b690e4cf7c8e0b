/** Element ids are unique within a resource (http://hl7.org/fhir/R4/element.html#id). */
import type { CheckContext, Rule } from './report.ts';

const twiceRule: Rule = {
  id: 'element-id-twice',
  severity: 'error',
  code: 'invalid',
  text: 'Another element of the resource has the same id',
};

/** The place is at the id; the finding is about the element that has it. */
export function checkElementId(value: unknown, c: CheckContext): void {
  if (typeof value !== 'string' || value === '') return;
  // A differential and its snapshot name the same elements.
  if (c.resource['resourceType'] === 'StructureDefinition') return;
  if (!c.claimElementId(value)) c.reportAbove(twiceRule, value);
}
