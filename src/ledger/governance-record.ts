import { sha256 } from '../hash.ts';
import { assertSoleSigner } from './batch.ts';
import {
  canonicalJson,
  canonicalJsonBytes,
  expectMembers,
  expectObject,
  expectString,
  parseCanonicalJson,
} from './canonical-json.ts';
import { encodeBase64, encodeBase64Url, encodeHex, encodeUtf8 } from './encoding.ts';
import { FormatError } from './format-error.ts';
import { encodeFrame } from './frame.ts';
import type { Frame } from './frame.ts';
import { memberJson } from './genesis.ts';
import type { Member } from './genesis.ts';
import { changeJson, parseChange } from './governance-change.ts';
import type { Change } from './governance-change.ts';
import { HeaderLines, isMemberName } from './header-lines.ts';
import { sameHash } from './merkle/tree-hash.ts';
import { parseNote, signNote } from './note.ts';
import type { ParsedNote } from './note.ts';
import type { NoteSigner } from './note-key.ts';

/** Governance on the ledger: a signed header over a JSON body that proposes a change or votes on one. */
export type GovernanceAct =
  /** Proposing is voting yes, where the proposer has a vote. `nonce`: 16 random bytes, so that a proposal can be made again. */
  | { readonly act: 'propose'; readonly change: Change; readonly nonce: string }
  /** `proposal`: id of the proposal, which is the SHA-256 of its record's header in lowercase hex. */
  | { readonly act: 'vote'; readonly proposal: string; readonly vote: 'yes' | 'no' };

export interface GovernanceRecord {
  readonly log: string;
  readonly member: string;
  /** SHA-256 of the header in lowercase hex; of a proposal, its id. */
  readonly id: string;
  readonly act: GovernanceAct;
  readonly note: ParsedNote;
}

export const MAXIMUM_GOVERNANCE_BYTES = 512 * 1024;
const TITLE = 'concordat/governance/v1';

/**
 * Signs a proposal or a vote with the member's batch key.
 * @returns the topic record, and the id that votes on it name
 * @throws {FormatError} malformed-governance | too-large
 */
export function buildGovernance(args: {
  readonly log: string;
  readonly member: string;
  readonly act: GovernanceAct;
  readonly signer: NoteSigner;
}): { readonly frame: Uint8Array; readonly id: string } {
  const { log, member, act, signer } = args;
  if (!isMemberName(member) || signer.key.name !== member) {
    throw new FormatError('malformed-governance', 'the key is not the member’s');
  }
  const body = canonicalJsonBytes(
    act.act === 'propose' ? { act: act.act, change: changeJson(act.change), nonce: act.nonce } : { ...act },
  );
  if (body.length > MAXIMUM_GOVERNANCE_BYTES) throw new FormatError('too-large', 'the proposal is too large');
  const hash = encodeBase64(sha256(body));
  const text = `${TITLE}\nlog ${log}\nmember ${member}\nbytes ${body.length}\nbody ${hash}\n`;
  const header = signNote(text, [signer]);
  const frame = { kind: 'governance', header, body } as const;
  parseGovernance(frame);
  return { frame: encodeFrame(frame), id: encodeHex(sha256(header)) };
}

/** A nonce from 16 random bytes. */
export function proposalNonce(random: Uint8Array): string {
  return encodeBase64Url(random);
}

/** What a header says. @throws {FormatError} as `parseGovernance` */
export function parseGovernanceHeader(header: Uint8Array): {
  readonly log: string;
  readonly member: string;
  readonly bodyBytes: number;
  readonly bodyHash: Uint8Array;
  readonly note: ParsedNote;
} {
  const note = parseNote(header);
  const lines = new HeaderLines(note.text, TITLE, 'malformed-governance');
  const parsed = { log: lines.text('log'), member: lines.text('member') };
  const bodyBytes = lines.count('bytes', 1, MAXIMUM_GOVERNANCE_BYTES);
  const bodyHash = lines.hash('body');
  lines.end();
  if (!isMemberName(parsed.member)) throw new FormatError('malformed-governance', 'a bad name');
  assertSoleSigner(note, parsed.member, 'malformed-governance');
  return { ...parsed, bodyBytes, bodyHash, note };
}

/**
 * Reads a governance record, without checking its signature.
 * @throws {FormatError} malformed-governance | malformed-json | malformed-note | malformed-key | malformed-genesis | malformed-encoding
 */
export function parseGovernance({ header, body }: Pick<Frame, 'header' | 'body'>): GovernanceRecord {
  const { log, member, bodyBytes, bodyHash, note } = parseGovernanceHeader(header);
  if (body.length !== bodyBytes || !sameHash(sha256(body), bodyHash))
    throw new FormatError('malformed-governance', 'another body than the header says');
  const object = expectObject(parseCanonicalJson(body, MAXIMUM_GOVERNANCE_BYTES), 'the body');
  const id = encodeHex(sha256(header));
  if (object['act'] === 'propose') {
    expectMembers(object, ['act', 'change', 'nonce']);
    const nonce = expectString(object['nonce'], 'nonce');
    if (!/^[A-Za-z0-9_-]{21}[AQgw]$/.test(nonce)) throw new FormatError('malformed-governance', 'a nonce has 16 bytes');
    return { log, member, id, note, act: { act: 'propose', change: parseChange(object['change'], log), nonce } };
  }
  expectMembers(object, ['act', 'proposal', 'vote']);
  const proposal = expectString(object['proposal'], 'proposal');
  const vote = expectString(object['vote'], 'vote');
  if (object['act'] !== 'vote' || !/^[0-9a-f]{64}$/.test(proposal) || (vote !== 'yes' && vote !== 'no')) {
    throw new FormatError('malformed-governance', 'neither a proposal nor a vote');
  }
  return { log, member, id, note, act: { act: 'vote', proposal, vote } };
}

/** What a new member, or one with new keys, signs to say that these are its own and that it joins this log. */
export function acceptanceText(origin: string, member: Member): string {
  const hash = encodeBase64(sha256(encodeUtf8(canonicalJson(memberJson(member)))));
  return `concordat/acceptance/v1\nlog ${origin}\nmember ${member.name}\nkeys ${hash}\n`;
}

/** Signs an acceptance; both keys show that the member holds them. */
export function buildAcceptance(args: {
  readonly origin: string;
  readonly member: Member;
  readonly batch: NoteSigner;
  readonly originSigner: NoteSigner;
}): Uint8Array {
  return signNote(acceptanceText(args.origin, args.member), [args.batch, args.originSigner]);
}
