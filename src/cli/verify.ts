import type { Command } from 'commander';
import { encodeBase64 } from '../ledger/encoding.ts';
import { VerificationError } from '../ledger/merkle/verification-error.ts';
import { AUTHOR_NOT_CHECKED, verifyReceipt } from '../ledger/verifier.ts';
import type { ReceiptFacts } from '../ledger/verifier.ts';
import { CommandError } from './command-error.ts';
import { print, printJson } from './print.ts';
import { readInput, readInputText } from './read-input.ts';
import { runAction } from './run-action.ts';

interface VerifyOptions {
  readonly genesis?: string;
  readonly policy?: string;
  readonly history?: string;
  readonly epoch?: string;
  readonly newGenesis?: string;
  readonly json?: boolean;
}

/** `concordat verify RECEIPT`: needs no network and no configuration. */
export function verifyCommand(program: Command): void {
  program
    .command('verify')
    .description('check a receipt: that its event is in the log, that a quorum cosigned, and who wrote it')
    .argument('<receipt>', 'receipt file')
    .option('--genesis <file>', 'genesis file of the consortium; checks inclusion, quorum and author')
    .option('--policy <file>', 'C2SP tlog-policy file; alone it leaves the author unchecked')
    .option(
      '--history <file>',
      "the log's governance history, instead of the receipt's own; with --epoch, where members or keys changed later",
    )
    .option(
      '--epoch <file>',
      'epoch file that ended the log: no checkpoint beyond that end counts; needs --new-genesis',
    )
    .option('--new-genesis <file>', 'genesis file of the log that goes on from it')
    .option('--json', 'for programs')
    .addHelpText('after', '\nExit codes: 0 the receipt holds, 1 it does not, 2 a file cannot be read.')
    .action(
      runAction(async (receipt: string, options: VerifyOptions) => {
        if (options.genesis === undefined && options.policy === undefined)
          throw new CommandError('usage', 'give --genesis or --policy');
        if (
          (options.epoch === undefined) !== (options.newGenesis === undefined) ||
          (options.epoch !== undefined && options.genesis === undefined)
        )
          throw new CommandError('usage', '--epoch and --new-genesis go together, with --genesis');
        const input = {
          receipt: readInput(receipt),
          ...(options.genesis !== undefined && { genesis: readInput(options.genesis) }),
          ...(options.policy !== undefined && { policy: readInputText(options.policy) }),
          ...(options.history !== undefined && { history: readInput(options.history) }),
          ...(options.epoch !== undefined &&
            options.newGenesis !== undefined && {
              ended: { epoch: readInput(options.epoch), genesis: readInput(options.newGenesis) },
            }),
        };
        try {
          const facts = await verifyReceipt(input);
          if (options.json === true) printJson(factsJson(facts));
          else factsText(facts).forEach(print);
          return 0;
        } catch (error) {
          if (!(error instanceof VerificationError)) throw error;
          if (options.json === true) printJson({ holds: false, reason: error.code });
          else print(`does not hold: ${error.message} (${error.code})`);
          return 1;
        }
      }),
    );
}

function factsText(facts: ReceiptFacts): string[] {
  const when = facts.cosignedSeconds === undefined ? '' : ` by ${timeText(facts.cosignedSeconds)}`;
  const author =
    facts.author === AUTHOR_NOT_CHECKED
      ? AUTHOR_NOT_CHECKED
      : `${facts.author}, batch ${facts.batch} of ${facts.writer}`;
  return [
    `holds: event ${facts.event.id} (${facts.event.kind}) is in ${facts.origin}`,
    `inclusion: leaf ${facts.index} of ${facts.size}`,
    `quorum: ${facts.cosigners.join(', ')}${when}`,
    `author: ${author}`,
  ];
}

/** A cosigner may claim any second, also one that no calendar here reaches. */
function timeText(seconds: number): string {
  const date = new Date(seconds * 1000);
  return Number.isNaN(date.getTime()) ? `second ${seconds}` : date.toISOString();
}

function factsJson(facts: ReceiptFacts): object {
  return {
    holds: true,
    origin: facts.origin,
    event: facts.event.id,
    kind: facts.event.kind,
    index: facts.index,
    size: facts.size,
    root: encodeBase64(facts.root),
    author: facts.author,
    writer: facts.writer,
    batch: facts.batch,
    position: facts.position,
    eventNumber: facts.eventNumber,
    cosigners: facts.cosigners,
    cosignedSeconds: facts.cosignedSeconds ?? null,
  };
}
