import { isAbsoluteUri } from '../primitives/scanners.ts';
import { codeSystem, isSupplement } from '../terminology/code-system.ts';
import { isObject } from './questionnaire-model.ts';
import type { CheckContext, JsonObject, Rule } from './report.ts';
import { checkValueSetFilter } from './value-set-filter.ts';

/** What a ValueSet's definition must be beyond its constraints (R4, valueset.html#compositions). */
const rule = (id: string, text: string, severity: Rule['severity'] = 'error'): Rule => ({
  id,
  severity,
  code: 'business-rule',
  text,
});

const relativeSystem = rule('value-set-system-relative', 'The system of an include must be an absolute URI');
const piped = rule(
  'value-set-system-version',
  'The version of a system belongs into the element version, not behind a |',
);
const isValueSet = rule(
  'value-set-system-value-set',
  'The system is a value set; include it by valueSet, or name its code system',
);
const supplementSystem = rule(
  'value-set-system-supplement',
  'The system is a supplement; name the code system it supplements',
);
const unknownCode = rule('value-set-code-unknown', 'The code system has no such code');
const notValueSet = rule('value-set-import-type', 'What is imported is no value set');

/** Checks a ValueSet; the place of the context is the resource. */
export function checkValueSet(value: unknown, c: CheckContext): void {
  if (!isObject(value) || !isObject(value['compose'])) return;
  for (const part of ['include', 'exclude']) {
    const list: unknown[] = Array.isArray(value['compose'][part]) ? value['compose'][part] : [];
    list.forEach((include, index) => {
      if (isObject(include)) checkInclude(include, `.compose.${part}[${index}]`, c);
    });
  }
}

function checkInclude(include: JsonObject, at: string, c: CheckContext): void {
  const { system, version } = include;
  checkImports(include, at, c);
  if (typeof system !== 'string' || system === '') return;
  if (!isAbsoluteUri(system)) {
    c.report(relativeSystem, at, system);
    return;
  }
  if (system.includes('|')) {
    c.report(piped, at, system);
    return;
  }
  const { scope } = c.services;
  const definition = scope.resolve(system, 'CodeSystem');
  if (definition === undefined && scope.resolve(system, 'ValueSet') !== undefined) c.report(isValueSet, at, system);
  if (definition !== undefined && isSupplement(definition)) c.report(supplementSystem, at, system);
  const compiled = codeSystem(typeof version === 'string' ? `${system}|${version}` : system, scope);
  if (compiled?.content === 'complete') {
    const concepts: unknown[] = Array.isArray(include['concept']) ? include['concept'] : [];
    concepts.forEach((concept, index) => {
      if (!isObject(concept) || typeof concept['code'] !== 'string') return;
      if (compiled.find(concept['code']) === undefined)
        c.report(unknownCode, `${at}.concept[${index}]`, concept['code']);
    });
  }
  const filters: unknown[] = Array.isArray(include['filter']) ? include['filter'] : [];
  filters.forEach((filter, index) => {
    if (isObject(filter)) checkValueSetFilter({ filter, system, compiled, at: `${at}.filter[${index}]`, c });
  });
}

function checkImports(include: JsonObject, at: string, c: CheckContext): void {
  const imports: unknown[] = Array.isArray(include['valueSet']) ? include['valueSet'] : [];
  imports.forEach((canonical, index) => {
    if (typeof canonical !== 'string') return;
    const { scope } = c.services;
    if (scope.resolve(canonical, 'ValueSet') !== undefined) return;
    const other = scope.resolve(canonical);
    if (other !== undefined) c.report(notValueSet, `${at}.valueSet[${index}]`, other.type);
  });
}
