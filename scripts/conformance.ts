/**
 * Runs a folder shaped like HL7's validator suite and prints how far the verdicts and places agree with the recorded outcomes.
 * `npm run conformance -- --suite DIR [--packages-dir DIR] [--tier T] [--module M] [--case NAME] [--json FILE] [--show]`
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { fatalReport } from '../src/cli/validate-result.ts';
import { PackageCache } from '../src/validation/packages/package-cache.ts';
import { createValidatorFor } from '../src/validation/validator-factory.ts';
import type { ValidationReport } from '../src/validation/validator.ts';
import { foundPlaces, printScores } from './conformance-score.ts';
import type { CheckRow, ScoredCheck } from './conformance-score.ts';
import { caseSettings } from './conformance-settings.ts';
import { expectedPlaces, readSuite } from './conformance-suite.ts';
import type { SuiteCase, SuiteCheck } from './conformance-suite.ts';
import { SupportLoader, absentIsNull } from './conformance-support.ts';

const { values } = parseArgs({
  options: {
    suite: { type: 'string' },
    'packages-dir': { type: 'string' },
    tier: { type: 'string' },
    module: { type: 'string' },
    case: { type: 'string' },
    json: { type: 'string' },
    show: { type: 'boolean', default: false },
  },
});
if (values.suite === undefined) {
  process.stderr.write(
    'usage: npm run conformance -- --suite DIR [--packages-dir DIR] [--tier T] [--module M] [--case NAME] [--json FILE] [--show]\n',
  );
  process.exit(2);
}

/** npm changes to the project's root; paths are meant from where the command was called. */
const calledFrom = process.env.INIT_CWD ?? process.cwd();
const suiteDirectory = resolve(calledFrom, values.suite);
const casesDirectory = join(suiteDirectory, 'cases');
const packagesDirectory =
  values['packages-dir'] === undefined ? undefined : resolve(calledFrom, values['packages-dir']);
const support = new SupportLoader(casesDirectory, packagesDirectory, new PackageCache());

async function runCheck(one: SuiteCase, check: SuiteCheck): Promise<CheckRow> {
  const missing: string[] = [];
  const row = { case: one.name, mode: check.mode, tier: check.tier };
  try {
    const report = await validateCase(one, check, missing);
    return { ...row, valid: report.valid, crash: null, missing, issues: report.issues };
  } catch (error) {
    const crash = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    if (values.show && error instanceof Error) process.stderr.write(`${error.stack ?? ''}\n`);
    return { ...row, valid: false, crash, missing, issues: [] };
  }
}

/** An instance that could not be had is no crash of the validator: it is named, and it is not valid. */
async function validateCase(one: SuiteCase, check: SuiteCheck, missing: string[]): Promise<ValidationReport> {
  const needed = await support.load(one, check.mode);
  missing.push(...needed.missing);
  const { settings, overrides } = caseSettings(one, check.mode, casesDirectory, missing);
  const validator = createValidatorFor({
    packages: needed.packages,
    policy: 'hl7',
    settings,
    overrides,
    ...(one.settings.fetcher !== 'standalone' && {
      resolveReference: (reference: string) => support.fetch(reference, needed.packages.root),
    }),
  });
  let text: string;
  try {
    text = readFileSync(join(casesDirectory, one.file), 'utf8');
  } catch (error) {
    missing.push(`${one.file}: ${error instanceof Error ? error.message : 'cannot be read'}`);
    return fatalReport('file-missing', `the instance ${one.file} cannot be read`);
  }
  return validator.validate({ text, profiles: needed.profiles, policy: 'hl7' });
}

function show({ row, expectedValid, expected }: ScoredCheck): void {
  const found = foundPlaces(row.issues);
  const missed = [...(expected ?? [])].filter((place) => !found.has(place));
  const extra = [...found].filter((place) => expected?.has(place) === false);
  if (row.valid === expectedValid && missed.length + extra.length === 0 && row.crash === null) return;
  const verdict = row.valid === expectedValid ? 'agrees' : row.valid ? 'FALSE ACCEPT' : 'FALSE REJECT';
  process.stdout.write(
    `${row.case} ${row.mode} (${row.tier}): ${verdict}${row.crash === null ? '' : ` crash ${row.crash}`}\n`,
  );
  for (const place of missed) process.stdout.write(`    missed ${place}\n`);
  for (const issue of row.issues)
    if (issue.severity === 'error' || issue.severity === 'fatal')
      process.stdout.write(
        `    ${extra.length > 0 ? 'found' : 'also'} ${issue.expression ?? '-'} ${issue.id}: ${issue.text}\n`,
      );
}

const rows: CheckRow[] = [];
const scored: ScoredCheck[] = [];
for (const one of readSuite(suiteDirectory)) {
  for (const check of one.checks) {
    if (values.tier !== undefined && check.tier !== values.tier) continue;
    if (values.module !== undefined && one.module !== values.module) continue;
    if (values.case !== undefined && one.name !== values.case) continue;
    const row = await runCheck(one, check);
    rows.push(row);
    const result = {
      row,
      module: one.module,
      expectedValid: check.expectedErrors === 0,
      expected: expectedPlaces(suiteDirectory, check),
    };
    scored.push(result);
    if (values.show) show(result);
  }
}
if (values.json !== undefined)
  writeFileSync(resolve(calledFrom, values.json), `${JSON.stringify(rows, absentIsNull, 1)}\n`);
printScores(scored, (text) => process.stdout.write(`${text}\n`));
