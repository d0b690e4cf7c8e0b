import type { LedgerEngine } from './ledger-engine.ts';
import { sameHash } from './merkle/tree-hash.ts';
import type { Signing } from './signing.ts';

/**
 * Allows a cosigner to sign once it knows what it signed last. One that has lost its memory learns it from where others saw it: the second topic to its end,
 * and as many peers as make a quorum with it.
 */
export async function learnSigned(engine: LedgerEngine, { member, cosigner }: Signing): Promise<void> {
  const { cosignatures, exchange, finality, genesis, options, replica } = engine;
  const { cosignerStore, firstStart, peers } = options;
  if (cosignerStore.last(genesis.origin) === undefined && firstStart !== true) {
    if (!cosignatures.readToEnd) return;
    await exchange.pull();
    const needed = Math.min(engine.membership().quorum - 1, peers.length);
    if (peers.length - exchange.unreachable().length < needed) return;
    const signed = finality.largestSignedBy(member);
    if (signed !== undefined) {
      const own = signed.size <= replica.durableSize ? replica.tree.root(signed.size) : undefined;
      // Not there yet, or another tree: signing anything would risk a contradiction.
      if (own === undefined || !sameHash(own, signed.root)) return;
      cosigner.adopt(signed);
    }
  }
  cosigner.allow();
}
