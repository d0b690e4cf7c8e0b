import type { Answer, CompiledValueSet } from '../terminology/answers.ts';
import { isObject, objectsOf } from './questionnaire-model.ts';
import type { CheckContext, JsonObject, Rule } from './report.ts';

/** The codes of a ConceptMap, in their systems and in the value sets it maps between. */
const rule = (id: string, text: string, severity: Rule['severity'] = 'error'): Rule => ({
  id,
  severity,
  code: 'code-invalid',
  text,
});

const sides = [
  {
    end: 'source',
    systemRule: rule('concept-map-source-code', 'The source code system has no such code'),
    setRule: rule('concept-map-source-value-set', 'The source value set does not have this code'),
  },
  {
    end: 'target',
    systemRule: rule('concept-map-target-code', 'The target code system has no such code'),
    setRule: rule('concept-map-target-value-set', 'The target value set does not have this code'),
  },
] as const;
const notValueSet = rule('concept-map-scope-type', 'The source and target of a map are value sets');

type Side = (typeof sides)[number];

/** Checks a ConceptMap; the place of the context is the resource. */
export function checkConceptMap(value: unknown, c: CheckContext): void {
  if (!isObject(value)) return;
  const [source, target] = sides.map((side) => valueSetOf(value, side, c));
  const groups: unknown[] = Array.isArray(value['group']) ? value['group'] : [];
  groups.forEach((group, groupIndex) => {
    if (!isObject(group)) return;
    const elements: unknown[] = Array.isArray(group['element']) ? group['element'] : [];
    elements.forEach((element, elementIndex) => {
      if (!isObject(element)) return;
      const at = `.group[${groupIndex}].element[${elementIndex}]`;
      checkCode(group, element, sides[0], source, at, c);
      objectsOf(element['target']).forEach((one, index) =>
        checkCode(group, one, sides[1], target, `${at}.target[${index}]`, c),
      );
    });
  });
}

function valueSetOf(map: JsonObject, side: Side, c: CheckContext): CompiledValueSet | undefined {
  const canonical = map[`${side.end}Canonical`] ?? map[`${side.end}Uri`];
  if (typeof canonical !== 'string') return undefined;
  const { scope, terminology } = c.services;
  if (scope.resolve(canonical, 'ValueSet') !== undefined) return terminology.valueSet(canonical, scope);
  const other = scope.resolve(canonical);
  if (other !== undefined) c.report(notValueSet, `.${side.end}`, other.type);
  return undefined;
}

function checkCode(
  group: JsonObject,
  holder: JsonObject,
  side: Side,
  set: CompiledValueSet | undefined,
  at: string,
  c: CheckContext,
): void {
  const { code } = holder;
  const system = group[side.end];
  const version = group[`${side.end}Version`];
  if (typeof code !== 'string' || typeof system !== 'string') return;
  const { scope, terminology } = c.services;
  const known = terminology.checkCoding({
    scope,
    system,
    code,
    version: typeof version === 'string' ? version : undefined,
  });
  if (known.system === 'complete' && known.code === 'no') {
    c.report(side.systemRule, `${at}.code`, code);
    return;
  }
  // Codes of systems that are not here may be written in more ways than a list shows.
  const answer: Answer = known.system === 'complete' ? (set?.has(system, code) ?? 'cannot-tell') : 'cannot-tell';
  if (answer === 'no') c.report(side.setRule, `${at}.code`, code);
}
