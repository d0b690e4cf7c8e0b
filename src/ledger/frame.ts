import { FormatError } from './format-error.ts';

/**
 * One record of the topic: `type || u32 BE headerLength || header || body`. The type byte only tells readers what to expect: what a record
 * is, is said by the first line of its header, which the leaf covers.
 */
export const FRAME_TYPES = { batch: 0x01, cut: 0x02, governance: 0x03, genesis: 0x04 } as const;

export type FrameKind = keyof typeof FRAME_TYPES;

export interface Frame {
  readonly kind: FrameKind;
  readonly header: Uint8Array;
  /** Empty where there is none. */
  readonly body: Uint8Array;
}

export const MAXIMUM_HEADER_BYTES = 8192;
const PREFIX_LENGTH = 5;

/** @throws {FormatError} too-large: the header is empty or above 8192 bytes */
export function encodeFrame({ kind, header, body }: Frame): Uint8Array {
  if (header.length === 0 || header.length > MAXIMUM_HEADER_BYTES) {
    throw new FormatError('too-large', 'a header has 1 to 8192 bytes');
  }
  const record = new Uint8Array(PREFIX_LENGTH + header.length + body.length);
  record[0] = FRAME_TYPES[kind];
  new DataView(record.buffer).setUint32(1, header.length);
  record.set(header, PREFIX_LENGTH);
  record.set(body, PREFIX_LENGTH + header.length);
  return record;
}

/** Views into the record, or undefined where its framing is malformed. Total: never throws. */
export function parseFrame(record: Uint8Array): Frame | undefined {
  if (record.length <= PREFIX_LENGTH) return undefined;
  const kind = kindOf(record[0]);
  const headerLength = new DataView(record.buffer, record.byteOffset, record.length).getUint32(1);
  const bodyStart = PREFIX_LENGTH + headerLength;
  if (kind === undefined || headerLength === 0 || headerLength > MAXIMUM_HEADER_BYTES || bodyStart > record.length)
    return undefined;
  return { kind, header: record.subarray(PREFIX_LENGTH, bodyStart), body: record.subarray(bodyStart) };
}

function kindOf(type: number | undefined): FrameKind | undefined {
  switch (type) {
    case FRAME_TYPES.batch:
      return 'batch';
    case FRAME_TYPES.cut:
      return 'cut';
    case FRAME_TYPES.governance:
      return 'governance';
    case FRAME_TYPES.genesis:
      return 'genesis';
    default:
      return undefined;
  }
}
