import { randomBytes } from 'node:crypto';
import { Option } from 'commander';
import type { Command } from 'commander';
import { CommandError } from './command-error.ts';
import { KEY_KINDS, makeKey, writeKeyFile } from './key-files.ts';
import type { KeyKind } from './key-files.ts';
import { print, printJson } from './print.ts';
import { runAction } from './run-action.ts';

interface KeygenOptions {
  readonly kind: KeyKind;
  readonly member?: string;
  readonly origin?: string;
  readonly out: string;
  readonly json?: boolean;
}

/** `concordat keygen`: one key file. */
export function keygenCommand(program: Command): void {
  program
    .command('keygen')
    .description('make one key of a member; prints the part that others may know')
    .addOption(new Option('--kind <kind>', 'what the key is for').choices(KEY_KINDS).makeOptionMandatory())
    .option('--member <name>', 'member that the key is for; not needed for a master key')
    .option('--origin <name>', 'name of the log; needed for an origin key')
    .requiredOption('--out <file>', 'where the secret goes; never overwritten')
    .option('--json', 'for programs')
    .action(
      runAction(async (options: KeygenOptions) => {
        if (options.kind === 'origin' && options.origin === undefined)
          throw new CommandError('usage', 'an origin key needs --origin');
        if (options.kind !== 'master' && options.member === undefined)
          throw new CommandError('usage', `a key of kind ${options.kind} needs --member`);
        const key = makeKey({
          kind: options.kind,
          member: options.member ?? '',
          origin: options.origin ?? '',
          random: (length) => new Uint8Array(randomBytes(length)),
        });
        writeKeyFile(options.out, key.secret);
        if (options.json === true) printJson({ kind: options.kind, file: options.out, public: key.public ?? null });
        else print(key.public ?? `${options.out}: written`);
      }),
    );
}
