import type { CheckContext, JsonObject, Rule } from './report.ts';

const sizeRule: Rule = {
  id: 'attachment-size',
  severity: 'error',
  code: 'invalid',
  text: 'Attachment.size is not the number of bytes in Attachment.data',
};
const hashRule: Rule = {
  id: 'attachment-hash',
  severity: 'warning',
  code: 'invalid',
  text: 'Attachment.hash is a SHA-1 hash in base64, which has 20 bytes',
};

/** Checks an Attachment against itself (R4, datatypes.html#Attachment); the place of the context is the Attachment. */
export function checkAttachment(value: unknown, c: CheckContext): void {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return;
  const { data, size, hash } = value as JsonObject;
  if (typeof data === 'string' && typeof size === 'number') {
    const length = base64Length(data);
    if (length !== undefined && length !== size) c.report(sizeRule, '', `${size}, and ${length} bytes of data`);
  }
  if (typeof hash === 'string' && base64Length(hash) !== 20) c.report(hashRule, '.hash', hash);
}

/** Number of bytes that a base64 text stands for; undefined when it is none, white space left out. */
export function base64Length(text: string): number | undefined {
  let digits = 0;
  let padding = 0;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit === 0x3d) padding++;
    else if (unit === 0x20 || unit === 0x0a || unit === 0x0d || unit === 0x09) continue;
    else if (padding > 0 || !isDigit(unit)) return undefined;
    else digits++;
  }
  return padding <= 2 && (digits + padding) % 4 === 0 ? ((digits + padding) / 4) * 3 - padding : undefined;
}

function isDigit(unit: number): boolean {
  const lower = unit | 0x20;
  return (lower >= 0x61 && lower <= 0x7a) || (unit >= 0x30 && unit <= 0x39) || unit === 0x2b || unit === 0x2f;
}
