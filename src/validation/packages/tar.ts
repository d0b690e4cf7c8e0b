/** Reader of tar archives as FHIR packages come in: ustar, GNU long names, PAX headers (POSIX.1-2001); whatever is not a regular file is left out. */
import { PackageError } from './package-error.ts';

export interface TarFile {
  readonly name: string;
  readonly bytes: Uint8Array;
}

const blockBytes = 512;
const utf8 = new TextDecoder('utf-8');

/**
 * Regular files in archive order. The archive is untrusted: names are only names here, nothing is written to disk.
 * @throws {PackageError} unreadable: a file reaches beyond the archive's end, or a header's checksum is wrong
 */
export function* readTar(archive: Uint8Array): Generator<TarFile> {
  let offset = 0;
  let paxName: string | undefined;
  let longName: string | undefined;
  while (offset + blockBytes <= archive.length) {
    const header = archive.subarray(offset, offset + blockBytes);
    offset += blockBytes;
    if (header[0] === 0) {
      if (header.every((byte) => byte === 0)) continue;
      throw new PackageError('unreadable', 'archive has a header without a name');
    }
    assertChecksum(header);
    const size = readNumber(header.subarray(124, 136));
    if (size > archive.length - offset) throw new PackageError('unreadable', 'archive is cut short');
    const bytes = archive.subarray(offset, offset + size);
    offset += Math.ceil(size / blockBytes) * blockBytes;
    const kind = String.fromCharCode(header[156] ?? 0);
    if (kind === 'x') paxName = paxPath(bytes);
    else if (kind === 'L') longName = readText(bytes);
    else {
      if (kind === '0' || kind === '\0' || kind === '7')
        yield { name: paxName ?? longName ?? headerName(header), bytes };
      paxName = longName = undefined;
    }
  }
}

function headerName(header: Uint8Array): string {
  const name = readText(header.subarray(0, 100));
  const prefix = readText(header.subarray(257, 263)) === 'ustar' ? readText(header.subarray(345, 500)) : '';
  return prefix === '' ? name : `${prefix}/${name}`;
}

function readText(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return utf8.decode(end < 0 ? bytes : bytes.subarray(0, end)).trimEnd();
}

/** Octal text, or GNU's big-endian number with the top bit set. */
function readNumber(bytes: Uint8Array): number {
  const first = bytes[0] ?? 0;
  if ((first & 0x80) === 0) {
    const text = readText(bytes).trim();
    if (!/^[0-7]*$/.test(text))
      throw new PackageError('unreadable', 'archive has a header with a size that is no number');
    return text === '' ? 0 : Number.parseInt(text, 8);
  }
  let value = first & 0x7f;
  for (const byte of bytes.subarray(1)) value = value * 256 + byte;
  if (!Number.isSafeInteger(value)) throw new PackageError('unreadable', 'archive has a file of impossible size');
  return value;
}

function assertChecksum(header: Uint8Array): void {
  const stated = readNumber(header.subarray(148, 156));
  let sum = 0;
  for (let index = 0; index < blockBytes; index++) sum += index >= 148 && index < 156 ? 0x20 : (header[index] ?? 0);
  if (sum !== stated) throw new PackageError('unreadable', 'archive has a header with a wrong checksum');
}

/** The `path` record of a PAX header: `LENGTH key=value\n`, the length counting itself. */
function paxPath(bytes: Uint8Array): string | undefined {
  let offset = 0;
  let path: string | undefined;
  while (offset < bytes.length) {
    const space = bytes.indexOf(0x20, offset);
    if (space < 0) return path;
    const length = Number(utf8.decode(bytes.subarray(offset, space)));
    if (!Number.isSafeInteger(length) || length <= space - offset) return path;
    const record = utf8.decode(bytes.subarray(space + 1, offset + length - 1));
    if (record.startsWith('path=')) path = record.slice('path='.length);
    offset += length;
  }
  return path;
}
