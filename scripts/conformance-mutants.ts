/** Copies of an example that the base specification forbids, each broken in one way. */
import type { PackageScope } from '../src/validation/packages/definitions.ts';
import { closedCodes } from './conformance-codes.ts';
import { isObject, valueAt, withValue } from './conformance-sites.ts';
import type { Json, Path, Site } from './conformance-sites.ts';

export interface Mutant {
  readonly operator: string;
  readonly resource: Json;
  /** FHIRPath of what was broken, choices as `valueQuantity`. */
  readonly expression: string;
  /** Another place that says as much, where two elements contradict each other. */
  readonly besides?: string;
}

export interface Example {
  readonly resource: Json;
  readonly sites: readonly Site[];
  readonly scope: PackageScope;
}

type Operator = (example: Example) => Mutant[];

const at = (operator: string, { resource }: Example, site: Site, value: unknown): Mutant => ({
  operator,
  resource: withValue(resource, site.path, value),
  expression: site.expression,
});

/** Values that no value of the type may have (http://hl7.org/fhir/R4/datatypes.html#primitive). */
const malformed: Readonly<Record<string, unknown>> = {
  boolean: 'true',
  integer: 1.5,
  positiveInt: 0,
  unsignedInt: -1,
  decimal: '1,5',
  date: '2021-02-30',
  dateTime: '2021-02-03T10:11',
  instant: '2021-02-03',
  time: '25:00:00',
  uri: 'not a uri',
  url: 'http://a b',
  canonical: 'http://a b',
  code: ' two  spaces ',
  id: 'not/an/id',
  oid: 'urn:oid:9.9',
  uuid: 'urn:uuid:zzz',
  base64Binary: '*not base64*',
};

const operators: readonly Operator[] = [
  (example) => [
    {
      operator: 'unknown-property',
      resource: { ...structuredClone(example.resource), zzUnknown: 'x' },
      expression: `${typeOf(example)}.zzUnknown`,
    },
  ],
  (example) =>
    objects(example).map((site) => ({
      ...at('unknown-nested-property', example, site, { ...(site.value as Json), zzUnknown: 'x' }),
      expression: `${site.expression}.zzUnknown`,
    })),
  (example) => example.sites.filter(isRequired).map((site) => dropped('drop-required', example, site)),
  (example) =>
    primitives(example).map((site) =>
      at('wrong-json-type', example, site, typeof site.value === 'string' ? 17.5 : 'seventeen'),
    ),
  (example) => primitives(example).map((site) => at('object-for-primitive', example, site, { value: site.value })),
  (example) =>
    example.sites
      .filter((site) => !site.isArrayItem)
      .map((site) => at('array-for-single', example, site, [site.value])),
  (example) => arrays(example).map((site) => withoutArray(example, site)),
  (example) =>
    primitives(example)
      .filter((site) => Object.hasOwn(malformed, site.type))
      .map((site) => at(`malformed-${site.type}`, example, site, malformed[site.type])),
  (example) => objects(example).map((site) => at('empty-object', example, site, {})),
  (example) =>
    primitives(example)
      .filter((site) => typeof site.value === 'string')
      .map((site) => at('empty-string', example, site, '')),
  (example) =>
    primitives(example)
      .filter((site) => !site.isArrayItem)
      .map((site) => at('null-value', example, site, null)),
  secondChoice,
  badCode,
  wrongTarget,
  (example) =>
    references(example).map((site) =>
      under(at('dangling-contained', example, site, { ...(site.value as Json), reference: '#zz-none' }), 'reference'),
    ),
  (example) =>
    ofType(example, 'Period').map((site) =>
      at('period-reversed', example, site, { ...(site.value as Json), start: '2031-01-02', end: '2030-01-01' }),
    ),
  (example) =>
    ofType(example, 'Quantity').map((site) => {
      const { value, unit } = site.value as Json;
      return at('quantity-code-without-system', example, site, { value, unit, code: 'mg' });
    }),
  (example) =>
    ofType(example, 'Range')
      .filter(({ value }) => isObject((value as Json).low) && isObject((value as Json).high))
      .map((site) => {
        const { low, high } = site.value as Json;
        return at('range-reversed', example, site, {
          low: { ...(high as Json), value: 9 },
          high: { ...(low as Json), value: 1 },
        });
      }),
  (example) => [
    narrative(example, 'narrative-script', '<div xmlns="http://www.w3.org/1999/xhtml"><script>1</script></div>'),
  ],
  (example) => [narrative(example, 'narrative-empty', '<div xmlns="http://www.w3.org/1999/xhtml"> </div>')],
  (example) => [extended(example, 'extension-without-url', { valueString: 'x' })],
  (example) => [
    extended(example, 'extension-value-and-children', {
      url: 'http://hl7.org/fhir/StructureDefinition/data-absent-reason',
      valueCode: 'unknown',
      extension: [{ url: 'http://hl7.org/fhir/StructureDefinition/data-absent-reason', valueCode: 'unknown' }],
    }),
  ],
  (example) => [
    extended(
      example,
      'extension-unknown-modifier',
      { url: 'http://hl7.org/fhir/StructureDefinition/zz-none', valueBoolean: true },
      'modifierExtension',
    ),
  ],
  (example) => [
    {
      operator: 'malformed-resource-id',
      resource: { ...structuredClone(example.resource), id: 'not/an/id' },
      expression: `${typeOf(example)}.id`,
    },
  ],
  (example) => [contained(example, 'contained-nested', { contained: [{ resourceType: 'Patient', id: 'zz-inner' }] })],
  (example) => [contained(example, 'contained-with-version', { meta: { versionId: '1' } })],
  (example) => [contained(example, 'contained-orphan', {})],
];

