import {
  canonicalJsonBytes,
  expectArray,
  expectCount,
  expectMembers,
  expectObject,
  expectString,
  parseCanonicalJson,
} from './canonical-json.ts';
import { decodeBase64, encodeBase64 } from './encoding.ts';
import { FormatError } from './format-error.ts';
import { formatTlogProof, MAXIMUM_PROOF_BYTES, parseTlogProof } from './tlog-proof.ts';

/**
 * The receipt of an event: a tlog-proof of its batch's leaf, whose `extra` leads from the event to that leaf. Tools that ignore `extra`
 * check leaf, path and policy.
 */
export interface Receipt {
  /** Index of the batch's leaf. */
  readonly index: number;
  /** From the leaf to the checkpoint's root. */
  readonly path: readonly Uint8Array[];
  /** A signed checkpoint that covers the leaf. */
  readonly checkpoint: Uint8Array;
  readonly extra: ReceiptExtra;
}

export interface ReceiptExtra {
  /** Event bytes as they stand in the batch. */
  readonly event: Uint8Array;
  /** Header of the batch. */
  readonly header: Uint8Array;
  /** From the event to the batch's root. */
  readonly path: readonly Uint8Array[];
  /** Place of the event in the batch, from 0. */
  readonly position: number;
  /** Once keys or members have changed: the governance history that leads from the genesis to those in force (`governance-history.ts`). */
  readonly history?: Uint8Array | undefined;
}

/** Text of a receipt file. */
export function formatReceipt({ index, path, checkpoint, extra }: Receipt): string {
  const json = canonicalJsonBytes({
    event: encodeBase64(extra.event),
    header: encodeBase64(extra.header),
    path: extra.path.map(encodeBase64),
    position: extra.position,
    ...(extra.history === undefined ? {} : { history: encodeBase64(extra.history) }),
  });
  return formatTlogProof({ extra: json, index, path, checkpoint });
}

/**
 * Reads a receipt; `verifyReceipt` checks it.
 * @throws {FormatError} malformed-receipt | malformed-json | malformed-encoding | too-large
 */
export function parseReceipt(bytes: Uint8Array): Receipt {
  const { extra, index, path, checkpoint } = parseTlogProof(bytes);
  if (extra === undefined) throw new FormatError('malformed-receipt', 'a receipt has an "extra" line');
  const object = expectObject(parseCanonicalJson(extra, MAXIMUM_PROOF_BYTES), 'extra');
  expectMembers(object, ['event', 'header', 'path', 'position'], ['history']);
  const history = object['history'];
  return {
    index,
    path,
    checkpoint,
    extra: {
      event: decodeBase64(expectString(object['event'], 'event')),
      header: decodeBase64(expectString(object['header'], 'header')),
      path: expectArray(object['path'], 'path').map((hash) => decodeBase64(expectString(hash, 'a hash'))),
      position: expectCount(object['position'], 'position'),
      ...(history === undefined ? {} : { history: decodeBase64(expectString(history, 'history')) }),
    },
  };
}
