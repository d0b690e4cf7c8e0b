import { parseSignedCheckpoint } from './checkpoint.ts';

type Answer<T> = T | Promise<T>;

/** A log that is read from outside: a member's view, a peer over HTTP, or a stored replica. Nothing of it is believed. */
export interface LogSource {
  checkpoint(): Answer<Uint8Array | undefined>;
  tile(level: number, index: number, width?: number): Answer<Uint8Array | undefined>;
  entryBundle(index: number, width?: number): Answer<Uint8Array | undefined>;
  /** @param hash SHA-256, 32 bytes */
  blob(hash: Uint8Array): Answer<Uint8Array | undefined>;
}

/** The size and root that a source claims. @throws {FormatError} */
export async function claimedTree(
  source: LogSource,
): Promise<{ note: Uint8Array; size: number; root: Uint8Array } | undefined> {
  const note = await source.checkpoint();
  if (note === undefined) return undefined;
  const { size, root } = parseSignedCheckpoint(note).checkpoint;
  return { note, size, root };
}