export function baseMutants(example: Example, perOperator: number): Mutant[] {
  return operators.flatMap((operator) => spread(operator(example).filter(isPossible), perOperator));
}

/** At most `count` of each operator's mutants, from all over the example. */
export function spread(mutants: readonly Mutant[], count: number): Mutant[] {
  const byName = Map.groupBy(mutants, (mutant) => mutant.operator);
  return [...byName.values()].flatMap((same) =>
    same.length <= count
      ? same
      : Array.from({ length: count }, (_, index) => same[Math.floor((index * same.length) / count)]).filter(
          (one) => one !== undefined,
        ),
  );
}

function isPossible(mutant: Mutant): boolean {
  return mutant.expression !== '';
}

function typeOf({ resource }: Example): string {
  return String(resource.resourceType);
}

function objects({ sites }: Example): Site[] {
  return sites.filter((site) => isObject(site.value) && site.type !== 'Resource' && site.type !== 'xhtml');
}

function primitives({ sites }: Example): Site[] {
  return sites.filter(
    (site) => /^[a-z]/.test(site.type) && site.type !== 'xhtml' && !isObject(site.value) && !hasSibling(site),
  );
}

/** Element ids and URLs of extensions are not FHIR primitives: other rules hold. */
function hasSibling(site: Site): boolean {
  const name = site.path.at(-1);
  return name === 'id' || (name === 'url' && site.expression.includes('xtension'));
}

function references(example: Example): Site[] {
  return ofType(example, 'Reference').filter((site) => typeof (site.value as Json).reference === 'string');
}

function ofType({ sites }: Example, type: string): Site[] {
  return sites.filter((site) => site.type === type && isObject(site.value));
}

function isRequired(site: Site): boolean {
  return (site.element.min ?? 0) > 0 && !site.isArrayItem && site.path.at(-1) !== 'id';
}

/** The primitive's `_` twin goes too: otherwise an extension could stand for the value. */
export function dropped(operator: string, { resource }: Example, site: Site): Mutant {
  const copy = withValue(resource, site.path, undefined);
  const holder = valueAt(copy, site.path.slice(0, -1));
  const name = site.path.at(-1);
  if (isObject(holder) && typeof name === 'string') delete holder[`_${name}`];
  return { operator, resource: copy, expression: site.expression };
}

function arrays({ sites }: Example): Site[] {
  return sites.filter((site) => site.isArrayItem && site.path.at(-1) === 0 && isObject(site.value));
}

function withoutArray({ resource }: Example, site: Site): Mutant {
  return {
    operator: 'object-for-array',
    resource: withValue(resource, site.path.slice(0, -1), site.value),
    expression: withoutIndex(site.expression),
  };
}

