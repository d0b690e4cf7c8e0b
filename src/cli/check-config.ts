import type { Command } from 'commander';
import { ConfigError } from '../config/config-error.ts';
import type { ConfigProblem } from '../config/config-error.ts';
import { loadConfig } from '../config/config.ts';
import { checkConsistency } from './config-consistency.ts';
import { print, printJson } from './print.ts';
import { runAction } from './run-action.ts';

/** `concordat check-config FILE`: everything that is wrong, at once. */
export function checkConfigCommand(program: Command): void {
  program
    .command('check-config')
    .description('say everything that is wrong with a configuration, at once')
    .argument('<file>', "a gateway's configuration (YAML)")
    .option('--json', 'for programs')
    .addHelpText('after', '\nExit codes: 0 it can be used, 1 it cannot, 2 it cannot be read.')
    .action(
      runAction(async (file: string, options: { readonly json?: boolean }) => {
        const { problems, warnings } = check(file);
        if (options.json === true) printJson({ file, valid: problems.length === 0, problems, warnings });
        else {
          for (const problem of problems) print(`problem  ${lineOf(file, problem)}`);
          for (const warning of warnings) print(`warning  ${lineOf(file, warning)}`);
          if (problems.length === 0) print(`${file}: can be used`);
        }
        return problems.length === 0 ? 0 : 1;
      }),
    );
}

function check(file: string): ReturnType<typeof checkConsistency> {
  try {
    return checkConsistency(loadConfig(file));
  } catch (error) {
    if (!(error instanceof ConfigError) || error.code === 'unreadable') throw error;
    return { problems: error.problems, warnings: [] };
  }
}

function lineOf(file: string, { path, line, message }: ConfigProblem): string {
  const place = line === undefined ? file : `${file}:${line}`;
  return path === '' ? `${place}: ${message}` : `${place}: ${path}: ${message}`;
}
