import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { loadConfig } from '../config/config.ts';
import { backupKeys, backupRecords, restoreStores } from '../provenance/backup.ts';
import { KEY_FILE, RECORD_FILE } from '../provenance/provenance-store.ts';
import { print } from './print.ts';
import { provenanceOptions } from './provenance-folders.ts';
import { runAction } from './run-action.ts';

interface BackupOptions {
  readonly config: string;
  readonly out: string;
  readonly keysOut?: string;
}

interface RestoreOptions {
  readonly config: string;
  readonly from: string;
  readonly keysFrom?: string;
}

/** `concordat backup` and `concordat restore`: records and keys of one gateway. */
export function backupCommand(program: Command): void {
  program
    .command('backup')
    .description('copy the records and keys of a gateway, also while it runs')
    .requiredOption('--config <file>', "the gateway's configuration")
    .requiredOption('--out <folder>', 'new folder for the copies')
    .option(
      '--keys-out <folder>',
      'other folder for the copy of the keys, which must be kept no longer than an erasure may take',
    )
    .addHelpText(
      'after',
      '\nThe master key is in neither copy: keep it apart. The ledger needs no copy; it is fetched from other members.',
    )
    .action(
      runAction(async ({ config: file, out, keysOut }: BackupOptions) => {
        const config = loadConfig(file);
        const options = provenanceOptions(config);
        const keys = join(keysOut ?? out, KEY_FILE);
        for (const folder of new Set([out, keysOut ?? out])) mkdirSync(folder, { recursive: true, mode: 0o700 });
        // Records first: each of them is then opened by a key of the later copy.
        backupRecords(options, join(out, RECORD_FILE));
        backupKeys(options, keys);
        const { member, writer } = config;
        const manifest = { member, writer, taken: new Date().toISOString(), records: RECORD_FILE, keys };
        writeFileSync(join(out, 'backup.json'), `${JSON.stringify(manifest, null, 2)}\n`);
        print(`records  ${join(out, RECORD_FILE)}`);
        print(`keys     ${keys}`);
      }),
    );
}

export function restoreCommand(program: Command): void {
  program
    .command('restore')
    .description('put copies back where a gateway has no stores, and prove that they open')
    .requiredOption('--config <file>', "the gateway's configuration")
    .requiredOption('--from <folder>', 'folder that backup wrote')
    .option('--keys-from <folder>', 'folder of the keys, if they were kept apart')
    .addHelpText(
      'after',
      '\nIf the gateway went on after the copy was taken, it will refuse to sign, and say so: then `concordat recover` is the way on.',
    )
    .action(
      runAction(async ({ config, from, keysFrom }: RestoreOptions) => {
        const options = provenanceOptions(loadConfig(config));
        restoreStores(options, { records: join(from, RECORD_FILE), keys: join(keysFrom ?? from, KEY_FILE) });
        print(`restored into ${options.dataDir}`);
      }),
    );
}
