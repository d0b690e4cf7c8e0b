/**
 * Validates the published examples of packages, then copies of them that the specification or a profile forbids, and counts what is caught.
 * `npm run conformance:examples -- --package FILE… [--packages-dir DIR] [--json FILE] [--per-operator N] [--show]`
 */
import { existsSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import type { Definition, PackageSet } from '../src/validation/packages/definitions.ts';
import { loadPackages } from '../src/validation/packages/load-packages.ts';
import { PackageCache } from '../src/validation/packages/package-cache.ts';
import { PackageSource, isExampleFile, parseJson } from '../src/validation/packages/package-source.ts';
import { createValidatorFor } from '../src/validation/validator-factory.ts';
import type { ValidationIssue, Validator } from '../src/validation/validator.ts';
import { profileMutants } from './conformance-mutants-profile.ts';
import { baseMutants } from './conformance-mutants.ts';
import type { Mutant } from './conformance-mutants.ts';
import { isObject, profilesOf, sitesOf } from './conformance-sites.ts';
import type { Json } from './conformance-sites.ts';
import { expressionKey } from './conformance-suite.ts';
import { absentIsNull } from './conformance-support.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    package: { type: 'string', multiple: true, default: [] },
    'packages-dir': { type: 'string' },
    json: { type: 'string' },
    'per-operator': { type: 'string', default: '2' },
    show: { type: 'boolean', default: false },
  },
});
const calledFrom = process.env.INIT_CWD ?? process.cwd();
const names = [...values.package, ...positionals];
if (names.length === 0) {
  process.stderr.write(
    'usage: npm run conformance:examples -- --package FILE… [--packages-dir DIR] [--json FILE] [--per-operator N] [--show]\n',
  );
  process.exit(2);
}
const packagesDirectory =
  values['packages-dir'] === undefined ? undefined : resolve(calledFrom, values['packages-dir']);
const perOperator = Number(values['per-operator']);
const cache = new PackageCache();

interface MutantRow {
  readonly package: string;
  readonly example: string;
  readonly operator: string;
  readonly caught: boolean;
  readonly originalValid: boolean;
  readonly issues: readonly ValidationIssue[];
}

interface Tally {
  examples: number;
  accepted: number;
  mutants: number;
  caught: number;
}

const rows: MutantRow[] = [];
const tallies = new Map<string, Tally>();

async function runPackage(name: string): Promise<void> {
  const file = resolve(calledFrom, name);
  const asked = existsSync(file) ? file : name;
  const packages = await loadPackages({ packages: [asked], packagesDirectory, cache });
  const own =
    packages.packages.find((one) => one.path === asked) ?? packages.packages.find((one) => name.startsWith(one.id));
  if (own === undefined) throw new Error(`package ${name} is not here`);
  const id = `${own.id}#${own.version}`;
  const tally: Tally = { examples: 0, accepted: 0, mutants: 0, caught: 0 };
  tallies.set(id, tally);
  const validator = createValidatorFor({ packages, policy: 'hl7' });
  for (const entry of new PackageSource(own.path).files()) {
    if (!isExampleFile(entry.name)) continue;
    const resource = readExample(entry.bytes);
    if (resource !== undefined) await runExample(resource, { id, example: entry.name, packages, validator, tally });
  }
}

function readExample(bytes: Uint8Array): Json | undefined {
  try {
    const resource = parseJson(bytes);
    return isObject(resource) && typeof resource.resourceType === 'string' ? resource : undefined;
  } catch {
    return undefined;
  }
}

interface Running {
  readonly id: string;
  readonly example: string;
  readonly packages: PackageSet;
  readonly validator: Validator;
  readonly tally: Tally;
}

