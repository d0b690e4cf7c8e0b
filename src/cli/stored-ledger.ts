import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Config } from '../config/config.ts';
import { DirectoryStorage } from '../ledger/directory-storage.ts';
import { parseGenesis } from '../ledger/genesis.ts';
import { GovernanceLog } from '../ledger/governance-log.ts';
import type { GovernanceState } from '../ledger/governance-state.ts';
import { ledgerFolder } from '../ledger/ledger-folder.ts';
import { Replica } from '../ledger/replica.ts';
import { asOfNow } from '../ledger/storage-snapshot.ts';
import { CommandError } from './command-error.ts';
import { readInput } from './read-input.ts';

/** What a gateway's own stored replica says; the gateway may be running. */
export interface StoredLedger {
  readonly folder: string;
  readonly origin: string;
  readonly replica: Replica;
  readonly governance: GovernanceState;
  /** Size of the last final checkpoint, 0 before the first. */
  readonly finalSize: number;
}

/** Whether this gateway has begun to follow the log. */
export function hasStoredLedger(config: Config): boolean {
  return existsSync(join(ledgerFolder(config.dataDir, readInput(config.ledger.genesis)), 'replica.db'));
}

/** @throws {CommandError} unreadable: the gateway has no replica yet @throws {LedgerError} damaged */
export function withStoredLedger<T>(config: Config, work: (stored: StoredLedger) => T): T {
  const bytes = readInput(config.ledger.genesis);
  const folder = ledgerFolder(config.dataDir, bytes);
  if (!existsSync(join(folder, 'replica.db')))
    throw new CommandError('unreadable', `${folder}: this gateway has no replica of the log yet; start it first`);
  const storage = new DirectoryStorage(folder, { readOnly: true });
  try {
    const genesis = parseGenesis(bytes);
    const now = asOfNow(storage);
    const replica = new Replica({ storage: now, clock: () => 0, seed: 0 });
    const governance = new GovernanceLog(genesis, replica, now).state;
    const last = now.state.scan('final/', { reverse: true, limit: 1 })[0]?.key;
    const finalSize = Number(last?.slice('final/'.length) ?? 0);
    return work({ folder, origin: genesis.origin, replica, governance, finalSize });
  } finally {
    storage.close();
  }
}
