/** A folder shaped like HL7's validator suite: manifest.json, cases/, outcomes/. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface SuiteCheck {
  readonly mode: 'base' | 'profile';
  readonly tier: string;
  readonly outcome: string;
  readonly expectedErrors: number;
}

/** Settings stay as the manifest has them: `conformance-settings.ts` reads those that it knows. */
export interface SuiteCase {
  readonly name: string;
  readonly file: string;
  readonly module: string;
  readonly checks: readonly SuiteCheck[];
  readonly settings: Readonly<Record<string, unknown>>;
}

type Json = Record<string, unknown>;

/** @throws {Error} no manifest, or not of that shape */
export function readSuite(directory: string): SuiteCase[] {
  const manifest = JSON.parse(readFileSync(join(directory, 'manifest.json'), 'utf8')) as { cases?: unknown };
  if (!Array.isArray(manifest.cases)) throw new Error(`${directory}/manifest.json has no cases`);
  return objects(manifest.cases).map((one) => ({
    name: String(one.name),
    file: String(one.file),
    module: typeof one.module === 'string' ? one.module : 'none',
    checks: objects(one.checks).map((check) => ({
      mode: check.mode === 'profile' ? 'profile' : 'base',
      tier: String(check.tier),
      outcome: String(check.outcome),
      expectedErrors: Number(check.expectedErrors),
    })),
    settings: one,
  }));
}

function objects(value: unknown): Json[] {
  const items: unknown[] = Array.isArray(value) ? value : [];
  return items.filter((item): item is Json => typeof item === 'object' && item !== null);
}

export function stringList(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
}

/** Places of the expected errors, as `expressionKey` writes them; undefined when the outcome cannot be read. */
export function expectedPlaces(directory: string, check: SuiteCheck): Set<string> | undefined {
  let outcome: { issue?: Json[] };
  try {
    outcome = JSON.parse(readFileSync(join(directory, check.outcome), 'utf8')) as { issue?: Json[] };
  } catch {
    return undefined;
  }
  const places = new Set<string>();
  for (const issue of outcome.issue ?? []) {
    if (issue.severity !== 'error' && issue.severity !== 'fatal') continue;
    if (isFromTerminologyServer(issue)) continue;
    const [expression] = stringList(issue.expression);
    if (expression !== undefined) places.add(expressionKey(expression));
  }
  return places;
}

function isFromTerminologyServer(issue: Json): boolean {
  const extensions = Array.isArray(issue.extension) ? (issue.extension as Json[]) : [];
  return extensions.some((extension) => String(extension.url).endsWith('/operationoutcome-issue-server'));
}

/** Comments left out, `value.ofType(X)` as `valueX`. */
export function expressionKey(expression: string): string {
  return expression
    .replaceAll(/\/\*.*?\*\//g, '')
    .replaceAll(/\.ofType\((\w)(\w*)\)/g, (_, first: string, rest: string) => first.toUpperCase() + rest);
}