export function withoutIndex(expression: string): string {
  return expression.replace(/\[\d+\]$/, '');
}

function under(mutant: Mutant, name: string): Mutant {
  return { ...mutant, expression: `${mutant.expression}.${name}` };
}

function secondChoice(example: Example): Mutant[] {
  return example.sites
    .filter((site) => site.element.path.endsWith('[x]') && !site.isArrayItem && (site.element.type?.length ?? 0) > 1)
    .flatMap((site): Mutant[] => {
      const other = site.element.type?.find(
        ({ code }) => code !== site.type && (code === 'string' || code === 'boolean' || code === 'dateTime'),
      )?.code;
      const stem = site.element.path.slice(site.element.path.lastIndexOf('.') + 1, -3);
      if (other === undefined) return [];
      const path: Path = [...site.path.slice(0, -1), stem + other.charAt(0).toUpperCase() + other.slice(1)];
      const value = other === 'boolean' ? true : other === 'dateTime' ? '2020' : 'x';
      return [
        {
          operator: 'second-choice',
          resource: withValue(example.resource, path, value),
          expression: site.expression,
          besides: `${site.expression.slice(0, site.expression.lastIndexOf('.'))}.${String(path.at(-1))}`,
        },
      ];
    });
}

function badCode(example: Example): Mutant[] {
  return example.sites.flatMap((site): Mutant[] => {
    const { binding } = site.element;
    if (
      binding?.strength !== 'required' ||
      binding.valueSet === undefined ||
      closedCodes(binding.valueSet, example.scope) === undefined
    )
      return [];
    if (site.type === 'code' && typeof site.value === 'string')
      return [at('code-not-in-value-set', example, site, 'zz-none')];
    if (site.type === 'CodeableConcept')
      return [
        at('concept-not-in-value-set', example, site, {
          coding: [{ system: 'http://example.org/zz', code: 'zz-none' }],
        }),
      ];
    if (site.type === 'Coding')
      return [at('coding-not-in-value-set', example, site, { system: 'http://example.org/zz', code: 'zz-none' })];
    return [];
  });
}

function wrongTarget(example: Example): Mutant[] {
  return references(example).flatMap((site): Mutant[] => {
    const type = site.element.type?.find(({ code }) => code === 'Reference');
    const targets = (type?.targetProfile ?? []).map((target) =>
      target.slice(target.lastIndexOf('/') + 1).replace(/\|.*/, ''),
    );
    if (targets.length === 0 || targets.includes('Resource') || targets.includes('Any')) return [];
    const wrong = ['Slot', 'Lens', 'Schedule', 'Basic'].find(
      (name) => !targets.includes(name) && example.scope.resolveType(name) !== undefined,
    );
    return wrong === undefined
      ? []
      : [under(at('reference-wrong-type', example, site, { reference: `${wrong}/1` }), 'reference')];
  });
}

function narrative(example: Example, operator: string, div: string): Mutant {
  const resource = { ...structuredClone(example.resource), text: { status: 'generated', div } };
  const isNarrated = !['Bundle', 'Binary', 'Parameters'].includes(typeOf(example));
  return { operator, resource, expression: isNarrated ? `${typeOf(example)}.text.div` : '' };
}

function extended(example: Example, operator: string, extension: Json, name = 'extension'): Mutant {
  const known = example.resource[name];
  const list: unknown[] = Array.isArray(known) ? known : [];
  const isExtensible = !['Bundle', 'Binary', 'Parameters'].includes(typeOf(example));
  const resource = { ...structuredClone(example.resource), [name]: [...structuredClone(list), extension] };
  return { operator, resource, expression: isExtensible ? `${typeOf(example)}.${name}[${list.length}]` : '' };
}

function contained(example: Example, operator: string, more: Json): Mutant {
  const known = example.resource.contained;
  const list: unknown[] = Array.isArray(known) ? known : [];
  const resource: Json = {
    ...structuredClone(example.resource),
    contained: [...structuredClone(list), { resourceType: 'Patient', id: 'zz-contained', ...more }],
  };
  const isContaining = !['Bundle', 'Binary', 'Parameters'].includes(typeOf(example));
  return { operator, resource, expression: isContaining ? `${typeOf(example)}.contained[${list.length}]` : '' };
}
