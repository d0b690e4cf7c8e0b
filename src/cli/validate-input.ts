/** What `validate` reads: files, folders, NDJSON, gzip and standard input, one resource's text at a time. */
import { createReadStream, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { createGunzip, gunzipSync } from 'node:zlib';

export interface ResourceInput {
  /** As given on the command line, or below a folder given there; null for standard input. */
  readonly file: string | null;
  /** 1-based line of an NDJSON input; null where the whole file is one resource. */
  readonly line: number | null;
  /** Undefined when the line is longer than `maximumLineBytes`. */
  readonly text: string | undefined;
}

/** A file that cannot be read as a whole; what came before it stands. */
export class InputError extends Error {
  readonly file: string;

  constructor(file: string, cause: unknown) {
    super(`${file} cannot be read: ${cause instanceof Error ? cause.message : 'unknown cause'}`, { cause });
    this.file = file;
  }
}

/** A resource of this size is no resource any more; a longer line is one finding and its rest is skipped. */
export const maximumLineBytes = 64 * 1024 * 1024;

const ndjsonName = /\.(ndjson|jsonl)(\.gz)?$/i;
const jsonName = /\.json(\.gz)?$/i;

export function isNdjsonName(file: string): boolean {
  return ndjsonName.test(file);
}

/**
 * Files behind the names: a folder stands for every JSON and NDJSON file below it, in order of name.
 * @throws {InputError} a name that does not exist
 */
export function expandNames(names: readonly string[]): string[] {
  return names.flatMap((name) => {
    try {
      if (!statSync(name).isDirectory()) return [name];
      return readdirSync(name, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile() && (ndjsonName.test(entry.name) || jsonName.test(entry.name)))
        .map((entry) => join(entry.parentPath, entry.name))
        .sort();
    } catch (cause) {
      throw new InputError(name, cause);
    }
  });
}

/** @throws {InputError} missing, unreadable, or gzip cut short */
export async function* readInput(file: string, asNdjson: boolean): AsyncGenerator<ResourceInput> {
  try {
    if (asNdjson) {
      const stream = createReadStream(file);
      yield* readLines(file.endsWith('.gz') ? pipeGunzip(stream) : stream, file);
    } else {
      const bytes = readFileSync(file);
      yield {
        file,
        line: null,
        text: new TextDecoder('utf-8').decode(file.endsWith('.gz') ? gunzipSync(bytes) : bytes),
      };
    }
  } catch (cause) {
    throw cause instanceof InputError ? cause : new InputError(file, cause);
  }
}

/** Errors of the source must reach the reader: `pipe` alone would leave it waiting. */
function pipeGunzip(source: Readable): Readable {
  const gunzip = createGunzip();
  source.on('error', (error) => gunzip.destroy(error));
  return source.pipe(gunzip);
}

/**
 * Lines end in LF or CRLF; a byte order mark before the first is dropped, and the end of the last line is no line of its own.
 * @throws {InputError}
 */
export async function* readLines(stream: Readable, file: string | null): AsyncGenerator<ResourceInput> {
  const splitter = new LineSplitter();
  let line = 0;
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>)
      for (const text of splitter.push(chunk))
        yield { file, line: ++line, text: line === 1 ? withoutMark(text) : text };
  } catch (cause) {
    throw new InputError(file ?? 'standard input', cause);
  }
  for (const text of splitter.end())
    if (line > 0 || text !== '\uFEFF') yield { file, line: ++line, text: line === 1 ? withoutMark(text) : text };
}

function withoutMark(text: string | undefined): string | undefined {
  return text?.startsWith('\uFEFF') === true ? text.slice(1) : text;
}

class LineSplitter {
  private parts: Buffer[] = [];
  private bytes = 0;
  private tooLong = false;

  *push(chunk: Buffer): Generator<string | undefined> {
    let start = 0;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, start)) {
      this.keep(chunk.subarray(start, end));
      yield this.take();
      start = end + 1;
    }
    if (start < chunk.length) this.keep(chunk.subarray(start));
  }

  *end(): Generator<string | undefined> {
    if (this.bytes > 0) yield this.take();
  }

  private keep(part: Buffer): void {
    this.bytes += part.length;
    if (this.bytes > maximumLineBytes) {
      this.tooLong = true;
      this.parts = [];
    } else if (part.length > 0) this.parts.push(part);
  }

  private take(): string | undefined {
    const whole = this.tooLong ? undefined : Buffer.concat(this.parts).toString('utf8');
    this.parts = [];
    this.bytes = 0;
    this.tooLong = false;
    return whole?.endsWith('\r') === true ? whole.slice(0, -1) : whole;
  }
}
