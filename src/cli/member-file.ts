import { join } from 'node:path';
import { canonicalJsonBytes, type LedgerJson } from '../ledger/canonical-json.ts';
import { decodeBase64, encodeBase64 } from '../ledger/encoding.ts';
import { readOrUndefined } from '../ledger/format-error.ts';
import { memberJson, parseMember, type Member } from '../ledger/genesis.ts';
import { acceptanceText, buildAcceptance } from '../ledger/governance-record.ts';
import { parseNote, verifyNote } from '../ledger/note.ts';
import { parseSignerKey } from '../ledger/note-key.ts';
import { agreementPublicKey } from '../provenance/peer-tag.ts';
import { CommandError } from './command-error.ts';
import { readInputText } from './read-input.ts';

/**
 * What others need to admit a member or its new keys: the public keys, and the member's signature that they are its own. No secret.
 * @param args.keyDir folder with `batch.key`, `origin.key`, `cosigner.key` and `agreement.key`
 * @throws {FormatError} malformed-key | malformed-genesis: a key of another member or log
 */
export function memberFile(args: {
  readonly origin: string;
  readonly name: string;
  readonly keyDir: string;
}): Uint8Array {
  const read = (kind: string) => readInputText(join(args.keyDir, `${kind}.key`)).trim();
  const batch = parseSignerKey(read('batch'));
  const originSigner = parseSignerKey(read('origin'));
  const member = parseMember(
    {
      name: args.name,
      batchKey: batch.key.text,
      originKey: originSigner.key.text,
      cosignerKey: parseSignerKey(read('cosigner')).key.text,
      agreementKey: encodeBase64(agreementPublicKey(readAgreementKey(join(args.keyDir, 'agreement.key')))),
    },
    args.origin,
  );
  const acceptance = buildAcceptance({ origin: args.origin, member, batch, originSigner });
  return canonicalJsonBytes({ member: memberJson(member), acceptance: encodeBase64(acceptance) });
}

/** @throws {CommandError} unreadable: not a file that `memberFile` made */
export function readMemberFile(file: string): { readonly member: LedgerJson; readonly acceptance: LedgerJson } {
  let parsed: unknown;
  try {
    parsed = JSON.parse(readInputText(file));
  } catch (cause) {
    if (cause instanceof CommandError) throw cause;
    throw new CommandError('unreadable', `${file}: not JSON`, { cause });
  }
  const { member, acceptance } = (parsed ?? {}) as { readonly member?: LedgerJson; readonly acceptance?: LedgerJson };
  if (member === undefined || acceptance === undefined)
    throw new CommandError('unreadable', `${file}: not a member file`);
  return { member, acceptance };
}

/**
 * A member that has said, with its own keys, that it joins this log.
 * @throws {CommandError} unreadable: not a member file; false: not signed under its keys for `origin` @throws {FormatError} malformed-genesis | malformed-key | malformed-note
 */
export function acceptedMember(file: string, origin: string): Member {
  const { member: json, acceptance } = readMemberFile(file);
  const member = parseMember(json, origin);
  const note = parseNote(decodeBase64(typeof acceptance === 'string' ? acceptance : ''));
  const keys = [member.batchKey, member.originKey];
  if (note.text !== acceptanceText(origin, member) || verifyNote(note, keys).length < keys.length)
    throw new CommandError('false', `${file}: is not the member’s own acceptance of ${origin}`);
  return member;
}

function readAgreementKey(file: string): Uint8Array {
  const secret = readOrUndefined(() => decodeBase64(readInputText(file).trim()));
  if (secret?.length !== 32) throw new CommandError('unreadable', `${file}: not an X25519 key of 32 bytes in base64`);
  return secret;
}
