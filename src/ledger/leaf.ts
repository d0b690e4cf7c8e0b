import { sha256 } from '../hash.ts';
import { encodeBase64, encodeUtf8 } from './encoding.ts';
import { parseFrame } from './frame.ts';
import { leafHash } from './merkle/tree-hash.ts';

/**
 * Leaf bytes of a topic record: a total function of its bytes, with no JSON, signature or governance in it, so that no difference between
 * two readers can fork the tree.
 */
export function leafBytes(record: Uint8Array): Uint8Array {
  const frame = parseFrame(record);
  return frame === undefined ? voidLeafBytes(record) : headerLeafBytes(sha256(frame.header));
}

/** Leaf bytes of a well-framed record. @param headerHash SHA-256 of its header, 32 bytes */
export function headerLeafBytes(headerHash: Uint8Array): Uint8Array {
  return encodeUtf8(`concordat/leaf/v1\n${encodeBase64(headerHash)}\n`);
}

/** RFC 6962 leaf hash of a topic record, 32 bytes. */
export function recordLeafHash(record: Uint8Array): Uint8Array {
  return leafHash(leafBytes(record));
}

function voidLeafBytes(record: Uint8Array): Uint8Array {
  return encodeUtf8(`concordat/void/v1\n${encodeBase64(sha256(record))}\n`);
}
