import { isObject, objectsOf } from './questionnaire-model.ts';
import type { CheckContext, JsonObject, Rule } from './report.ts';
import { scanXhtml } from './xhtml.ts';

const rule = (id: string, text: string): Rule => ({ id, severity: 'error', code: 'not-found', text });

const noElement = rule('text-link-element', 'A textLink names an id that the narrative does not have');
const noTarget = rule('text-link-target', 'A textLink leads to data that the resource does not have');

const textLink = 'http://hl7.org/fhir/StructureDefinition/textLink';

/** The extension textLink of a Narrative joins a part of its text with data of the resource: both must be there. The place is the Narrative. */
export function checkTextLinks(value: unknown, c: CheckContext): void {
  if (!isObject(value)) return;
  const links = objectsOf(value['extension']).filter(({ url }) => url === textLink);
  if (links.length === 0) return;
  const { div } = value;
  const anchors = new Set(typeof div === 'string' ? scanXhtml(div).anchors : []);
  for (const link of links) {
    const parts = objectsOf(link['extension']);
    const element = parts.find(({ url }) => url === 'htmlid')?.['valueString'];
    const data = parts.find(({ url }) => url === 'data')?.['valueUri'];
    if (typeof element === 'string' && !anchors.has(element.replace(/^#/, ''))) c.report(noElement, '', element);
    if (typeof data === 'string' && data.startsWith('#') && !hasId(c.resource, data.slice(1)))
      c.report(noTarget, '', data);
  }
}

/** Whether any element of the resource has that id. */
function hasId(resource: JsonObject, id: string): boolean {
  const stack: unknown[] = [resource];
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    if (typeof next !== 'object' || next === null) continue;
    if (!Array.isArray(next) && (next as JsonObject)['id'] === id) return true;
    for (const child of Object.values(next)) stack.push(child);
  }
  return false;
}
