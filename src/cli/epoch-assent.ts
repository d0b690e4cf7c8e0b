import { join } from 'node:path';
import type { Config } from '../config/config.ts';
import { SqliteCosignerStore } from '../ledger/cosigner-store.ts';
import { genesisHash, parseGenesis } from '../ledger/genesis.ts';
import type { PreviousLog } from '../ledger/genesis-previous.ts';
import type { Change } from '../ledger/governance-change.ts';
import { versionAtLeaf } from '../ledger/governance-state.ts';
import { sameHash } from '../ledger/merkle/tree-hash.ts';
import { CommandError } from './command-error.ts';
import { withStoredLedger, type StoredLedger } from './stored-ledger.ts';

type OpenEpoch = Extract<Change, { kind: 'open-epoch' }>;

/**
 * Where a log ends, as the own replica has it: at its last final checkpoint, with the chains and the rule set that stand there.
 * @throws {CommandError} false: nothing is final yet
 */
export function endOfLog({ origin, replica, governance, finalSize }: StoredLedger): PreviousLog {
  if (finalSize < 1) throw new CommandError('false', 'nothing is final in this log: a new one needs no epoch change');
  return {
    origin,
    size: finalSize,
    root: replica.tree.root(finalSize),
    chains: replica.chainHeads(finalSize),
    rules: versionAtLeaf(governance, finalSize).ruleSets.at(-1)?.index ?? 0,
  };
}

/**
 * What a member does before it signs for another log: it compares what the new genesis says of the old log with its own replica, and durably refuses to
 * cosign the old log again. A crash after that leaves a member that cosigns nothing and has agreed to nothing: signing again does no harm.
 * @throws {CommandError} false: the new genesis is not what this member may agree to
 */
export function assentToEpoch(config: Config, change: OpenEpoch, newGenesis: Uint8Array): void {
  const { previous, members } = parseGenesis(newGenesis);
  if (previous === undefined || !sameHash(genesisHash(newGenesis), change.genesis))
    throw new CommandError('false', '--new-genesis is not the genesis file that the proposal names');
  withStoredLedger(config, (stored) => {
    const problem = differenceFrom(stored, previous, change, new Set(members.map(({ name }) => name)));
    if (problem !== undefined) throw new CommandError('false', problem);
    const store = new SqliteCosignerStore(join(stored.folder, 'cosigner.db'));
    try {
      store.closeOrigin(stored.origin);
    } finally {
      store.close();
    }
  });
}

function differenceFrom(
  stored: StoredLedger,
  previous: PreviousLog,
  change: OpenEpoch,
  members: ReadonlySet<string>,
): string | undefined {
  const { origin, replica, governance, finalSize } = stored;
  const { size, root, chains } = previous;
  if (previous.origin !== origin) return 'the new genesis goes on from another log';
  if (size !== change.size || !sameHash(root, change.root))
    return 'the proposal and the new genesis name different ends of this log';
  if (finalSize > size) return `this member has a final checkpoint of size ${finalSize}, beyond that end (${size})`;
  if (replica.head.size < size || !sameHash(replica.tree.root(size), root))
    return `this member’s replica does not have that tree of size ${size}`;
  if (versionAtLeaf(governance, size).ruleSets.at(-1)?.index !== previous.rules)
    return 'the new genesis numbers the rule set otherwise';
  const own = [...replica.chainHeads(size)].filter(([chain]) => members.has(chain.split('/')[0] ?? ''));
  const isSame =
    own.length === chains.size && own.every(([chain, hash]) => sameHash(hash, chains.get(chain) ?? new Uint8Array()));
  return isSame ? undefined : 'the new genesis has chains end elsewhere than this member’s replica';
}
