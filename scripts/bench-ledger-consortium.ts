import { randomBytes } from 'node:crypto';
import { buildBatch, NO_PREVIOUS_HEADER } from '../src/ledger/batch.ts';
import { encodeEvent } from '../src/ledger/event.ts';
import { buildGenesis, DEFAULT_LOG_PARAMETERS, TWO_THIRDS } from '../src/ledger/genesis.ts';
import type { MemberKeys } from '../src/ledger/ledger-options.ts';
import { generateSigningKey, parseVerifierKey, type NoteSigner } from '../src/ledger/note-key.ts';

export const ORIGIN = 'ledger.example/bench';
export const WRITER = 'bench';
export const silentLog = { info: () => {}, warn: () => {}, error: () => {} };

export interface BenchMember {
  readonly name: string;
  readonly keys: MemberKeys;
}

/** A genesis of one to three members with fresh keys. */
export function makeConsortium(names: readonly string[]): { genesis: Uint8Array; members: readonly BenchMember[] } {
  const made = names.map((name) => ({
    name,
    batch: generateSigningKey({ name, type: 0x01, seed: randomBytes(32) }),
    origin: generateSigningKey({ name: ORIGIN, type: 0x01, seed: randomBytes(32) }),
    cosigner: generateSigningKey({ name: `${name}/cosigner`, type: 0x04, seed: randomBytes(32) }),
  }));
  const genesis = buildGenesis({
    origin: ORIGIN,
    members: made.map((member) => ({
      name: member.name,
      batchKey: parseVerifierKey(member.batch.verifierKey),
      originKey: parseVerifierKey(member.origin.verifierKey),
      cosignerKey: parseVerifierKey(member.cosigner.verifierKey),
      agreementKey: randomBytes(32),
    })),
    quorum: TWO_THIRDS,
    parameters: DEFAULT_LOG_PARAMETERS,
    ruleSet: '0'.repeat(64),
  });
  const members = made.map(({ name, batch, origin, cosigner }) => ({
    name,
    keys: { batch: batch.signerKey, origin: origin.signerKey, cosigner: cosigner.signerKey },
  }));
  return { genesis, members };
}

/** A consortium of one. */
export function makeSoloConsortium(): { genesis: Uint8Array; member: BenchMember } {
  const { genesis, members } = makeConsortium(['hospital']);
  const [member] = members;
  if (member === undefined) throw new Error('no member');
  return { genesis, member };
}

export function randomEvent(): { id: string; bytes: Uint8Array } {
  const id = randomBytes(16).toString('base64url');
  const commit = randomBytes(32).toString('base64url');
  return { id, bytes: encodeEvent({ id, kind: 'received', alg: 'c1', commit, rules: 0, links: [] }) };
}

/** A writer's chain from its first batch on: each call signs the next batch and gives its topic record. */
export function startChain(signer: NoteSigner, member: string): (events: readonly Uint8Array[]) => Uint8Array {
  let [batch, prev, firstEvent] = [1, NO_PREVIOUS_HEADER, 0];
  return (events) => {
    const built = buildBatch({ log: ORIGIN, member, writer: WRITER, batch, prev, firstEvent, events, signer });
    [batch, prev, firstEvent] = [batch + 1, built.headerHash, firstEvent + events.length];
    return built.frame;
  };
}
