/**
 * 16 random bytes for an event's id. Those whose base64url text would begin with `-` are drawn again: a spreadsheet takes such a cell for a formula, and a
 * command line takes it for an option.
 */
export function newEventId(random: (length: number) => Uint8Array): Uint8Array {
  for (;;) {
    const bytes = random(16);
    // The first six bits are the first character; 62 is `-`.
    if ((bytes[0] ?? 0) >> 2 !== 62) return bytes;
  }
}
