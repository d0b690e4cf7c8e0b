/** Copies of an example that one of its profiles forbids. */
import type { Definition, ElementDefinition, PackageScope } from '../src/validation/packages/definitions.ts';
import { snapshotOf } from '../src/validation/snapshot/snapshot.ts';
import { closedCodes } from './conformance-codes.ts';
import { dropped, spread, withoutIndex } from './conformance-mutants.ts';
import type { Example, Mutant } from './conformance-mutants.ts';
import { isObject, withValue } from './conformance-sites.ts';
import type { Json, Site } from './conformance-sites.ts';

/** Values to put where a profile allows none, or another type. */
const samples: Readonly<Record<string, unknown>> = {
  string: 'x',
  boolean: true,
  integer: 1,
  code: 'x',
  dateTime: '2020-01-01',
  CodeableConcept: { text: 'x' },
  Quantity: { value: 1 },
  Period: { start: '2020-01-01' },
  Reference: { display: 'x' },
  Annotation: { text: 'x' },
  Identifier: { value: 'x' },
};

export function profileMutants(example: Example, profiles: readonly Definition[], perOperator: number): Mutant[] {
  const mutants = profiles.flatMap((profile) => {
    const elements = snapshotOf(profile);
    return [
      ...elements.flatMap((element) => elementMutants(example, element, profile.scope)),
      ...sliceMutants(example, elements),
    ];
  });
  return spread(mutants, perOperator);
}

/** Elements outside slices: what they ask holds for every value at their path. */
function elementMutants(example: Example, element: ElementDefinition, scope: PackageScope): Mutant[] {
  // Without its declaration the profile would not be asked.
  if (/^[A-Za-z]+\.meta(\.profile)?$/.test(element.path)) return [];
  if (element.id?.includes(':') === true || !element.path.includes('.')) return [];
  const sites = sitesAt(example, element.path);
  return [
    ...dropRequired(example, element, sites),
    ...exceedMaximum(example, element, sites),
    ...breakValue(example, element, sites),
    ...wrongType(example, element, sites),
    ...leaveValueSet(example, element, sites, scope),
    ...addProhibited(example, element),
  ];
}

/** Sites of the resource's own elements, and of those in data types right below them by their names. */
function sitesAt({ sites, resource }: Example, path: string): Site[] {
  const names = path.split('.').slice(1);
  return sites.filter((site) => {
    const keys = site.path.filter((step) => typeof step === 'string');
    return (
      keys.length === names.length &&
      keys.every((key, index) => {
        const name = names[index] ?? '';
        return (
          name === key ||
          (name.endsWith('[x]') && key.startsWith(name.slice(0, -3)) && /^[A-Z]/.test(key.slice(name.length - 3)))
        );
      }) &&
      resource.resourceType === path.split('.', 1)[0]
    );
  });
}

function dropRequired(example: Example, element: ElementDefinition, sites: readonly Site[]): Mutant[] {
  if ((element.min ?? 0) === 0) return [];
  return firstOfEach(sites).map((site) => {
    if (!site.isArrayItem) return dropped('drop-required-by-profile', example, site);
    const whole = { ...site, path: site.path.slice(0, -1), expression: withoutIndex(site.expression) };
    return dropped('drop-required-by-profile', example, whole);
  });
}

/** One site for each holder: the first item of an array stands for all of them. */
function firstOfEach(sites: readonly Site[]): Site[] {
  return sites.filter((site) => !site.isArrayItem || site.path.at(-1) === 0);
}

function exceedMaximum(example: Example, element: ElementDefinition, sites: readonly Site[]): Mutant[] {
  if (element.max !== '1' || element.base?.max === '1') return [];
  return sites
    .filter((site) => site.isArrayItem && site.path.at(-1) === 0)
    .map((site) => ({
      operator: 'exceed-maximum',
      resource: withValue(example.resource, site.path.slice(0, -1), [site.value, site.value]),
      expression: withoutIndex(site.expression),
    }));
}

function fixedOf(element: ElementDefinition): { isPattern: boolean; value: unknown } | undefined {
  for (const [name, value] of Object.entries(element)) {
    if (/^fixed[A-Z]/.test(name)) return { isPattern: false, value };
    if (/^pattern[A-Z]/.test(name)) return { isPattern: true, value };
  }
  return undefined;
}

function breakValue(example: Example, element: ElementDefinition, sites: readonly Site[]): Mutant[] {
  const fixed = fixedOf(element);
  if (fixed === undefined) return [];
  return sites.flatMap((site): Mutant[] => {
    const value = changed(fixed.value, site.type);
    if (value === undefined) return [];
    const operator = fixed.isPattern ? 'break-pattern' : 'break-fixed';
    return [{ operator, resource: withValue(example.resource, site.path, value), expression: site.expression }];
  });
}

/** Another value of the same type, well formed by itself. */
function changed(value: unknown, type: string): unknown {
  if (typeof value === 'string')
    return type === 'uri' || type === 'url' || type === 'canonical' ? 'http://example.org/zz' : 'zz';
  if (typeof value === 'boolean') return !value;
  if (typeof value === 'number') return value + 1;
  if (!isObject(value)) return undefined;
  if (Array.isArray(value.coding)) return { text: 'another concept' };
  if (value.code !== undefined && value.system !== undefined) return { ...value, code: 'zz' };
  return undefined;
}

