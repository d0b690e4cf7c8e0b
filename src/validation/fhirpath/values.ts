/**
 * What FHIRPath expressions work on. System.Boolean, System.String and System.Integer are JavaScript values; the others have classes here.
 * A FHIR element is a `FhirNode` where its type is known only at run time or where a primitive has an `_` sibling; where the type is known
 * when the expression is compiled it is the plain JSON value.
 */
export class FhirNode {
  readonly type: string;
  /** Undefined for a primitive that has only a sibling. */
  readonly value: unknown;
  /** `{id, extension}` of a primitive. */
  readonly sibling: unknown;

  constructor(type: string, value: unknown, sibling: unknown) {
    this.type = type;
    this.value = value;
    this.sibling = sibling;
  }
}

/** System.Decimal; the text keeps the digits written. */
export class DecimalValue {
  readonly number: number;
  readonly text: string;

  constructor(number: number, text = String(number)) {
    this.number = number;
    this.text = text;
  }
}

/** System.Quantity. */
export class QuantityValue {
  readonly number: number;
  readonly text: string;
  /** UCUM code, or a calendar word such as `year`. */
  readonly unit: string;

  constructor(number: number, unit: string, text = String(number)) {
    this.number = number;
    this.unit = unit;
    this.text = text;
  }
}

export type TemporalKind = 'Date' | 'DateTime' | 'Time';

/** System.Date, System.DateTime or System.Time, of any precision. */
export class TemporalValue {
  readonly kind: TemporalKind;
  /** ISO 8601 without `@`; a time without `T`. */
  readonly text: string;

  constructor(kind: TemporalKind, text: string) {
    this.kind = kind;
    this.text = text;
  }
}

/** One member of a collection. */
export type Item = unknown;

export const emptyCollection: readonly Item[] = Object.freeze([]);

/** The value of a primitive, whatever stands for it; an object for anything that is not primitive. */
export function valueOf(item: Item): unknown {
  return item instanceof FhirNode ? item.value : item;
}

/** System type of an item, `undefined` for FHIR elements. */
export function systemType(item: Item): string | undefined {
  switch (typeof item) {
    case 'boolean':
      return 'Boolean';
    case 'string':
      return 'String';
    case 'number':
      return 'Integer';
    default:
      if (item instanceof DecimalValue) return 'Decimal';
      if (item instanceof QuantityValue) return 'Quantity';
      if (item instanceof TemporalValue) return item.kind;
      return undefined;
  }
}
