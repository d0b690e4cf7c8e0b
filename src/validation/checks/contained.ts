/** Contained resources (dom-2 to dom-5, http://hl7.org/fhir/R4/domainresource.html): structural, because as FHIRPath they would visit every node. */
import { isObject } from '../compile/element-tree.ts';
import { maximumDepth, type CheckContext, type JsonObject, type Rule } from './report.ts';

function rule(key: string, text: string): Rule {
  return {
    id: `invariant:${key}`,
    severity: 'error',
    code: 'invariant',
    text: `${key}: ${text}`,
    profile: 'http://hl7.org/fhir/StructureDefinition/DomainResource|4.0.1#DomainResource',
  };
}

const nestedRule = rule('dom-2', 'A contained resource must not contain resources itself');
const orphanRule = rule('dom-3', 'A contained resource must be referred to, or refer to the resource that contains it');
const versionRule = rule('dom-4', 'A contained resource must not have meta.versionId or meta.lastUpdated');
const securityRule = rule('dom-5', 'A contained resource must not have a security label');
const duplicateRule: Rule = {
  id: 'contained-id-twice',
  severity: 'error',
  code: 'invalid',
  text: 'Two contained resources have the same id',
};
const idMissingRule: Rule = {
  id: 'contained-id-missing',
  severity: 'error',
  code: 'required',
  text: 'A contained resource must have an id',
};

export function checkContained(value: unknown, c: CheckContext): void {
  const contained = (value as JsonObject)['contained'];
  if (!Array.isArray(contained) || contained.length === 0) return;
  const named = new Set<string>();
  const ids = new Set<string>();
  for (const key in value as JsonObject)
    if (key !== 'contained') collectFragments((value as JsonObject)[key], named, 0);
  for (const item of contained) collectFragments(item, named, 0);
  contained.forEach((item: unknown, at) => {
    if (!isObject(item)) return;
    const place = `.contained[${at}]`;
    const { id } = item;
    if (typeof id !== 'string') c.report(idMissingRule, place);
    else if (ids.has(id)) c.report(duplicateRule, place, id);
    else ids.add(id);
    checkOne(item, named, place, c);
  });
}

function checkOne(item: JsonObject, named: ReadonlySet<string>, place: string, c: CheckContext): void {
  const { id, meta } = item;
  if (item['contained'] !== undefined) c.report(nestedRule);
  if (isObject(meta)) {
    if (meta['versionId'] !== undefined || meta['lastUpdated'] !== undefined) c.report(versionRule);
    if (meta['security'] !== undefined) c.report(securityRule);
  }
  const own = new Set<string>();
  collectFragments(item, own, 0);
  const { checkContained: isChecked } = c.services.settings;
  if (isChecked && !(typeof id === 'string' && named.has(id)) && !own.has('')) c.report(orphanRule, place);
}

/** Ids in local references and canonicals: strings that are `#` or `#id`, whatever the element. */
function collectFragments(value: unknown, into: Set<string>, depth: number): void {
  if (depth > maximumDepth) return;
  if (typeof value === 'string') {
    if (value.charCodeAt(0) === 35) into.add(value.slice(1));
    return;
  }
  if (typeof value !== 'object' || value === null) return;
  if (Array.isArray(value)) for (const item of value) collectFragments(item, into, depth + 1);
  else for (const key in value) collectFragments((value as JsonObject)[key], into, depth + 1);
}
