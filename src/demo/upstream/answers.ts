import type { OperationOutcome } from '@medplum/fhirtypes';
import type { ParsedResources, StoredVersion } from './version-store.ts';

type JsonObject = Readonly<Record<string, unknown>>;

/**
 * JSON text of anything that may hold stored resources (a bundle, a bundle in a bundle): these go out as the text that is stored, unparsed.
 * @param parsed knows which objects are stored versions
 */
export function composeText(value: object, parsed: ParsedResources): string {
  const stored = parsed.versionOf(value)?.text;
  if (stored !== undefined) return stored;
  const bundle = value as JsonObject;
  if (bundle['resourceType'] !== 'Bundle' || !Array.isArray(bundle['entry'])) return JSON.stringify(value);
  const { entry, ...head } = bundle;
  const entries = (entry as (JsonObject | null | undefined)[]).map((item) => composeEntry(item ?? {}, parsed));
  return `${JSON.stringify(head).slice(0, -1)},"entry":[${entries.join(',')}]}`;
}

function composeEntry(entry: JsonObject, parsed: ParsedResources): string {
  const { resource, ...rest } = entry;
  if (resource === null || typeof resource !== 'object') return JSON.stringify(rest);
  const text = composeText(resource, parsed);
  const members = JSON.stringify(rest).slice(1);
  return `{"resource":${text}${members === '}' ? '' : ','}${members}`;
}

export interface PageArguments {
  readonly type: 'searchset' | 'history';
  readonly total: number;
  readonly links: readonly { readonly relation: string; readonly url: string }[];
  readonly entries: readonly {
    readonly version: StoredVersion;
    readonly fullUrl: string;
    readonly rest: JsonObject;
    readonly text?: string;
  }[];
}

/** One page of a search or a history, put together from stored texts. */
export function composePage(page: PageArguments): string {
  const head = JSON.stringify({ resourceType: 'Bundle', type: page.type, total: page.total, link: page.links });
  if (page.entries.length === 0) return head;
  const entries = page.entries.map(({ version, fullUrl, rest, text }) => {
    const content = text ?? version.text;
    const resource = content === undefined ? '' : `"resource":${content},`;
    return `{"fullUrl":${JSON.stringify(fullUrl)},${resource}${JSON.stringify(rest).slice(1)}`;
  });
  return `${head.slice(0, -1)},"entry":[${entries.join(',')}]}`;
}

/** The resource with only the named elements and what must stay, tagged as such. */
export function subset(text: string, elements: readonly string[]): string {
  const resource = JSON.parse(text) as Record<string, unknown>;
  const wanted = new Set(['resourceType', 'id', 'meta', ...elements]);
  const kept = Object.fromEntries(
    Object.entries(resource).filter(([key]) => wanted.has(key) || wanted.has(key.replace(/^_/, ''))),
  );
  const meta = (resource['meta'] ?? {}) as { tag?: unknown[] };
  const tag = [
    ...(meta.tag ?? []),
    { system: 'http://terminology.hl7.org/CodeSystem/v3-ObservationValue', code: 'SUBSETTED' },
  ];
  return JSON.stringify({ ...kept, meta: { ...meta, tag } });
}

export function outcome(code: string, text: string): OperationOutcome {
  return {
    resourceType: 'OperationOutcome',
    issue: [{ severity: 'error', code: code as 'processing', details: { text } }],
  };
}
