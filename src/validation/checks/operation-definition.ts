/** OperationDefinitions against the profiles of their Parameters (http://hl7.org/fhir/R4/operationdefinition.html#OperationDefinition.inputProfile). */
import { isObject, objects } from '../compile/element-tree.ts';
import type { ElementDefinition } from '../packages/definitions.ts';
import { SnapshotError } from '../snapshot/snapshot-error.ts';
import { snapshotOf } from '../snapshot/snapshot.ts';
import type { CheckContext, JsonObject, Rule } from './report.ts';

const rule = (id: string, text: string): Rule => ({ id, severity: 'error', code: 'business-rule', text });

const unknownRule = rule('operation-profile-unknown', 'The profile of the parameters is not loaded');
const wrongRule = rule('operation-profile-type', 'The profile must be one of Parameters');
const countRule = rule(
  'operation-parameter-count',
  'The profile of the parameters has another cardinality for this parameter',
);
const typeRule = rule('operation-parameter-type', 'The profile of the parameters has another type for this parameter');
const targetRule = rule(
  'operation-parameter-target',
  'The profile of the parameters has other targets for this parameter',
);

/** The place is at the resource. */
export function checkOperationDefinition(value: unknown, c: CheckContext): void {
  if (!isObject(value)) return;
  checkProfile(value, 'inputProfile', 'in', c);
  checkProfile(value, 'outputProfile', 'out', c);
}

function checkProfile(operation: JsonObject, member: string, use: string, c: CheckContext): void {
  const canonical = operation[member];
  if (typeof canonical !== 'string') return;
  const profile = c.services.scope.resolve(canonical, 'StructureDefinition');
  if (profile === undefined) {
    c.report(unknownRule, `.${member}`, canonical);
    return;
  }
  if (profile.constrainedType !== 'Parameters') {
    c.report(wrongRule, `.${member}`, canonical);
    return;
  }
  const slices = slicesByName(elementsOf(profile));
  objects(operation['parameter']).forEach((parameter, index) => {
    if (parameter['use'] !== use || typeof parameter['name'] !== 'string') return;
    const slice = slices.get(parameter['name']);
    if (slice !== undefined) compare(parameter, slice, `.${member}.parameter[${index}]`, c);
  });
}

function elementsOf(profile: Parameters<typeof snapshotOf>[0]): readonly ElementDefinition[] {
  try {
    return snapshotOf(profile);
  } catch (error) {
    if (error instanceof SnapshotError) return [];
    throw error;
  }
}

interface ParameterSlice {
  readonly slice: ElementDefinition;
  /** Elements of its value and its resource. */
  readonly contents: readonly ElementDefinition[];
}

/** Slices of `Parameters.parameter` by the name that they fix. */
function slicesByName(elements: readonly ElementDefinition[]): Map<string, ParameterSlice> {
  const byName = new Map<string, ParameterSlice>();
  for (const slice of elements) {
    if (slice.path !== 'Parameters.parameter' || slice.sliceName === undefined || slice.id === undefined) continue;
    const below = elements.filter((element) => element.id?.startsWith(`${slice.id ?? ''}.`) === true);
    const name = below.find((element) => element.path === 'Parameters.parameter.name');
    const fixed = name?.fixedString ?? name?.patternString;
    const contents = below.filter(
      ({ path, max }) => /^Parameters\.parameter\.(value\[x\]|resource)$/.test(path) && max !== '0',
    );
    if (fixed !== undefined) byName.set(fixed, { slice, contents });
  }
  return byName;
}

function compare(parameter: JsonObject, { slice, contents }: ParameterSlice, at: string, c: CheckContext): void {
  if (parameter['min'] !== slice.min) c.report(countRule, at, `min ${slice.min ?? 0}`);
  if (parameter['max'] !== slice.max) c.report(countRule, at, `max ${slice.max ?? ''}`);
  const types = contents.flatMap((element) => element.type ?? []);
  const { type } = parameter;
  const isOpen = type === undefined || type === 'Resource' || type === 'Element' || types.length === 0;
  if (!isOpen && !(types.length === 1 && types[0]?.code === type))
    c.report(typeRule, at, types.map(({ code }) => code).join(', '));
  const targets = types.flatMap(({ targetProfile }) => targetProfile ?? []).sort();
  const own = Array.isArray(parameter['targetProfile'])
    ? parameter['targetProfile'].filter((one) => typeof one === 'string').sort()
    : [];
  if (!isOpen && targets.join('\n') !== own.join('\n')) c.report(targetRule, at, targets.join(', '));
}
