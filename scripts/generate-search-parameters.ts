import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * Writes src/fhir/search-parameters.json from the SearchParameters of hl7.fhir.r4.core 4.0.1: per resource type and parameter, its type and the
 * element paths that its FHIRPath expression names, as far as they are plain paths.
 */
interface SearchParameter {
  readonly resourceType: string;
  readonly code: string;
  readonly type: string;
  readonly base: readonly string[];
  readonly expression?: string;
}

const folder = mkdtempSync(join(tmpdir(), 'search-parameters-'));
const archive = join(import.meta.dirname, '..', 'profiles', 'hl7.fhir.r4.core-4.0.1.tgz');
execFileSync('tar', ['-xzf', archive, '-C', folder]);
const table: Record<string, Record<string, string[]>> = {};
for (const name of readdirSync(join(folder, 'package'))) {
  if (!name.startsWith('SearchParameter-')) continue;
  const parameter = JSON.parse(readFileSync(join(folder, 'package', name), 'utf8')) as SearchParameter;
  for (const base of parameter.base) {
    (table[base] ??= {})[parameter.code] = [parameter.type, ...elementPaths(parameter.expression ?? '', base)];
  }
}
rmSync(folder, { recursive: true });

const types = readTypes();
for (const type of types) table[type] ??= {};
const sorted = Object.fromEntries(
  Object.entries(table)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([type, parameters]) => [
      type,
      Object.fromEntries(Object.entries(parameters).sort(([a], [b]) => (a < b ? -1 : 1))),
    ]),
);
const lines = Object.entries(sorted).map(
  ([type, parameters]) => `${JSON.stringify(type)}: ${JSON.stringify(parameters)}`,
);
writeFileSync(join(import.meta.dirname, '..', 'src', 'fhir', 'search-parameters.json'), `{\n${lines.join(',\n')}\n}\n`);

function readTypes(): string[] {
  const out = execFileSync(
    'tar',
    ['-xzOf', archive, 'package/ValueSet-resource-types.json', 'package/CodeSystem-resource-types.json'],
    { encoding: 'utf8' },
  );
  return [...out.matchAll(/"code"\s*:\s*"([A-Z][A-Za-z]+)"/g)].map((match) => match[1] ?? '');
}

/** `(Observation.value as Quantity)` → `valueQuantity`; `X.subject.where(resolve() is Patient)` → `subject`; what is no plain path is left out. */
function elementPaths(expression: string, base: string): string[] {
  const paths = expression.split('|').map((alternative) => {
    let text = alternative.trim().replace(/\.where\(resolve\(\) is \w+\)/g, '');
    text = text.replace(/^\((.*)\)$/, '$1').replace(/\.(?:as|ofType)\((\w+)\)/g, (_all, type: string) => ` as ${type}`);
    const cast = /^([A-Za-z.]+) as (\w+)$/.exec(text);
    if (cast !== null) text = (cast[1] ?? '') + (cast[2] ?? '').replace(/^./, (letter) => letter.toUpperCase());
    const match = /^(\w+)\.([A-Za-z0-9.]+)$/.exec(text);
    if (match === null || (match[1] !== base && match[1] !== 'Resource' && match[1] !== 'DomainResource'))
      return undefined;
    return match[2];
  });
  return [...new Set(paths.filter((path) => path !== undefined))];
}
