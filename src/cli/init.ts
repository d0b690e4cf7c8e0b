import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { parseYaml } from '../config/parse-yaml.ts';
import { encodeHex } from '../ledger/encoding.ts';
import { genesisHash, parseGenesis } from '../ledger/genesis.ts';
import { isMemberName } from '../ledger/header-lines.ts';
import { parseRules } from '../validation/rules-parse.ts';
import { ruleSetDigest } from '../validation/rules.ts';
import { CommandError } from './command-error.ts';
import { foundConsortium, foundFrom, genesisFileIn } from './consortium.ts';
import type { Consortium } from './consortium.ts';
import { print, printJson } from './print.ts';
import { readInput, readInputText } from './read-input.ts';
import { runAction } from './run-action.ts';

interface InitOptions {
  readonly origin: string;
  readonly member?: readonly string[];
  readonly memberFile?: readonly string[];
  readonly rules: string;
  readonly out: string;
  readonly ifMissing?: boolean;
  readonly json?: boolean;
}

/** `concordat init`: the genesis file, from the members' own files, or for a trial with every member's keys. */
export function initCommand(program: Command): void {
  program
    .command('init')
    .description("found a consortium: its genesis file, and for a trial a folder with each member's keys")
    .requiredOption('--origin <name>', 'name of the log, e.g. ledger.example.org/consortium')
    .option('--member <name...>', 'for a trial: members, whose keys are all made here')
    .option('--member-file <file...>', 'in earnest: what each member made of its own keys by `governance accept`')
    .requiredOption('--rules <file>', 'rule set (YAML) that the consortium begins with')
    .requiredOption('--out <folder>', 'where genesis.json and the folders go')
    .option('--if-missing', 'do nothing where the genesis file of this log is there already')
    .option('--json', 'for programs')
    .addHelpText(
      'after',
      '\nAll members keep the same genesis.json, and each its own keys. No file is ever overwritten.',
    )
    .action(
      runAction(async (options: InitOptions) => {
        const ruleSet = ruleSetDigest(parseRules(parseYaml(readInputText(options.rules))));
        if (options.ifMissing === true && isFounded(options)) return print(`${genesisFileIn(options.out)}: is there`);
        const { genesisFile, keyDirs } = found(options, ruleSet);
        const hash = encodeHex(genesisHash(readInput(genesisFile)));
        if (options.json === true)
          printJson({ genesis: genesisFile, hash, ruleSet, members: Object.fromEntries(keyDirs) });
        else {
          print(`genesis  ${genesisFile}  (SHA-256 ${hash})`);
          for (const [member, folder] of keyDirs)
            print(`keys     ${join(folder, '*.key')}  (${member}; keep them secret)`);
        }
      }),
    );
}

function found({ origin, member, memberFile, out: outDir }: InitOptions, ruleSet: string): Consortium {
  if ((member === undefined) === (memberFile === undefined))
    throw new CommandError('usage', 'either --member or --member-file, for each member');
  const founding = { origin, ruleSet, outDir };
  if (memberFile !== undefined) return { genesisFile: foundFrom(memberFile, founding), keyDirs: new Map() };
  const bad = member?.find((name) => !isMemberName(name));
  if (bad !== undefined)
    throw new CommandError('usage', `--member ${bad}: lower-case letters, digits, '.', '_' and '-', at most 64`);
  return foundConsortium({
    ...founding,
    members: member ?? [],
    random: (length) => new Uint8Array(randomBytes(length)),
  });
}

/** @throws {CommandError} usage: another log was founded there */
function isFounded({ out, origin }: InitOptions): boolean {
  const file = genesisFileIn(out);
  if (!existsSync(file)) return false;
  const there = parseGenesis(readInput(file)).origin;
  if (there !== origin) throw new CommandError('usage', `${file}: is of ${there}`);
  return true;
}
