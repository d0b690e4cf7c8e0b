/** Each way in which one byte of a file may go wrong: flipped, dropped, doubled, the file cut before it, swapped with the next. */
export function* mutations(bytes: Uint8Array, i: number): Generator<Uint8Array> {
  const flipped = bytes.slice();
  flipped[i] = (flipped[i] as number) ^ 1;
  yield flipped;
  yield Uint8Array.of(...bytes.subarray(0, i), ...bytes.subarray(i + 1));
  yield Uint8Array.of(...bytes.subarray(0, i + 1), ...bytes.subarray(i));
  yield bytes.slice(0, i);
  if (bytes[i] !== bytes[i + 1] && i + 1 < bytes.length) {
    const swapped = bytes.slice();
    [swapped[i], swapped[i + 1]] = [bytes[i + 1] as number, bytes[i] as number];
    yield swapped;
  }
}
