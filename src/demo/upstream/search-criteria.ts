import { badRequest, OperationOutcomeError } from '@medplum/core';
import { foldText, localReference, periodOf } from './search-values.ts';
import type { QuantityValue, ReferenceValue, SearchValues, TokenValue } from './search-values.ts';
import type { SearchParameterType } from '../../fhir/search-parameters.ts';

/** One search parameter of a query: its alternatives are or-ed, several criteria are and-ed. */
export interface Criterion {
  readonly name: string;
  readonly modifier: string | undefined;
  readonly alternatives: readonly string[];
}

type Prefix = 'eq' | 'ne' | 'gt' | 'lt' | 'ge' | 'le' | 'sa' | 'eb' | 'ap';
type Test = (values: SearchValues) => boolean;

const MODIFIERS: Readonly<Record<SearchParameterType, readonly string[]>> = {
  token: ['not', 'text', 'missing'],
  string: ['exact', 'contains', 'missing'],
  uri: ['missing', 'below', 'above'],
  reference: ['identifier', 'missing'],
  date: ['missing'],
  number: ['missing'],
  quantity: ['missing'],
  composite: [],
  special: [],
};

/** Splits at commas that no backslash escapes, and takes the escapes away. */
export function splitAlternatives(value: string): string[] {
  const parts = value.match(/(?:\\.|[^,\\])*(?:,|$)/gs) ?? [];
  return (parts.at(-1) === '' ? parts.slice(0, -1) : parts).map((part) =>
    part.replace(/,$/, '').replace(/\\(.)/gs, '$1'),
  );
}

/**
 * Makes the test of a criterion by the rules of its parameter's type.
 * @throws {OperationOutcomeError} 400: a modifier, prefix or value that the type has not
 */
export function buildTest(criterion: Criterion, type: SearchParameterType): Test {
  const { modifier, alternatives, name } = criterion;
  const typeModifier = type === 'reference' && modifier !== undefined && /^[A-Z]/.test(modifier);
  if (modifier !== undefined && !typeModifier && !MODIFIERS[type].includes(modifier)) {
    throw new OperationOutcomeError(badRequest(`The modifier :${modifier} is not supported on ${name}`));
  }
  if (modifier === 'missing') {
    const wanted = alternatives[0] === 'true';
    return (values) => isEmpty(values) === wanted;
  }
  const tests = alternatives.map((alternative) => alternativeTest(type, modifier, alternative, name));
  if (modifier === 'not') return (values) => !tests.some((test) => test(values));
  return (values) => tests.some((test) => test(values));
}

function isEmpty(values: SearchValues): boolean {
  return Object.values(values).every((list: readonly unknown[]) => list.length === 0);
}

function alternativeTest(type: SearchParameterType, modifier: string | undefined, wanted: string, name: string): Test {
  switch (type) {
    case 'token':
      if (modifier === 'text')
        return (values) => values.tokens.some((token) => foldText(token.text ?? '').startsWith(foldText(wanted)));
      return (values) => values.tokens.some((token) => matchesToken(token, wanted));
    case 'string':
      if (modifier === 'exact') return (values) => values.exactStrings.includes(wanted);
      if (modifier === 'contains') return (values) => values.strings.some((text) => text.includes(foldText(wanted)));
      return (values) => values.strings.some((text) => text.startsWith(foldText(wanted)));
    case 'uri':
      if (modifier === 'below') return (values) => values.exactStrings.some((uri) => uri.startsWith(wanted));
      if (modifier === 'above') return (values) => values.exactStrings.some((uri) => wanted.startsWith(uri));
      return (values) => values.exactStrings.includes(wanted);
    case 'reference':
      if (modifier === 'identifier') {
        return (values) =>
          values.references.some(
            (reference) => reference.identifier !== undefined && matchesToken(reference.identifier, wanted),
          );
      }
      return (values) => values.references.some((reference) => matchesReference(reference, wanted, modifier));
    case 'date':
      return dateTest(wanted, name);
    case 'number':
    case 'quantity':
      return quantityTest(wanted, name);
    case 'composite':
    case 'special':
      throw new OperationOutcomeError(badRequest(`The search parameter ${name} is not supported`));
  }
}

export function matchesToken(token: TokenValue, wanted: string): boolean {
  const bar = wanted.indexOf('|');
  if (bar < 0) return token.code === wanted;
  const system = wanted.slice(0, bar);
  const code = wanted.slice(bar + 1);
  if (system === '') return token.system === undefined && token.code === code;
  return token.system === system && (code === '' || token.code === code);
}

export function matchesReference(reference: ReferenceValue, wanted: string, type: string | undefined): boolean {
  if (type !== undefined) return reference.target === `${type}/${wanted.split('/').at(-1)}`;
  if (!wanted.includes('/')) return reference.target.endsWith(`/${wanted}`);
  return reference.target === wanted || reference.target === localReference(wanted);
}

function splitPrefix(text: string): { prefix: Prefix; rest: string } {
  const match = /^(eq|ne|gt|lt|ge|le|sa|eb|ap)(?=[-+.\d])(.*)$/s.exec(text);
  return match === null ? { prefix: 'eq', rest: text } : { prefix: match[1] as Prefix, rest: match[2] ?? '' };
}

function dateTest(text: string, name: string): Test {
  const { prefix, rest } = splitPrefix(text);
  const wanted = periodOf(rest);
  if (wanted === undefined) throw new OperationOutcomeError(badRequest(`The value of ${name} is not a date`));
  const slack = prefix === 'ap' ? Math.max(86_400_000, Math.abs(Date.now() - wanted.start) / 10) : 0;
  return (values) =>
    values.periods.some(({ start, end }) => {
      switch (prefix) {
        case 'eq':
          return start >= wanted.start && end <= wanted.end;
        case 'ne':
          return !(start >= wanted.start && end <= wanted.end);
        case 'gt':
          return end > wanted.end;
        case 'lt':
          return start < wanted.start;
        case 'ge':
          return end > wanted.start;
        case 'le':
          return start < wanted.end;
        case 'sa':
          return start >= wanted.end;
        case 'eb':
          return end <= wanted.start;
        case 'ap':
          return start < wanted.end + slack && end > wanted.start - slack;
      }
    });
}

function quantityTest(text: string, name: string): Test {
  const { prefix, rest } = splitPrefix(text);
  const [number = '', system = '', code = ''] = rest.split('|');
  const value = Number(number);
  if (number.trim() === '' || Number.isNaN(value))
    throw new OperationOutcomeError(badRequest(`The value of ${name} is not a number`));
  const exponent = Number(/[eE]([+-]?\d+)$/.exec(number)?.[1] ?? 0);
  const digits = /\.(\d+)/.exec(number)?.[1]?.length ?? 0;
  const half = prefix === 'ap' ? Math.abs(value) / 10 : 0.5 * 10 ** (exponent - digits);
  return (values) =>
    values.quantities.some((found) => unitMatches(found, system, code) && comparesTo(found.value, prefix, value, half));
}

function comparesTo(found: number, prefix: Prefix, value: number, half: number): boolean {
  switch (prefix) {
    case 'eq':
    case 'ap':
      return found >= value - half && found < value + half;
    case 'ne':
      return found < value - half || found >= value + half;
    case 'gt':
    case 'sa':
      return found > value;
    case 'lt':
    case 'eb':
      return found < value;
    case 'ge':
      return found >= value;
    case 'le':
      return found <= value;
  }
}

function unitMatches(found: QuantityValue, system: string, code: string): boolean {
  if (code === '') return true;
  return (system === '' || found.system === system) && (found.code === code || found.unit === code);
}
