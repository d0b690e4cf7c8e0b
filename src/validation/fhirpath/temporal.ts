import { DecimalValue, TemporalValue } from './values.ts';
import type { TemporalKind } from './values.ts';

const pattern =
  /^(\d{4})(?:-(\d\d)(?:-(\d\d))?)?(?:T(?:(\d\d)(?::(\d\d)(?::(\d\d(?:\.\d+)?))?)?)?(Z|[+-]\d\d:\d\d)?)?$/;
const timePattern = /^T?(\d\d)(?::(\d\d)(?::(\d\d(?:\.\d+)?))?)?$/;

interface Parts {
  /** Year, month, day, hour, minute, second with fraction; as many as the precision has. */
  readonly fields: readonly number[];
  readonly offsetMinutes: number | undefined;
}

function parts(text: string, kind: TemporalKind): Parts | undefined {
  if (kind === 'Time') {
    const match = timePattern.exec(text);
    return match === null ? undefined : { fields: numbers(match.slice(1, 4)), offsetMinutes: undefined };
  }
  const match = pattern.exec(text);
  if (match === null) return undefined;
  const zone = match[7];
  const offsetMinutes =
    zone === undefined
      ? undefined
      : zone === 'Z'
        ? 0
        : Number(zone.slice(0, 3)) * 60 + Number(zone.charAt(0) + zone.slice(4));
  return { fields: numbers(match.slice(1, 7)), offsetMinutes };
}

function numbers(texts: readonly (string | undefined)[]): number[] {
  const fields: number[] = [];
  for (const text of texts) {
    if (text === undefined) break;
    fields.push(Number(text));
  }
  return fields;
}

/** The same moment in UTC; only what has hours can have a zone. */
function inUtc(moment: Parts): readonly number[] {
  const { fields, offsetMinutes } = moment;
  if (offsetMinutes === undefined || offsetMinutes === 0 || fields.length < 4) return fields;
  const [year = 0, month = 1, day = 1, hour = 0, minute = 0, second] = fields;
  const shifted = new Date(Date.UTC(2000, month - 1, day, hour, minute - offsetMinutes));
  shifted.setUTCFullYear(shifted.getUTCFullYear() - 2000 + year);
  const result = [
    shifted.getUTCFullYear(),
    shifted.getUTCMonth() + 1,
    shifted.getUTCDate(),
    shifted.getUTCHours(),
    shifted.getUTCMinutes(),
  ];
  if (second !== undefined) result.push(second);
  return result.slice(0, fields.length);
}

/**
 * Compares two dates, date-times or times (FHIRPath 2.0.0 section 6.2).
 * @returns negative, 0 or positive; undefined where the precisions leave it open
 */
export function compareTemporal(left: string, right: string, kind: TemporalKind): number | undefined {
  if (left === right) return 0;
  // Most periods are written alike: full dates, or the same zone and precision; then the order of the texts is that of the times.
  if (left.length === right.length && (left.length === 10 || left.slice(19) === right.slice(19)) && left.length !== 4) {
    if (left.length === 10 || left.length >= 20) return left < right ? -1 : 1;
  }
  const a = parts(left, kind);
  const b = parts(right, kind);
  if (a === undefined || b === undefined) return undefined;
  // A time of day without zone could be anywhere, so against one with a zone nothing can be said.
  if (kind === 'DateTime' && a.fields.length > 3 && b.fields.length > 3) {
    if ((a.offsetMinutes === undefined) !== (b.offsetMinutes === undefined)) return undefined;
  }
  const x = inUtc(a);
  const y = inUtc(b);
  const shared = Math.min(x.length, y.length);
  for (let i = 0; i < shared; i++) {
    const difference = (x[i] ?? 0) - (y[i] ?? 0);
    if (difference !== 0) return difference;
  }
  if (x.length !== y.length) return undefined;
  return 0;
}

/** Number of fields that are given (1 year … 6 second), undefined when it is no such thing. */
export function temporalPrecision(text: string, kind: TemporalKind): number | undefined {
  return parts(text, kind)?.fields.length;
}

/** Whether the text is a date, date-time or time of its kind, calendar included. */
export function isTemporal(text: string, kind: TemporalKind): boolean {
  const read = parts(text, kind);
  if (read === undefined) return false;
  const { fields } = read;
  const [year = 0, month = 1, day = 1, ...clock] = kind === 'Time' ? [2000, 1, 1, ...fields] : fields;
  if (month < 1 || month > 12 || day < 1 || day > new Date(Date.UTC(2000 + (year % 400), month, 0)).getUTCDate())
    return false;
  const [hour = 0, minute = 0, second = 0] = clock;
  return hour < 24 && minute < 60 && second < 60 && (kind !== 'Date' || fields.length <= 3);
}

