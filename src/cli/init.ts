import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { Command } from 'commander';
import { parseYaml } from '../config/parse-yaml.ts';
import { parseRules } from '../validation/rules-parse.ts';
import { ruleSetDigest } from '../validation/rules.ts';
import { CommandError } from './command-error.ts';
import { foundConsortium } from './consortium.ts';
import { print, printJson } from './print.ts';
import { readInputText } from './read-input.ts';
import { runAction } from './run-action.ts';

interface InitOptions {
  readonly origin: string;
  readonly member: readonly string[];
  readonly rules: string;
  readonly out: string;
  readonly json?: boolean;
}

/** `concordat init`: the genesis file and every member's keys. */
export function initCommand(program: Command): void {
  program
    .command('init')
    .description("found a consortium: its genesis file and a folder with each member's keys")
    .requiredOption('--origin <name>', 'name of the log, e.g. ledger.example.org/consortium')
    .requiredOption('--member <name...>', 'members, at least one')
    .requiredOption('--rules <file>', 'rule set (YAML) that the consortium begins with')
    .requiredOption('--out <folder>', 'where genesis.json and the folders go')
    .option('--json', 'for programs')
    .addHelpText(
      'after',
      '\nGive every member its own folder and all members genesis.json. No key is ever overwritten.',
    )
    .action(
      runAction(async (options: InitOptions) => {
        const ruleSet = ruleSetDigest(parseRules(parseYaml(readInputText(options.rules))));
        const bad = options.member.find((name) => !/^[a-z][a-z0-9-]{0,31}$/.test(name));
        if (bad !== undefined)
          throw new CommandError('usage', `--member ${bad}: lower-case letters, digits and hyphens, at most 32`);
        const { genesisFile, keyDirs } = foundConsortium({
          origin: options.origin,
          members: options.member,
          ruleSet,
          outDir: options.out,
          random: (length) => new Uint8Array(randomBytes(length)),
        });
        if (options.json === true) printJson({ genesis: genesisFile, ruleSet, members: Object.fromEntries(keyDirs) });
        else {
          print(`genesis  ${genesisFile}`);
          for (const [member, folder] of keyDirs)
            print(`keys     ${join(folder, '*.key')}  (${member}; keep them secret)`);
        }
      }),
    );
}
