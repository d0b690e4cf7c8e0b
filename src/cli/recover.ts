import type { Command } from 'commander';
import { loadConfig } from '../config/config.ts';
import { parseGenesis } from '../ledger/genesis.ts';
import { parseSignerKey } from '../ledger/note-key.ts';
import { Outbox } from '../provenance/outbox.ts';
import { ProvenanceStore } from '../provenance/provenance-store.ts';
import { recoverOutbox } from '../provenance/recover-outbox.ts';
import { CommandError } from './command-error.ts';
import { print, printJson } from './print.ts';
import { provenanceOptions } from './provenance-folders.ts';
import { publishedBatches } from './published-batches.ts';
import { readInput } from './read-input.ts';
import { runAction } from './run-action.ts';

interface RecoverOptions {
  readonly config: string;
  readonly ledger?: string;
  readonly writer: string;
  readonly json?: boolean;
}

/** `concordat recover`: the way on for a gateway whose store was restored from a backup. */
export function recoverCommand(program: Command): void {
  program
    .command('recover')
    .description('make a restored store fit to go on under a new writer name, and say whose records are lost')
    .requiredOption('--config <file>', "the stopped gateway's configuration, still with the former writer name")
    .requiredOption('--writer <name>', 'new name of this gateway as a writer, never used before')
    .option('--ledger <url>', "any other member's ledger; else the first of ledger.peers")
    .option('--json', 'for programs')
    .addHelpText('after', '\nAfterwards put the new name in the configuration, as `writer`, and start the gateway.')
    .action(runAction((options: RecoverOptions) => recover(options)));
}

async function recover(options: RecoverOptions): Promise<void> {
  const config = loadConfig(options.config);
  const ledgerUrl = options.ledger ?? config.ledger.peers[0]?.url;
  if (ledgerUrl === undefined) throw new CommandError('usage', 'there is no peer in the configuration: give --ledger');
  if (!/^[a-z][a-z0-9-]{0,31}$/.test(options.writer) || options.writer === config.writer) {
    throw new CommandError(
      'usage',
      '--writer is another name than the former one, of lower-case letters, digits and hyphens',
    );
  }
  const { member, writer } = config;
  const batchKey = parseSignerKey(config.ledger.keys.batch.reveal()).key;
  // Holding the store keeps the gateway from starting meanwhile.
  const store = new ProvenanceStore(provenanceOptions(config));
  try {
    const { previous } = parseGenesis(readInput(config.ledger.genesis));
    const outbox = new Outbox(store, writer, previous?.chains.get(`${member}/${writer}`));
    const [oldest] = outbox.unsequenced(1);
    const after = oldest === undefined ? outbox.head().batch : oldest.batch - 1;
    const published = await publishedBatches({
      ledgerUrl: ledgerUrl.replace(/\/+$/, ''),
      member,
      writer,
      batchKey,
      after,
    });
    const { found, requeued, lost } = recoverOutbox(store, { writer, published });
    if (options.json === true)
      printJson({ member, formerWriter: writer, writer: options.writer, found, requeued, lost });
    else {
      print(`${published.length} batches of ${writer} are on the ledger that this store did not know`);
      print(`${found} waiting events were among them; ${requeued} sealed events were not, and will be sealed anew`);
      print(lost.length === 0 ? 'no record is lost' : `${lost.length} records are lost; the ids of their events:`);
      for (const eventId of lost) print(`  ${eventId}`);
      print(`now set writer: ${options.writer} in ${options.config}, and start the gateway`);
    }
  } finally {
    store.close();
  }
}
