import { writeFileSync } from 'node:fs';
import type { Command } from 'commander';
import { encodeHex } from '../ledger/encoding.ts';
import { formatEpoch, verifyEpoch } from '../ledger/epoch.ts';
import { parseFrame } from '../ledger/frame.ts';
import { genesisHash, parseGenesis } from '../ledger/genesis.ts';
import { parseGovernance } from '../ledger/governance-record.ts';
import { verifyHistory } from '../ledger/governance-history.ts';
import { genesisState } from '../ledger/governance-state.ts';
import { VerificationError } from '../ledger/merkle/verification-error.ts';
import type { Replica } from '../ledger/replica.ts';
import { loadConfig } from '../config/config.ts';
import { CommandError } from './command-error.ts';
import { print } from './print.ts';
import { readInput } from './read-input.ts';
import { runAction } from './run-action.ts';
import { withStoredLedger } from './stored-ledger.ts';

/** What records of members that were admitted, or rotated their keys, look like to who knows the genesis alone. */
const OF_OLD_MEMBERS: ReadonlySet<string> = new Set(['bad-signature', 'unknown-member', 'no-quorum']);

interface EpochOptions {
  readonly genesis: string;
  readonly history?: string;
  readonly newGenesis: string;
  readonly config?: string;
  readonly proposal?: string;
  readonly out?: string;
}

/** `concordat governance epoch`: binds a new log to the last final checkpoint of the old one, where the old one has forked or can no longer finalise. */
export function epochCommand(governance: Command): void {
  governance
    .command('epoch')
    .description(
      'make an epoch file out of signed records, or check one: that the members of the old log opened the new',
    )
    .argument('[file...]', 'records that `propose open-epoch --out` and `vote --out` wrote; or one epoch file')
    .option('--proposal <id>', 'take the records of this proposal from the own replica; needs --config and --out')
    .option('--config <file>', "this member's configuration of the log that ends")
    .requiredOption('--genesis <file>', 'genesis file of the old log, which is pinned')
    .option('--history <file>', 'governance history of the old log')
    .requiredOption('--new-genesis <file>', 'genesis file of the new log')
    .option('--out <file>', 'write the epoch file there; without it, the one file given is checked')
    .addHelpText('after', '\nExit codes: 0 the new genesis may be pinned, 1 it may not, 2 a file cannot be read.')
    .action(
      runAction(async (files: readonly string[], options: EpochOptions) => {
        const epoch = options.out === undefined ? epochFile(files) : formatEpoch(epochRecords(files, options));
        const oldGenesis = parseGenesis(readInput(options.genesis));
        const newGenesis = readInput(options.newGenesis);
        try {
          const state =
            options.history === undefined
              ? genesisState(oldGenesis)
              : await verifyHistory({ history: readInput(options.history), genesis: oldGenesis });
          const { origin, previous } = await verifyEpoch({ epoch, state, genesis: newGenesis });
          if (options.out !== undefined) writeFileSync(options.out, epoch);
          print(`holds: ${origin} goes on from ${oldGenesis.origin} at size ${previous?.size ?? 0}`);
          print(`genesis: ${encodeHex(genesisHash(newGenesis))}`);
          return 0;
        } catch (error) {
          if (!(error instanceof VerificationError)) throw error;
          print(`does not hold: ${error.message} (${error.code})`);
          if (options.history === undefined && OF_OLD_MEMBERS.has(error.code))
            print(
              'judged by the members and keys of the old genesis: if those had changed, give --history (/ledger/history)',
            );
          return 1;
        }
      }),
    );
}

function epochFile(files: readonly string[]): Uint8Array {
  const [file, ...more] = files;
  if (file === undefined || more.length > 0) throw new CommandError('usage', 'one epoch file, or records and --out');
  return readInput(file);
}

type EpochRecord = Parameters<typeof formatEpoch>[0][number];

function epochRecords(files: readonly string[], { proposal, config }: EpochOptions): readonly EpochRecord[] {
  if (proposal === undefined) return files.map(readRecord);
  if (config === undefined || files.length > 0)
    throw new CommandError('usage', '--proposal goes with --config, and without files');
  const records = withStoredLedger(loadConfig(config), ({ replica }) => recordsOf(replica, proposal));
  if (records.length === 0) throw new CommandError('false', 'the own replica has no such proposal');
  return records;
}

/** The accepted proposal and votes on it, in the order of the log. */
function recordsOf(replica: Replica, proposal: string): readonly EpochRecord[] {
  const found: EpochRecord[] = [];
  for (let index = 0; index < replica.head.size; index++) {
    const { type, verdict } = replica.leaves.record(index);
    if (type !== 'governance' || verdict !== 'accepted') continue;
    const { header, body = new Uint8Array() } = replica.leaf(index);
    const { id, act } = parseGovernance({ header, body });
    if (id === proposal || (act.act === 'vote' && act.proposal === proposal)) found.push({ header, body });
  }
  return found;
}

function readRecord(file: string): { readonly header: Uint8Array; readonly body: Uint8Array } {
  const frame = parseFrame(readInput(file));
  if (frame?.kind !== 'governance') throw new CommandError('unreadable', `${file}: no governance record`);
  return frame;
}
