import type { CheckContext, Rule } from './report.ts';

const text = 'The text contains what looks like an HTML tag; a viewer should escape it, so check that this is wanted';
const markdownWarning: Rule = { id: 'markdown-html', severity: 'warning', code: 'invalid', text };
const markdownError: Rule = { id: 'markdown-html-refused', severity: 'error', code: 'invalid', text };
const stringInformation: Rule = { id: 'string-html', severity: 'information', code: 'informational', text };
const stringError: Rule = {
  id: 'string-html-refused',
  severity: 'error',
  code: 'security',
  text: 'The text contains what looks like an HTML tag, which is a risk where it is shown without escaping',
};

/** HTML in markdown (R4, datatypes.html#markdown: it should not be there). The text must not be empty. */
export function checkMarkdown(value: string, c: CheckContext): void {
  const tag = htmlTag(value);
  if (tag !== undefined) c.report(c.services.settings.refuseHtmlInMarkdown ? markdownError : markdownWarning, '', tag);
}

/** HTML in plain strings: a hint, or an error where security checks are wanted. */
export function checkPlainText(value: string, c: CheckContext): void {
  const tag = htmlTag(value);
  if (tag !== undefined) c.report(c.services.settings.securityChecks ? stringError : stringInformation, '', tag);
}

/** The start of what looks like a tag: `<` and a letter (or `</`), closed by `>` before another `<`. Links in pointed brackets are none. */
export function htmlTag(value: string): string | undefined {
  for (let at = value.indexOf('<'); at >= 0; at = value.indexOf('<', at + 1)) {
    let start = at + 1;
    if (value.charCodeAt(start) === 0x2f) start++;
    if (!isLetter(value.charCodeAt(start))) continue;
    let end = start + 1;
    while (isNamePart(value.charCodeAt(end))) end++;
    const after = value.charAt(end);
    if (after !== '>' && after !== '/' && after !== ' ' && after !== '\n' && after !== '\t') continue;
    const close = value.indexOf('>', end);
    if (close < 0) return undefined;
    const next = value.indexOf('<', end);
    if (next < 0 || next > close) return value.slice(at, end);
  }
  return undefined;
}

function isLetter(unit: number): boolean {
  const lower = unit | 0x20;
  return lower >= 0x61 && lower <= 0x7a;
}

function isNamePart(unit: number): boolean {
  return isLetter(unit) || (unit >= 0x30 && unit <= 0x39);
}
