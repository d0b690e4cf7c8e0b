/** StructureDefinitions beyond their constraints: a differential that its base allows, and types that fit (http://hl7.org/fhir/R4/structuredefinition.html). */
import { isObject, objects } from '../compile/element-tree.ts';
import type { Definition, FhirDefinition } from '../packages/definitions.ts';
import { definitionFacts } from '../packages/package-cache.ts';
import { auditDifferential } from '../snapshot/audit.ts';
import type { DifferentialProblem } from '../snapshot/audit.ts';
import { snapshotOf } from '../snapshot/snapshot.ts';
import type { CheckContext, JsonObject, Rule } from './report.ts';

const rule = (id: string, text: string): Rule => ({ id, severity: 'error', code: 'business-rule', text });

const rules: Readonly<Record<DifferentialProblem['kind'], Rule>> = {
  'not-generated': rule('structure-snapshot', 'No snapshot can be made of the differential'),
  'path-unknown': rule('structure-path', 'The base has no such element'),
  'path-order': rule(
    'structure-path',
    'The element is not where the base has it: elements must be in the order of the base',
  ),
  'type-not-allowed': rule('structure-type', 'The base does not allow this type here'),
  'target-not-allowed': rule('structure-target', 'The base does not allow this target here'),
  'maximum-widened': rule('structure-maximum', 'The maximum must not be greater than that of the base'),
  'minimum-widened': rule('structure-minimum', 'The minimum must not be less than that of the base'),
  'binding-weakened': rule('structure-binding-strength', 'A required binding must stay required'),
  'choice-name': rule('structure-path', 'The choice has no such type: write the path with [x]'),
  'slicing-missing': rule('structure-slicing', 'The element is sliced, but nothing says how'),
  'fixed-type': rule('structure-fixed-type', 'A fixed value or pattern must be of the type of the element'),
};
const rootSlicingRule = rule('structure-root-slicing', 'The root of a profile cannot be sliced');
const pathTypeRule = rule('structure-path-type', 'The path must start with the type of the structure');
const baseTypeRule = rule('structure-base-type', 'The type must be that of the structure that is constrained');
const derivationRule = rule('structure-derivation', 'A structure with a base must say how it derives from it');
const bindingTypeRule = rule('structure-binding-type', 'Elements of this type cannot be bound to a value set');
const typeProfileRule = rule('structure-type-profile', 'The profile is for another type');
const targetProfileRule = rule('structure-target-profile', 'The target is not a resource or a profile of one');

const bindable = new Set([
  'code',
  'Coding',
  'CodeableConcept',
  'Quantity',
  'string',
  'uri',
  'Duration',
  'Age',
  'Count',
  'Distance',
  'Money',
  'MoneyQuantity',
  'SimpleQuantity',
  'canonical',
  'url',
  'id',
  'Extension',
  'markdown',
  'oid',
]);

/** The place is at the resource. */
export function checkStructureDefinition(value: unknown, c: CheckContext): void {
  if (!isObject(value)) return;
  const definition = definitionOf(value, c);
  if (definition === undefined) return;
  if (definition.base !== undefined && definition.derivation === undefined) c.report(derivationRule);
  const base =
    definition.base === undefined ? undefined : definition.scope.resolve(definition.base, 'StructureDefinition');
  if (
    base !== undefined &&
    definition.derivation === 'constraint' &&
    base.constrainedType !== definition.constrainedType
  )
    c.report(baseTypeRule, '', definition.constrainedType);
  const elements = isObject(value['differential']) ? objects(value['differential']['element']) : [];
  elements.forEach((element, index) => checkElement(element, index, definition, c));
  reportProblems(auditDifferential(definition, snapshotOf), c);
}

/** An element that cannot be placed is named, and so is the definition: its snapshot would not have what the author meant. */
function reportProblems(problems: readonly DifferentialProblem[], c: CheckContext): void {
  for (const { kind, index, found } of problems) {
    if (index !== undefined && (kind === 'path-unknown' || kind === 'path-order' || kind === 'slicing-missing'))
      c.report(rules[kind], `.differential.element[${index}]`, found);
    if (kind !== 'slicing-missing') c.report(rules[kind], '', found);
  }
}

function checkElement(element: JsonObject, index: number, definition: Definition, c: CheckContext): void {
  const at = `.differential.element[${index}]`;
  const { path, slicing, type, binding } = element;
  if (typeof path !== 'string') return;
  const root = path.split('.', 1)[0];
  if (definition.kind !== 'logical' && definition.constrainedType !== undefined && root !== definition.constrainedType)
    c.report(pathTypeRule, at, path);
  if (slicing !== undefined && !path.includes('.')) c.report(rootSlicingRule, at);
  const types = objects(type);
  if (
    isObject(binding) &&
    types.length > 0 &&
    types.every((one) => typeof one['code'] === 'string' && !bindable.has(one['code']))
  )
    c.report(bindingTypeRule, at, types.map((one) => String(one['code'])).join(', '));
  types.forEach((one, position) => checkType(one, `${at}.type[${position}]`, c));
}

function checkType(type: JsonObject, at: string, c: CheckContext): void {
  const { code } = type;
  const { scope } = c.services;
  strings(type['profile']).forEach((profile, index) => {
    const found = scope.resolve(profile, 'StructureDefinition');
    if (found?.constrainedType !== undefined && typeof code === 'string' && !isOrIsBasedOn(found, code))
      c.report(typeProfileRule, `${at}.profile[${index}]`, profile);
  });
  strings(type['targetProfile']).forEach((profile, index) => {
    const found = scope.resolve(profile, 'StructureDefinition');
    if (found !== undefined && found.kind !== 'resource' && found.kind !== 'logical')
      c.report(targetProfileRule, `${at}.targetProfile[${index}]`, profile);
  });
}

/** Whether a definition constrains the type or one that specialises it. */
function isOrIsBasedOn(definition: Definition, code: string): boolean {
  let at: Definition | undefined = definition;
  for (let depth = 0; at !== undefined && depth < 20; depth++) {
    if (at.constrainedType === code) return true;
    at = at.base === undefined ? undefined : at.scope.resolve(at.base, 'StructureDefinition');
  }
  return definition.kind === 'logical';
}

function strings(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
}

/** The instance as a definition of its own: it sees what is loaded. */
function definitionOf(resource: JsonObject, c: CheckContext): Definition | undefined {
  const facts = definitionFacts(resource);
  if (facts === undefined) return undefined;
  const { scope } = c.services;
  const slots = new Map<object, unknown>();
  return {
    ...facts,
    resource: resource as FhirDefinition,
    scope,
    packageId: '',
    remember<T>(slot: object, make: () => T): T {
      if (!slots.has(slot)) slots.set(slot, make());
      return slots.get(slot) as T;
    },
  };
}
