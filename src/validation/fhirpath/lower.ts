import { FhirPathError } from './fhirpath-error.ts';
import type { Intermediate } from './intermediate.ts';
import { lowerBinary } from './lower-operators.ts';
import { lowerFunction } from './lower-functions.ts';
import { isType, member, narrow } from './lower-members.ts';
import { asMany, asSingle, box, call, constant, nothing } from './lower-support.ts';
import type { Scope } from './lower-support.ts';
import type { Syntax } from './parser.ts';
import { temporalLiteral } from './temporal.ts';
import { DecimalValue, QuantityValue } from './values.ts';

/**
 * Gives a syntax tree static types and chooses the runtime functions.
 * @throws {FhirPathError} declined, for what the runtime does not have
 */
export function lower(tree: Syntax, scope: Scope): Intermediate {
  switch (tree.kind) {
    case 'boolean':
      return constant(tree.value, 'System.Boolean');
    case 'string':
      return constant(tree.value, 'System.String');
    case 'integer':
      return constant(Number(tree.text), 'System.Integer');
    case 'decimal':
      return constant(new DecimalValue(Number(tree.text), tree.text), 'System.Decimal');
    case 'temporal': {
      const value = temporalLiteral(tree.text);
      return constant(value, `System.${value.kind}`);
    }
    case 'quantity':
      return constant(new QuantityValue(Number(tree.text), tree.unit, tree.text), 'System.Quantity');
    case 'nothing':
      return nothing;
    case 'special':
      if (tree.name === 'this') return scope.focus;
      return { op: tree.name, type: tree.name === 'index' ? 'System.Integer' : undefined, many: tree.name === 'total' };
    case 'variable':
      return lowerVariable(tree.name, scope);
    case 'member':
      return lowerMember(tree.of, tree.name, scope);
    case 'call':
      return lowerFunction(tree, scope, lower);
    case 'item': {
      const of = lower(tree.of, scope);
      return call('itemAt', [asMany(of), asSingle(lower(tree.at, scope))], of.type);
    }
    case 'sign': {
      const of = asSingle(box(lower(tree.of, scope)));
      return tree.negative ? call('negate', [of], undefined) : of;
    }
    case 'type': {
      const of = asSingle(lower(tree.of, scope));
      return tree.operator === 'is'
        ? isType(of, tree.typeName, scope)
        : asSingle(narrow(lower(tree.of, scope), tree.typeName, scope));
    }
    case 'binary':
      return lowerBinary(tree.operator, lower(tree.left, scope), lower(tree.right, scope));
  }
}

function lowerVariable(name: string, scope: Scope): Intermediate {
  switch (name) {
    case 'resource':
      return { op: 'variable', name: 'resource', type: scope.resourceType, many: false };
    case 'rootResource':
      return { op: 'variable', name: 'rootResource', type: undefined, many: false };
    case 'context':
      return { op: 'variable', name: 'context', type: scope.contextType, many: false };
    case 'ucum':
      return constant('http://unitsofmeasure.org', 'System.String');
    case 'sct':
      return constant('http://snomed.info/sct', 'System.String');
    case 'loinc':
      return constant('http://loinc.org', 'System.String');
  }
  if (scope.variables.has(name)) return call('namedVariable', [constant(name, 'System.String')], undefined, true);
  if (name.startsWith('vs-')) return constant(`http://hl7.org/fhir/ValueSet/${name.slice(3)}`, 'System.String');
  if (name.startsWith('ext-'))
    return constant(`http://hl7.org/fhir/StructureDefinition/${name.slice(4)}`, 'System.String');
  throw new FhirPathError('declined', 'an unknown variable');
}

function lowerMember(of: Syntax | undefined, name: string, scope: Scope): Intermediate {
  if (of !== undefined) return member(lower(of, scope), name, scope);
  const { focus, model } = scope;
  if (scope.outermost && /^[A-Z]/.test(name)) {
    if (focus.type !== undefined && model.ancestry(focus.type).includes(name)) return focus;
    if (focus.type === undefined)
      return call('ofType', [asMany(focus), constant(name, 'System.String')], undefined, true);
    if (scope.strict) throw new FhirPathError('syntax', `not a ${name}`);
    return nothing;
  }
  return member(focus, name, scope);
}
