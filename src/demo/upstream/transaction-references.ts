import { randomUUID } from 'node:crypto';
import { badRequest, multipleMatches, OperationOutcomeError } from '@medplum/core';
import type { Bundle } from '@medplum/fhirtypes';

/** What the router rewrites by itself. */
const ROUTER_PLACEHOLDER = /^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const CONDITIONAL_REFERENCE = /^[A-Z][A-Za-z]+\?.+/;

/**
 * Does to a transaction what R4 asks beyond the router: every `fullUrl` of a created entry may be referred to, not only a lower-case `urn:uuid`, and
 * a reference may be a search that matches one resource (R4 http.html, "transaction processing rules"). Changes the bundle.
 * @param find references (`Type/id`) of the matches of a search, at most two
 * @throws {OperationOutcomeError} 400 no match | 412 several
 */
export function prepareReferences(bundle: Bundle, find: (search: string) => readonly string[]): void {
  const placeholders = new Map<string, string>();
  for (const entry of bundle.entry ?? []) {
    const { fullUrl, request } = entry;
    if (fullUrl === undefined || request?.method !== 'POST' || ROUTER_PLACEHOLDER.test(fullUrl)) continue;
    entry.fullUrl = `urn:uuid:${randomUUID()}`;
    placeholders.set(fullUrl, entry.fullUrl);
  }
  for (const entry of bundle.entry ?? []) {
    replaceReferences(entry.resource, (reference) => {
      const placeholder = placeholders.get(reference);
      if (placeholder !== undefined) return placeholder;
      return CONDITIONAL_REFERENCE.test(reference) ? onlyMatch(find(reference)) : reference;
    });
  }
}

function onlyMatch([first, second]: readonly string[]): string {
  if (second !== undefined) throw new OperationOutcomeError(multipleMatches);
  if (first === undefined) throw new OperationOutcomeError(badRequest('A conditional reference matches nothing'));
  return first;
}

function replaceReferences(value: unknown, replace: (reference: string) => string): void {
  if (Array.isArray(value)) {
    for (const item of value) replaceReferences(item, replace);
    return;
  }
  if (value === null || typeof value !== 'object') return;
  const object = value as Record<string, unknown>;
  for (const [key, inner] of Object.entries(object)) {
    if (key === 'reference' && typeof inner === 'string') object[key] = replace(inner);
    else replaceReferences(inner, replace);
  }
}
