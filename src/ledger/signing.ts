import { buildBatch } from './batch.ts';
import { Cosigner } from './cosigner.ts';
import { Cutter } from './cutter.ts';
import type { Genesis } from './genesis.ts';
import type { EngineOptions } from './ledger-engine.ts';
import { LedgerError } from './ledger-error.ts';
import type { LedgerParameters } from './ledger-options.ts';
import { parseSignerKey } from './note-key.ts';
import type { Replica } from './replica.ts';
import { Sealer } from './sealer.ts';

/** What a member that signs has beside its replica. */
export interface Signing {
  readonly member: string;
  readonly writer: string;
  readonly sealer: Sealer;
  readonly cosigner: Cosigner;
  readonly cutter: Cutter;
}

/** @returns undefined for a reader @throws {LedgerError} configuration: a part is missing, or a key is not the member's */
export function makeCosigner(options: EngineOptions, genesis: Genesis, replica: Replica): Cosigner | undefined {
  const { member, writer, keys, sealStore, cosignerStore, clock } = options;
  const given = [member, writer, keys, sealStore].filter((option) => option !== undefined).length;
  if (given === 0) return undefined;
  if (member === undefined || keys === undefined || given < 4)
    throw new LedgerError('configuration', 'member, writer, keys and sealStore belong together');
  const known = genesis.members.find((candidate) => candidate.name === member);
  const originSigner = parseSignerKey(keys.origin);
  const cosignerSigner = parseSignerKey(keys.cosigner);
  if (originSigner.key.name !== genesis.origin || cosignerSigner.key.name !== `${member}/cosigner`)
    throw new LedgerError('configuration', 'the keys are for another log or member');
  // Other keys than the genesis names are right only once governance has rotated them.
  if (known !== undefined && known.originKey.text !== originSigner.key.text)
    options.log.warn({ member }, 'the origin key is not the one that the genesis names');
  return new Cosigner({ origin: genesis.origin, originSigner, cosignerSigner, store: cosignerStore, replica, clock });
}

export function makeSigning(
  options: EngineOptions,
  genesis: Genesis,
  parameters: LedgerParameters,
  cosigner: Cosigner,
): Signing | undefined {
  const { member, writer, keys, sealStore, topic, clock, log } = options;
  if (member === undefined || writer === undefined || keys === undefined || sealStore === undefined) return undefined;
  const signer = parseSignerKey(keys.batch);
  const { origin } = genesis;
  const sealer = new Sealer({
    store: sealStore,
    topic,
    parameters,
    clock,
    log,
    buildBatch: (head, events) => {
      const batch = head.batch + 1;
      const place = { batch, prev: head.headerHash, firstEvent: head.nextEvent };
      return { ...buildBatch({ log: origin, member, writer, ...place, events, signer }), batch };
    },
  });
  const rank = genesis.members.findIndex((candidate) => candidate.name === member);
  const members = genesis.members.length;
  const cutter = new Cutter({ origin, member, signer, topic, parameters, clock, rank: Math.max(0, rank), members });
  return { member, writer, sealer, cosigner, cutter };
}
