import { readFileSync } from 'node:fs';
import type { Logger } from 'pino';
import type { Config } from '../config/config.ts';
import { FormatError } from '../ledger/format-error.ts';
import { verifyEpoch } from '../ledger/epoch.ts';
import { parseGenesis } from '../ledger/genesis.ts';
import { verifyHistory } from '../ledger/governance-history.ts';
import { genesisState, type GovernanceState } from '../ledger/governance-state.ts';
import { LedgerError } from '../ledger/ledger-error.ts';
import { ledgerFolder } from '../ledger/ledger-folder.ts';
import { VerificationError } from '../ledger/merkle/verification-error.ts';
import { openPastLog, type PastLog } from '../ledger/past-log.ts';

/** The log that a gateway writes to, and those that it goes on from. */
export interface OpenedLogs {
  /** Genesis file of the log in force. */
  readonly genesis: Uint8Array;
  /** Genesis files of all, oldest first, the one in force last. */
  readonly geneses: readonly Uint8Array[];
  /** Ended logs that this gateway has, oldest first. */
  readonly past: readonly PastLog[];
}

/**
 * Reads the genesis files of a configuration and opens what is stored of ended logs, once it is shown that their members opened the next one.
 * @throws {LedgerError} configuration: an epoch file does not hold, or a genesis does not go on from the one before it
 */
export async function openLogs(
  config: Config,
  logger: Logger,
  closers: (() => Promise<void> | void)[],
): Promise<OpenedLogs> {
  const { previous } = config.ledger;
  const geneses = [...previous, config.ledger].map((log) => new Uint8Array(readFileSync(log.genesis)));
  const past: PastLog[] = [];
  for (const [index, ended] of previous.entries()) {
    const [genesis, next] = [geneses[index], geneses[index + 1]];
    if (genesis === undefined || next === undefined) continue;
    const end = parseGenesis(next).previous;
    if (end === undefined) throw misfit(index, 'the log after it goes on from no other');
    const opened = openPastLog({
      genesis,
      dataDir: ledgerFolder(config.dataDir, genesis),
      end,
      clock: Date.now,
      log: logger,
    });
    if (opened !== undefined) {
      closers.push(() => opened.close());
      past.push(opened);
    }
    await assertOpened(ended, { genesis, next, index, stored: opened?.governance });
  }
  return { genesis: geneses.at(-1) ?? new Uint8Array(), geneses, past };
}

async function assertOpened(
  ended: Config['ledger']['previous'][number],
  args: {
    readonly genesis: Uint8Array;
    readonly next: Uint8Array;
    readonly index: number;
    readonly stored: GovernanceState | undefined;
  },
): Promise<void> {
  const { next, index, stored } = args;
  try {
    const genesis = parseGenesis(args.genesis);
    const history = ended.history === undefined ? undefined : new Uint8Array(readFileSync(ended.history));
    const state = history === undefined ? (stored ?? genesisState(genesis)) : await verifyHistory({ history, genesis });
    await verifyEpoch({ epoch: new Uint8Array(readFileSync(ended.epoch)), state, genesis: next });
  } catch (error) {
    if (error instanceof VerificationError || error instanceof FormatError) throw misfit(index, error.message, error);
    throw error;
  }
}

function misfit(index: number, message: string, cause?: unknown): LedgerError {
  return new LedgerError('configuration', `ledger.previous[${String(index)}]: ${message}`, { cause });
}
