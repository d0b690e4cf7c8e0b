import { closeSync, fsync, fsyncSync, ftruncateSync, mkdirSync, openSync, readFileSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { crc32 } from 'node:zlib';
import { AppError } from '../../errors.ts';

export class JournalError extends AppError<'corrupt' | 'write-failed'> {}

/**
 * An append-only file of blocks, each `#<bytes> <crc32>\n<payload>\n`. `append` has written the block when it returns (a killed process loses nothing);
 * `flush` resolves once the disk has it (a power cut loses nothing). A block that a crash left half written is cut off when the file is opened again.
 */
export class Journal {
  readonly #fd: number;
  #size: number;
  #syncing: Promise<void> | undefined;
  #nextSync: Promise<void> | undefined;
  #broken = false;

  private constructor(fd: number, size: number) {
    this.#fd = fd;
    this.#size = size;
  }

  /**
   * Opens or makes the file and hands every whole block to `onBlock`, in order.
   * @throws {JournalError} corrupt: a bad block has whole ones after it, so it is no torn tail
   */
  static open(file: string, onBlock: (payload: string) => void): Journal {
    mkdirSync(dirname(file), { recursive: true });
    const fd = openSync(file, 'a+', 0o600);
    const bytes = readFileSync(file);
    const end = readBlocks(bytes, onBlock);
    if (end < bytes.length) {
      if (
        bytes.indexOf('\n#', end + 1) >= 0 &&
        readBlocks(bytes.subarray(bytes.indexOf('\n#', end + 1) + 1), () => undefined) > 0
      ) {
        closeSync(fd);
        throw new JournalError('corrupt', `the journal has a damaged block at byte ${end}`);
      }
      ftruncateSync(fd, end);
      fsyncSync(fd);
    }
    return new Journal(fd, end);
  }

  /** Writes one block. @throws {JournalError} write-failed: nothing of the block stays in the file */
  append(payload: string): void {
    if (this.#broken) throw new JournalError('write-failed', 'the journal could not be written earlier');
    const body = Buffer.from(payload, 'utf8');
    const block = Buffer.concat([
      Buffer.from(`#${body.length} ${crc32(body).toString(16)}\n`),
      body,
      Buffer.from('\n'),
    ]);
    try {
      let written = 0;
      while (written < block.length) written += writeSync(this.#fd, block, written);
      this.#size += block.length;
    } catch (cause) {
      ftruncateSync(this.#fd, this.#size);
      throw new JournalError('write-failed', 'the journal cannot be written', { cause });
    }
  }

  /** Resolves when everything appended so far is on the disk. Callers that come while a sync runs share the next one. */
  flush(): Promise<void> {
    if (this.#syncing === undefined) return (this.#syncing = this.#sync());
    this.#nextSync ??= this.#syncing
      .catch(() => undefined)
      .then(() => {
        this.#nextSync = undefined;
        return (this.#syncing = this.#sync());
      });
    return this.#nextSync;
  }

  async close(): Promise<void> {
    await this.flush();
    closeSync(this.#fd);
  }

  async #sync(): Promise<void> {
    try {
      await new Promise<void>((resolve, reject) => fsync(this.#fd, (error) => (error ? reject(error) : resolve())));
    } catch (cause) {
      // After a failed sync the kernel may have dropped the pages, so a later success would prove nothing.
      this.#broken = true;
      throw new JournalError('write-failed', 'the journal cannot be synced', { cause });
    } finally {
      this.#syncing = undefined;
    }
  }
}

/** Returns where the first byte stands that belongs to no whole block. */
function readBlocks(bytes: Buffer, onBlock: (payload: string) => void): number {
  let at = 0;
  while (at < bytes.length) {
    const headerEnd = bytes.indexOf(0x0a, at);
    const header = headerEnd < 0 ? null : /^#(\d{1,12}) ([0-9a-f]{1,8})$/.exec(bytes.toString('latin1', at, headerEnd));
    if (header === null) return at;
    const start = headerEnd + 1;
    const end = start + Number(header[1]);
    if (end >= bytes.length || bytes[end] !== 0x0a) return at;
    const payload = bytes.subarray(start, end);
    if (crc32(payload).toString(16) !== header[2]) return at;
    onBlock(payload.toString('utf8'));
    at = end + 1;
  }
  return at;
}
