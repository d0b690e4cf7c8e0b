import type { Resource } from '@medplum/fhirtypes';
import { searchParameter, valuesAt } from '../../fhir/search-parameters.ts';
import type { SearchParameterType } from '../../fhir/search-parameters.ts';

/** What a search parameter sees in one resource, in a form that comparing is easy with. */
export interface SearchValues {
  readonly tokens: readonly TokenValue[];
  /** Folded for comparing: lower case, no accents. */
  readonly strings: readonly string[];
  readonly exactStrings: readonly string[];
  /** `Type/id`, or as it stands when it is no such reference. */
  readonly references: readonly ReferenceValue[];
  /** Half-open, epoch ms. */
  readonly periods: readonly { readonly start: number; readonly end: number }[];
  readonly quantities: readonly QuantityValue[];
}

export interface TokenValue {
  readonly system: string | undefined;
  readonly code: string | undefined;
  readonly text: string | undefined;
}

export interface ReferenceValue {
  readonly target: string;
  readonly identifier: TokenValue | undefined;
}

export interface QuantityValue {
  readonly value: number;
  readonly system: string | undefined;
  readonly code: string | undefined;
  readonly unit: string | undefined;
}

type JsonObject = Readonly<Record<string, unknown>>;

/** Parameters whose expression has a condition, so that a path does not say it. */
const CONDITIONAL: Readonly<Record<string, (resource: Resource) => unknown[]>> = {
  email: (resource) => telecomOf(resource, 'email'),
  phone: (resource) => telecomOf(resource, 'phone'),
  deceased: (resource) => [valuesAt(resource, 'deceased').some((value) => value !== false)],
};

function telecomOf(resource: Resource, system: string): unknown[] {
  return valuesAt(resource, 'telecom').filter((contact) => isObject(contact) && contact['system'] === system);
}

/** The type of a parameter on a resource type, or undefined where there is none that can be searched by. */
export function parameterType(resourceType: string, name: string): SearchParameterType | undefined {
  return searchParameter(resourceType, name)?.type;
}

/** Evaluates a parameter of R4 on a resource; a parameter that it does not know has no values. */
export function searchValues(resource: Resource, name: string): SearchValues {
  const definition = searchParameter(resource.resourceType, name);
  const found = CONDITIONAL[name]?.(resource) ?? (definition?.paths ?? []).flatMap((path) => valuesAt(resource, path));
  const of = (type: SearchParameterType) => definition?.type === type;
  const exactStrings = of('string') || of('uri') ? found.flatMap(stringsOf) : [];
  return {
    tokens: of('token') ? found.flatMap(tokensOf) : [],
    exactStrings,
    strings: exactStrings.map(foldText),
    references: of('reference') ? found.flatMap(referencesOf) : [],
    periods: of('date') ? found.flatMap(periodsOf) : [],
    quantities: of('quantity') || of('number') ? found.flatMap(quantitiesOf) : [],
  };
}

/** Lower case without accents: how FHIR string search compares. */
export function foldText(text: string): string {
  return text.normalize('NFD').replace(/\p{M}/gu, '').toLowerCase();
}

/** The time that a FHIR date, dateTime or instant covers, by its precision. Undefined when it is none. */
export function periodOf(text: string): { start: number; end: number } | undefined {
  const match = /^(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(\.\d+)?)?(Z|[+-]\d\d:\d\d)?)?)?)?$/.exec(text);
  if (match === null) return undefined;
  const [, year, month, day, hour, minute, second, fraction, zone] = match;
  if (hour === undefined) {
    const start = Date.UTC(Number(year), Number(month ?? 1) - 1, Number(day ?? 1));
    const end = Date.UTC(
      Number(year) + (month === undefined ? 1 : 0),
      (month === undefined ? 1 : Number(month) + (day === undefined ? 1 : 0)) - 1,
      day === undefined ? 1 : Number(day) + 1,
    );
    return { start, end };
  }
  const start = Date.parse(
    `${year}-${month}-${day}T${hour}:${minute}:${second ?? '00'}${fraction?.slice(0, 4) ?? ''}${zone ?? 'Z'}`,
  );
  if (Number.isNaN(start)) return undefined;
  return { start, end: start + (second === undefined ? 60_000 : fraction === undefined ? 1_000 : 1) };
}

function isObject(value: unknown): value is JsonObject {
  return value !== null && typeof value === 'object';
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

function tokensOf(value: unknown): TokenValue[] {
  if (typeof value === 'string' || typeof value === 'boolean')
    return [{ system: undefined, code: String(value), text: undefined }];
  if (!isObject(value)) return [];
  if (Array.isArray(value['coding'])) {
    const concept = text(value['text']);
    const codings = value['coding'].flatMap(tokensOf);
    return codings.map((token) => ({
      ...token,
      text: [concept, token.text].filter((part) => part !== undefined).join(' '),
    }));
  }
  const display =
    text(value['display']) ?? (isObject(value['type']) ? text(value['type']['text']) : text(value['text']));
  return [{ system: text(value['system']), code: text(value['code']) ?? text(value['value']), text: display }];
}

/** A string, or every text part of a HumanName or an Address. */
function stringsOf(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  if (!isObject(value)) return [];
  const parts = [
    'text',
    'family',
    'given',
    'prefix',
    'suffix',
    'line',
    'city',
    'district',
    'state',
    'postalCode',
    'country',
  ];
  return parts.flatMap((part) => {
    const inner = value[part];
    return (Array.isArray(inner) ? (inner as unknown[]) : [inner]).filter((item) => typeof item === 'string');
  });
}

function referencesOf(value: unknown): ReferenceValue[] {
  if (typeof value === 'string') return [{ target: value, identifier: undefined }];
  if (!isObject(value)) return [];
  const identifier = isObject(value['identifier']) ? tokensOf(value['identifier'])[0] : undefined;
  const reference = text(value['reference']);
  return [{ target: reference === undefined ? '' : localReference(reference), identifier }];
}

/** `Type/id` out of a relative, absolute or versioned reference; anything else stays. */
export function localReference(reference: string): string {
  return /(?:^|\/)([A-Z][A-Za-z]+\/[A-Za-z0-9.-]{1,64})(?:\/_history\/[^/]+)?$/.exec(reference)?.[1] ?? reference;
}

function periodsOf(value: unknown): { start: number; end: number }[] {
  if (typeof value === 'string') {
    const period = periodOf(value);
    return period === undefined ? [] : [period];
  }
  if (!isObject(value)) return [];
  if (Array.isArray(value['event'])) return value['event'].flatMap(periodsOf);
  const start = typeof value['start'] === 'string' ? periodOf(value['start'])?.start : -Infinity;
  const end = typeof value['end'] === 'string' ? periodOf(value['end'])?.end : Infinity;
  if (value['start'] === undefined && value['end'] === undefined) return [];
  return start === undefined || end === undefined ? [] : [{ start, end }];
}

function quantitiesOf(value: unknown): QuantityValue[] {
  if (typeof value === 'number') return [{ value, system: undefined, code: undefined, unit: undefined }];
  if (!isObject(value) || typeof value['value'] !== 'number') return [];
  return [
    {
      value: value['value'],
      system: text(value['system']),
      code: text(value['code']) ?? text(value['currency']),
      unit: text(value['unit']),
    },
  ];
}