function wrongType(example: Example, element: ElementDefinition, sites: readonly Site[]): Mutant[] {
  if (!element.path.endsWith('[x]')) return [];
  const allowed = new Set((element.type ?? []).map(({ code }) => code));
  const stem = element.path.slice(element.path.lastIndexOf('.') + 1, -3);
  return sites.flatMap((site): Mutant[] => {
    const other = site.element.type
      ?.map(({ code }) => code)
      .find((code) => code !== undefined && !allowed.has(code) && samples[code] !== undefined);
    if (other === undefined) return [];
    const name = stem + other.charAt(0).toUpperCase() + other.slice(1);
    const without = withValue(example.resource, site.path, undefined);
    const expression = `${site.expression.slice(0, site.expression.lastIndexOf('.'))}.${name}`;
    return [
      {
        operator: 'type-not-allowed',
        resource: withValue(without, [...site.path.slice(0, -1), name], samples[other]),
        expression,
      },
    ];
  });
}

function leaveValueSet(
  example: Example,
  element: ElementDefinition,
  sites: readonly Site[],
  scope: PackageScope,
): Mutant[] {
  const { binding } = element;
  if (binding?.strength !== 'required' || binding.valueSet === undefined) return [];
  if (closedCodes(binding.valueSet, scope) === undefined) return [];
  return sites.flatMap((site): Mutant[] => {
    const value =
      site.type === 'code'
        ? 'zz-none'
        : site.type === 'CodeableConcept'
          ? { coding: [{ system: 'http://example.org/zz', code: 'zz-none' }] }
          : undefined;
    if (value === undefined) return [];
    return [
      {
        operator: 'leave-value-set-of-profile',
        resource: withValue(example.resource, site.path, value),
        expression: site.expression,
      },
    ];
  });
}

function addProhibited(example: Example, element: ElementDefinition): Mutant[] {
  const type = element.type?.[0]?.code;
  if (element.max !== '0' || element.path.split('.').length !== 2 || type === undefined) return [];
  const sample = samples[type];
  const name = element.path.slice(element.path.indexOf('.') + 1);
  if (sample === undefined || name.endsWith('[x]') || Object.hasOwn(example.resource, name)) return [];
  const value = element.base?.max === '1' ? sample : [sample];
  return [
    {
      operator: 'add-prohibited',
      resource: { ...structuredClone(example.resource), [name]: value },
      expression: `${String(example.resource.resourceType)}.${name}${element.base?.max === '1' ? '' : '[0]'}`,
    },
  ];
}

/** A required slice told by fixed or pattern values: without the items that have them the slice is missing. */
function sliceMutants(example: Example, elements: readonly ElementDefinition[]): Mutant[] {
  return elements.flatMap((slice): Mutant[] => {
    if (slice.sliceName === undefined || (slice.min ?? 0) === 0 || slice.id === undefined) return [];
    if (slice.id.indexOf(':') !== slice.id.lastIndexOf(':') || slice.path.split('.').length !== 2) return [];
    const name = slice.path.slice(slice.path.indexOf('.') + 1);
    const list = example.resource[name];
    if (!Array.isArray(list)) return [];
    const marks = elements
      .filter((element) => element === slice || element.id?.startsWith(`${slice.id ?? ''}.`) === true)
      .flatMap((element) => markOf(element, slice));
    if (marks.length === 0) return [];
    const rest = list.filter((item: unknown) => !marks.every((mark) => hasMark(item, mark)));
    if (rest.length === list.length) return [];
    const resource: Json = { ...structuredClone(example.resource) };
    if (rest.length === 0) delete resource[name];
    else resource[name] = structuredClone(rest);
    return [{ operator: 'drop-required-slice', resource, expression: slice.path }];
  });
}

interface Mark {
  readonly names: readonly string[];
  readonly value: unknown;
}

function markOf(element: ElementDefinition, slice: ElementDefinition): Mark[] {
  const fixed = fixedOf(element);
  if (fixed !== undefined)
    return [{ names: element.path.split('.').slice(slice.path.split('.').length), value: fixed.value }];
  const profile = element === slice ? element.type?.[0]?.profile?.[0] : undefined;
  return element.type?.[0]?.code === 'Extension' && profile !== undefined ? [{ names: ['url'], value: profile }] : [];
}

function hasMark(item: unknown, { names, value }: Mark): boolean {
  const [name, ...deeper] = names;
  if (name === undefined) return includesValue(item, value);
  if (Array.isArray(item)) return item.some((one: unknown) => hasMark(one, { names, value }));
  return isObject(item) && hasMark(item[name], { names: deeper, value });
}

/** Whether everything in `pattern` is in `value`; any item of an array may have it. */
function includesValue(value: unknown, pattern: unknown): boolean {
  if (Array.isArray(pattern))
    return (
      Array.isArray(value) && pattern.every((one: unknown) => value.some((other: unknown) => includesValue(other, one)))
    );
  if (!isObject(pattern)) return Array.isArray(value) ? value.includes(pattern) : value === pattern;
  if (Array.isArray(value)) return value.some((one: unknown) => includesValue(one, pattern));
  return isObject(value) && Object.entries(pattern).every(([name, member]) => includesValue(value[name], member));
}
