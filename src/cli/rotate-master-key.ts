import type { Command } from 'commander';
import { loadConfig } from '../config/config.ts';
import { rotateMasterKey } from '../provenance/backup.ts';
import { print } from './print.ts';
import { decodeKey, provenanceOptions } from './provenance-folders.ts';
import { readInputText } from './read-input.ts';
import { runAction } from './run-action.ts';

/** `concordat rotate-master-key`: wraps every key under another master key. */
export function rotateMasterKeyCommand(program: Command): void {
  program
    .command('rotate-master-key')
    .description('wrap every key of a stopped gateway under a new master key')
    .requiredOption('--config <file>', "the gateway's configuration, with the master key in force")
    .requiredOption('--new-key <file>', 'file with the new master key (concordat keygen --kind master)')
    .addHelpText(
      'after',
      '\nAfterwards name the new key in the configuration; the old one opens backups taken before, and nothing else.',
    )
    .action(
      runAction(async ({ config, newKey }: { readonly config: string; readonly newKey: string }) => {
        rotateMasterKey(provenanceOptions(loadConfig(config)), decodeKey(readInputText(newKey), '--new-key'));
        print('every key is wrapped under the new master key; name it in provenance.masterKey');
      }),
    );
}
