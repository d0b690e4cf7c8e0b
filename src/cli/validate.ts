import { existsSync, readFileSync } from 'node:fs';
import { Option } from 'commander';
import type { Command } from 'commander';
import { parseYaml } from '../config/parse-yaml.ts';
import type { PackageSet } from '../validation/packages/definitions.ts';
import { carriedPackagesDirectory, loadPackages } from '../validation/packages/load-packages.ts';
import { assertLocked, readLock } from '../validation/packages/lock.ts';
import { PackageError } from '../validation/packages/package-error.ts';
import { policyNames } from '../validation/policy.ts';
import type { PolicyName } from '../validation/policy.ts';
import { RuleSetError } from '../validation/rules-error.ts';
import { parseRules } from '../validation/rules-parse.ts';
import type { RuleSetModel } from '../validation/rules-parse.ts';
import { createRuleSet, requiredProfiles, severityOverrides } from '../validation/rules.ts';
import { assertProfilesUsable, createValidatorFor } from '../validation/validator-factory.ts';
import type { Direction } from '../validation/validator.ts';
import { createFormat, formatNames } from './validate-format.ts';
import type { FormatName } from './validate-format.ts';
import { InputError, expandNames, isNdjsonName, readInput, readLines } from './validate-input.ts';
import type { ResourceInput } from './validate-input.ts';
import { createJudge } from './validate-judge.ts';
import type { Judge } from './validate-judge.ts';
import { count, emptyTotals } from './validate-result.ts';
import type { Totals } from './validate-result.ts';

interface ValidateOptions {
  readonly profile: readonly string[];
  readonly package: readonly string[];
  readonly packagesDir?: string;
  readonly policy?: PolicyName;
  /** False with `--no-rest-references`. */
  readonly restReferences: boolean;
  readonly rules?: string;
  readonly direction: Direction;
  readonly upstream: string;
  readonly client?: string;
  readonly format: FormatName;
  readonly failOn: 'error' | 'warning';
  readonly input?: 'json' | 'ndjson';
}

const collect = (value: string, previous: readonly string[]): string[] => [...previous, value];

export function validateCommand(program: Command): void {
  program
    .command('validate')
    .description('validate FHIR R4 resources: files, folders, NDJSON, gzip, or standard input')
    .argument('[files...]', 'files or folders; - is standard input')
    .option('--profile <url>', 'canonical of a profile that every resource must meet; repeatable', collect, [])
    .option(
      '--package <package>',
      'FHIR package: a file, a folder, or ID#VERSION in the packages folder; repeatable',
      collect,
      [],
    )
    .option(
      '--packages-dir <folder>',
      'where ID#VERSION and dependencies are looked for (default: the carried profiles/)',
    )
    .addOption(
      new Option('--policy <name>', 'severity policy (default: hl7, with --rules the one it names)').choices(
        policyNames,
      ),
    )
    .option('--no-rest-references', 'do not believe the type in a reference such as Patient/1')
    .option('--rules <file>', 'rule set (YAML), as the gateway obeys it')
    .addOption(
      new Option('--direction <direction>', 'direction that the rules are asked for')
        .choices(['push', 'pull'])
        .default('push'),
    )
    .option('--upstream <name>', 'upstream that the rules are asked for', '')
    .option('--client <name>', 'client that the rules are asked for')
    .addOption(new Option('--format <format>', 'what standard output carries').choices(formatNames).default('text'))
    .addOption(
      new Option('--fail-on <severity>', 'exit 1 from this severity on').choices(['error', 'warning']).default('error'),
    )
    .addOption(
      new Option('--input <format>', 'how files and standard input are read (default: by name)').choices([
        'json',
        'ndjson',
      ]),
    )
    .addHelpText(
      'after',
      '\nExit codes: 0 nothing at the --fail-on level, 1 findings, 2 usage, package or input that cannot be read.',
    )
    .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2))
    .action(async (files: readonly string[], options: ValidateOptions) => {
      process.exitCode = await runValidate(files, options);
    });
}

