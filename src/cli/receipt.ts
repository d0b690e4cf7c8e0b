import { writeFileSync } from 'node:fs';
import type { Command } from 'commander';
import { CommandError } from './command-error.ts';
import { gatewayBase, get, refusalText } from './gateway-client.ts';
import type { GatewayOptions } from './gateway-client.ts';
import { print } from './print.ts';
import { runAction } from './run-action.ts';

interface ReceiptOptions extends GatewayOptions {
  readonly out?: string;
  readonly wait: string;
}

const POLL_MS = 500;

/** `concordat receipt EVENT`: fetches the proof of an event from any member. */
export function receiptCommand(program: Command): void {
  program
    .command('receipt')
    .description("fetch the receipt of an event, whose id stands in the answer's Concordat-Event header")
    .argument('<event>', 'event id')
    .option('--url <url>', "any member's gateway, e.g. http://127.0.0.1:8080")
    .option('--config <file>', 'take the address from a configuration')
    .option('--out <file>', 'write it there instead of to stdout')
    .option('--wait <seconds>', 'wait so long for the event to become final', '0')
    .addHelpText(
      'after',
      '\nExit codes: 0 fetched, 1 no such event, 3 not final yet or no longer to be proved here, 4 not reachable.',
    )
    .action(
      runAction(async (event: string, options: ReceiptOptions) => {
        if (!/^[A-Za-z0-9_-]{22}$/.test(event))
          throw new CommandError('usage', 'an event id is 22 characters of base64url');
        const waitMs = Number(options.wait) * 1000;
        if (!Number.isFinite(waitMs) || waitMs < 0) throw new CommandError('usage', '--wait is a number of seconds');
        const text = await fetchReceipt(`${gatewayBase(options)}/ledger/receipt/${event}`, Date.now() + waitMs);
        if (options.out === undefined) process.stdout.write(text);
        else {
          writeFileSync(options.out, text);
          print(options.out);
        }
      }),
    );
}

async function fetchReceipt(url: string, untilMs: number): Promise<string> {
  for (;;) {
    const response = await get(url);
    if (response.status === 200) return response.text();
    if (response.status === 404) throw new CommandError('false', 'this member knows no such event');
    // It no longer keeps the body of the batch, and says whom to ask.
    if (response.status === 410) throw new CommandError('incomplete', await refusalText(response));
    if (response.status !== 202) throw new CommandError('not-reachable', `the gateway answered ${response.status}`);
    if (Date.now() >= untilMs) throw new CommandError('incomplete', 'the event is not final yet; try again, or --wait');
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}
