/**
 * Regenerates every published snapshot of the packages in a folder from its differential, and compares element by element.
 * `npm run conformance:snapshots -- [--packages-dir DIR] [--package ID#VERSION] [--json FILE] [--show FIELD]`
 */
import { writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import type { Definition, ElementDefinition } from '../src/validation/packages/definitions.ts';
import { carriedPackagesDirectory, loadPackages } from '../src/validation/packages/load-packages.ts';
import { PackagesFolder } from '../src/validation/packages/packages-folder.ts';
import { differentialElements, publishedElements } from '../src/validation/snapshot/published.ts';
import { generateSnapshot } from '../src/validation/snapshot/generate.ts';
import { SnapshotError } from '../src/validation/snapshot/snapshot-error.ts';
import { snapshotOf } from '../src/validation/snapshot/snapshot.ts';
import { compareSnapshots } from './conformance-snapshot-compare.ts';
import type { SnapshotDifference } from './conformance-snapshot-compare.ts';

const { values } = parseArgs({
  options: {
    'packages-dir': { type: 'string' },
    package: { type: 'string' },
    json: { type: 'string' },
    show: { type: 'string' },
  },
});
const calledFrom = process.env.INIT_CWD ?? process.cwd();
const directory =
  values['packages-dir'] === undefined ? carriedPackagesDirectory : resolve(calledFrom, values['packages-dir']);

interface Row {
  readonly package: string;
  readonly profile: string;
  readonly elements: number;
  readonly failure: string | null;
  readonly differences: readonly SnapshotDifference[];
}

function regenerate(definition: Definition, packageId: string): Row | undefined {
  const published: readonly ElementDefinition[] | undefined = publishedElements(definition.resource);
  if (published === undefined || differentialElements(definition.resource).length === 0) return undefined;
  const row = { package: packageId, profile: `${definition.url}|${definition.version}`, elements: published.length };
  try {
    return {
      ...row,
      failure: null,
      differences: compareSnapshots(published, generateSnapshot(definition, snapshotOf)),
    };
  } catch (error) {
    if (!(error instanceof SnapshotError)) throw error;
    return { ...row, failure: error.code, differences: [] };
  }
}

const rows: Row[] = [];
for (const { id, version } of new PackagesFolder(directory).list()) {
  const packageId = `${id}#${version}`;
  if (values.package !== undefined && values.package !== packageId) continue;
  const set = await loadPackages({ packages: [packageId], packagesDirectory: directory });
  for (const definition of set.scope(packageId)?.list('StructureDefinition') ?? []) {
    if (definition.packageId !== packageId) continue;
    const row = regenerate(definition, packageId);
    if (row !== undefined) rows.push(row);
  }
}

function table(name: string, some: readonly Row[]): string {
  const failed = some.filter((row) => row.failure !== null);
  const compared = some.filter((row) => row.failure === null);
  const decisive = compared.filter((row) => row.differences.some((difference) => difference.isDecisive));
  const elements = compared.reduce((sum, row) => sum + row.elements, 0);
  const differing = compared.reduce(
    (sum, row) => sum + new Set(row.differences.filter((one) => one.isDecisive).map((one) => one.element)).size,
    0,
  );
  const columns = [some.length, failed.length, compared.length - decisive.length, elements, differing];
  return name.padEnd(44) + columns.map((column) => String(column).padStart(12)).join('');
}

const print = (text: string): boolean => process.stdout.write(`${text}\n`);
print(
  `${'package'.padEnd(44)}${['snapshots', 'no base', 'equal', 'elements', 'differing'].map((title) => title.padStart(12)).join('')}`,
);
for (const name of [...new Set(rows.map((row) => row.package))])
  print(
    table(
      name,
      rows.filter((row) => row.package === name),
    ),
  );
print(table('all', rows));

const byField = new Map<string, number>();
for (const row of rows) for (const { field } of row.differences) byField.set(field, (byField.get(field) ?? 0) + 1);
print('\ndifferences by field');
for (const [field, count] of [...byField].sort((left, right) => right[1] - left[1]))
  print(`${String(count).padStart(8)}  ${field}`);
for (const row of rows) if (row.failure !== null) print(`${row.failure} ${row.profile} (${row.package})`);
if (values.show !== undefined)
  for (const row of rows)
    for (const { field, element, published, generated } of row.differences)
      if (field === values.show)
        print(`${row.profile} ${element}\n    published ${published}\n    generated ${generated}`);
if (values.json !== undefined)
  writeFileSync(resolve(calledFrom, values.json), `${JSON.stringify(rows, undefined, 1)}\n`);
