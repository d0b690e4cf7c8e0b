/** The `textLink` extension of a narrative: from an id in its XHTML to data of the resource (http://hl7.org/fhir/extensions/StructureDefinition-textLink.html). */
import { isObject, objects } from '../compile/element-tree.ts';
import type { CheckContext, JsonObject, Rule } from './report.ts';
import { scanXhtml } from './xhtml.ts';

const rule = (id: string, text: string): Rule => ({ id, severity: 'error', code: 'not-found', text });

const sourceRule = rule('text-link-source', 'The narrative has no element with this id');
const targetRule = rule('text-link-target', 'Nothing in the resource has the id that the link is to');

const textLink = 'http://hl7.org/fhir/StructureDefinition/textLink';
const maximumDepth = 100;

/** The place is at the narrative. */
export function checkTextLinks(value: unknown, c: CheckContext): void {
  if (!isObject(value) || value['extension'] === undefined) return;
  const links = objects(value['extension']).filter((extension) => extension['url'] === textLink);
  if (links.length === 0) return;
  const anchors = new Set(typeof value['div'] === 'string' ? scanXhtml(value['div']).anchors : []);
  const ids = new Set<string>();
  collectIds(c.resource, 0, ids);
  for (const link of links) for (const part of objects(link['extension'])) checkPart(part, anchors, ids, c);
}

function checkPart(part: JsonObject, anchors: ReadonlySet<string>, ids: ReadonlySet<string>, c: CheckContext): void {
  if (part['url'] === 'htmlid' && typeof part['valueString'] === 'string' && !anchors.has(part['valueString']))
    c.report(sourceRule, '', part['valueString']);
  const { valueUri } = part;
  if (part['url'] !== 'data' || typeof valueUri !== 'string' || !valueUri.startsWith('#')) return;
  const id = valueUri.slice(1);
  if (!ids.has(id) && !anchors.has(id)) c.report(targetRule, '', valueUri);
}

function collectIds(value: unknown, depth: number, into: Set<string>): void {
  if (depth > maximumDepth || typeof value !== 'object' || value === null) return;
  if (Array.isArray(value)) {
    for (const item of value) collectIds(item, depth + 1, into);
    return;
  }
  for (const [key, child] of Object.entries(value)) {
    if (key === 'id' && typeof child === 'string') into.add(child);
    else collectIds(child, depth + 1, into);
  }
}
