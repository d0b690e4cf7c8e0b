import { errorCode } from './error-code.ts';
import type { Finality } from './finality.ts';
import { FormatError } from './format-error.ts';
import type { GovernanceLog } from './governance-log.ts';
import { parseHistory } from './governance-history.ts';
import type { LedgerLog } from './ledger-options.ts';
import type { PeerClient } from './peer.ts';

/**
 * Checkpoints that put a change in force and that are not here: who was away when they became final, or was filled from a peer, has only the trees.
 * Receipts need them, because the genesis alone does not know of the change. Any peer's history has them; each is checked like one that came by itself.
 */
export async function fetchHistory(context: {
  readonly governance: GovernanceLog;
  readonly finality: Finality;
  readonly peers: readonly PeerClient[];
  readonly log: LedgerLog;
}): Promise<void> {
  const { governance, finality, peers, log } = context;
  const isMissing = (size: number): boolean => finality.noteAt(size) === undefined;
  const missing = (): boolean => governance.historySizes(finality.size).some(isMissing);
  for (const peer of peers) {
    if (!missing()) return;
    try {
      const history = await peer.history?.();
      for (const { checkpoint } of history === undefined ? [] : parseHistory(history)) finality.keep(checkpoint);
    } catch (error) {
      const what =
        error instanceof FormatError ? 'a peer’s governance history cannot be read' : 'a peer gave no history';
      log.warn({ peer: peer.member, error: errorCode(error) }, what);
    }
  }
}
