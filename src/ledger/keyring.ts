import { batchKeysAt, versionAtSize, type GovernanceState } from './governance-state.ts';
import { LedgerError } from './ledger-error.ts';
import type { MemberKeys } from './ledger-options.ts';
import { parseSignerKey, type NoteSigner, type VerifierKey } from './note-key.ts';

/** A member's private keys: those in use, and those that governance is about to put in force. */
export interface Keyring {
  readonly batch: readonly NoteSigner[];
  readonly origin: readonly NoteSigner[];
  readonly cosigner: readonly NoteSigner[];
}

/** @throws {LedgerError} configuration: a key is for another log or member @throws {FormatError} malformed-key */
export function makeKeyring(origin: string, member: string, sets: readonly MemberKeys[]): Keyring {
  const keyring = {
    batch: sets.map(({ batch }) => parseSignerKey(batch)),
    origin: sets.map((keys) => parseSignerKey(keys.origin)),
    cosigner: sets.map(({ cosigner }) => parseSignerKey(cosigner)),
  };
  const isNamed = (signers: readonly NoteSigner[], name: string) => signers.every(({ key }) => key.name === name);
  const named =
    isNamed(keyring.batch, member) &&
    isNamed(keyring.origin, origin) &&
    isNamed(keyring.cosigner, `${member}/cosigner`);
  if (!named) throw new LedgerError('configuration', 'the keys are for another log or member');
  return keyring;
}

/** What an active member signs batches, cuts and governance with at a leaf; undefined while no key of its is in force there. */
export function batchSigner(
  keyring: Keyring,
  state: GovernanceState,
  member: string,
  leafIndex: number,
): NoteSigner | undefined {
  const keys = batchKeysAt(state, member, leafIndex);
  return keys?.active === true ? heldOf(keyring.batch, keys.batchKeys) : undefined;
}

/** What an active member signs checkpoints of a size with; undefined while its keys are not in force for it. */
export function checkpointSigners(
  keyring: Keyring,
  state: GovernanceState,
  member: string,
  size: number,
): { readonly origin: NoteSigner; readonly cosigner: NoteSigner } | undefined {
  const found = versionAtSize(state, size).members.find(({ name, active }) => name === member && active);
  if (found === undefined) return undefined;
  const origin = heldOf(keyring.origin, [found.originKey]);
  const cosigner = heldOf(keyring.cosigner, [found.cosignerKey]);
  return origin === undefined || cosigner === undefined ? undefined : { origin, cosigner };
}

/** The signer of the first of these keys that is held. */
function heldOf(signers: readonly NoteSigner[], keys: readonly VerifierKey[]): NoteSigner | undefined {
  for (const { text } of keys) {
    const held = signers.find(({ key }) => key.text === text);
    if (held !== undefined) return held;
  }
  return undefined;
}
