import { boundedPattern } from '../fhirpath/bounded-pattern.ts';
import { FhirPathError } from '../fhirpath/fhirpath-error.ts';
import type { CompiledCodeSystem, Concept } from './code-system.ts';

export interface ConceptFilter {
  readonly property: string;
  readonly operator: string;
  readonly value: string;
}

/**
 * The codes of a code system that pass one filter of a value set (FHIR R4, ValueSet.compose.include.filter).
 * @returns undefined for a filter that is not understood, whose answer is then open
 */
export function filteredCodes(system: CompiledCodeSystem, filter: ConceptFilter): ReadonlySet<string> | undefined {
  const test = conceptTest(system, filter);
  if (test === undefined) return undefined;
  const codes = new Set<string>();
  for (const concept of system.concepts.values()) if (test(concept)) codes.add(concept.code);
  return codes;
}

type Test = (concept: Concept) => boolean;

function conceptTest(system: CompiledCodeSystem, filter: ConceptFilter): Test | undefined {
  const { operator, value } = filter;
  const below = (): ReadonlySet<string> => system.descendants(value);
  switch (operator) {
    case 'is-a': {
      const codes = below();
      return (concept) => concept.code === value || codes.has(concept.code);
    }
    case 'descendent-of':
    case 'descendant-of': {
      const codes = below();
      return (concept) => codes.has(concept.code);
    }
    case 'is-not-a': {
      const codes = below();
      return (concept) => concept.code !== value && !codes.has(concept.code);
    }
    case 'descendent-leaf': {
      const codes = below();
      return (concept) => codes.has(concept.code) && system.descendants(concept.code).size === 0;
    }
    case 'child-of':
      return (concept) => concept.parents.includes(value);
    case 'generalizes':
      return (concept) => concept.code === value || system.descendants(concept.code).has(value);
    default:
      return propertyTest(filter);
  }
}

function propertyTest({ property, operator, value }: ConceptFilter): Test | undefined {
  const values = (concept: Concept): readonly string[] => propertyValues(concept, property);
  switch (operator) {
    case '=':
      return (concept) => values(concept).includes(value);
    case 'in':
    case 'not-in': {
      const wanted = new Set(value.split(',').map((one) => one.trim()));
      const inside: Test = (concept) => values(concept).some((one) => wanted.has(one));
      return operator === 'in' ? inside : (concept) => !inside(concept);
    }
    case 'exists':
      return (concept) => values(concept).length > 0 === (value === 'true');
    case 'regex':
      try {
        const pattern = boundedPattern(`^(?:${value})$`);
        return (concept) => values(concept).some((one) => pattern.test(one));
      } catch (error) {
        if (error instanceof FhirPathError) return undefined;
        throw error;
      }
    default:
      return undefined;
  }
}

function propertyValues(concept: Concept, property: string): readonly string[] {
  switch (property) {
    case 'code':
    case 'concept':
      return [concept.code];
    case 'display':
      return concept.display === undefined ? [] : [concept.display];
    case 'parent':
      return concept.parents;
    case 'inactive':
      return [String(concept.inactive)];
    case 'notSelectable':
    case 'abstract':
      return concept.properties.get(property) ?? [String(concept.abstract)];
    default:
      return concept.properties.get(property) ?? [];
  }
}
