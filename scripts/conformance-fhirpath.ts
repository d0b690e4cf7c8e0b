/**
 * Runs HL7's FHIRPath suite: `npm run conformance:fhirpath -- [--suite DIR] [--json FILE] [--show]`. DIR holds `tests-fhir-r4.xml` and `input/`.
 * A test passes when the outputs are equal in order, or when an error was wanted and one came.
 */
import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { runFhirPathSuite } from './conformance-fhirpath-suite.ts';

const { values } = parseArgs({
  options: { suite: { type: 'string' }, json: { type: 'string' }, show: { type: 'boolean', default: false } },
});
const calledFrom = process.env.INIT_CWD ?? process.cwd();
const carried = join(import.meta.dirname, '..', 'test', 'fixtures', 'fhirpath-suite');
const rows = await runFhirPathSuite(values.suite === undefined ? carried : resolve(calledFrom, values.suite));
const passed = rows.filter((row) => row.passed).length;
const byLibrary = rows.filter((row) => row.engine === 'library').length;
if (values.show) {
  for (const row of rows) {
    if (!row.passed)
      process.stdout.write(
        `${row.group} / ${row.name} [${row.engine}]\n  ${row.expression}\n  wanted ${row.wanted}\n  got    ${row.got}\n`,
      );
  }
}
process.stdout.write(
  `${passed} of ${rows.length} tests pass (${((100 * passed) / rows.length).toFixed(1)} %), ${byLibrary} of them run in the fhirpath library\n`,
);
if (values.json !== undefined) writeFileSync(resolve(calledFrom, values.json), `${JSON.stringify(rows, null, 1)}\n`);
