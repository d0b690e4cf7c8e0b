import { buildBatch } from './batch.ts';
import type { Checkpoint } from './checkpoint.ts';
import { Cosigner } from './cosigner.ts';
import { Cutter } from './cutter.ts';
import type { Genesis } from './genesis.ts';
import type { GovernanceLog } from './governance-log.ts';
import { batchSigner, checkpointSigners, makeKeyring, type Keyring } from './keyring.ts';
import type { EngineOptions } from './ledger-engine.ts';
import { LedgerError } from './ledger-error.ts';
import type { LedgerParameters } from './ledger-options.ts';
import { activeMembers } from './membership.ts';
import type { NoteSigner } from './note-key.ts';
import type { Replica } from './replica.ts';
import type { SealStore } from './seal-store.ts';
import { Sealer } from './sealer.ts';

/** What a member that signs has beside its replica. */
export interface Signing {
  readonly member: string;
  readonly writer: string;
  readonly sealer: Sealer;
  readonly cosigner: Cosigner;
  readonly cutter: Cutter;
  /** The batch key in force for the next leaf; undefined while this member is not active or holds none that is. */
  readonly batchSigner: () => NoteSigner | undefined;
}

interface SigningContext {
  readonly genesis: Genesis;
  readonly replica: Replica;
  readonly governance: GovernanceLog;
  readonly parameters: () => LedgerParameters;
  /** The largest tree that others show this member's signature for. */
  readonly shown: (member: string) => Checkpoint | undefined;
  /** For timers: never goes back, while the options' clock tells the time that it is. */
  readonly timer: () => number;
}

/**
 * Composes sealing, cutting and cosigning. Each asks governance, at each signature, which of the member's keys is in force: a member that is not admitted
 * yet, or is suspended, signs nothing, and one whose key is rotated goes over to the next by itself.
 * @returns undefined for a reader
 * @throws {LedgerError} configuration: a part is missing, or a key is not the member's
 */
export function makeSigning(options: EngineOptions, context: SigningContext): Signing | undefined {
  const { member, writer, keys, sealStore } = options;
  const given = [member, writer, keys, sealStore].filter((option) => option !== undefined).length;
  if (given === 0) return undefined;
  if (member === undefined || writer === undefined || keys === undefined || sealStore === undefined)
    throw new LedgerError('configuration', 'member, writer, keys and sealStore belong together');
  const sets = options.nextKeys === undefined ? [keys] : [keys, options.nextKeys];
  const keyring = makeKeyring(context.genesis.origin, member, sets);
  const { governance, replica } = context;
  const inForce = (): NoteSigner | undefined => batchSigner(keyring, governance.state, member, replica.head.size);
  return {
    member,
    writer,
    batchSigner: inForce,
    sealer: makeSealer(options, context, { member, writer, sealStore }, inForce),
    cosigner: makeCosigner(options, context, member, keyring),
    cutter: makeCutter(options, context, member, inForce),
  };
}

function makeSealer(
  options: EngineOptions,
  { genesis, parameters, timer }: SigningContext,
  { member, writer, sealStore }: { readonly member: string; readonly writer: string; readonly sealStore: SealStore },
  inForce: () => NoteSigner | undefined,
): Sealer {
  const { topic, clock, log } = options;
  return new Sealer({
    store: sealStore,
    topic,
    parameters: parameters(),
    clock: timer,
    commitClock: clock,
    log,
    buildBatch: (head, events) => {
      const signer = inForce();
      if (signer === undefined) return undefined;
      const batch = head.batch + 1;
      const place = { batch, prev: head.headerHash, firstEvent: head.nextEvent };
      return { ...buildBatch({ log: genesis.origin, member, writer, ...place, events, signer }), batch };
    },
  });
}

function makeCosigner(
  { cosignerStore, clock, cosigns }: EngineOptions,
  { genesis, replica, governance, shown }: SigningContext,
  member: string,
  keyring: Keyring,
): Cosigner {
  return new Cosigner({
    origin: genesis.origin,
    signers: (size) => (cosigns === false ? undefined : checkpointSigners(keyring, governance.state, member, size)),
    store: cosignerStore,
    shown: () => shown(member),
    replica,
    clock,
  });
}

function makeCutter(
  { topic }: EngineOptions,
  { genesis, governance, parameters, timer: clock }: SigningContext,
  member: string,
  signer: () => NoteSigner | undefined,
): Cutter {
  const turn = (): { rank: number; members: number } => {
    const active = activeMembers(governance.membership);
    return {
      rank: Math.max(
        0,
        active.findIndex(({ name }) => name === member),
      ),
      members: active.length,
    };
  };
  return new Cutter({ origin: genesis.origin, member, signer, topic, parameters, clock, turn });
}
