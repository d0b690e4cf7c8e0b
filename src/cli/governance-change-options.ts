import { Argument } from 'commander';
import type { Command } from 'commander';
import { parseYaml } from '../config/parse-yaml.ts';
import { decodeHex, encodeBase64 } from '../ledger/encoding.ts';
import { genesisHash, parseGenesis } from '../ledger/genesis.ts';
import { CHANGE_KINDS, parseChange } from '../ledger/governance-change.ts';
import type { Change } from '../ledger/governance-change.ts';
import type { LedgerJson } from '../ledger/canonical-json.ts';
import { ruleSetDigest } from '../validation/rules.ts';
import { parseRules } from '../validation/rules-parse.ts';
import { CommandError } from './command-error.ts';
import { readMemberFile } from './member-file.ts';
import { readInput, readInputText } from './read-input.ts';

/** What `governance propose` takes beside the kind; each kind needs some of them. */
export interface ChangeOptions {
  readonly member?: string;
  readonly memberFile?: string;
  readonly grace?: string;
  readonly evidence?: string;
  readonly freeze?: string;
  readonly quorum?: string;
  readonly rules?: string;
  readonly digest?: string;
  readonly parameters?: string;
  readonly newGenesis?: string;
}

export function addChangeOptions(command: Command): Command {
  return command
    .addArgument(new Argument('<kind>', 'what to change').choices(CHANGE_KINDS))
    .option('--member-file <file>', 'admit, rotate-key: made by `governance accept`')
    .option('--grace <leaves>', 'rotate-key: for how many more leaves the former batch key is valid', '1000')
    .option('--member <name>', 'suspend, remove, accept-evidence: whom')
    .option('--evidence <file>', 'suspend, remove, accept-evidence: an evidence file')
    .option('--freeze <size>', 'suspend, remove: size of the last final checkpoint, where the log stands still')
    .option('--quorum <n/d>', 'change-quorum: more than this part of the members, such as 3/4')
    .option('--rules <file>', 'adopt-rule-set: the rule set, whose digest is proposed')
    .option('--digest <hex>', 'adopt-rule-set: the digest itself')
    .option('--parameters <file>', 'change-parameters: all four, as in the genesis file, as YAML or JSON')
    .option('--new-genesis <file>', 'open-epoch: genesis file of the log that goes on from this one');
}

/**
 * The change that the options say, in the very form that every member will read.
 * @throws {CommandError} usage: an option is missing @throws {FormatError} something in it is not of its form
 */
export function changeFrom(kind: string, options: ChangeOptions, origin: string): Change {
  return parseChange({ kind, ...changeMembers(kind, options) }, origin);
}

function changeMembers(kind: string, options: ChangeOptions): { readonly [name: string]: LedgerJson } {
  switch (kind) {
    case 'admit':
      return readMemberFile(needed(options.memberFile, '--member-file'));
    case 'rotate-key':
      return {
        ...readMemberFile(needed(options.memberFile, '--member-file')),
        graceLeaves: wholeNumber(needed(options.grace, '--grace'), '--grace'),
      };
    case 'suspend':
    case 'remove':
      return { member: needed(options.member, '--member'), ground: groundFrom(options) };
    case 'accept-evidence':
      return {
        member: needed(options.member, '--member'),
        evidence: encodeBase64(readInput(needed(options.evidence, '--evidence'))),
      };
    case 'change-quorum': {
      const [, numerator, denominator] =
        /^([0-9]{1,15})\/([0-9]{1,15})$/.exec(needed(options.quorum, '--quorum')) ?? [];
      if (numerator === undefined) throw new CommandError('usage', '--quorum is n/d, such as 3/4');
      return { quorum: { numerator: Number(numerator), denominator: Number(denominator) } };
    }
    case 'adopt-rule-set':
      return { digest: ruleSetFrom(options) };
    case 'change-parameters':
      return { parameters: parametersFrom(needed(options.parameters, '--parameters')) };
    case 'open-epoch':
      return epochFrom(readInput(needed(options.newGenesis, '--new-genesis')));
    default:
      throw new CommandError('usage', 'an unknown kind of change');
  }
}

function groundFrom({ evidence, freeze }: ChangeOptions): LedgerJson {
  if (evidence !== undefined) return { evidence: encodeBase64(readInput(evidence)) };
  return { freeze: wholeNumber(needed(freeze, '--evidence or --freeze'), '--freeze') };
}

function ruleSetFrom({ rules, digest }: ChangeOptions): string {
  if (rules !== undefined) return ruleSetDigest(parseRules(parseYaml(readInputText(rules))));
  const given = needed(digest, '--rules or --digest');
  decodeHex(given);
  return given;
}

/** Whole numbers only; `parseChange` checks names and ranges. */
function parametersFrom(file: string): LedgerJson {
  const { value: parsed } = parseYaml(readInputText(file));
  if (typeof parsed !== 'object' || parsed === null) throw new CommandError('unreadable', `${file}: no parameters`);
  return Object.fromEntries(Object.entries(parsed).map(([name, value]) => [name, wholeNumber(String(value), name)]));
}

/** The new genesis names the old log's last final checkpoint, so that nothing has to be said twice. */
function epochFrom(bytes: Uint8Array): { readonly [name: string]: LedgerJson } {
  const { previous } = parseGenesis(bytes);
  if (previous === undefined) throw new CommandError('usage', 'that genesis file names no previous log');
  return {
    size: previous.size,
    root: encodeBase64(previous.root),
    genesis: encodeBase64(genesisHash(bytes)),
  };
}

function needed(value: string | undefined, option: string): string {
  if (value === undefined) throw new CommandError('usage', `this change needs ${option}`);
  return value;
}

function wholeNumber(text: string, option: string): number {
  if (!/^[0-9]{1,15}$/.test(text)) throw new CommandError('usage', `${option} is a whole number`);
  return Number(text);
}
