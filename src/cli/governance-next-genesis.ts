import { writeFileSync } from 'node:fs';
import type { Command } from 'commander';
import { loadConfig } from '../config/config.ts';
import { encodeHex } from '../ledger/encoding.ts';
import { buildGenesis, genesisHash } from '../ledger/genesis.ts';
import { versionAtLeaf } from '../ledger/governance-state.ts';
import { endOfLog } from './epoch-assent.ts';
import { acceptedMember } from './member-file.ts';
import { print, printJson } from './print.ts';
import { runAction } from './run-action.ts';
import { withStoredLedger } from './stored-ledger.ts';

interface NextGenesisOptions {
  readonly config: string;
  readonly origin: string;
  readonly memberFile: readonly string[];
  readonly out: string;
  readonly json?: boolean;
}

/** `concordat governance next-genesis`: the genesis file of a log that goes on from this one's last final checkpoint. */
export function nextGenesisCommand(governance: Command): void {
  governance
    .command('next-genesis')
    .description(
      'make the genesis file of the log that goes on from this one, from the own replica and the member files of its members',
    )
    .requiredOption('--config <file>', "this member's configuration of the log that ends")
    .requiredOption('--origin <name>', 'name of the new log')
    .requiredOption(
      '--member-file <file...>',
      'made by each of its members by `governance accept --origin` of the new log',
    )
    .requiredOption('--out <file>', 'where the genesis file goes')
    .option('--json', 'for programs')
    .action(
      runAction(async (options: NextGenesisOptions) => {
        const members = options.memberFile.map((file) => acceptedMember(file, options.origin));
        const genesis = withStoredLedger(loadConfig(options.config), (stored) => {
          const end = endOfLog(stored);
          const { quorum, parameters, ruleSets } = versionAtLeaf(stored.governance, end.size);
          const names = new Set(members.map(({ name }) => name));
          const chains = new Map([...end.chains].filter(([chain]) => names.has(chain.split('/')[0] ?? '')));
          const ruleSet = ruleSets.at(-1)?.digest ?? '';
          const previous = { ...end, chains };
          return {
            previous,
            bytes: buildGenesis({ origin: options.origin, members, quorum, parameters, ruleSet, previous }),
          };
        });
        writeFileSync(options.out, genesis.bytes, { flag: 'wx' });
        const { size } = genesis.previous;
        const hash = encodeHex(genesisHash(genesis.bytes));
        if (options.json === true)
          printJson({ genesis: options.out, hash, origin: options.origin, previous: genesis.previous.origin, size });
        else {
          print(`${options.out}: ${options.origin} goes on from ${genesis.previous.origin} at size ${size}`);
          print(`genesis: ${hash}`);
        }
      }),
    );
}
