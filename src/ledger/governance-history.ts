import { sha256 } from '../hash.ts';
import {
  canonicalJsonBytes,
  expectArray,
  expectCount,
  expectMembers,
  expectObject,
  expectString,
  parseCanonicalJson,
} from './canonical-json.ts';
import type { LedgerJson } from './canonical-json.ts';
import { parseSignedCheckpoint } from './checkpoint.ts';
import type { ParsedCheckpoint } from './checkpoint.ts';
import { decodeBase64, encodeBase64 } from './encoding.ts';
import { FormatError } from './format-error.ts';
import type { Genesis } from './genesis.ts';
import { activate, applyGovernance, claimsOf } from './governance.ts';
import { parseGovernance } from './governance-record.ts';
import type { GovernanceRecord } from './governance-record.ts';
import { activeMembers, batchKeysAt, genesisState, quorumOf, versionAtSize } from './governance-state.ts';
import type { GovernanceState } from './governance-state.ts';
import { headerLeafBytes } from './leaf.ts';
import { buildInclusionProof } from './merkle/proof.ts';
import type { ReadNode } from './merkle/proof.ts';
import { leafHash } from './merkle/tree-hash.ts';
import { VerificationError } from './merkle/verification-error.ts';
import { verifyInclusion } from './merkle/verify.ts';
import { verifyNotePortable } from './note.ts';
import type { CheckNote } from './note.ts';
import { buildPolicy, evaluatePolicy, policyKeys } from './policy.ts';

/**
 * How the membership of a log came to be, for who has its genesis and nothing else: for each change in force, the checkpoint that put it
 * in force and the accepted governance records before it, each with its proof into that checkpoint.
 */
export interface HistoryStep {
  /** The signed checkpoint, final under the membership before it. */
  readonly checkpoint: Uint8Array;
  readonly records: readonly HistoryRecord[];
}

export interface HistoryRecord {
  /** Leaf index. */
  readonly index: number;
  readonly header: Uint8Array;
  readonly body: Uint8Array;
  /** From the leaf to the checkpoint's root. */
  readonly path: readonly Uint8Array[];
}

/** Of 64 members, a change takes about 100 kB: each could have its keys rotated twice. */
export const MAXIMUM_HISTORY_BYTES = 1 << 24;
const FORMAT = 'concordat/history/v1';

/**
 * Bytes of a history file, in RFC 8785 form.
 * @param args.records     accepted governance records, by leaf: at least the proposals that came into force, and the votes that decided them
 * @param args.checkpoints the final checkpoints at which something came into force, smallest first
 * @param args.readNode    complete subtrees of the log
 */
export function buildHistory(args: {
  readonly records: readonly Omit<HistoryRecord, 'path'>[];
  readonly checkpoints: readonly Uint8Array[];
  readonly readNode: ReadNode;
}): Uint8Array {
  let from = 0;
  const steps = args.checkpoints.map((checkpoint) => {
    const { size } = parseSignedCheckpoint(checkpoint).checkpoint;
    const covered = args.records.filter(({ index }) => index >= from && index < size);
    from = size;
    const records = covered.map((each) => ({ ...each, path: buildInclusionProof(each.index, size, args.readNode) }));
    return { checkpoint, records };
  });
  return canonicalJsonBytes({ format: FORMAT, steps: steps.map(stepJson) });
}

/** @throws {FormatError} malformed-governance | malformed-json | malformed-encoding | too-large */
export function parseHistory(bytes: Uint8Array): readonly HistoryStep[] {
  const object = expectObject(parseCanonicalJson(bytes, MAXIMUM_HISTORY_BYTES), 'the history');
  expectMembers(object, ['format', 'steps']);
  if (object['format'] !== FORMAT) throw new FormatError('malformed-governance', 'an unknown format of history');
  return expectArray(object['steps'], 'steps').map((value) => {
    const step = expectObject(value, 'a step');
    expectMembers(step, ['checkpoint', 'records']);
    const records = expectArray(step['records'], 'records').map(parseHistoryRecord);
    return { checkpoint: bytesOf(step['checkpoint']), records };
  });
}

/**
 * Follows a history from the genesis on: every checkpoint final under the membership before it, every record in it, signed by keys in
 * force at its leaf, and applied. What a history leaves out is not in force for its reader: a prover can hold back the newest changes,
 * but only as long as a quorum of the membership before them still signs for it.
 * @returns the governance state after its last step
 * @throws {FormatError} it cannot be read
 * @throws {VerificationError} history-broken, or what a checkpoint or proof fails with
 */
