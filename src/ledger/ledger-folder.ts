import { join } from 'node:path';
import { encodeHex } from './encoding.ts';
import { genesisHash, parseGenesis } from './genesis.ts';

/** Folder of one log's replica: `ledger`, or, for a log that goes on from another, one named by its genesis, so that both stay. */
export function ledgerFolder(dataDir: string, genesis: Uint8Array): string {
  if (parseGenesis(genesis).previous === undefined) return join(dataDir, 'ledger');
  return join(dataDir, `ledger-${encodeHex(genesisHash(genesis)).slice(0, 16)}`);
}
