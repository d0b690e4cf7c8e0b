/** Search results hold what was searched for (http://hl7.org/fhir/R4/bundle.html#searchset), as far as the self link tells what that was. */
import { isObject, objects } from '../compile/element-tree.ts';
import type { CheckContext, JsonObject, Rule } from './report.ts';

const outcomeRule: Rule = {
  id: 'bundle-search-outcome',
  severity: 'error',
  code: 'invalid',
  text: 'A search result with mode outcome must be an OperationOutcome',
};
const matchRule: Rule = {
  id: 'bundle-search-type',
  severity: 'error',
  code: 'invalid',
  text: 'A match must be of the type that the self link searches for',
};
const idRule: Rule = {
  id: 'bundle-search-id',
  severity: 'error',
  code: 'required',
  text: 'A match of a search must have an id',
};

/** The place is at the Bundle. */
export function checkSearchResults(bundle: JsonObject, c: CheckContext): void {
  const types = searchedTypes(bundle)?.filter((type) => c.services.scope.resolveType(type)?.kind === 'resource') ?? [];
  if (types.length === 0) return;
  const entries: unknown[] = Array.isArray(bundle['entry']) ? bundle['entry'] : [];
  entries.forEach((entry, at) => {
    if (!isObject(entry) || !isObject(entry['resource']) || !isObject(entry['search'])) return;
    const { resource } = entry;
    const { mode } = entry['search'];
    const type = resource['resourceType'];
    const place = `.entry[${at}].resource`;
    if (mode === 'outcome') {
      if (type !== 'OperationOutcome') c.report(outcomeRule, place, String(type));
    } else if (mode === 'match') {
      if (resource['id'] === undefined) c.report(idRule, place);
      if (typeof type === 'string' && !types.includes(type)) c.report(matchRule, place, type);
    }
  });
}

/** From `…/Type?…` and `_type=A,B`; undefined where the link names no type. */
function searchedTypes(bundle: JsonObject): readonly string[] | undefined {
  const self = objects(bundle['link']).find((link) => link['relation'] === 'self')?.['url'];
  if (typeof self !== 'string' || self.length > 10_000) return undefined;
  const question = self.indexOf('?');
  if (question < 0) return undefined;
  const [, type] = /(?:^|\/)([A-Z][A-Za-z]{1,63})$/.exec(self.slice(0, question)) ?? [];
  const listed = new URLSearchParams(self.slice(question + 1)).getAll('_type').flatMap((value) => value.split(','));
  const types = [...(type === undefined ? [] : [type]), ...listed.filter((value) => value !== '')];
  return types.length === 0 ? undefined : types;
}