async function runValidate(files: readonly string[], options: ValidateOptions): Promise<number> {
  if (files.length === 0 && options.input === undefined) {
    warn('nothing to validate: name files or folders, or pipe resources in with --input ndjson');
    return 2;
  }
  // A reader such as `head` that has seen enough is no failure.
  process.stdout.once('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 2));
  try {
    const judge = await openJudge(options);
    const { totals, unreadable } = await validateAll(files, options, judge);
    if (unreadable) return 2;
    const serious = totals.invalid > 0 || totals.fatal + totals.error > 0;
    return serious || (options.failOn === 'warning' && totals.warning > 0) ? 1 : 0;
  } catch (error) {
    if (!(error instanceof PackageError || error instanceof RuleSetError || error instanceof InputError)) throw error;
    warn(error.message);
    return 2;
  }
}

/** @throws {PackageError | RuleSetError | InputError} */
async function openJudge(options: ValidateOptions): Promise<Judge> {
  const rules = options.rules === undefined ? undefined : readRules(options.rules);
  if (options.packagesDir !== undefined && !existsSync(options.packagesDir))
    throw new PackageError('not-found', `there is no packages folder ${options.packagesDir}`);
  const packages = await loadPackages({ packages: options.package, packagesDirectory: options.packagesDir });
  for (const { wanted, wantedBy } of packages.missing) warn(`not here, left out: ${wanted} (wanted by ${wantedBy})`);
  for (const { id, version, skipped } of packages.packages)
    for (const reason of skipped) warn(`${id}#${version}: left out ${reason}`);
  const folder = options.packagesDir ?? carriedPackagesDirectory;
  const lock = readLock(folder);
  if (lock !== undefined) assertLocked(lock, packages.packages, folder);
  assertProfilesUsable(packages, requiredProfiles(rules));
  assertKnown(packages, options.profile);
  const policy = options.policy ?? rules?.policy ?? 'hl7';
  const validator = createValidatorFor({
    packages,
    policy,
    settings: { believeReferences: options.restReferences },
    ...(rules !== undefined && { overrides: severityOverrides(rules), cannotTell: rules.cannotTell }),
    today: new Date().toISOString().slice(0, 10),
  });
  return createJudge({
    validator,
    policy,
    profiles: options.profile,
    ruleSet: rules === undefined ? undefined : createRuleSet(rules),
    query: {
      direction: options.direction,
      upstream: options.upstream,
      ...(options.client !== undefined && { client: options.client }),
    },
  });
}

/** A profile that is here but whose base is missing is the engine's to report, resource by resource. */
function assertKnown(packages: PackageSet, profiles: readonly string[]): void {
  for (const profile of profiles)
    if (packages.root.resolve(profile, 'StructureDefinition') === undefined)
      throw new PackageError('unusable', `profile ${profile} is in no loaded package; name its package with --package`);
}

function readRules(file: string): RuleSetModel {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    throw new InputError(file, cause);
  }
  return parseRules(parseYaml(text));
}

async function validateAll(
  files: readonly string[],
  options: ValidateOptions,
  judge: Judge,
): Promise<{ totals: Totals; unreadable: boolean }> {
  const format = createFormat(options.format, judge.context);
  const totals = emptyTotals();
  const progress = createProgress(totals);
  await write(format.begin());
  let unreadable = false;
  for (const name of files.length === 0 ? ['-'] : files) {
    try {
      for (const file of name === '-' ? ['-'] : expandNames([name]))
        for await (const input of inputsOf(file, options.input)) {
          const judged = await judge.judge(input);
          count(totals, judged.report);
          await write(format.add(judged));
          progress.step();
        }
    } catch (error) {
      // The other files are still worth reading; the exit code says that something was left out.
      if (!(error instanceof InputError)) throw error;
      warn(error.message);
      unreadable = true;
    }
  }
  progress.end();
  await write(format.end(totals));
  return { totals, unreadable };
}

async function* inputsOf(file: string, input: 'json' | 'ndjson' | undefined): AsyncGenerator<ResourceInput> {
  if (file !== '-') yield* readInput(file, input === undefined ? isNdjsonName(file) : input === 'ndjson');
  else if (input === 'json') yield await readWhole();
  else yield* readLines(process.stdin, null);
}

async function readWhole(): Promise<ResourceInput> {
  const parts: Buffer[] = [];
  for await (const chunk of process.stdin as AsyncIterable<Buffer>) parts.push(chunk);
  return { file: null, line: null, text: Buffer.concat(parts).toString('utf8') };
}

/** Waits for a slow reader, so that bulk output does not pile up in memory. */
async function write(text: string): Promise<void> {
  if (text !== '' && !process.stdout.write(text)) await new Promise((resolve) => process.stdout.once('drain', resolve));
}

function warn(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** Progress goes to a terminal only. */
function createProgress(totals: Totals): { step: () => void; end: () => void } {
  if (!process.stderr.isTTY) return { step: () => undefined, end: () => undefined };
  let shown = performance.now();
  return {
    step: () => {
      if (performance.now() - shown < 500) return;
      shown = performance.now();
      process.stderr.write(`\r${totals.resources} resources, ${totals.invalid} not valid`);
    },
    end: () => process.stderr.write('\r\u001b[K'),
  };
}