/** A temporal literal's value: `2015`, `2015-02-04T14:34:28Z`, `T14:30`. */
export function temporalLiteral(text: string): TemporalValue {
  if (text.startsWith('T')) return new TemporalValue('Time', text.slice(1));
  return text.includes('T') ? new TemporalValue('DateTime', text.replace(/T$/, '')) : new TemporalValue('Date', text);
}

const unitPlace: ReadonlyMap<string, { field: number; times: number }> = new Map([
  ['year', { field: 0, times: 1 }],

  ['month', { field: 1, times: 1 }],

  ['week', { field: 2, times: 7 }],
  ['wk', { field: 2, times: 7 }],
  ['day', { field: 2, times: 1 }],
  ['d', { field: 2, times: 1 }],
  ['hour', { field: 3, times: 1 }],
  ['h', { field: 3, times: 1 }],
  ['minute', { field: 4, times: 1 }],
  ['min', { field: 4, times: 1 }],
  ['second', { field: 5, times: 1 }],
  ['s', { field: 5, times: 1 }],
  ['millisecond', { field: 5, times: 0.001 }],
  ['ms', { field: 5, times: 0.001 }],
]);
/** Of the year, for amounts finer than a partial date can show. */
const fieldsPerCoarser: readonly number[] = [1, 12, 30, 24, 60, 60];

/** Date arithmetic (FHIRPath 2.0.0 section 6.6.7): whole units only, at the precision of the date; undefined for a unit that is not of time. */
export function addToTemporal(moment: TemporalValue, amount: number, unit: string): TemporalValue | undefined {
  const place = unitPlace.get(unit);
  const read = parts(moment.text, moment.kind);
  if (place === undefined || read === undefined) return undefined;
  const fields = moment.kind === 'Time' ? [2000, 1, 1, ...read.fields] : [...read.fields];
  const last = fields.length - 1;
  let { field } = place;
  let value = Math.trunc(amount) * place.times;
  // A partial date takes the amount in its own finest unit, the rest dropped.
  while (field > last) {
    value = Math.trunc(value / (field === 2 && last === 0 ? 365 : (fieldsPerCoarser[field] ?? 1)));
    field = field === 2 && last === 0 ? 0 : field - 1;
  }
  const moved = shift(fields, field, value);
  return new TemporalValue(moment.kind, write(moved, moment, last));
}

function shift(fields: readonly number[], field: number, value: number): number[] {
  const [year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0] = fields;
  if (field <= 1) {
    const months = year * 12 + (month - 1) + (field === 0 ? value * 12 : value);
    const newYear = Math.floor(months / 12);
    const newMonth = (((months % 12) + 12) % 12) + 1;
    const longest = new Date(Date.UTC(2000 + (newYear % 400), newMonth, 0)).getUTCDate();
    return [newYear, newMonth, Math.min(day, longest), hour, minute, second];
  }
  const unitMs = [0, 0, 86_400_000, 3_600_000, 60_000, 1000][field] ?? 0;
  const start = new Date(0);
  start.setUTCFullYear(year, month - 1, day);
  start.setUTCHours(hour, minute, 0, Math.round(second * 1000));
  const end = new Date(start.getTime() + Math.round(value * unitMs));
  return [
    end.getUTCFullYear(),
    end.getUTCMonth() + 1,
    end.getUTCDate(),
    end.getUTCHours(),
    end.getUTCMinutes(),
    end.getUTCSeconds() + end.getUTCMilliseconds() / 1000,
  ];
}

function write(fields: readonly number[], original: TemporalValue, last: number): string {
  const two = (value: number): string => String(value).padStart(2, '0');
  const [year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0] = fields;
  const fraction = /:\d\d\.(\d+)/.exec(original.text)?.[1]?.length ?? 0;
  const seconds =
    (second < 10 ? '0' : '') +
    (Number.isInteger(second) && fraction === 0 ? String(second) : second.toFixed(Math.max(3, fraction)));
  const clock = [two(hour), two(minute), seconds].slice(0, Math.max(0, last - 2)).join(':');
  if (original.kind === 'Time') return clock;
  const date = [String(year).padStart(4, '0'), two(month), two(day)].slice(0, Math.min(3, last + 1)).join('-');
  const zone = /(?:Z|[+-]\d\d:\d\d)$/.exec(original.text.slice(10))?.[0] ?? '';
  return clock === '' ? date : `${date}T${clock}${zone}`;
}

/** Number behind an integer or a decimal. */
export function numberOf(value: unknown): number | undefined {
  if (typeof value === 'number') return value;
  return value instanceof DecimalValue ? value.number : undefined;
}