export async function verifyHistory(args: {
  readonly history: Uint8Array;
  readonly genesis: Genesis;
  readonly checkNote?: CheckNote;
}): Promise<GovernanceState> {
  const checkNote = args.checkNote ?? verifyNotePortable;
  let state = genesisState(args.genesis);
  let size = 0;
  for (const step of parseHistory(args.history)) {
    const checkpoint = await verifyFinal(step.checkpoint, state, checkNote);
    if (checkpoint.size <= size) throw new VerificationError('history-broken', 'checkpoints out of order');
    let index = size - 1;
    for (const record of step.records) {
      if (record.index <= index) throw new VerificationError('history-broken', 'records out of order');
      index = record.index;
      state = await takeRecord(record, checkpoint, state, checkNote);
    }
    const activated = activate(state, checkpoint.size);
    if (activated.versions === state.versions)
      throw new VerificationError('history-broken', 'a step that changes nothing');
    state = activated;
    size = checkpoint.size;
  }
  return state;
}

/**
 * Checks that a signed checkpoint is final under the membership for its size.
 * @throws {FormatError} it cannot be read
 * @throws {VerificationError} wrong-log | unknown-log | no-quorum | bad-signature
 */
export async function verifyFinal(
  signed: Uint8Array,
  state: GovernanceState,
  checkNote: CheckNote = verifyNotePortable,
): Promise<ParsedCheckpoint> {
  const { note, checkpoint } = parseSignedCheckpoint(signed);
  if (checkpoint.origin !== state.origin) throw new VerificationError('wrong-log', 'a checkpoint of another log');
  if (checkpoint.extensions.length > 0) throw new FormatError('malformed-checkpoint', 'a line too many');
  const version = versionAtSize(state, checkpoint.size);
  const policy = buildPolicy({ members: activeMembers(version), quorum: quorumOf(version) });
  evaluatePolicy(policy, checkpoint.origin, await checkNote(note, policyKeys(policy)));
  return checkpoint;
}

/**
 * Checks who signed a record and, of a proposal, what it rests on.
 * @throws {VerificationError} unknown-member | suspended | bad-signature, or what evidence fails with
 */
export async function verifyGovernanceRecord(
  record: GovernanceRecord,
  state: GovernanceState,
  leafIndex: number,
  checkNote: CheckNote = verifyNotePortable,
): Promise<void> {
  if (record.log !== state.origin) throw new VerificationError('wrong-log', 'a governance record of another log');
  const signer = batchKeysAt(state, record.member, leafIndex);
  if (signer === undefined) throw new VerificationError('unknown-member', 'a governance record by no member');
  if (!signer.active) throw new VerificationError('suspended', 'a governance record by a suspended member');
  const claims = record.act.act === 'propose' ? claimsOf(record.act.change, state) : [];
  for (const { note, keys, needed } of [{ note: record.note, keys: signer.batchKeys, needed: 'one' }, ...claims]) {
    const signed = (await checkNote(note, keys)).length;
    if (signed < (needed === 'all' ? keys.length : 1)) {
      throw new VerificationError('bad-signature', 'a governance record lacks a signature');
    }
  }
}

async function takeRecord(
  { index, header, body, path }: HistoryRecord,
  { size, root }: ParsedCheckpoint,
  state: GovernanceState,
  checkNote: CheckNote,
): Promise<GovernanceState> {
  verifyInclusion({ index, size, leafHash: leafHash(headerLeafBytes(sha256(header))), proof: path, root });
  const record = parseGovernance({ header, body });
  await verifyGovernanceRecord(record, state, index, checkNote);
  const step = applyGovernance(state, record, index);
  if (step.verdict !== 'accepted') throw new VerificationError('history-broken', 'a record that is not accepted');
  return step.state;
}

function stepJson({ checkpoint, records }: HistoryStep): LedgerJson {
  return {
    checkpoint: encodeBase64(checkpoint),
    records: records.map(({ index, header, body, path }) => {
      return { index, header: encodeBase64(header), body: encodeBase64(body), path: path.map(encodeBase64) };
    }),
  };
}

function parseHistoryRecord(value: LedgerJson): HistoryRecord {
  const record = expectObject(value, 'a record');
  expectMembers(record, ['body', 'header', 'index', 'path']);
  return {
    index: expectCount(record['index'], 'index'),
    header: bytesOf(record['header']),
    body: bytesOf(record['body']),
    path: expectArray(record['path'], 'path').map(bytesOf),
  };
}

function bytesOf(value: LedgerJson | undefined): Uint8Array {
  return decodeBase64(expectString(value, 'bytes'));
}
