import { parseArgs, type ParseArgsConfig } from 'node:util';
import { outputFileProblem } from '../src/cli/output-file.ts';

type Options = NonNullable<ParseArgsConfig['options']>;
type Values<O extends Options> = ReturnType<typeof parseArgs<{ options: O }>>['values'];

/** Reads a script's command line. `--help` prints the usage and ends with 0; what cannot be used ends with 2, before any work. */
export function readArguments<const O extends Options>(usage: string, options: O): Values<O> {
  if (process.argv.slice(2).includes('--help')) {
    console.log(usage);
    process.exit(0);
  }
  try {
    return parseArgs({ options }).values;
  } catch (error) {
    return endWithUsage(usage, error instanceof Error ? error.message : String(error));
  }
}

/** Ends the script with one line, the usage and exit code 2. */
export function endWithUsage(usage: string, message: string): never {
  console.error(`${message}\n${usage}`);
  process.exit(2);
}

/** A whole number from 1 on. */
export function readCount(usage: string, option: string, text: string): number {
  const count = /^\d{1,12}$/.test(text) ? Number(text) : 0;
  return count > 0 ? count : endWithUsage(usage, `--${option} takes a whole number from 1 on, not '${text}'`);
}

/** A file that can be written once the work is done: a mistyped folder is told before it, not after. */
export function readOutputFile(usage: string, option: string, file: string | undefined): string | undefined {
  if (file === undefined) return undefined;
  const problem = outputFileProblem(file);
  return problem === undefined ? file : endWithUsage(usage, `--${option} ${file}: ${problem}`);
}
