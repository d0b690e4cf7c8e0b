import type { Session } from './session.ts';
import { FhirNode, systemType } from './values.ts';
import type { Item } from './values.ts';

const systemNames: ReadonlySet<string> = new Set([
  'Boolean',
  'String',
  'Integer',
  'Decimal',
  'Date',
  'DateTime',
  'Time',
  'Quantity',
  'Any',
]);

/**
 * Whether an item is of a type (FHIRPath 2.0.0 section 6.3): `FHIR.X` and `System.X` are exact about the model; a bare name means the FHIR type where
 * the item is a FHIR element, else the system type. A FHIR `boolean` is not a System `Boolean`, but `is(boolean)` and `is(Boolean)` on a system value agree.
 */
export function isOfType(session: Session, item: Item, typeName: string): boolean {
  const { model } = session;
  const dot = typeName.indexOf('.');
  const namespace = dot < 0 ? undefined : typeName.slice(0, dot);
  const name = dot < 0 ? typeName : typeName.slice(dot + 1);
  if (item instanceof FhirNode) {
    if (namespace === 'System') return false;
    return model.ancestry(item.type).includes(name);
  }
  if (namespace === 'FHIR') return false;
  const system = systemType(item);
  return system === name || name === 'Any';
}

export function isKnownType(session: { readonly model: Session['model'] }, typeName: string): boolean {
  const dot = typeName.indexOf('.');
  const name = dot < 0 ? typeName : typeName.slice(dot + 1);
  const namespace = dot < 0 ? undefined : typeName.slice(0, dot);
  if (namespace !== 'FHIR' && systemNames.has(name)) return true;
  // What is not a system type is simply never one.
  return namespace === 'System' || session.model.exists(name);
}

export function is(session: Session, item: Item, typeName: Item): Item {
  return item === undefined ? undefined : isOfType(session, item, typeName as string);
}

/** As `is`, but a primitive must be of just that type: a `code` is not taken for a `string`. */
export function ofType(session: Session, items: Item, typeName: Item): readonly Item[] {
  const name = (typeName as string).replace('FHIR.', '');
  return (items as readonly Item[]).filter((item) => {
    if (!isOfType(session, item, typeName as string)) return false;
    return !(item instanceof FhirNode) || item.type === name || !session.model.isPrimitive(item.type);
  });
}
