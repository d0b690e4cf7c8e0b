import { sha256 } from '../hash.ts';

const encoder = new TextEncoder();

/**
 * 16 lowercase hex characters, equal for the same rule at the same element path: indexes, comments and the profile's version are left out.
 * @param profile `url|version#element` or undefined
 */
export function fingerprint(id: string, expression: string | undefined, profile: string | undefined): string {
  const path = (expression ?? '').replaceAll(/\[\d+\]/g, '').replaceAll(/\/\*.*?\*\//g, '');
  const rule = (profile ?? '').replace(/\|[^#]*/, '');
  return Buffer.from(sha256(encoder.encode(`${id}\n${path}\n${rule}`)).subarray(0, 8)).toString('hex');
}
