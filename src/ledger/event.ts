import { decodeUtf8, encodeUtf8 } from './encoding.ts';
import { FormatError } from './format-error.ts';

/** Most bytes that an event may have. */
export const MAXIMUM_EVENT_BYTES = 2048;

export const EVENT_KINDS = [
  'received',
  'disclosed',
  'rejected',
  'denied',
  'transformed',
  'acknowledged',
  'corrected',
  'superseded',
  'retracted',
  'erased',
  'checked',
] as const;

export type LedgerEventKind = (typeof EVENT_KINDS)[number];

/** One event on the ledger; nothing in it says anything about a patient. The table is in docs/ledger-format.md, section "Event". */
export interface LedgerEvent {
  /** Random, 16 bytes, base64url (22 characters): resolved at the author's gateway only. */
  readonly id: string;
  readonly kind: LedgerEventKind;
  /** Name of the commitment algorithm: a letter, then up to 15 of `a-z 0-9 . -`. */
  readonly alg: string;
  /** Commitment to the record, 32 bytes, base64url (43 characters). */
  readonly commit: string;
  /** Index of the rule-set digest in force. */
  readonly rules: number;
  /** Ids of the author's own earlier events that this one corrects or supersedes; empty on `erased`. */
  readonly links: readonly string[];
  /** 16 bytes, base64url: a tag that only the counterpart of the exchange recognises. */
  readonly peer?: string | undefined;
}

const ID = /^[A-Za-z0-9_-]{21}[AQgw]$/;
const COMMIT = /^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/;
const ALGORITHM = /^[a-z][a-z0-9.-]{0,15}$/;
const KINDS: ReadonlySet<string> = new Set(EVENT_KINDS);

/**
 * Bytes of an event as they go on the ledger: RFC 8785 form. `links` is written unless the kind is `erased`.
 * @throws {FormatError} malformed-event | too-large
 */
export function encodeEvent(event: LedgerEvent): Uint8Array {
  if (!isEvent(event)) throw new FormatError('malformed-event', 'a member of the event has the wrong form');
  const bytes = encodeUtf8(eventText(event));
  if (bytes.length > MAXIMUM_EVENT_BYTES) throw new FormatError('too-large', 'the event is too large');
  return bytes;
}

/**
 * Reads an event that somebody else wrote: canonical bytes, the members of version 1 and nothing else.
 * Writing again what was read and comparing refuses white space, other orders, other escapes, duplicates and unknown members at once,
 * and costs half of a general canonicaliser (`canonicalJson`, which the tests hold it against).
 * @throws {FormatError} malformed-event | malformed-encoding | too-large
 */
export function parseEvent(bytes: Uint8Array): LedgerEvent {
  if (bytes.length > MAXIMUM_EVENT_BYTES) throw new FormatError('too-large', 'the event is too large');
  const text = decodeUtf8(bytes);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The parser's message quotes its input, which must not get into logs: it is left out on purpose.
    throw new FormatError('malformed-event', 'not JSON');
  }
  const event = value !== null && typeof value === 'object' ? { links: [], ...value } : undefined;
  if (event === undefined || !isEvent(event)) throw new FormatError('malformed-event', 'not an event of version 1');
  if (eventText(event) !== text) throw new FormatError('malformed-event', 'not in canonical form');
  return event;
}

/** Every value is of an alphabet that JSON escapes nothing of, so the canonical text is this template (names in code unit order). */
function eventText({ alg, commit, id, kind, links, peer, rules }: LedgerEvent): string {
  const linksText = kind === 'erased' ? '' : links.length === 0 ? '"links":[],' : `"links":["${links.join('","')}"],`;
  const peerText = peer === undefined ? '' : `"peer":"${peer}",`;
  return `{"alg":"${alg}","commit":"${commit}","id":"${id}","kind":"${kind}",${linksText}${peerText}"rules":${rules},"v":1}`;
}

function isEvent(event: { readonly [name in keyof LedgerEvent]?: unknown }): event is LedgerEvent {
  const { alg, commit, id, kind, links, peer, rules } = event;
  return (
    typeof id === 'string' &&
    ID.test(id) &&
    typeof commit === 'string' &&
    COMMIT.test(commit) &&
    typeof alg === 'string' &&
    ALGORITHM.test(alg) &&
    typeof kind === 'string' &&
    KINDS.has(kind) &&
    Number.isSafeInteger(rules) &&
    (rules as number) >= 0 &&
    Array.isArray(links) &&
    links.every((link) => typeof link === 'string' && ID.test(link)) &&
    // An erased event links to nothing: a link would tell what was erased.
    (kind !== 'erased' || links.length === 0) &&
    (peer === undefined || (typeof peer === 'string' && ID.test(peer)))
  );
}
