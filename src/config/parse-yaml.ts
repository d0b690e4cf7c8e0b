import { LineCounter, isScalar, parseDocument } from 'yaml';
import type { Document } from 'yaml';

export type PathSegments = readonly (string | number)[];

export interface ParsedYaml {
  readonly value: unknown;
  /** Syntax faults by kind and line; their text is left out because it may quote the file. */
  readonly faults: readonly { readonly line: number; readonly code: string }[];
  /** 1-based line of the node at `path` or of its nearest ancestor that is there. */
  lineOf(path: PathSegments): number | undefined;
}

/**
 * Reads one YAML 1.2 document. Never throws: what is wrong is in `faults`, and then `value` is undefined.
 * @param text at most a few MB; who writes it may be anybody with access to the file, so aliases are bounded
 */
export function parseYaml(text: string): ParsedYaml {
  const lineCounter = new LineCounter();
  const document = parseDocument(text, { lineCounter, prettyErrors: false, uniqueKeys: true });
  const faults = document.errors.map((error) => ({ line: lineCounter.linePos(error.pos[0]).line, code: error.code }));
  if (faults.length > 0) return { value: undefined, faults, lineOf: () => undefined };
  try {
    const value: unknown = document.toJS({ maxAliasCount: 100 });
    return { value, faults, lineOf: (path) => lineOf(document, lineCounter, path) };
  } catch {
    return { value: undefined, faults: [{ line: 1, code: 'ALIAS_LIMIT' }], lineOf: () => undefined };
  }
}

function lineOf(document: Document, lineCounter: LineCounter, path: PathSegments): number | undefined {
  for (let length = path.length; length >= 0; length--) {
    const node: unknown = length === 0 ? document.contents : document.getIn(path.slice(0, length), true);
    const start = nodeStart(node);
    if (start !== undefined) return lineCounter.linePos(start).line;
  }
  return undefined;
}

function nodeStart(node: unknown): number | undefined {
  if (node === null || typeof node !== 'object') return undefined;
  if (isScalar(node) || 'range' in node) {
    const range = (node as { range?: readonly number[] | null }).range;
    return range?.[0];
  }
  return undefined;
}
