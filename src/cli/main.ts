#!/usr/bin/env -S node --max-semi-space-size=16 --disable-warning=ExperimentalWarning
import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { backupCommand, restoreCommand } from './backup.ts';
import { checkConfigCommand } from './check-config.ts';
import { fsckCommand } from './fsck.ts';
import { governanceCommand } from './governance.ts';
import { initCommand } from './init.ts';
import { keygenCommand } from './keygen.ts';
import { packagesCommand } from './packages.ts';
import { queryCommand } from './query.ts';
import { receiptCommand } from './receipt.ts';
import { recoverCommand } from './recover.ts';
import { rotateMasterKeyCommand } from './rotate-master-key.ts';
import { startCommand } from './start.ts';
import { statusCommand } from './status.ts';
import { sweepCommand } from './sweep.ts';
import { validateCommand } from './validate.ts';
import { verifyCommand } from './verify.ts';

/** `concordat`: one command a file; what each exit code says is in `command-error.ts`. */
const program = new Command('concordat');
const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

program
  .description('FHIR gateway with profile validation and a shared, verifiable provenance ledger')
  .version(version)
  .showHelpAfterError('(--help says more)')
  .addHelpText(
    'after',
    '\nExit codes: 0 holds, 1 checked and false, 2 usage or unreadable input, 3 incomplete, 4 not reachable.',
  )
  .exitOverride();
const commands = [
  startCommand,
  initCommand,
  keygenCommand,
  checkConfigCommand,
  validateCommand,
  packagesCommand,
  queryCommand,
  sweepCommand,
  receiptCommand,
  verifyCommand,
  statusCommand,
  fsckCommand,
  governanceCommand,
  backupCommand,
  restoreCommand,
  rotateMasterKeyCommand,
  recoverCommand,
];
for (const command of commands) command(program);
for (const command of program.commands) command.exitOverride();

// Who reads only the first lines (`| head`) has seen what was wanted.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit();
});
try {
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof CommanderError)) throw error;
  process.exitCode = error.exitCode === 0 ? 0 : 2;
}
