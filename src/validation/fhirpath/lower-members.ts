import { FhirPathError } from './fhirpath-error.ts';
import type { Intermediate } from './intermediate.ts';
import { asMany, asSingle, box, call, choiceElement, constant, fieldOf, isSystem, nothing } from './lower-support.ts';
import type { Scope } from './lower-support.ts';
import { isKnownType } from './runtime-types.ts';

/** `of.name`. An element that the type does not have is empty, as in the HL7 validator. */
export function member(of: Intermediate, name: string, scope: Scope): Intermediate {
  const { model } = scope;
  const choice = choiceElement(of, model);
  if (choice !== undefined) {
    const fitting = choice.element.variants.filter((variant) => model.element(variant.type, name) !== undefined);
    if (fitting.length === 0 && name !== 'extension' && name !== 'id') return nothing;
    const [only] = fitting;
    if (fitting.length === 1 && only !== undefined) {
      return member(fieldOf(choice.of, only.json, only.type, only.primitive, choice.element.many, model), name, scope);
    }
  }
  if (of.type === undefined) return call('child', [asMany(of), constant(name, 'System.String')], undefined, true);
  if (isSystem(of.type)) return nothing;
  if (model.isPrimitive(of.type))
    return call('child', [asMany(box(of)), constant(name, 'System.String')], undefined, true);
  const element = model.element(of.type, name);
  if (element === undefined) {
    const narrowed = scope.strict ? undefined : model.elementByJson(of.type, name);
    if (narrowed === undefined) {
      if (scope.strict) throw new FhirPathError('syntax', `${of.type} has no element of that name`);
      return nothing;
    }
    const { variant } = narrowed;
    return fieldOf(of, variant.json, variant.type, variant.primitive, narrowed.element.many, model);
  }
  const [variant] = element.variants;
  if (variant === undefined) return nothing;
  if (element.variants.length > 1) {
    const names = [constant(of.type, 'System.String'), constant(name, 'System.String')];
    return call('choice', [asMany(of), ...names], undefined, true);
  }
  return fieldOf(of, variant.json, variant.type, variant.primitive, element.many, model);
}

/** The items of that type only, with the static type where it is known. */
export function narrow(of: Intermediate, typeName: string, scope: Scope): Intermediate {
  const { model } = scope;
  if (!isKnownType(scope, typeName)) throw new FhirPathError('declined', 'an unknown type');
  const name = typeName.startsWith('FHIR.') ? typeName.slice(5) : typeName;
  const choice = choiceElement(of, model);
  if (choice !== undefined && !typeName.startsWith('System.')) {
    const fitting = choice.element.variants.filter((variant) =>
      variant.primitive ? variant.type === name : model.ancestry(variant.type).includes(name),
    );
    const [only] = fitting;
    if (fitting.length === 0) return nothing;
    if (fitting.length === 1 && only !== undefined) {
      return fieldOf(choice.of, only.json, only.type, only.primitive, choice.element.many, model);
    }
  }
  if (of.type !== undefined && !isSystem(of.type)) {
    if (typeName.startsWith('System.')) return nothing;
    // A primitive must be of just that type: a code is not taken for a string.
    if (model.isPrimitive(of.type) ? of.type === name : model.ancestry(of.type).includes(name)) return of;
    if (!model.isResource(of.type)) return nothing;
  }
  return call('ofType', [asMany(box(of)), constant(typeName, 'System.String')], undefined, true);
}

export function isType(of: Intermediate, typeName: string, scope: Scope): Intermediate {
  if (!isKnownType(scope, typeName)) throw new FhirPathError('declined', 'an unknown type');
  return call('is', [asSingle(box(of)), constant(typeName, 'System.String')], 'System.Boolean');
}
