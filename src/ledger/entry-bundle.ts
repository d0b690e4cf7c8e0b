import { FormatError } from './format-error.ts';

const MAXIMUM_ENTRY_BYTES = 0xffff;

/** Entries with a big-endian u16 length before each (C2SP tlog-tiles "Log entries"). @throws {FormatError} too-large */
export function encodeEntryBundle(entries: readonly Uint8Array[]): Uint8Array {
  const bundle = new Uint8Array(entries.reduce((sum, entry) => sum + 2 + entry.length, 0));
  let position = 0;
  for (const entry of entries) {
    if (entry.length > MAXIMUM_ENTRY_BYTES) throw new FormatError('too-large', 'an entry has at most 65,535 bytes');
    bundle[position] = entry.length >> 8;
    bundle[position + 1] = entry.length & 0xff;
    bundle.set(entry, position + 2);
    position += 2 + entry.length;
  }
  return bundle;
}

/**
 * Views into `bundle`, one for each entry.
 * @param maximumEntries more are refused, before they cost memory
 * @throws {FormatError} malformed-entry-bundle: it ends within an entry | too-large
 */
export function parseEntryBundle(bundle: Uint8Array, maximumEntries: number): Uint8Array[] {
  const entries: Uint8Array[] = [];
  let position = 0;
  while (position < bundle.length) {
    if (entries.length === maximumEntries) throw new FormatError('too-large', `more than ${maximumEntries} entries`);
    const low = bundle[position + 1];
    if (low === undefined) throw new FormatError('malformed-entry-bundle', 'it ends within a length');
    const end = position + 2 + (((bundle[position] as number) << 8) | low);
    if (end > bundle.length) throw new FormatError('malformed-entry-bundle', 'it ends within an entry');
    entries.push(bundle.subarray(position + 2, end));
    position = end;
  }
  return entries;
}
