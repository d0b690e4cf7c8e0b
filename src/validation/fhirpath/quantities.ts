import { QuantityValue } from './values.ts';

/** Factor to the base unit of its dimension, for the units that constraints and dates use; other units compare only with themselves. */
const units: ReadonlyMap<string, readonly [dimension: string, factor: number]> = new Map([
  ['1', ['1', 1]],
  ['%', ['1', 0.01]],
  ['kg', ['g', 1000]],
  ['g', ['g', 1]],
  ['mg', ['g', 1e-3]],
  ['ug', ['g', 1e-6]],
  ['ng', ['g', 1e-9]],
  ['[lb_av]', ['g', 453.59237]],
  ['[oz_av]', ['g', 28.349523125]],
  ['km', ['m', 1000]],
  ['m', ['m', 1]],
  ['cm', ['m', 0.01]],
  ['mm', ['m', 1e-3]],
  ['[in_i]', ['m', 0.0254]],
  ['[ft_i]', ['m', 0.3048]],
  ['l', ['l', 1]],
  ['L', ['l', 1]],
  ['dL', ['l', 0.1]],
  ['mL', ['l', 1e-3]],
  ['ms', ['s', 1e-3]],
  ['millisecond', ['s', 1e-3]],
  ['s', ['s', 1]],
  ['second', ['s', 1]],
  ['min', ['s', 60]],
  ['minute', ['s', 60]],
  ['h', ['s', 3600]],
  ['hour', ['s', 3600]],
  ['d', ['s', 86_400]],
  ['day', ['s', 86_400]],
  ['wk', ['s', 604_800]],
  ['week', ['s', 604_800]],
  ['month', ['month', 1]],
  ['year', ['month', 12]],
  ['mo', ['mo', 1]],
  ['a', ['mo', 12]],
]);

/** @returns negative, 0, positive, or undefined for units that cannot be compared */
export function compareQuantities(left: QuantityValue, right: QuantityValue): number | undefined {
  if (left.unit === right.unit) return left.number - right.number;
  const a = units.get(left.unit);
  const b = units.get(right.unit);
  if (a === undefined || b === undefined || a[0] !== b[0]) return undefined;
  const difference = left.number * a[1] - right.number * b[1];
  return Math.abs(difference) < 1e-9 * Math.max(1, Math.abs(left.number * a[1])) ? 0 : difference;
}

/** The number of `quantity` in another unit; undefined where they cannot be compared. */
export function convertedTo(quantity: QuantityValue, unit: string): number | undefined {
  if (quantity.unit === unit) return quantity.number;
  const from = units.get(quantity.unit);
  const to = units.get(unit);
  return from === undefined || to === undefined || from[0] !== to[0] ? undefined : (quantity.number * from[1]) / to[1];
}

const written = /^([+-]?\d+(?:\.\d+)?)(?:\s*(?:'([^']+)'|([A-Za-z]+)))?$/;
const calendar = /^(?:year|month|week|day|hour|minute|second|millisecond)s?$/;

/** `5 'mg'`, `4 days`, `1`; undefined for anything else. */
export function parseQuantity(text: string): QuantityValue | undefined {
  const match = written.exec(text.trim());
  if (match === null) return undefined;
  const [, number = '', quoted, word] = match;
  if (word !== undefined && !calendar.test(word)) return undefined;
  return new QuantityValue(Number(number), quoted ?? word?.replace(/s$/, '') ?? '1', number);
}

/** As it is written in a literal. */
export function quantityText(quantity: QuantityValue): string {
  const unit = calendar.test(quantity.unit) ? quantity.unit : `'${quantity.unit}'`;
  return `${quantity.text} ${unit}`;
}