async function runExample(resource: Json, running: Running): Promise<void> {
  const { id, example, packages, validator, tally } = running;
  const extra = await fittingProfile(resource, running);
  const profiles = extra === undefined ? [] : [`${extra.url}|${extra.version}`];
  const original = await validator.validate({ text: JSON.stringify(resource), profiles });
  tally.examples++;
  if (original.valid) tally.accepted++;
  else if (values.show)
    for (const issue of original.issues)
      if (isSerious(issue)) print(`  ${example}: ${issue.expression ?? ''} ${issue.id} ${issue.text}`);
  const scope = packages.scope(id) ?? packages.root;
  const mutable = { resource, sites: sitesOf(resource, scope), scope };
  const named = [...profilesOf(declared(resource), scope), ...(extra === undefined ? [] : [extra])];
  const seen = new Set(original.issues.filter(isSerious).map((issue) => `${issue.id} ${issue.expression ?? ''}`));
  for (const mutant of [...baseMutants(mutable, perOperator), ...profileMutants(mutable, named, perOperator)]) {
    const report = await validator.validate({ text: JSON.stringify(mutant.resource), profiles });
    const isCaught = original.valid && report.issues.some((issue) => isSerious(issue) && isAt(issue, mutant));
    rows.push({
      package: id,
      example,
      operator: mutant.operator,
      caught: isCaught,
      originalValid: original.valid,
      issues: report.issues,
    });
    if (!original.valid) continue;
    tally.mutants++;
    if (isCaught) tally.caught++;
    else if (values.show)
      print(
        `  ${example} ${mutant.operator} ${mutant.expression}: ${[...report.issues]
          .filter(isSerious)
          .map((issue) => `${issue.id}@${issue.expression ?? ''}`)
          .join(', ')}`,
      );
  }
  if (seen.size > 0 && values.show) print(`  ${example}: not accepted`);
}

/** Examples that declare nothing are judged by the package's profile of their type, where there is exactly one and they meet it. */
async function fittingProfile(resource: Json, { id, packages, validator }: Running): Promise<Definition | undefined> {
  if (declared(resource).length > 0) return undefined;
  const candidates = (packages.scope(id)?.list('StructureDefinition') ?? []).filter(
    (definition) =>
      definition.packageId === id &&
      definition.derivation === 'constraint' &&
      definition.constrainedType === resource.resourceType,
  );
  const [only, ...others] = candidates;
  if (only === undefined || others.length > 0) return undefined;
  const report = await validator.validate({
    text: JSON.stringify(resource),
    profiles: [`${only.url}|${only.version}`],
  });
  return report.valid ? only : undefined;
}

function declared(resource: Json): string[] {
  const profiles = isObject(resource.meta) ? resource.meta.profile : undefined;
  return Array.isArray(profiles) ? profiles.filter((profile) => typeof profile === 'string') : [];
}

function isSerious(issue: ValidationIssue): boolean {
  return issue.severity === 'error' || issue.severity === 'fatal';
}

/** At or under the broken element, or at its parent. */
function isAt(issue: ValidationIssue, mutant: Mutant): boolean {
  if (issue.expression === undefined) return true;
  const place = expressionKey(issue.expression);
  return [mutant.expression, mutant.besides].some((expression) => {
    if (expression === undefined) return false;
    // The choice as a whole, where the shape of its JSON is wrong.
    if (place.endsWith('[x]')) return expression.startsWith(place.slice(0, -3));
    const parent = expression.replace(/(\.[^.[]+)?(\[\d+\])?$/, '');
    return (
      place === expression ||
      place === parent ||
      place.startsWith(`${expression}.`) ||
      place.startsWith(`${expression}[`)
    );
  });
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

const percent = (part: number, whole: number): string => (whole === 0 ? '-' : `${((100 * part) / whole).toFixed(2)} %`);

for (const name of names) await runPackage(name);
print(
  `${'package'.padEnd(46)}${['examples', 'accepted', 'mutants', 'caught', ''].map((title) => title.padStart(10)).join('')}`,
);
const total: Tally = { examples: 0, accepted: 0, mutants: 0, caught: 0 };
for (const [id, tally] of [...tallies, ['all', total] as const]) {
  print(
    `${id.padEnd(46)}${[tally.examples, tally.accepted, tally.mutants, tally.caught].map((count) => String(count).padStart(10)).join('')}${percent(tally.caught, tally.mutants).padStart(10)}`,
  );
  for (const key of ['examples', 'accepted', 'mutants', 'caught'] as const)
    if (tally !== total) total[key] += tally[key];
}
print('\ncaught by operator');
const byOperator = Map.groupBy(
  rows.filter((row) => row.originalValid),
  (row) => row.operator,
);
for (const [operator, same] of [...byOperator].sort(([left], [right]) => (left < right ? -1 : 1))) {
  const caught = same.filter((row) => row.caught).length;
  print(
    `${operator.padEnd(36)}${String(caught).padStart(7)} of ${String(same.length).padStart(6)}  ${percent(caught, same.length)}`,
  );
}
if (values.json !== undefined)
  writeFileSync(resolve(calledFrom, values.json), `${JSON.stringify(rows, absentIsNull)}\n`);
