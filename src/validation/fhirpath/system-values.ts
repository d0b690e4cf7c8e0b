import { DecimalValue, FhirNode, QuantityValue, TemporalValue } from './values.ts';
import type { Item } from './values.ts';

const numericTypes: ReadonlySet<string> = new Set(['integer', 'positiveInt', 'unsignedInt']);
const quantityTypes: ReadonlySet<string> = new Set([
  'Quantity',
  'Age',
  'Duration',
  'Distance',
  'Count',
  'SimpleQuantity',
  'MoneyQuantity',
]);
const ucum = 'http://unitsofmeasure.org';

/**
 * The system value that a FHIR primitive or Quantity is converted to where an operator wants one (FHIR R4, FHIRPath section 2.1.9.1.3);
 * any other item is itself, a primitive without a value is undefined.
 */
export function systemValue(item: Item): Item {
  if (!(item instanceof FhirNode)) return item;
  const { type, value } = item;
  if (typeof value === 'object' && value !== null) return quantityTypes.has(type) ? quantityOf(value, item) : item;
  switch (type) {
    case 'date':
      return typeof value === 'string' ? new TemporalValue('Date', value) : value;
    case 'dateTime':
    case 'instant':
      return typeof value === 'string'
        ? new TemporalValue(value.includes('T') ? 'DateTime' : 'DateTime', value)
        : value;
    case 'time':
      return typeof value === 'string' ? new TemporalValue('Time', value) : value;
    case 'decimal':
      return typeof value === 'number' ? new DecimalValue(value) : value;
    default:
      // A number outside the integers' types can only come from a wrong instance; as a decimal it can still be compared.
      return typeof value === 'number' && !numericTypes.has(type) ? new DecimalValue(value) : value;
  }
}

function quantityOf(value: object, item: Item): Item {
  const quantity = value as { value?: unknown; code?: unknown; unit?: unknown; system?: unknown };
  if (typeof quantity.value !== 'number') return item;
  const code = quantity.system === ucum && typeof quantity.code === 'string' ? quantity.code : undefined;
  if (code !== undefined) return new QuantityValue(quantity.value, code);
  if (quantity.system !== undefined || quantity.code !== undefined) return item;
  return new QuantityValue(quantity.value, typeof quantity.unit === 'string' ? quantity.unit : '1');
}

/** Digits after the point, none for an integer. */
export function scaleOf(text: string): number {
  const point = text.indexOf('.');
  return point < 0 ? 0 : text.length - point - 1;
}
