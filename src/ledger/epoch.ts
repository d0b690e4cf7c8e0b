import {
  canonicalJsonBytes,
  expectArray,
  expectMembers,
  expectObject,
  expectString,
  parseCanonicalJson,
} from './canonical-json.ts';
import { decodeBase64, encodeBase64 } from './encoding.ts';
import { FormatError } from './format-error.ts';
import { genesisHash, parseGenesis } from './genesis.ts';
import type { Genesis } from './genesis.ts';
import { verifyGovernanceRecord } from './governance-history.ts';
import { parseGovernance } from './governance-record.ts';
import { latestVersion, votersOn, votesNeeded } from './governance-state.ts';
import type { GovernanceState } from './governance-state.ts';
import { sameHash } from './merkle/tree-hash.ts';
import { VerificationError } from './merkle/verification-error.ts';
import { verifyNotePortable } from './note.ts';
import type { CheckNote } from './note.ts';

/**
 * How a log goes on as another: the signed `open-epoch` proposal and the votes on it. It needs no proof that they stand in the old log,
 * since the old log may be what has forked: the signatures alone bind its last final checkpoint to the new genesis.
 */
export const MAXIMUM_EPOCH_BYTES = 1 << 20;
const FORMAT = 'concordat/epoch/v1';

/** Bytes of an epoch file. @param records header and body of the proposal, then of the votes */
export function formatEpoch(
  records: readonly { readonly header: Uint8Array; readonly body: Uint8Array }[],
): Uint8Array {
  return canonicalJsonBytes({
    format: FORMAT,
    records: records.map(({ header, body }) => ({ header: encodeBase64(header), body: encodeBase64(body) })),
  });
}

/**
 * Checks that the members of the old log opened the new one.
 * @param args.state   governance of the old log, from its genesis and history or its replica
 * @param args.genesis bytes of the new genesis file
 * @returns the new genesis; of the old log, checkpoints up to `previous.size` are still good, and no others
 * @throws {FormatError} something cannot be read
 * @throws {VerificationError} no-quorum | genesis-mismatch | unknown-member | suspended | bad-signature | wrong-log | history-broken
 */
export async function verifyEpoch(args: {
  readonly epoch: Uint8Array;
  readonly state: GovernanceState;
  readonly genesis: Uint8Array;
  readonly checkNote?: CheckNote;
}): Promise<Genesis> {
  const records = parseEpoch(args.epoch).map(parseGovernance);
  const [proposal, ...votes] = records;
  if (proposal?.act.act !== 'propose' || proposal.act.change.kind !== 'open-epoch') {
    throw new VerificationError('history-broken', 'an epoch begins with its proposal');
  }
  const { change } = proposal.act;
  // What only came into force beyond the end that is agreed on never did.
  const versions = args.state.versions.filter(({ from }) => from <= change.size);
  const state: GovernanceState = { ...args.state, versions };
  const leafIndex = latestVersion(state).from;
  for (const record of records)
    await verifyGovernanceRecord(record, state, leafIndex, args.checkNote ?? verifyNotePortable);
  const agreeing = new Set([proposal.member]);
  for (const { act, member } of votes) {
    if (act.act !== 'vote' || act.proposal !== proposal.id)
      throw new VerificationError('history-broken', 'a vote on something else');
    if (act.vote === 'yes') agreeing.add(member);
  }
  const version = latestVersion(state);
  const counted = votersOn(version, change).filter((name) => agreeing.has(name));
  if (counted.length < votesNeeded(version, change))
    throw new VerificationError('no-quorum', 'too few opened this epoch');
  const genesis = parseGenesis(args.genesis);
  const { previous } = genesis;
  const continues =
    previous !== undefined &&
    previous.origin === state.origin &&
    previous.size === change.size &&
    sameHash(previous.root, change.root) &&
    sameHash(genesisHash(args.genesis), change.genesis);
  if (!continues) throw new VerificationError('genesis-mismatch', 'the new genesis is not the one that was agreed on');
  return genesis;
}

function parseEpoch(bytes: Uint8Array): readonly { readonly header: Uint8Array; readonly body: Uint8Array }[] {
  const object = expectObject(parseCanonicalJson(bytes, MAXIMUM_EPOCH_BYTES), 'the epoch');
  expectMembers(object, ['format', 'records']);
  if (object['format'] !== FORMAT) throw new FormatError('malformed-governance', 'an unknown format of epoch');
  return expectArray(object['records'], 'records').map((value) => {
    const record = expectObject(value, 'a record');
    expectMembers(record, ['body', 'header']);
    return {
      header: decodeBase64(expectString(record['header'], 'header')),
      body: decodeBase64(expectString(record['body'], 'body')),
    };
  });
}
