import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { open, unlink } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ServerResponse } from 'node:http';

const CHUNK_BYTES = 256 * 1024;

/** Bytes that wait in a file until their reader takes them. */
export interface Spooled {
  /** Sends them and gives the file back. */
  sendTo(response: ServerResponse): Promise<void>;
}

/**
 * Puts bytes into a temporary file, so that slow readers of large answers hold disk and no memory. The file is encrypted under a key that only this call
 * knows, and has no name any more when the first byte is sent: a crash leaves nothing that could be found or read.
 */
export async function spool(bytes: Uint8Array): Promise<Spooled> {
  const key = randomBytes(32);
  const nonce = randomBytes(16);
  const length = bytes.byteLength;
  const file = await openUnnamed();
  try {
    const cipher = createCipheriv('aes-256-ctr', key, nonce);
    for (let at = 0; at < length; at += CHUNK_BYTES) {
      await file.write(cipher.update(bytes.subarray(at, at + CHUNK_BYTES)));
    }
  } catch (error) {
    await file.close();
    throw error;
  }
  return spooled(file, length, createDecipheriv('aes-256-ctr', key, nonce));
}

/** Outside of `spool`, so that nothing here keeps its bytes alive. */
function spooled(file: FileHandle, length: number, decipher: ReturnType<typeof createDecipheriv>): Spooled {
  return {
    async sendTo(response) {
      try {
        await sendFile(response, file, length, decipher);
      } finally {
        await file.close();
      }
    },
  };
}

async function openUnnamed(): Promise<FileHandle> {
  const path = join(tmpdir(), `concordat-spool-${randomBytes(12).toString('hex')}`);
  const file = await open(path, 'wx+', 0o600);
  await unlink(path);
  return file;
}

async function sendFile(
  response: ServerResponse,
  file: FileHandle,
  length: number,
  decipher: ReturnType<typeof createDecipheriv>,
): Promise<void> {
  const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
  for (let at = 0; at < length;) {
    const { bytesRead } = await file.read(chunk, 0, CHUNK_BYTES, at);
    if (bytesRead === 0 || response.destroyed) break;
    at += bytesRead;
    if (!response.write(decipher.update(chunk.subarray(0, bytesRead)))) await drained(response);
  }
  response.end();
}

/** Resolves when the reader has taken what was written, or has gone. */
export function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      response.off('drain', done);
      response.off('close', done);
      resolve();
    };
    response.once('drain', done);
    response.once('close', done);
    if (response.destroyed) done();
  });
}
