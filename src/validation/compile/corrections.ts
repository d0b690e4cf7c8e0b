/** Constraints that are published wrongly, and how they are run. Each with its reason; the list is in the documentation too. */
import type { Definition } from '../packages/definitions.ts';
import type { ElementConstraint } from './element-tree.ts';

/**
 * `vs-1` of R4's vital-signs profiles says "if effective is a dateTime", but its expression fails for a Period. HL7's tools correct it in R4's own
 * profiles and where another profile is based on them directly; in profiles further down they run what is printed.
 */
export function correctedConstraint(constraint: ElementConstraint, definition: Definition): ElementConstraint {
  if (constraint.key !== 'vs-1' || constraint.expression !== '($this as dateTime).toString().length() >= 8')
    return constraint;
  const direct =
    definition.packageId.startsWith('hl7.fhir.r4.core#') ||
    (constraint.source !== undefined && constraint.source === definition.base);
  return direct
    ? { ...constraint, expression: '($this is dateTime) implies ($this.toString().length() >= 8)' }
    : constraint;
}

/** Expressions that HL7's tools replace wherever they stand, because as printed they do not say what their text says. */
const replaced: ReadonlyMap<string, string> = new Map([
  // A multiple telecom is no boolean.
  ['telecom or endpoint', 'telecom.exists() or endpoint.exists()'],
]);

export function correctedExpression(expression: string): string {
  return replaced.get(expression) ?? expression;
}

/** Value sets that R4's own profiles bind more strictly than HL7's tools judge them. */
const softened: ReadonlySet<string> = new Set([
  // Vital-signs components hold more than measurements in these units.
  'http://hl7.org/fhir/ValueSet/ucum-vitals-common|4.0.1',
]);

export function correctedStrength(strength: string, valueSet: string | undefined): string {
  return strength === 'required' && valueSet !== undefined && softened.has(valueSet) ? 'extensible' : strength;
}
