import type { CheckContext, JsonObject, Rule } from './report.ts';
import { breaksHtmlRules, scanXhtml } from './xhtml.ts';
import type { XhtmlProblem } from './xhtml.ts';

/** R4, Narrative and narrative.html: txt-1, txt-2 and the rules of the XHTML subset. */
const rule = (id: string, code: string, text: string): Rule => ({ id, severity: 'error', code, text });

const narrativeProfile = 'http://hl7.org/fhir/StructureDefinition/Narrative';
const contentRule: Rule = {
  id: 'invariant:txt-1',
  severity: 'error',
  code: 'invariant',
  text: 'txt-1: The narrative SHALL contain only the basic html formatting elements and attributes described in chapters 7-11 (except section 4 of chapter 9) and 15 of the HTML 4.0 standard, <a> elements, images and internally contained style attributes',
  profile: `${narrativeProfile}#Narrative.div`,
};
const emptyRule: Rule = {
  id: 'invariant:txt-2',
  severity: 'error',
  code: 'invariant',
  text: 'txt-2: The narrative SHALL have some non-whitespace content',
  profile: `${narrativeProfile}#Narrative.div`,
};
const fragmentRule = rule(
  'narrative-link-unresolved',
  'invalid',
  'A link in the narrative leads to nothing: no id, no anchor and no contained resource of that name',
);
const problemRules: Readonly<Record<XhtmlProblem['kind'], Rule>> = {
  syntax: rule('narrative-not-xhtml', 'invalid', 'The narrative is not well-formed XHTML'),
  entity: rule(
    'narrative-entity',
    'invalid',
    'The narrative has an entity that XML does not know; write the character itself or its number',
  ),
  element: rule('narrative-element', 'invalid', 'The narrative has an element that FHIR does not allow'),
  attribute: rule('narrative-attribute', 'invalid', 'The narrative has an attribute that FHIR does not allow'),
  namespace: rule(
    'narrative-namespace',
    'invalid',
    'The namespace of the narrative must be http://www.w3.org/1999/xhtml',
  ),
  root: rule('narrative-root', 'invalid', 'The narrative must be one div element'),
  structure: rule('narrative-structure', 'invalid', 'The narrative has an element where XHTML does not allow it'),
  'active-link': rule('narrative-active-link', 'security', 'A link in the narrative would run a script'),
  'empty-link': rule('narrative-empty-link', 'invalid', 'A link in the narrative is empty'),
  'bad-link': rule('narrative-bad-link', 'invalid', 'A link in the narrative cannot be followed'),
};

/** Checks `Narrative.div`; the place of the context is the div. Anything but a string is structure's business. */
export function checkNarrative(value: unknown, c: CheckContext): void {
  if (typeof value !== 'string') return;
  const scan = scanXhtml(value);
  if (scan.problems.length === 0 && scan.hasContent && scan.fragments.length === 0) return;
  const told = new Set<string>();
  let forbidden = false;
  for (const problem of scan.problems) {
    forbidden ||= breaksHtmlRules(problem);
    const key = `${problem.kind} ${problem.detail}`;
    if (told.has(key)) continue;
    told.add(key);
    c.report(problemRules[problem.kind], '', problem.detail);
  }
  if (forbidden) c.report(contentRule);
  // A narrative with a bad entity has not been read to its end, so nothing is said about what it holds.
  if (!scan.hasContent && !scan.problems.some(({ kind }) => kind === 'entity')) c.report(emptyRule);
  if (scan.fragments.length === 0) return;
  const anchors = documentAnchors(c.bundle ?? c.root);
  for (const fragment of new Set(scan.fragments))
    if (!anchors.has(fragment)) c.report(fragmentRule, '', `#${fragment}`);
}

/** Anchors of all narratives in a document and the ids of contained resources; only asked for when a narrative has inner links. */
function documentAnchors(document: JsonObject): ReadonlySet<string> {
  const anchors = new Set<string>();
  const stack: unknown[] = [document];
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    if (Array.isArray(next)) {
      for (const item of next) if (typeof item === 'object' && item !== null) stack.push(item);
      continue;
    }
    const object = next as JsonObject;
    const { div, contained } = object;
    if (typeof div === 'string') for (const anchor of scanXhtml(div).anchors) anchors.add(anchor);
    if (Array.isArray(contained)) {
      for (const resource of contained) {
        const id = (resource as { id?: unknown } | null)?.id;
        if (typeof id === 'string') anchors.add(id);
      }
    }
    for (const key of Object.keys(object)) {
      const child = object[key];
      if (typeof child === 'object' && child !== null) stack.push(child);
    }
  }
  return anchors;
}
